"""Completion scripts for shells: all parsers as one with subcommands, handed to shtab.

That is done when the program is built; what is installed holds the scripts. shtab writes scripts that know every
command and option by themselves. (argcomplete, the other library for bash, zsh and fish, starts the program at each
TAB.) shtab does not know of a first word that may be a command or a topic. A folder follows a topic, so a line is
added to each script that says what to offer where no command stands.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dci_downloader.cli.arguments import Parser, add_sync_options
from dci_downloader.cli.command_parsers import PARSERS
from dci_downloader.errors import SettingsError

_BUILT = Path(__file__).parents[1] / "share" / "completions"

_BASH_DEFAULT = "complete -o bashdefault -o default -F _shtab_dci_downloader dci-downloader"
_ZSH_DEFAULT = r"""_arguments -s ${_shtab_dci_downloader_options:#(:*|\*:::*)} '*:DEST:_files -/'"""
"""Where no command stands bash completes files, zsh options and folders."""


def script(shell: str) -> str:
    """The completion script for a shell, as it was built; in a checkout, as it would be.

    Args:
        shell: one of ``setup_parsers.SHELLS``.

    Raises:
        SettingsError: shtab is needed, and not installed.
    """
    built = _BUILT / shell
    return built.read_text(encoding="utf-8") if built.is_file() else generate(shell)


def generate(shell: str) -> str:
    """Make the completion script for a shell.

    Args:
        shell: one of ``setup_parsers.SHELLS``.

    Raises:
        SettingsError: shtab is not installed.
    """
    try:
        import shtab
    except ImportError:
        raise SettingsError(
            "this checkout needs shtab for that", hint="pip install 'dci-downloader[completion]'"
        ) from None
    completers = {"FILE": shtab.FILE, "DIR": shtab.DIRECTORY, "DEST": shtab.DIRECTORY}
    parser = Parser(prog="dci-downloader", add_help=False)
    commands = parser.add_subparsers()
    for name, make_parser in PARSERS.items():
        whole = make_parser()
        _prepare(commands.add_parser(name, parents=[whole], add_help=False, help=whole.description), completers)
    add_sync_options(parser)
    if shell == "fish":
        parser.add_argument("destination", nargs="?", metavar="DEST")
    _prepare(parser, completers)
    return _with_destination(str(shtab.complete(parser, shell=shell)), shell)


def _prepare(parser: argparse.ArgumentParser, completers: Mapping[str, Any]) -> None:
    """Mark each argument that is a file or a folder, where shtab looks for it."""
    for action in parser._actions:
        if isinstance(action.metavar, str):
            if action.metavar in completers:
                action.complete = completers[action.metavar]  # type: ignore[attr-defined]
            action.metavar = action.metavar.replace(":", " ")  # zsh would take a colon for the end


def _with_destination(text: str, shell: str) -> str:
    """The script, offering folders after a topic, too; for fish shtab itself does so."""
    if shell == "bash":
        return f"{text}\n{_BASH_DEFAULT}"
    if shell == "zsh":
        head, last, tail = text.rpartition("\n      esac\n")
        return f"{head}\n        *) {_ZSH_DEFAULT} ;;{last}{tail}"
    return text
