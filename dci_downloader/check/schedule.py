"""Probes of what starts a run at night: lines of cron, a timer of systemd, and the programs that a run needs.

cron looks for programs on a PATH of its own, ``/usr/bin:/bin`` where the table sets none (crontab(5)): a program in
``/usr/local/bin`` that a shell finds is not found at night.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from dci_downloader.check.findings import Finding, failure, good, warning
from dci_downloader.errors import NotFoundError, SettingsError
from dci_downloader.skopeo import SKOPEO

CRON_PATH = "/usr/bin:/bin"
_NAMES = ("dci-downloader", "download-topic")
_TIMER = "dci-downloader.timer"
_SECONDS = 10.0
_ASSIGNMENT = re.compile(r"\s*(\w+)\s*=\s*(.*?)\s*$")
_LARGEST = 1 << 20  # bytes


class CronLine(NamedTuple):
    """A line of cron that starts this program.

    Attributes:
        place: file and line.
        program: the word that names the program.
        path: where cron looks for it.
    """

    place: str
    program: str
    path: str


def cron_lines(text: str, name: str, *, with_user: bool) -> Iterator[CronLine]:
    """The lines of a table that start this program. Pure.

    Args:
        text: of the table.
        name: of the table, for messages.
        with_user: whether its lines name a user, as those of ``/etc/cron.d`` do.
    """
    path = CRON_PATH
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        assignment = _ASSIGNMENT.match(line)
        if assignment:
            if assignment[1] == "PATH":
                path = assignment[2].strip("\"'")
            continue
        words = line.split()
        fields = (1 if words[0].startswith("@") else 5) + with_user
        for word in words[fields:]:
            program = word.strip("\"';&|()")
            if os.path.basename(program) in _NAMES:
                yield CronLine(f"{name}:{number}", program, path)
                break


def schedule(tables: Iterable[Path] = (), crontab: Sequence[str] = ("crontab", "-l")) -> Iterator[Finding]:
    """What starts a run at night, and whether it finds the program.

    Args:
        tables: files of cron whose lines name a user; none for those of this machine.
        crontab: the command that prints the table of this user.
    """
    lines: list[CronLine] = []
    for table in tables or (Path("/etc/crontab"), *_files("/etc/cron.d")):
        lines += cron_lines(_read(table), str(table), with_user=True)
    lines += cron_lines(_output(crontab), "crontab -l", with_user=False)
    for line in lines:
        found = shutil.which(line.program, path=line.path)
        if found:
            yield good("cron", f"{line.place} starts {found}")
        else:
            text = f"{line.place}: cron does not find {line.program} on its PATH, {line.path}"
            hint = "write PATH=/usr/local/bin:/usr/bin:/bin above that line, or the program's whole path"
            yield failure("cron", NotFoundError(text, hint=hint))
    enabled = _output(("systemctl", "is-enabled", _TIMER)).strip()
    if enabled == "enabled":
        yield good("timer", f"{_TIMER} is enabled")
    elif enabled in ("disabled", "masked"):
        yield warning("timer", f"{_TIMER} is {enabled}", f"systemctl enable --now {_TIMER}")
    elif not lines:
        yield warning("schedule", "neither cron nor a timer starts a run by itself, as far as this user can see")


def programs(command: Sequence[str], registry: str, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the programs that the settings ask for can be run.

    Args:
        command: of ``on_published``; empty for none.
        registry: that images are copied to; empty for none.
        environ: as ``os.environ``.
    """
    path = environ.get("PATH", os.defpath)
    if command:
        found = shutil.which(command[0], path=path)
        if found:
            yield good("on_published", found)
        else:
            text = f"{command[0]} is no program that can be run"
            yield failure("on_published", SettingsError(text, hint="set its whole path, and make it executable"))
    skopeo = shutil.which(SKOPEO, path=path)
    if registry and skopeo:
        yield good(SKOPEO, skopeo)
    elif registry:
        hint = f"install it (dnf install {SKOPEO}), or leave registry out"
        yield failure(SKOPEO, SettingsError(f"{SKOPEO} is not installed, and copies container images", hint=hint))


def _files(folder: str) -> list[Path]:
    try:
        return sorted(Path(folder).iterdir())
    except OSError:
        return []


def _read(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(_LARGEST).decode(errors="replace") if path.is_file() else ""
    except OSError:
        return ""


def _output(command: Sequence[str]) -> str:
    """What a command prints; nothing where it is missing, fails or does not end."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode(errors="replace")
