"""The program: the only place that prints and the only one that exits."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Optional

from dci_downloader import formatting
from dci_downloader.cli.arguments import (
    completion_parser,
    components_parser,
    demo_parser,
    parse,
    prune_parser,
    rollback_parser,
    settings_parser,
    status_parser,
    sync_parser,
    systemd_units_parser,
    topics_parser,
    verify_parser,
)
from dci_downloader.errors import CancelledError, DiskFullError, DownloaderError, worst_exit_code

if TYPE_CHECKING:
    from dci_downloader.cli.listing import Shape
    from dci_downloader.cli.output import RunOutput
    from dci_downloader.cli.report import CommandResult
    from dci_downloader.control.client import ControlServer
    from dci_downloader.hooks import Progress
    from dci_downloader.options import SyncOptions
    from dci_downloader.results import Report
    from dci_downloader.settings.settings import Settings, TopicSettings


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; None for those of the process.

    Returns:
        The exit code, as the README lists them.
    """
    if sys.stdout is None:  # closed by whoever started us: what would be said there is not wanted
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  as long as the process
    command, rest = _command(list(sys.argv[1:] if arguments is None else arguments))
    try:
        try:
            return command(rest)
        finally:
            sys.stdout.flush()  # here, where it can still be told that nobody takes it
    except DownloaderError as error:
        _complain(error)
        if command is _sync and rest and not rest[0].startswith("-"):
            _name_command(rest[:1])
        return error.exit_code
    except KeyboardInterrupt:
        _complain(CancelledError("interrupted"))
        return CancelledError.exit_code
    except OSError as error:
        return _unwritten(error)


def _command(given: Sequence[str]) -> tuple[Callable[[Sequence[str]], int], Sequence[str]]:
    if given and given[0] in COMMANDS:
        return COMMANDS[given[0]], given[1:]
    return _sync, given


def _sync(given: Sequence[str]) -> int:
    arguments = parse(sync_parser(), given)
    # imported here, so that --help and --version do not wait for what they don't need
    from dci_downloader.cli import report
    from dci_downloader.cli.output import RunOutput

    # what a dry run says is its result; elsewhere words are only for people
    output = RunOutput(arguments, sys.stderr, print if arguments.dry_run and not arguments.json else _say)
    with closing(output):
        try:
            done = _sync_as_told(arguments, output)
        except DownloaderError as error:
            if arguments.json:
                print(report.error_to_json(str(error), error.hint, error.exit_code))
            output.failed(error)
            if output.in_words:
                raise
            return error.exit_code
        exit_code = worst_exit_code(each.exit_code for each in done)
        if arguments.json:
            print(report.to_json(done, output.seconds, exit_code))
        output.finished(done, exit_code)
        output.measured(done)
    return exit_code


def _sync_as_told(arguments: argparse.Namespace, output: RunOutput) -> list[Report]:
    """Mirror what command line, environment and settings say.

    Raises:
        DownloaderError: what is wanted is not known, or the only topic cannot be mirrored.
    """
    from dci_downloader import container_images
    from dci_downloader.control.client import ControlServer
    from dci_downloader.settings import settings

    wanted = settings.from_command_line(arguments, os.environ)
    for note in wanted.notes:
        output.progress.message(f"note: {note}")
    for topic in wanted.topics:
        if topic.options.registry:
            container_images.require_skopeo(topic.options.registry)
    api = wanted.api_version
    try:
        server = ControlServer(wanted.credentials, network=wanted.network, patience=wanted.patience, api_version=api)
        with server, output.hearing_calls():
            if wanted.job_id:
                wanted = wanted.for_job(server.job(wanted.job_id))
            return _sync_topics(wanted, server, output.progress)
    except DownloaderError as error:
        with suppress(DownloaderError):  # what ended the run matters more
            output.measured([_failed(topic, error, output.seconds) for topic in wanted.topics])
        raise


