"""A JSON object that cannot change: what a server says without anybody here having a say in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any


class FrozenMapping(Mapping[str, Any]):
    """A JSON object that cannot change, nor can what is in it: objects are mappings of this kind, lists are tuples."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, Any] = MappingProxyType({})) -> None:
        self._items = {name: _frozen(value) for name, value in items.items()}

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


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return FrozenMapping(value)
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _thawed(value: Any) -> Any:
    if isinstance(value, FrozenMapping):
        return value.to_json()
    return list(map(_thawed, value)) if isinstance(value, tuple) else value
