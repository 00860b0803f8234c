"""Failures as text: those of one reason are one line, with their number; then what to do about them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from dci_downloader import formatting
from dci_downloader.results import Failure

_REASONS_SHOWN = 10
_NAMES_SHOWN = 10

_PARTICULAR = re.compile(r"\b[0-9a-f]{64}\b|(?<!HTTP )(?<![\w.:])\d[\d,.]*\b")
"""What differs between failures of one kind: digests, and numbers that are no status of HTTP."""


def failure_lines(failures: Sequence[Failure], *, verbose: bool = False) -> Iterator[str]:
    """One line for each reason, and one for each hint.

    Args:
        failures: of one component, or of a topic as a whole.
        verbose: name the first files of each reason.
    """
    kinds: dict[tuple[str, str], list[Failure]] = {}
    for failure in failures:
        key = (_PARTICULAR.sub("…", _reason(failure)), "file" if failure.path else "")
        kinds.setdefault(key, []).append(failure)
    for (kind, _), alike in list(kinds.items())[:_REASONS_SHOWN]:
        yield from _kind_lines(kind, alike, verbose)
    if len(kinds) > _REASONS_SHOWN:
        left = sum(map(len, list(kinds.values())[_REASONS_SHOWN:]))
        yield f"… and {formatting.count(left, 'more failure')} for other reasons; --json lists all"
    yield from _hints(failures)


def _kind_lines(kind: str, alike: Sequence[Failure], verbose: bool) -> Iterator[str]:
    if len(alike) == 1:
        yield str(alike[0])
        return
    reasons = {_reason(failure) for failure in alike}
    yield f"{formatting.count(len(alike), 'file')}: {reasons.pop() if len(reasons) == 1 else kind}"
    if verbose:
        yield from (f"  {path}" for path in sorted(failure.path for failure in alike)[:_NAMES_SHOWN])
        if len(alike) > _NAMES_SHOWN:
            yield f"  … and {len(alike) - _NAMES_SHOWN:,} more; --json lists all"


def _reason(failure: Failure) -> str:
    """The reason without the path, with which some begin."""
    if failure.path and failure.reason.startswith(failure.path):
        return failure.reason[len(failure.path) :].lstrip(": ")
    return failure.reason


def _hints(failures: Iterable[Failure]) -> Iterator[str]:
    yield from (f"hint: {hint}" for hint in dict.fromkeys(failure.hint for failure in failures) if hint)
