"""Filters, by which the user says which component of a type is wanted: rules without I/O."""

from __future__ import annotations

from collections.abc import Sequence

from dci_downloader.errors import SettingsError
from dci_downloader.options import Filter


def parse_filter(text: str) -> Filter:
    """Read a filter from the command line: ``type``, ``type:tag`` or ``type:name=NAME``.

    A tag may hold colons; an empty tag is ignored.

    Raises:
        SettingsError: it is none of these.
    """
    type_, _, tag = text.partition(":")
    key, equals, name = tag.partition("=")
    by_name = key == "name" and bool(equals)
    if not type_.strip() or (by_name and not name.strip()):
        raise SettingsError(
            f"filter {text!r} cannot be used", hint="a filter is TYPE, TYPE:TAG or TYPE:name=NAME, e.g. compose:nightly"
        )
    if by_name:
        return Filter(type_, name=name)
    return Filter(type_, tags=(tag,) if tag.strip() else ())


def merge_filters(filters: Sequence[Filter]) -> list[Filter]:
    """One filter for each type, whose case is ignored: the tags of all of them must be on the component.

    Raises:
        SettingsError: two ask for different names.
    """
    merged: dict[str, Filter] = {}
    for new in filters:
        old = merged.get(new.type.lower(), new)
        if old.name and new.name and old.name != new.name:
            raise SettingsError(
                f"two filters want different components of type {new.type}: {old.name} and {new.name}",
                hint="mirror them into two folders, in two runs",
            )
        tags = tuple(dict.fromkeys((*old.tags, *new.tags)))
        merged[new.type.lower()] = Filter(old.type, tags, old.name or new.name)
    return list(merged.values())
