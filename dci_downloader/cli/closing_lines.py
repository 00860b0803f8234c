"""The text at the end of a run: a line for each component, its details below, and what to do about failures.

    ✓ compose RHEL-9.2.0-20221121.2   13 new files, 472 kB in 0.7 s; 91 kept   → /srv/dci/RHEL-9.2/compose
    ✓ hwcert  hwcert-1                nothing new

Numbers that are zero are left out. Failures of one reason are one line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple, Optional

from dci_downloader import formatting
from dci_downloader.cli.failure_lines import failure_lines
from dci_downloader.cli.package_lines import summary
from dci_downloader.cli.style import DONE, FAILED, OTHER, WARNING
from dci_downloader.errors import CancelledError, TransferError
from dci_downloader.results import (
    NOT_TRIED,
    OBJECT_STORE,
    ComponentReport,
    ContainerImage,
    ContainerImageOutcome,
    Outcome,
    Report,
    SourceTotals,
)

_MARKS = {Outcome.PUBLISHED: DONE, Outcome.UNCHANGED: DONE, Outcome.FAILED: FAILED}
_INDENT = "    "
_GOES_ON = (TransferError.exit_code, CancelledError.exit_code)
_LEAST_SECONDS, _RATE_SECONDS = 0.05, 1.0  # below, a duration and a rate say nothing


class _Row(NamedTuple):
    """One component, or a topic that failed as a whole.

    Attributes:
        head: mark, names; aligned with those of the other rows.
        text: its outcome in a few words.
        path: where it is published; empty where it is not shown.
        below: further lines.
    """

    head: tuple[str, ...]
    text: str
    path: str
    below: tuple[str, ...]


def closing_lines(
    reports: Sequence[Report], *, verbose: bool = False, with_topic: bool = False, width: Optional[int] = None
) -> list[str]:
    """The reports as text.

    Args:
        reports: one for each topic.
        verbose: name the first files that failed.
        with_topic: name the topic of each component.
        width: columns of the terminal; what does not fit in goes into lines below. None for any width.
    """
    rows = [row for report in reports for row in _rows(report, verbose, with_topic=with_topic)]
    lines = list(_aligned(rows, width))
    if any(failure.exit_code in _GOES_ON for report in reports for failure in report.failures):
        lines.append("  hint: run the same command again: it goes on from there")
    return lines


def _aligned(rows: Sequence[_Row], width: Optional[int]) -> Iterator[str]:
    widths = [max(map(formatting.columns, names)) for names in zip_longest(*(row.head for row in rows), fillvalue="")]
    heads = [" ".join(map(_padded, row.head, widths)).rstrip() for row in rows]
    head_width = max(map(formatting.columns, heads), default=0)
    text_width = max((formatting.columns(row.text) for row in rows if row.path), default=0)
    for head, row in zip(heads, rows):
        head = _padded(head, head_width)
        line = f"{head}   {row.text}" if row.text else head.rstrip()
        whole = f"{head}   {_padded(row.text, text_width)}   → {row.path}" if row.path else line
        if width is None or formatting.columns(whole) <= width:
            yield whole
        else:
            yield from _folded(head.rstrip(), row.text, line, width)
            yield from (f"{_INDENT}→ {path}" for path in (row.path,) if path)
        yield from (line for below in row.below for line in formatting.wrapped(f"{_INDENT}{below}", width))


def _folded(head: str, text: str, line: str, width: int) -> Iterator[str]:
    """The line, or where it does not fit its parts below each other: as few as fit."""
    if formatting.columns(line) <= width or not text:
        yield line
        return
    first, _, rest = text.partition("; ")
    beside = line[: len(line) - len(text)] + first
    yield from (beside,) if formatting.columns(beside) <= width else (head, *formatting.wrapped(_INDENT + first, width))
    yield from (line for part in (rest,) if part for line in formatting.wrapped(_INDENT + part, width))


def _padded(text: str, width: int) -> str:
    return text + " " * (width - formatting.columns(text))


def _rows(report: Report, verbose: bool, *, with_topic: bool) -> Iterator[_Row]:
    if report.failure is not None:
        below = tuple(map(_one_line, failure_lines([report.failure], verbose=verbose)))
        yield _Row((FAILED, _one_line(report.topic)), "", "", below)
    topic = (report.topic,) if with_topic else ()
    for component in report.components:
        names = map(_one_line, (*topic, component.type, component.name))
        path = _one_line(component.path) if component.outcome in (Outcome.PUBLISHED, Outcome.UNCHANGED) else ""
        row = _Row((_mark(component), *names), _one_line(_text(component)), path, ())
        yield row._replace(below=tuple(map(_one_line, _below(component, verbose))))


def _mark(component: ComponentReport) -> str:
    if component.failures and component.outcome is not Outcome.FAILED:  # it is published, but then something failed
        return WARNING
    return _MARKS.get(component.outcome, OTHER)


def _one_line(text: str) -> str:
    return formatting.printable_line(text)


def _text(component: ComponentReport) -> str:
    """The outcome of a component, in a few words."""
    if component.outcome is Outcome.UNCHANGED or _is_planned_again(component):
        return "nothing new"
    if component.outcome is Outcome.SKIPPED:
        return "; ".join(component.notes) or "skipped"
    if component.outcome is Outcome.FAILED:
        return _of_failed(component)
    is_plan = component.outcome in (Outcome.PLANNED, Outcome.HELD)
    parts = [_fetched(component, is_plan)]
    if component.outcome is Outcome.PUBLISHED and not component.path:
        parts.insert(0, "here for other mirrors")
    if component.outcome is Outcome.HELD:
        parts.insert(0, f"held at {component.changes.since or 'nothing'}")
    if component.files_assembled:
        parts.append(_assembled(component, is_plan))
    if component.bytes_resumed:
        parts.append(f"{formatting.size(component.bytes_resumed)} taken up from before")
    if component.files_reused:
        parts.append(f"{component.files_reused:,} kept")
    return "; ".join(filter(None, parts))


def _is_planned_again(component: ComponentReport) -> bool:
    """Whether a dry run found that what it would publish is published already."""
    nothing = not (component.files_downloaded or component.files_assembled or any(component.changes[1:4]))
    return component.outcome is Outcome.PLANNED and nothing and component.published == component.name != ""


def _fetched(component: ComponentReport, is_plan: bool) -> str:
    amount = f", {formatting.size(component.bytes_downloaded)}" if component.bytes_downloaded else ""
    if is_plan:
        files = formatting.count(component.files_downloaded, "file")
        return f"would fetch {files}{amount}" if component.files_downloaded or amount else "nothing to fetch"
    if not component.files_downloaded and not amount:
        return "nothing to fetch"
    files = formatting.count(component.files_downloaded, "new file")
    text = f"{files}{amount}"
    if component.seconds >= _LEAST_SECONDS:
        text += f" in {formatting.duration(component.seconds)}"
    if amount and component.seconds >= _RATE_SECONDS:
        text += f" ({formatting.rate(component.bytes_downloaded, component.seconds)})"
    return text


def _assembled(component: ComponentReport, is_plan: bool) -> str:
    """The text about images that were put together; of a plan, their bytes are an upper bound."""
    images, size = formatting.count(component.files_assembled, "image"), formatting.size(component.bytes_assembled)
    if is_plan:
        return f"put together {images} with up to {size} of files that are here by then"
    return f"{images} put together with {size} of files that were here"


def _of_failed(component: ComponentReport) -> str:
    """Why nothing is published."""
    files = sum(bool(failure.path) for failure in component.failures)
    reasons = {failure.reason for failure in component.failures}
    if CancelledError.exit_code in {failure.exit_code for failure in component.failures} and NOT_TRIED not in reasons:
        return "interrupted"
    if files:
        return f"not published: {files:,} of {formatting.count(component.files, 'file')} failed"
    return "not published"


def _below(component: ComponentReport, verbose: bool) -> Iterator[str]:
    """The lines below that of a component."""
    since, *numbers, packages = component.changes
    changed = [f"{number:,} {verb}" for number, verb in zip(numbers, ("added", "changed", "removed")) if number]
    if since and changed and component.outcome is not Outcome.FAILED:
        yield f"files: {', '.join(changed)} since {since}"
    if packages:
        yield f"packages: {summary(packages)}"
    if component.versions_removed:
        would = "would remove" if component.outcome is Outcome.PLANNED else "removed"
        freed = f" ({formatting.size(component.bytes_removed)})" if component.bytes_removed else ""
        yield f"{would} {', '.join(component.versions_removed)}{freed}"
    yield from _sources(component.received)
    yield from _images(component.images)
    if component.outcome is not Outcome.SKIPPED:
        yield from (f"{WARNING} {note}" for note in component.notes)
    if component.bytes_kept and component.size:
        yield f"{formatting.part(component.bytes_kept, component.size, ' of ').strip()} are here and stay"
    yield from failure_lines([one for one in component.failures if one.reason != "interrupted"], verbose=verbose)
    if component.outcome is Outcome.FAILED:
        yield _still(component)


def _still(component: ComponentReport) -> str:
    """What others read after a failure."""
    if not component.published:
        return "nothing is published yet"
    if not component.path:
        return f"{component.published} is still here for other mirrors"
    return f"{component.published} is still published: {component.path}"


def _sources(totals: Sequence[SourceTotals]) -> Iterator[str]:
    """How much was received from where, unless it was all from the object store."""
    given = [each for each in totals if each.files or each.bytes]
    if any(each.name != OBJECT_STORE for each in given):
        sources = (
            f"{each.name}: {formatting.count(each.files, 'file')}, {formatting.size(each.bytes)}" for each in given
        )
        yield "from " + "; ".join(sources)


def _images(images: Sequence[ContainerImage]) -> Iterator[str]:
    number = Counter(image.outcome for image in images)
    if images:
        yield "images: " + ", ".join(
            f"{number[outcome]:,} {outcome.value}" for outcome in ContainerImageOutcome if number[outcome]
        )
