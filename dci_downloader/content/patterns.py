"""Patterns that name topics: rules without I/O."""

from __future__ import annotations


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern means a topic: its name, or with a trailing ``*`` how its name begins; case is ignored."""
    pattern, name = pattern.lower(), name.lower()
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
