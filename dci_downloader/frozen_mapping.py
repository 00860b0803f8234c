"""A JSON object that cannot change, for the parts of a server's answer that this program only passes on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

DEEPEST = 64
"""Objects and lists within each other, beyond which whatever walks through them might run out of stack."""


class FrozenMapping(Mapping[str, Any]):
    """A JSON object that cannot change, nor can what is in it: objects are mappings of this kind, lists are tuples.

    Numbers that JSON does not have, infinities among them, are None.

    Args:
        items: of the object.
        depth: how many objects and lists it is in.

    Raises:
        ValueError: it is nested deeper than ``DEEPEST``.
    """

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, Any] = MappingProxyType({}), depth: int = 0) -> None:
        self._items = {name: _frozen(value, depth + 1) for name, value in items.items()}

    def __getitem__(self, name: str) -> Any:
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return repr(self._items)

    def to_json(self) -> dict[str, Any]:
        """The same as dictionaries and lists."""
        return {name: _thawed(value) for name, value in self._items.items()}


def _frozen(value: Any, depth: int) -> Any:
    if depth > DEEPEST:
        raise ValueError("nested too deep")
    if isinstance(value, dict):
        return FrozenMapping(value, depth)
    if isinstance(value, list):
        return tuple(_frozen(item, depth + 1) for item in value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _thawed(value: Any) -> Any:
    if isinstance(value, FrozenMapping):
        return value.to_json()
    return list(map(_thawed, value)) if isinstance(value, tuple) else value
