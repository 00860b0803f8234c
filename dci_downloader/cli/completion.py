"""What teaches a shell to complete the command line: all parsers as one with subcommands, handed to shtab.

shtab writes scripts that know every command and option by themselves. (argcomplete, the other library for bash, zsh
and fish, starts the program at each TAB.) What it has no notion of is a first word that may be a command or a topic;
after a topic there is a folder, so each script is told what to offer where no command stands.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from dci_downloader.cli.arguments import COMMANDS, Parser, add_sync_options
from dci_downloader.errors import SettingsError

_BASH_DEFAULT = "complete -o bashdefault -o default -F _shtab_dci_downloader dci-downloader"
_ZSH_DEFAULT = r"""_arguments -s ${_shtab_dci_downloader_options:#(:*|\*:::*)} '*:DEST:_files -/'"""
"""What the shells do where no command stands: bash completes files, zsh options and folders."""


def script(shell: str) -> str:
    """The completion script for a shell.

    Args:
        shell: ``bash``, ``zsh`` or ``fish``.

    Raises:
        SettingsError: shtab is not installed.
    """
    try:
        import shtab
    except ImportError:
        raise SettingsError("completion needs shtab", hint="pip install 'dci-downloader[completion]'") from None
    places = {"FILE": shtab.FILE, "DIR": shtab.DIRECTORY, "DEST": shtab.DIRECTORY}
    parser = Parser(prog="dci-downloader", add_help=False)
    commands = parser.add_subparsers()
    for name, make in COMMANDS.items():
        full = make()
        _prepare(commands.add_parser(name, parents=[full], add_help=False, help=full.description), places)
    add_sync_options(parser)
    if shell == "fish":
        parser.add_argument("destination", nargs="?", metavar="DEST")
    _prepare(parser, places)
    return _with_destination(str(shtab.complete(parser, shell=shell)), shell)


def _prepare(parser: argparse.ArgumentParser, places: Mapping[str, Any]) -> None:
    """Say of each argument whether it is a file or a folder, as shtab wants to know it."""
    for action in parser._actions:
        if isinstance(action.metavar, str):
            if action.metavar in places:
                action.complete = places[action.metavar]  # type: ignore[attr-defined]
            action.metavar = action.metavar.replace(":", " ")  # which zsh would read as an end


def _with_destination(text: str, shell: str) -> str:
    """The script, offering folders after a topic; shtab itself can do so for fish only."""
    if shell == "bash":
        return f"{text}\n{_BASH_DEFAULT}"
    if shell == "zsh":
        head, last, tail = text.rpartition("\n      esac\n")
        return f"{head}\n        *) {_ZSH_DEFAULT} ;;{last}{tail}"
    return text