def _sync_topics(wanted: Settings, server: ControlServer, progress: Progress) -> list[Report]:
    """Mirror one topic after the other. Where there are several, one that fails does not stop the others.

    Raises:
        DownloaderError: the only topic cannot be mirrored.
    """
    from dci_downloader import sync
    from dci_downloader.cli import signals
    from dci_downloader.mirror.mirror import Mirror

    done: list[Report] = []
    useless: set[str] = set()
    mirror = Mirror(wanted.destination)
    with signals.Signals() as stop:
        for topic in wanted.topics:
            began = time.monotonic()
            try:
                done.append(
                    sync.sync_topic(
                        server,
                        mirror,
                        topic.topic,
                        topic.selection,
                        options=_without_peers(topic.options, useless),
                        progress=progress,
                        stop=stop,
                    )
                )
                useless.update(done[-1].dropped_peers)
                if done[-1].exit_code == DiskFullError.exit_code:
                    break
            except DownloaderError as error:
                if len(wanted.topics) == 1:
                    raise
                done.append(_failed(topic, error, time.monotonic() - began))
                if isinstance(error, (DiskFullError, CancelledError)):
                    break
    end = DownloaderError("not tried: the run ended before its turn")
    end.exit_code = worst_exit_code(each.exit_code for each in done)
    return [*done, *(_failed(topic, end, 0.0) for topic in wanted.topics[len(done) :])]


def _without_peers(options: SyncOptions, useless: Collection[str]) -> SyncOptions:
    from dataclasses import replace

    peers = tuple(url for url in options.transfer.peers if url not in useless)
    return replace(options, transfer=replace(options.transfer, peers=peers))


def _failed(topic: TopicSettings, error: DownloaderError, seconds: float) -> Report:
    """The report on a topic that failed as a whole."""
    from dci_downloader.results import Failure, Report

    failure = Failure("", str(error), error.exit_code, error.hint)
    return Report(topic.topic or f"component {topic.options.component_id}", "", (), seconds, failure)


def _topics(given: Sequence[str]) -> int:
    arguments = parse(topics_parser(), given)
    from dci_downloader.cli import listing

    return _list(arguments, lambda server, shape, shown: listing.topics(server, arguments.pattern, shape, shown))


def _components(given: Sequence[str]) -> int:
    arguments = parse(components_parser(), given)
    from dci_downloader.cli import listing
    from dci_downloader.content.filters import parse_filter

    filters = [parse_filter(text) for text in arguments.filters or ()]

    def ask(server: ControlServer, shape: Shape, shown: Progress) -> CommandResult:
        return listing.components(server, arguments.topic, filters, shape, shown, sizes=arguments.sizes)

    return _list(arguments, ask)


def _list(arguments: argparse.Namespace, ask: Callable[[ControlServer, Shape, Progress], CommandResult]) -> int:
    """Show what the control server offers, as the terminal or the pipe likes it."""
    from dci_downloader import environment
    from dci_downloader.cli import progress, report
    from dci_downloader.cli.listing import Shape
    from dci_downloader.control.client import ControlServer

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    shape = Shape(arguments.sort, arguments.reverse, arguments.limit, width)
    shown = progress.choose(sys.stderr, quiet=False, verbose=False)
    try:
        environ = environment.with_options(os.environ, arguments.dcirc, arguments.dci_cs_url)
        with ControlServer.from_env(environ) as server:
            told = ask(server, shape, shown)
    except DownloaderError as error:
        if arguments.json:
            print(report.error_to_json(str(error), error.hint, error.exit_code))
        raise
    return _tell(told, arguments.json)


def _status(given: Sequence[str]) -> int:
    arguments = parse(status_parser(), given)
    from dci_downloader.cli import maintenance
    from dci_downloader.mirror.mirror import Mirror

    return _tell(maintenance.status(Mirror(arguments.destination)), arguments.json)


def _verify(given: Sequence[str]) -> int:
    arguments = parse(verify_parser(), given)
    from dci_downloader.cli import maintenance, progress, signals
    from dci_downloader.mirror.mirror import Mirror

    shown = progress.choose(sys.stderr, quiet=arguments.quiet, verbose=False)
    repair = None
    if arguments.repair:
        from dci_downloader import environment
        from dci_downloader.control.client import ControlServer

        own = environment.read_dcirc(arguments.dcirc) if arguments.dcirc else {}
        repair = partial(ControlServer.from_env, {**os.environ, **own})
    with signals.Signals() as stop:
        told = maintenance.verify(Mirror(arguments.destination), shown, stop, repair, arguments.lock_timeout)
    return _tell(told, arguments.json, quiet=arguments.quiet)


