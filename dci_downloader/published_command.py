"""The command of ``on_published``: run once for each component that a sync has published, when its locks are free.

* It is told of what an earlier run published, too, if that ended before the command did: see :mod:`.mirror.notice`.
* It is a list of words, and no shell sees it. Its environment holds no secret (see ``environment.without_secrets``).
* The report on the component is its standard input, a file: the command need not read it.
* What it prints is reported as details; where it fails, its last line is part of the reason.
* It is ended after a time, and when the run is to end, with every process of its session and all it has started. What
  it leaves in the background when it ends by itself is neither waited for nor ended.
* Its failure is one of the component, which is published all the same.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Optional

from dci_downloader import environment, formatting
from dci_downloader.child_process import killed_with_caller
from dci_downloader.errors import CancelledError, DiskFullError, DownloaderError, SettingsError
from dci_downloader.hooks import Progress, Stop
from dci_downloader.mirror.notice import changes_by_records, taken_notice
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.report_document import topic_document
from dci_downloader.results import ComponentReport, Failure, Outcome, Report

LONGEST, GRACE = 3600.0, 5.0
"""Seconds that the command may take, and that it has to end by itself once it is asked to."""

_LOOK = 0.1  # seconds between two looks at a command that prints nothing
_MAX_OUTPUT = 64 * 1024  # bytes; of more, the end
_LINES, _CHARACTERS = 20, 300
_HINT = "the component is published all the same; the command is that of on_published in the settings"


def run_for_published(
    report: Report,
    topic: TopicMirror,
    command: Sequence[str],
    progress: Progress,
    stop: Stop,
    *,
    longest: float = LONGEST,
) -> Report:
    """Run the command for each component that was published, and that it has not been told of.

    Args:
        report: on a topic whose locks are free again: the command may use the mirror.
        topic: the same in the mirror, with a notice of each publication.
        command: the program and its arguments.
        progress: gets its output, as details.
        stop: asked whether to end it.
        longest: seconds that it may take for a component.

    Returns:
        The report, with the failures of the command.

    Raises:
        CancelledError: ``stop`` was requested; the command was ended.
    """

    def after(component: ComponentReport) -> ComponentReport:
        if component.outcome not in (Outcome.PUBLISHED, Outcome.UNCHANGED):
            return component
        try:
            with taken_notice(topic, component.type) as since:
                if since is None:
                    return component
                told = component
                if component.outcome is Outcome.UNCHANGED:  # an earlier run published it
                    told = replace(component, changes=changes_by_records(topic, component.type, since))
                failure = _told(command, replace(report, components=(told,)), told, progress, stop, longest)
        except (DiskFullError, SettingsError) as error:
            failure = Failure.of(error)
        return replace(component, failures=(*component.failures, failure)) if failure else component

    return replace(report, components=tuple(map(after, report.components)))


def _told(
    command: Sequence[str], report: Report, component: ComponentReport, progress: Progress, stop: Stop, longest: float
) -> Optional[Failure]:
    """Run the command for a component; gives why it failed, None where it did not."""
    progress.detail(f"on_published: {command[0]} for {component.name}")
    with stop.deferred():
        reason, lines = _run(command, report, component, stop, longest)
    for line in lines[-_LINES:]:
        progress.detail(f"on_published: {formatting.printable_line(line)}")
    if not reason:
        return None
    said = f": {lines[-1][:_CHARACTERS]}" if lines else ""
    error = DownloaderError(formatting.printable_line(f"on_published: {command[0]} {reason}{said}"), hint=_HINT)
    return Failure.of(error)


def _run(
    command: Sequence[str], report: Report, component: ComponentReport, stop: Stop, longest: float
) -> tuple[str, list[str]]:
    """Why the command failed, empty where it did not, and the last lines that it printed."""
    environ = _environ(report, component)
    program = shutil.which(command[0], path=environ.get("PATH", os.defpath))
    if program is None:
        return "is no program that can be run", []
    document = json.dumps(topic_document(report), ensure_ascii=False).encode()
    reason, output, end = "", bytearray(), time.monotonic() + longest
    with _started([program, *command[1:]], environ, document) as process:
        for read in _output(process):
            output += read
            del output[:-_MAX_OUTPUT]
            if stop.requested():
                raise CancelledError("interrupted")
            if time.monotonic() > end and process.poll() is None:
                _end(process)
                reason = f"took longer than {longest:,.0f} s, and was ended"
        code = process.wait()
    if code and not reason:
        reason = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
    return reason, [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]


def _environ(report: Report, component: ComponentReport) -> dict[str, str]:
    """What the command gets: the environment without secrets, and what was published where."""
    return {
        **environment.without_secrets(environment.of_process()),
        "DCI_TOPIC": report.topic,
        "DCI_COMPONENT": component.name,
        "DCI_PATH": os.path.abspath(component.path),
        "DCI_PREVIOUS": component.changes.since,
    }


@contextmanager
def _started(command: Sequence[str], environ: Mapping[str, str], document: bytes) -> Iterator[subprocess.Popen[bytes]]:
    """The command while it runs, with a document as its standard input; whatever ends the block early ends it too."""
    with open(os.memfd_create("report.json"), "w+b") as report:
        report.write(document)
        report.seek(0)
        process = subprocess.Popen(
            killed_with_caller(command),
            stdin=report,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environ,
            start_new_session=True,  # Ctrl-C in a terminal reaches this program only, which then ends it
        )
    try:
        yield process
    except BaseException:
        _end(process)
        raise
    finally:
        if process.stdout is not None:
            process.stdout.close()


def _output(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """Yield what the command prints until it ends; an empty chunk several times a second where it prints nothing."""
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    is_open = True
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while process.poll() is None:
            content: Optional[bytes] = None
            if not is_open:  # it has closed its output, and runs on
                time.sleep(_LOOK)
            elif selector.select(_LOOK):
                content = process.stdout.read(_MAX_OUTPUT)
                is_open = content != b""
            yield content or b""
    yield process.stdout.read(_MAX_OUTPUT) or b""  # the rest; what its children print later is not waited for


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the command and all it has started to end, and kill what is left of that after a moment."""
    started = _stop({process.pid})
    _signal(started, signal.SIGTERM)
    _signal(started, signal.SIGCONT)
    end = time.monotonic() + GRACE
    while time.monotonic() < end and any(map(_is_running, started)):
        time.sleep(_LOOK / 4)
    _signal(_stop({process.pid, *filter(_is_running, started)}), signal.SIGKILL)
    process.wait()


def _stop(leaders: set[int]) -> set[int]:
    """Stop processes and all they have started; gives them once none is left that could start another meanwhile."""
    stopped: set[int] = set()
    while family := _family(leaders | stopped) - stopped:
        _signal(family, signal.SIGSTOP)
        stopped |= family
    return stopped


def _signal(pids: set[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _family(leaders: set[int]) -> set[int]:
    """Processes, the members of their sessions, and every descendant of theirs, as proc(5) tells."""
    processes = {}
    for name in filter(str.isdecimal, os.listdir("/proc")):
        stat = _stat(int(name))
        if stat is not None:
            processes[int(name)] = stat
    family = leaders | {pid for pid, (_, _, session) in processes.items() if session in leaders}
    grown = True
    while grown:
        children = {pid for pid, (_, parent, _) in processes.items() if parent in family} - family
        family |= children
        grown = bool(children)
    return family


def _is_running(pid: int) -> bool:
    stat = _stat(pid)
    return stat is not None and stat[0] != "Z"


def _stat(pid: int) -> Optional[tuple[str, int, int]]:
    """State, parent and session of a process; None where there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()  # its name, in brackets before, may hold anything
    except OSError:
        return None
    return fields[0].decode(), int(fields[1]), int(fields[3])
