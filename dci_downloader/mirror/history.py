"""The last runs and the last builds of a mirror: two small files, for the status page.

    .dci-downloader/runs.json       the last runs
    .dci-downloader/builds.json     of each topic and type the last builds, with the packages that the newest changed

They are replaced as a whole, under a lock, for runs of several topics end side by side. Nothing relies on them: what in
them is damaged or foreign is left out, and what cannot be written is lost.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from dci_downloader.changes import PackageChange, PackageChangeKind
from dci_downloader.errors import DownloaderError, worst_exit_code
from dci_downloader.mirror.files import replace_atomically
from dci_downloader.mirror.locks import FileLock
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.reading import read_file
from dci_downloader.mirror.record_fields import text, texts, time, whole_number
from dci_downloader.results import ComponentReport, Outcome, Report

MOST_RUNS = 50
MOST_BUILDS = 12
"""Of each topic and type."""
_RUNS, _BUILDS = "runs.json", "builds.json"
_MOST_SERIES = 500
_MOST_TOPICS = 200
_MOST_PACKAGES = 300
_MAX_SIZE = 16 << 20  # bytes
_MAX_NUMBER = 2**63 - 1
_LONGEST_TEXT = 500
_LOCK_TIMEOUT = 10.0
_LOGIN = re.compile(r"(?<=://)[^/\s@]+@")


@dataclass(frozen=True)
class TopicRun:
    """What a run did with a topic.

    Attributes:
        published: type and name of each component that was published.
        unchanged: how many had nothing new.
        size: bytes downloaded.
        reason: why something failed; empty where nothing did.
    """

    topic: str
    published: tuple[str, ...] = ()
    unchanged: int = 0
    size: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        ended_at: UTC.
        seconds: how long it took.
    """

    ended_at: datetime
    seconds: float
    exit_code: int
    topics: tuple[TopicRun, ...] = ()


@dataclass(frozen=True)
class Build:
    """A component that was published.

    Attributes:
        version: its folder in the mirror.
        id: the component's; empty in histories of older releases. Selections of one build have it in common.
        since: the version that it replaced; empty where there was none.
        packages: that differ from it; of the newest build of a type only.
        more_packages: how many more differ than are listed.
    """

    topic: str
    type: str
    version: str
    files: int
    size: int
    published_at: datetime
    since: str = ""
    packages: tuple[PackageChange, ...] = ()
    more_packages: int = 0
    id: str = ""


@dataclass(frozen=True)
class History:
    """What is known of the past, the newest first."""

    runs: tuple[Run, ...] = ()
    builds: tuple[Build, ...] = ()

    def builds_of(self, topic: str, component_type: str) -> tuple[Build, ...]:
        """Those of one topic and type, the newest first."""
        return tuple(build for build in self.builds if (build.topic, build.type) == (topic, component_type))


def read_history(mirror: Mirror) -> History:
    """The history of a mirror; empty where there is none, or none that can be read. No side effect."""
    return History(_runs(mirror), _builds(mirror))


def _runs(mirror: Mirror) -> tuple[Run, ...]:
    return _all(_read(mirror.store.root / _RUNS), _run)


def _builds(mirror: Mirror) -> tuple[Build, ...]:
    return _all(_read(mirror.store.root / _BUILDS), _build)


