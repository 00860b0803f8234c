"""``help``: the pages that ship with the program, and the help of each command."""

from __future__ import annotations

import difflib
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from dci_downloader.cli import streams
from dci_downloader.cli.command_parsers import PARSERS
from dci_downloader.cli.markdown import columns, wrapped
from dci_downloader.errors import SettingsError

FOLDER = Path(__file__).parents[1] / "docs"
"""Where the pages are, each a file NAME.md whose first line is its title."""

_NARROW = 80  # columns of the list, on any terminal
_WIDEST = 100  # columns of a page: longer lines are hard to read
_LESS = "FRX"  # as git has it: leave at once where all fits on the screen, and let the text stay


def names() -> list[str]:
    """The names of the pages."""
    return sorted(path.stem for path in FOLDER.glob("*.md"))


def read(name: str) -> str:
    """The text of a page, in Markdown."""
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")


def show(subject: str, environ: Mapping[str, str]) -> int:
    """Show a page, the help of a command, or both where they share a name; on a terminal through a pager.

    Args:
        subject: a page or a command; empty for a list of both.
        environ: as ``os.environ``; ``PAGER``, ``LESS`` and ``TERM`` count.

    Returns:
        The exit code.

    Raises:
        SettingsError: there is no such page or command, or standard output cannot be written to.
        DiskFullError: standard output is a file, and its disk is full.
    """
    name = subject.lower()
    if name.endswith(".md"):
        name = name[:-3]
    on_terminal = sys.stdout is not None and sys.stdout.isatty()
    parts = [PARSERS[name]().format_help()] if name in PARSERS else []
    if name in names():
        parts.append(wrapped(read(name), _width()) if on_terminal else read(name))
    if not name:
        parts.append(_contents())
    if not parts:
        raise _unknown(subject)
    text = "\n".join(parts).rstrip("\n")
    command = _pager(environ) if on_terminal else []
    if not (command and _paged(text, command, environ)):
        streams.write(text)
    return 0


def _width() -> int:
    return min(_WIDEST, max(20, shutil.get_terminal_size().columns))


def _contents() -> str:
    """Every page and every command, with what it is about."""
    about = {name: read(name).partition("\n")[0].lstrip("# ") for name in names()}
    does = {name: _first_sentence(make().description or "") for name, make in PARSERS.items()}
    lines = ["dci-downloader help PAGE", ""]
    lines += columns(list(about.items()), _NARROW)
    lines += ["", "dci-downloader help COMMAND, or dci-downloader COMMAND --help", ""]
    lines += columns(list(does.items()), _NARROW)
    return "\n".join([*lines, "", "dci-downloader --help has the options of a run"])


def _first_sentence(text: str) -> str:
    return " ".join(text.split()).partition(". ")[0].rstrip(".")


def _unknown(subject: str) -> SettingsError:
    known = [*names(), *PARSERS]
    close = difflib.get_close_matches(subject.lower(), known, n=1)
    hint = f"did you mean {close[0]}?" if close else "`dci-downloader help` lists the pages and commands"
    return SettingsError(f"there is no page and no command {subject!r}", hint=hint)


def _pager(environ: Mapping[str, str]) -> list[str]:
    """The command of the pager; none where the user wants none, or it is not installed."""
    if environ.get("TERM", "dumb") == "dumb":
        return []
    try:
        command = shlex.split(environ.get("PAGER", "less"))
    except ValueError:
        return []
    return command if command and command[0] != "cat" and shutil.which(command[0]) else []


def _paged(text: str, command: list[str], environ: Mapping[str, str]) -> bool:
    """Show a text through a pager until the user leaves it; false where it cannot be started."""
    content = f"{text}\n".encode(sys.stdout.encoding or "utf-8", "backslashreplace")
    try:
        pager = subprocess.Popen(command, stdin=subprocess.PIPE, env={"LESS": _LESS, **environ})
    except OSError:
        return False
    interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the pager, which goes on: wait for it
    try:
        pager.communicate(content)
    except BaseException:
        pager.terminate()
        raise
    finally:
        signal.signal(signal.SIGINT, interrupt)
    return True
