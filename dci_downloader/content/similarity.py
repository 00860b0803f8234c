"""Which name was probably meant: rules without I/O. Case is ignored, and ``-``, ``_`` and space count as equal."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Optional

_OTHER_NAMES = {
    "amd64": "x86_64",
    "x86-64": "x86_64",
    "x64": "x86_64",
    "arm64": "aarch64",
    "arm": "aarch64",
    "ppc64el": "ppc64le",
}
"""What others call the architectures."""


def similar_name(given: str, known: Iterable[str], cutoff: float = 0.6) -> Optional[str]:
    """The known name that another resembles most; None where none does."""
    by_plain = {_plain(name): name for name in known}
    meant = _OTHER_NAMES.get(given.lower(), "")
    if meant in by_plain.values():
        return meant
    for name in difflib.get_close_matches(_plain(given), by_plain, n=1, cutoff=cutoff):
        return by_plain[name]
    beginning = [name for plain, name in by_plain.items() if plain.startswith(_plain(given)) and given]
    return beginning[0] if len(beginning) == 1 else None


def similar_names(given: Iterable[str], known: Iterable[str]) -> str:
    """The known names that others resemble, each once, for a message; empty where none does."""
    names = list(known)
    return ", ".join(dict.fromkeys(filter(None, (similar_name(name, names) for name in given))))


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(" ", "-")