def _read(path: Path) -> Any:
    """The list in a file; None where there is none."""
    try:
        return json.loads(read_file(path, _MAX_SIZE).decode())["entries"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def record_run(mirror: Mirror, reports: Sequence[Report], seconds: float) -> None:
    """Add a run to the history, and what it published. Where there is no mirror, nothing happens.

    Args:
        mirror: the mirror whose history it is.
        reports: one for each topic.
        seconds: how long the run took.
    """
    if not os.path.isdir(mirror.store.root) or os.path.islink(mirror.store.root):
        return
    now = mirror.clock()
    run = Run(now, seconds, worst_exit_code(report.exit_code for report in reports), tuple(map(_topic_run, reports)))
    builds = [
        _build_of(mirror, report.topic, component)
        for report in reports
        for component in report.components
        if component.outcome is Outcome.PUBLISHED
    ]
    # what cannot be written is no reason to fail: the mirror itself is right
    lock = FileLock(mirror.store.root / "history.lock")
    with suppress(OSError, DownloaderError), lock.holding(timeout=_LOCK_TIMEOUT):
        runs = (run, *_runs(mirror))[:MOST_RUNS]
        _write(mirror.store.root / _RUNS, map(_run_document, runs), durable=bool(builds))
        if builds:
            last = _bounded([*builds, *_builds(mirror)])
            _write(mirror.store.root / _BUILDS, map(_build_document, last), durable=True)


def _write(path: Path, entries: Iterable[dict[str, Any]], *, durable: bool) -> None:
    document = {"format": 1, "entries": list(entries)}
    content = json.dumps(document, default=datetime.isoformat, separators=(",", ":")).encode()
    replace_atomically(path, content, durable=durable, mode=0o644)


def _topic_run(report: Report) -> TopicRun:
    done = [component for component in report.components if component.outcome is Outcome.PUBLISHED]
    failures = report.failures
    reason = str(failures[0]) if failures else ""
    if len(failures) > 1:
        reason += f" (and {len(failures) - 1:,} more)"
    return TopicRun(
        report.topic,
        tuple(f"{component.type} {component.name}" for component in done),
        sum(component.outcome is Outcome.UNCHANGED for component in report.components),
        sum(component.bytes_downloaded for component in report.components),
        _LOGIN.sub("", reason)[:_LONGEST_TEXT],
    )


def _build_of(mirror: Mirror, topic: str, component: ComponentReport) -> Build:
    version = mirror.topic(topic).published_folder(component.type)
    packages, since = component.changes.packages, component.changes.since
    more = max(0, len(packages) - _MOST_PACKAGES)
    packages = packages[:_MOST_PACKAGES]
    amounts = component.files, component.size
    return Build(topic, component.type, version, *amounts, mirror.clock(), since, packages, more, component.id)


def _bounded(builds: Iterable[Build]) -> tuple[Build, ...]:
    """The last builds of each topic and type, of which only the newest keeps its packages."""
    series: dict[tuple[str, str], list[Build]] = {}
    for build in builds:
        of_type = series.setdefault((build.topic, build.type), [])
        if len(of_type) < MOST_BUILDS and len(series) <= _MOST_SERIES:
            of_type.append(replace(build, packages=(), more_packages=0) if of_type else build)
    return tuple(build for of_type in series.values() for build in of_type)


def _run_document(run: Run) -> dict[str, Any]:
    return {**vars(run), "topics": [vars(topic) for topic in run.topics[:_MOST_TOPICS]]}


def _build_document(build: Build) -> dict[str, Any]:
    packages = [{**change._asdict(), "kind": change.kind.value} for change in build.packages]
    return {**vars(build), "packages": packages}


_Item = TypeVar("_Item")


def _all(documents: Any, make: Callable[[Mapping[str, Any]], _Item]) -> tuple[_Item, ...]:
    """What can be made of a list; the rest of it is left out."""
    items = []
    for document in documents if isinstance(documents, list) else ():
        with suppress(ValueError, KeyError, TypeError, AttributeError, OverflowError):
            items.append(make(document))
    return tuple(items)


def _run(document: Mapping[str, Any]) -> Run:
    return Run(
        time(document["ended_at"]),
        _seconds(document["seconds"]),
        whole_number(document["exit_code"]),
        _all(document["topics"], _topic),
    )


def _topic(document: Mapping[str, Any]) -> TopicRun:
    return TopicRun(
        text(document["topic"], empty=True),
        texts(document["published"]),
        whole_number(document["unchanged"], _MAX_NUMBER),
        whole_number(document["size"], _MAX_NUMBER),
        text(document["reason"], empty=True),
    )


def _build(document: Mapping[str, Any]) -> Build:
    return Build(
        text(document["topic"], empty=True),
        text(document["type"], empty=True),
        text(document["version"], empty=True),
        whole_number(document["files"], _MAX_NUMBER),
        whole_number(document["size"], _MAX_NUMBER),
        time(document["published_at"]),
        text(document["since"], empty=True),
        _all(document["packages"], _package),
        whole_number(document["more_packages"], _MAX_NUMBER),
        text(document.get("id", ""), empty=True),
    )


def _package(document: Mapping[str, Any]) -> PackageChange:
    return PackageChange(
        text(document["name"], empty=True),
        PackageChangeKind(document["kind"]),
        texts(document["before"]),
        texts(document["after"]),
        texts(document["trees"]),
        document["everywhere"] is True,
        document["source"] is True,
    )


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _MAX_NUMBER:
        raise ValueError("no number")
    return value
