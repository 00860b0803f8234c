"""Reports as JSON, for programs, and as text, for people."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence

from dci_downloader import formatting
from dci_downloader.cli.package_lines import summary
from dci_downloader.report_document import topic_document
from dci_downloader.results import (
    OBJECT_STORE,
    ComponentReport,
    ContainerImage,
    ContainerImageOutcome,
    Failure,
    Outcome,
    Report,
    SourceTotals,
)

FAILURES_SHOWN = 10


def to_json(reports: Sequence[Report], seconds: float, exit_code: int) -> str:
    """One JSON object for the whole run. Its keys are documented in ``docs/report.md``; new ones may join them.

    Args:
        reports: one for each topic.
        seconds: of the whole run.
        exit_code: what the program exits with.
    """
    components = [component for report in reports for component in report.components]
    document = {
        "topics": [topic_document(report) for report in reports],
        "files_downloaded": sum(component.files_downloaded for component in components),
        "bytes_downloaded": sum(component.bytes_downloaded for component in components),
        "files_assembled": sum(component.files_assembled for component in components),
        "bytes_assembled": sum(component.bytes_assembled for component in components),
        "files_reused": sum(component.files_reused for component in components),
        "bytes_reused": sum(component.bytes_reused for component in components),
        "failed": sum(len(report.failures) for report in reports),
        "seconds": round(seconds, 3),
        "exit_code": exit_code,
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def to_lines(report: Report) -> Iterator[str]:
    """The report as text: a line for each component and each of the first failures, with what to do about them."""
    return map(formatting.printable_line, _lines(report))


def _lines(report: Report) -> Iterator[str]:
    if report.failure is not None:
        yield f"{report.topic}: FAILED"
        yield from _failures([report.failure])
    for component in report.components:
        names = filter(None, (report.topic, component.type, component.name))  # a type without a component has no name
        yield f"{' '.join(names)}: {_outcome(component)}"
        yield from _packages(component)
        yield from _sources(component.received)
        yield from _images(component.images)
        yield from (f"  note: {note}" for note in component.notes)
        yield from _failures(component.failures)


def _outcome(component: ComponentReport) -> str:
    if component.outcome is Outcome.UNCHANGED:
        return f"nothing new ({_amount(component.files, component.size)})"
    if component.outcome is Outcome.SKIPPED:
        return "skipped"
    fetched = _amount(component.files_downloaded, component.bytes_downloaded)
    reused = _amount(component.files_reused, component.bytes_reused)
    assembled = _assembled(component)
    if component.outcome is Outcome.FAILED:
        return f"FAILED, nothing published ({fetched} fetched{assembled})"
    if component.outcome is Outcome.HELD:
        at = component.changes.since or "nothing"
        return f"held at {at}; would fetch {fetched}{assembled}, reuse {reused} (see dci-downloader release)"
    if component.outcome is Outcome.PLANNED:
        return f"would fetch {fetched}{assembled}, reuse {reused}, remove {_removed(component)}"
    place = f"published in {component.path}" if component.path else "here for other mirrors"
    text = f"{place} ({fetched} fetched{assembled}, {reused} reused, {_removed(component)} removed)"
    since, added, changed, removed, _ = component.changes
    return text + (f"; {added:,} added, {changed:,} changed, {removed:,} removed since {since}" if since else "")


def _assembled(component: ComponentReport) -> str:
    """What is said of images that were put together, or would be: then their bytes are an upper bound."""
    if not component.files_assembled:
        return ""
    images, size = formatting.count(component.files_assembled, "image"), formatting.size(component.bytes_assembled)
    if component.outcome in (Outcome.PLANNED, Outcome.HELD):
        return f", put together {images} with up to {size} of files that are here by then"
    return f", {images} put together with {size} of files that were here"


def _packages(component: ComponentReport) -> Iterator[str]:
    if component.changes.packages:
        yield f"  packages: {summary(component.changes.packages)}"


def _sources(totals: Sequence[SourceTotals]) -> Iterator[str]:
    """How much was received from where, unless it was all from the object store."""
    if len(totals) > 1 or any(each.name != OBJECT_STORE for each in totals):
        yield "  from " + "; ".join(f"{each.name}: {_amount(each.files, each.bytes)}" for each in totals)


def _images(images: Sequence[ContainerImage]) -> Iterator[str]:
    number = Counter(image.outcome for image in images)
    if images:
        yield "  images: " + ", ".join(
            f"{number[outcome]:,} {outcome.value}" for outcome in ContainerImageOutcome if number[outcome]
        )


def _amount(files: int, size: int) -> str:
    return f"{formatting.count(files, 'file')}, {formatting.size(size)}"


def _removed(component: ComponentReport) -> str:
    if not component.versions_removed:
        return "nothing"
    return f"{', '.join(component.versions_removed)} ({formatting.size(component.bytes_removed)})"


def _failures(failures: Sequence[Failure]) -> Iterator[str]:
    for failure in failures[:FAILURES_SHOWN]:
        yield f"  {failure}"
    if len(failures) > FAILURES_SHOWN:
        yield f"  … and {formatting.count(len(failures) - FAILURES_SHOWN, 'more failure')}; --json lists them all"
    hints = {failure.hint: None for failure in failures if failure.hint}
    yield from (f"  hint: {hint}" for hint in hints)
