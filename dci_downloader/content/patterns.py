"""Patterns that name topics: rules without I/O."""

from __future__ import annotations


def matches(pattern: str, name: str) -> bool:
    """Whether a name, or a pattern with a trailing ``*``, may mean the topic of that name."""
    pattern, name = pattern.lower(), name.lower()
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
