"""Whether a mirror that holds only a part of a component has what a selection asks for: rules without I/O.

* What is asked for by name has to be there: a variant, an architecture, debug packages, sources, images, everything, a
  package filter, a glob. It is an error, which names what is missing, if that mirror left it out.
* Where nothing is named, all that the mirror has is meant: without ``--variant``, all its variants. A variant that is
  named is meant whole: packages and paths that the mirror left out of it are missing.
* A package filter is there if it holds, as text, one of those that were applied there; a glob if it was applied there,
  or matches something.
* The record of that mirror says what it selected, as JSON. Where that cannot be read, nothing counts as left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Optional

from dci_downloader.content.selection import COMPOSE_TYPES, Selection, Variant, glob_matcher
from dci_downloader.errors import NotFoundError
from dci_downloader.models import Manifest

_CONTENTS = {"debug": "debug packages", "src": "sources", "iso": "ISO images"}
_LISTS = ("archs", "packages", "include", "exclude")


def select(selection: Selection, offered: Manifest) -> Manifest:
    """The part of an offer that is wanted; where the offer is a part itself, a warning says so.

    Raises:
        NotFoundError: something that is asked for is not there.
    """
    held = None if offered.selection is None else selection_of(offered.selection)
    if held is None:
        return selection.apply(offered)
    lacking = list(_lacking(held, selection.effective(offered.component_type), offered))
    if lacking:
        raise NotFoundError(
            f"the other mirror has only a part of it, without {', '.join(lacking)}",
            hint="ask for less, or have that mirror take more of it",
        )
    limits = ", ".join(_limits(held, selection))
    wanted = selection.apply(offered)
    note = (f"the other mirror has only a part of it: {limits}",) if limits else ()
    return replace(wanted, warnings=(*wanted.warnings, *note))


def selection_of(value: Any) -> Optional[Selection]:
    """The selection that a record holds (``Selection.to_json``); None where this release does not know its form."""
    if not isinstance(value, dict):
        return None
    try:
        lists: dict[str, Any] = {name: tuple(map(_text, value[name])) for name in _LISTS}
        flags: dict[str, Any] = {name: bool(value[name]) for name in (*_CONTENTS, "all")}
        variants = tuple(
            Variant(
                _text(each["name"]), *(each[name] if each[name] is None else bool(each[name]) for name in _CONTENTS)
            )
            for each in value["variants"]
        )
    except (KeyError, TypeError, ValueError):
        return None
    return Selection(**lists, **flags, variants=variants)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("no text")
    return value


def _lacking(held: Selection, wanted: Selection, offered: Manifest) -> Iterator[str]:
    """The parts of a selection that the mirror left out, for people."""
    if offered.component_type in COMPOSE_TYPES and not held.all:
        yield from _lacking_of_compose(held, wanted)
    if offered.component_type in COMPOSE_TYPES and (wanted.variants or wanted.all):
        yield from _lacking_of_named(held, wanted)
    for glob in wanted.include if held.include or held.exclude else ():
        if glob not in held.include and not any(map(glob_matcher((glob,)), (entry.path for entry in offered.files))):
            yield f"--include {glob}"


def _lacking_of_named(held: Selection, wanted: Selection) -> Iterator[str]:
    """What the mirror left out of variants that are named, and so meant whole."""
    if held.packages and not held.all and not wanted.packages:
        yield f"packages other than {_listed(held.packages)}"
    if held.include and not wanted.include:
        yield f"paths other than {_listed(held.include)}"
    excluded = [glob for glob in held.exclude if glob not in wanted.exclude]
    if excluded:
        yield f"what matches {_listed(excluded)}"


def _lacking_of_compose(held: Selection, wanted: Selection) -> Iterator[str]:
    if wanted.all:
        yield "all the rest of it (--all)"
        return
    named = held.named()
    if named:
        yield from (f"variant {name}" for name in wanted.named() if name not in named)
    if held.archs:
        yield from (f"architecture {arch}" for arch in wanted.archs if arch not in held.archs)
    variants = [name for name in ([*wanted.named()] or [*named] or [""]) if name in named or not named]
    for content, name in _CONTENTS.items():
        without = [each for each in variants if wanted.wants(each, content) and not held.wants(each, content)]
        if without:
            yield f"{name} of {', '.join(without)}" if all(without) else name
    if held.packages:
        yield from (f"packages {text}" for text in wanted.packages if not any(each in text for each in held.packages))


def _limits(held: Selection, wanted: Selection) -> Iterator[str]:
    """The limits of the mirror's own selection that the wanted one does not have, for people."""
    if not held.all:
        if held.variants and not wanted.variants:
            yield f"variants {_listed(held.named())}"
        if held.archs and not wanted.archs:
            yield f"architectures {_listed(held.archs)}"
        if held.packages and not wanted.packages:
            yield f"packages {_listed(held.packages)}"
    if held.include and not wanted.include:
        yield f"paths {_listed(held.include)}"
    if set(held.exclude) - set(wanted.exclude):
        yield f"without {_listed(held.exclude)}"


def _listed(names: Iterable[str]) -> str:
    """Names for a message, which stays short, whatever the other mirror says."""
    names = [name if len(name) <= 80 else f"{name[:79]}…" for name in names]
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
