"""A ``repr`` for dataclasses: the call that makes the value, kept short however much the value holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from typing import Any

_LONGEST = 240  # characters, beyond which the rest of the attributes is left out
_LONGEST_TEXT = 80
_MOST_ITEMS = 3


def short_repr(value: Any) -> str:
    """The ``repr`` of a dataclass, without what has its default value or is not to be shown.

    For use in the body of the class: ``__repr__ = short_repr``.
    """
    return _call(value, _LONGEST)


def _call(value: Any, longest: int) -> str:
    text, shown = f"{type(value).__name__}(", ""
    for argument in _arguments(value, longest // 2):
        if len(text) + len(argument) > longest:
            return f"{text}{shown}...)"
        text, shown = f"{text}{shown}{argument}", ", "
    return f"{text})"


def _arguments(value: Any, longest: int) -> Iterator[str]:
    for field in fields(value):
        own = getattr(value, field.name)
        if field.repr and own != _default(field):
            yield f"{field.name}={_short(own, longest)}"


def _default(field: Field[Any]) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return field.default


def _short(value: Any, longest: int) -> str:
    """A value of an attribute in at most about ``longest`` characters."""
    if is_dataclass(value):
        return _call(value, longest)
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        return f"{value[:_LONGEST_TEXT]!r}..."
    if type(value) in (tuple, list) and value:
        items = [_short(item, longest // 2) for item in value[:_MOST_ITEMS]]
        more = [f"... {len(value) - _MOST_ITEMS:,} more"] if len(value) > _MOST_ITEMS else []
        if sum(map(len, items)) > longest:
            return f"<{len(value):,} of {type(value[0]).__name__}>"
        text = ", ".join([*items, *more])
        return f"[{text}]" if isinstance(value, list) else f"({text}{',' * (len(value) == 1)})"
    return repr(value)
