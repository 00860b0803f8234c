"""The program: the only place that prints and the only one that exits."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Optional

from dci_downloader.arguments import demo_parser, parse, sync_parser
from dci_downloader.errors import DownloaderError


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; None for those of the process.

    Returns:
        The exit code, as the README lists them.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    command, rest = _command(words)
    try:
        return command(rest)
    except DownloaderError as error:
        _complain(error)
        return error.exit_code
    except BrokenPipeError:
        # whoever read standard output went away: nothing is left to say, not even by Python's own last flush
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _command(words: Sequence[str]) -> tuple[Callable[[Sequence[str]], int], Sequence[str]]:
    commands = {"demo": _demo}
    if words and words[0] in commands:
        return commands[words[0]], words[1:]
    return _sync, words


def _sync(words: Sequence[str]) -> int:
    arguments = parse(sync_parser(), words)
    # imported here, so that --help and --version do not wait for what they don't need
    from dci_downloader import progress, report, settings, signals, sync
    from dci_downloader.control.client import ControlServer
    from dci_downloader.mirror.mirror import Mirror

    began = time.monotonic()
    shown = progress.choose(sys.stderr, quiet=arguments.quiet, verbose=arguments.verbose)
    try:
        wanted = settings.from_command_line(arguments, os.environ)
        patience = wanted.options.transfer.patience
        server = ControlServer(wanted.credentials, network=wanted.network, patience=patience)
        with signals.Signals() as stop, server:
            done = sync.sync_topic(
                server,
                Mirror(wanted.destination),
                wanted.topic,
                wanted.selection,
                options=wanted.options,
                progress=shown,
                stop=stop,
            )
    except DownloaderError as error:
        if arguments.json:
            print(report.error_to_json(str(error), error.hint, error.exit_code))
        raise
    if arguments.json:
        print(report.to_json([done], time.monotonic() - began, done.exit_code))
    for line in report.in_words(done):
        if done.exit_code or not arguments.quiet:
            print(line, file=sys.stderr)
    return done.exit_code


def _demo(words: Sequence[str]) -> int:
    arguments = parse(demo_parser(), words)
    from dci_downloader.demo import story

    if arguments.serve:
        return story.serve(print)
    return story.tell(arguments.destination, print)


def _complain(error: DownloaderError) -> None:
    print(f"dci-downloader: error: {error}", file=sys.stderr)
    if error.hint:
        print(f"  hint: {error.hint}", file=sys.stderr)
