"""Probes of the control server and the object store: who one is there, the clocks, topics, and one small file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Optional

from dci_downloader import formatting
from dci_downloader.check.findings import Finding, failure, good, warning
from dci_downloader.content.selection import Selection
from dci_downloader.control.client import ControlServer
from dci_downloader.control.upstream import Upstream
from dci_downloader.errors import CancelledError, DownloaderError, SettingsError
from dci_downloader.hooks import NeverStop, NullProgress
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.store import Store
from dci_downloader.models import Component, FileEntry, Plan
from dci_downloader.options import SyncOptions, TransferOptions
from dci_downloader.results import ComponentReport, Failure, Outcome, Report
from dci_downloader.sync import sync_topic
from dci_downloader.transfer.engine import Engine
from dci_downloader.transfer.tuning import Tuning

_TOLERATED, _CLOSE = 900.0, 60.0
"""Seconds by which the clocks may differ for a signature to be valid, and for nobody to mind."""

_SMALL = 256 << 20  # bytes, for which there has to be room beside what is fetched of them
_PART = 64 << 10  # bytes
_CLOCK_HINT = "set this machine's clock: chronyc makestep, or systemctl start chronyd"


def identity(server: ControlServer) -> Iterator[Finding]:
    """Whose the credentials are, and whether the clocks agree."""
    who = server.identity()
    teams = f" of {', '.join(who.teams)}" if who.teams else ""
    yield good("credentials", f"accepted: {who.name}{teams}")
    ahead = who.seconds_ahead
    if ahead is None:
        return
    how = f"{formatting.duration(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} the control server's"
    if abs(ahead) > _TOLERATED:
        yield failure("clock", SettingsError(f"this machine's clock is {how}", hint=_CLOCK_HINT))
    elif abs(ahead) > _CLOSE:
        yield warning("clock", f"this machine's clock is {how}; 15 minutes are tolerated", _CLOCK_HINT)
    else:
        yield good("clock", "agrees with the control server's")


def listing(upstream: Upstream) -> Iterator[Finding]:
    """Whether another mirror says what it holds."""
    yield good("mirror", f"{upstream.mirror} has {formatting.count(len(list(upstream.topics())), 'topic')}")


class TopicProbe:
    """Plans a topic as its next sync would, and keeps what it learns for later probes.

    Args:
        server: the control server, or the mirror that is asked in its place.
        mirror: where the topic goes.
        planned: the plans of the topics before, which need room too; its own join them.

    Attributes:
        report: of the dry run; None where there is none.
    """

    def __init__(self, server: Upstream, mirror: Mirror, planned: list[Plan]) -> None:
        self.server = server
        self.mirror = mirror
        self.planned = planned
        self.report: Optional[Report] = None

    def look(self, topic: str, selection: Selection, options: SyncOptions) -> Iterator[Finding]:
        """Find the topic, its components, and whether the selection fits them. Writes nothing."""
        options = replace(options, dry_run=True, on_published=())
        self.report = report = sync_topic(
            self.server, self.mirror, topic, selection, options=options, planned=self.planned
        )
        for component in report.components:
            name = " ".join(filter(None, (report.topic, component.type, component.name)))
            for each in component.failures:
                yield failure(name, each.error())
            if not component.failures:
                yield good(name, _outcome(component))


def _outcome(component: ComponentReport) -> str:
    if component.outcome is Outcome.SKIPPED:
        return "has no files"
    amount = f"{formatting.count(component.files_downloaded, 'file')}, {formatting.size(component.bytes_downloaded)}"
    if component.outcome is Outcome.HELD:
        return f"held at {component.changes.since or 'nothing'}; would fetch {amount}"
    return f"would fetch {amount}" if component.files_downloaded else "nothing to fetch"


class _First(NullProgress, NeverStop):
    """Ends a fetch once so many bytes are here."""

    def __init__(self, size: int) -> None:
        self._left = size

    def advance(self, files: int, size: int) -> None:
        self._left -= size

    def requested(self) -> bool:
        return self._left <= 0


def object_store(server: Upstream, reports: Sequence[Report], options: TransferOptions) -> Iterator[Finding]:
    """Fetch the beginning of a small file, as a sync fetches parts of files, into a temporary folder.

    A file that is as small as the part comes in two parts: then its digest is looked at, too.
    """
    chosen, subject = smallest_file(server, reports), server.mirror or "object store"
    if chosen is None:
        yield warning(subject, "not asked: no build here has a small file to try with")
        return
    component, entry = chosen
    part = min(_PART, -(-entry.size // 2))
    tuning = Tuning(in_memory=0, smallest_segment=part, biggest_segment=part, look_seconds=0.0)
    first = _First(_PART if entry.size > _PART else entry.size + 1)
    failures: tuple[Failure, ...] = ()
    with tempfile.TemporaryDirectory(prefix="dci-check-") as folder:
        store = Store(Path(folder) / "store")
        store.prepare()
        transfer = replace(options, network=server.network, peers=(), connections=1)
        engine = Engine(store, transfer, first, first, tuning=tuning)
        with suppress(CancelledError):  # by the first part
            failures = engine.fetch([entry], server.files(component)).failures
    for each in failures[:1]:
        yield failure(subject, each.error())
    if not failures:
        what = "a part" if entry.size > _PART else "both parts"
        yield good(subject, f"gave {what} of {entry.path} of {component.name}, {formatting.size(entry.size)}")


def smallest_file(server: Upstream, reports: Sequence[Report]) -> Optional[tuple[Component, FileEntry]]:
    """The smallest file that is not empty of the first component that has one; None where none is small."""
    for component in (component for report in reports for component in report.components):
        if component.files and not component.failures:
            try:
                described = server.component(component.id)
                entries = server.manifest(described).files
            except DownloaderError:  # that is the finding of another probe
                continue
            small = [entry for entry in entries if 0 < entry.size <= _SMALL]
            if small:
                return described, min(small, key=lambda entry: entry.size)
    return None