def _rollback(given: Sequence[str]) -> int:
    arguments = parse(rollback_parser(), given)
    from dci_downloader.cli import maintenance, progress
    from dci_downloader.mirror.mirror import Mirror

    shown = progress.choose(sys.stderr, quiet=False, verbose=False)
    mirror = Mirror(arguments.destination)
    told = maintenance.rollback(mirror, arguments.topic, arguments.type, arguments.lock_timeout, shown)
    return _tell(told, arguments.json)


def _prune(given: Sequence[str]) -> int:
    arguments = parse(prune_parser(), given)
    from dci_downloader.cli import maintenance, progress
    from dci_downloader.mirror.mirror import Mirror

    shown = progress.choose(sys.stderr, quiet=False, verbose=False)
    told = maintenance.prune(Mirror(arguments.destination), arguments.keep, arguments.lock_timeout, shown)
    return _tell(told, arguments.json)


def _tell(told: CommandResult, as_json: bool, *, quiet: bool = False) -> int:
    if as_json:
        print(json.dumps(told.document, indent=2, ensure_ascii=False))
    elif told.exit_code or not quiet:
        print("\n".join(told.lines))
    return told.exit_code


def _settings(given: Sequence[str]) -> int:
    arguments = parse(settings_parser(), given)
    from dci_downloader.settings import settings

    for line in settings.check(arguments.settings, os.environ):
        print(line)
    return 0


def _systemd_units(given: Sequence[str]) -> int:
    arguments = parse(systemd_units_parser(), given)
    from dci_downloader.cli import systemd

    for name, text in systemd.units(arguments.settings, arguments.dcirc):
        if arguments.unit is None:
            print(f"# {systemd.FOLDER}/dci-downloader.{name}\n{text}")
        elif arguments.unit == name:
            print(text, end="")
    return 0


def _completion(given: Sequence[str]) -> int:
    arguments = parse(completion_parser(), given)
    from dci_downloader.cli import completion

    print(completion.script(arguments.shell))
    return 0


def _demo(given: Sequence[str]) -> int:
    arguments = parse(demo_parser(), given)
    from dci_downloader.demo import walkthrough

    say = partial(print, flush=True)  # whoever reads the exports through a pipe waits for them
    if arguments.serve:
        return walkthrough.serve(say)
    return walkthrough.run(arguments.destination, say)


COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {
    "completion": _completion,
    "components": _components,
    "demo": _demo,
    "prune": _prune,
    "rollback": _rollback,
    "settings": _settings,
    "status": _status,
    "systemd-units": _systemd_units,
    "topics": _topics,
    "verify": _verify,
}
"""What each command does."""


def _unwritten(error: OSError) -> int:
    """What cannot be read or written, most often standard output: its reader went away, or its disk is full."""
    with suppress(OSError, ValueError):
        # nothing is left to say there, not even by Python's own last flush
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if not isinstance(error, BrokenPipeError):
        _complain(DownloaderError(f"{error.filename or 'standard output'}: {error.strerror or error}"))
    return 1


def _say(line: str) -> None:
    """A line for people. That nobody can read it is no reason to fail."""
    with suppress(OSError, ValueError, AttributeError):
        print(formatting.printable(line), file=sys.stderr)


def _name_command(first: Sequence[str]) -> None:
    """What was taken for a topic may be a command with a letter wrong."""
    import difflib

    for close in [difflib.get_close_matches(word, [*COMMANDS, "help"], n=1, cutoff=0.75) for word in first]:
        for name in close:
            _say(f"  hint: for the command: dci-downloader {name if name in COMMANDS else '--help'}")


def _complain(error: DownloaderError) -> None:
    _say(f"dci-downloader: error: {error}")
    if error.hint:
        _say(f"  hint: {error.hint}")
