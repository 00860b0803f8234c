"""Refuses one text where several values are expected: Python would take its letters for the values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dci_downloader.errors import SettingsError


def as_tuple(given: Any, name: str) -> tuple[Any, ...]:
    """The value of an argument that takes several values, as a tuple.

    Args:
        given: a list, a tuple, or anything else to go through.
        name: of the argument, for the message.

    Raises:
        SettingsError: it is one value: a text, or nothing to go through.
    """
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        hint = f"write {name}=[{given!r}]" if isinstance(given, str) and len(given) <= 80 else "write a list"
        raise SettingsError(f"{name} takes several values, not one {type(given).__name__}", hint=hint)
    return tuple(given)


def freeze(owner: object, *names: str) -> None:
    """Make tuples of attributes of a frozen dataclass, from its ``__post_init__``.

    Raises:
        SettingsError: one of them is no sequence of values.
    """
    for name in names:
        frozen = as_tuple(getattr(owner, name), name)
        object.__setattr__(owner, name, frozen)
