"""Write the man pages, the completion scripts and the units of the RPM, from what ``--help`` and others are printed by.

    python .packaging/generate.py FOLDER

needs argparse-manpage and shtab; the build of a wheel or an sdist calls it. Nothing of it runs at run time.
"""

from __future__ import annotations

import sys
from pathlib import Path

from argparse_manpage.manpage import Manpage

sys.path.insert(0, str(Path(__file__).parents[1]))

from dci_downloader.cli import completion
from dci_downloader.cli.arguments import Parser, sync_parser
from dci_downloader.cli.command_parsers import PARSERS
from dci_downloader.cli.setup_parsers import SHELLS
from dci_downloader.cli.units import TIMER, service_unit
from dci_downloader.version_number import VERSION

NAME = "dci-downloader"
SYNOPSIS = rf"""
.B {NAME}
.I TOPIC DEST
[options]
.br
.B {NAME}
.B \-\-settings
.I FILE
[options]
.br
.B {NAME}
.I COMMAND
[options]
"""
ETC = "/etc/dci-downloader"
COMMAND = [
    "/usr/bin/dci-downloader",
    *("--settings", f"{ETC}/settings.yml"),
    *("--dcirc", f"{ETC}/dcirc.sh"),
    *("--lock-timeout", "0"),
]
EXIT_STATUS = "exit codes:"


def man_page(name: str, parser: Parser) -> str:
    """The man page of a command.

    Args:
        name: of the page, like ``dci-downloader-status``.
        parser: of the command.
    """
    epilog, parser.epilog = parser.epilog or "", None
    purpose = " ".join((parser.description or "").split())
    page = Manpage(
        parser,
        {
            "project_name": NAME,
            "version": VERSION,
            "manual_title": "DCI downloader",
            "description": purpose[0].lower() + purpose[1:].partition(".")[0],
        },
    )
    page.prog, page.date = name, ""  # a date would make each build another
    if name == NAME:
        page.add_section("synopsis", "=", SYNOPSIS.strip())
    examples, _, statuses = epilog.partition(EXIT_STATUS)
    page.add_section("examples", "=", verbatim(examples.partition("examples:\n")[2]))
    if statuses:
        page.add_section("exit status", "=", roff(" ".join(statuses.split())))
    others = [NAME, *(f"{NAME}-{command}" for command in PARSERS)]
    page.add_section("see also", "=", ",\n".join(rf"\fB{roff(other)}\fR(1)" for other in others if other != name))
    return str(page)


def verbatim(text: str) -> str:
    """Lines that are to stay as they are."""
    return f".nf\n{roff(text.rstrip())}\n.fi"


def roff(text: str) -> str:
    """A text in which nothing is a request or an escape."""
    lines = text.replace("\\", "\\e").replace("-", "\\-").splitlines()
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in lines)


def write(folder: Path) -> None:
    """Write all of it into folders of a folder: ``man1``, ``completions`` and ``units``."""
    pages, completions, units = folder / "man1", folder / "completions", folder / "units"
    for path in (pages, completions, units):
        path.mkdir(parents=True, exist_ok=True)
    parsers = {NAME: sync_parser(), **{f"{NAME}-{command}": make() for command, make in PARSERS.items()}}
    for name, parser in parsers.items():
        (pages / f"{name}.1").write_text(man_page(name, parser), encoding="utf-8")
    (pages / "download-topic.1").write_text(f".so man1/{NAME}.1\n", encoding="utf-8")
    for shell in SHELLS:
        (completions / shell).write_text(completion.generate(shell), encoding="utf-8")
    service = service_unit(NAME, COMMAND, "/srv/dci")
    (units / f"{NAME}.service").write_text(service, encoding="utf-8")
    (units / f"{NAME}.timer").write_text(TIMER, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
