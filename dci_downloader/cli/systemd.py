"""``systemd-units``: a service and a timer that mirror what settings files name.

The service runs as the user who is named, else as the one who runs this. Where that is root, it runs as the owner of
the mirror, if there is one, and a note says as whom.
"""

from __future__ import annotations

import os
import pwd
import shutil
import sys
from collections.abc import Sequence
from typing import NamedTuple

from dci_downloader.cli.units import TIMER, service_unit
from dci_downloader.errors import SettingsError
from dci_downloader.settings.command_line import CommandLine
from dci_downloader.settings.discovery import SETTINGS_NAME, SYSTEM_FOLDER
from dci_downloader.settings.precedence import merge

FOLDER = "/etc/systemd/system"


_TEMPORARY = ("/tmp/", "/var/tmp/")  # noqa: S108  not used, warned of


class Units(NamedTuple):
    """The units, by ``service`` and ``timer``, and what to know of them, a line each."""

    texts: dict[str, str]
    notes: tuple[str, ...]


def units(files: Sequence[str], dcirc: str, user: str = "") -> Units:
    """The text of the units ``service`` and ``timer``.

    Args:
        files: paths of settings files, later over earlier; read for the root of the mirror. Without any it is that of
            the machine.
        dcirc: path of the ``dcirc.sh`` file that the service is to use; need not exist yet.
        user: of the service; empty for this user, or for the owner of the mirror where this user is root.

    Raises:
        SettingsError: a settings file cannot be used, or names no ``local_repo``; or there is no such user.
    """
    files = files or (os.path.join(SYSTEM_FOLDER, SETTINGS_NAME),)
    # without the environment, which the service does not have
    merged = merge(CommandLine(settings=tuple(files)), {})
    if merged.destination is None:
        raise SettingsError("there is no destination", hint="set local_repo in a settings file")
    options = [option for file in files for option in ("--settings", os.path.abspath(file))]
    command = [*_program(), *options, "--dcirc", os.path.abspath(dcirc), "--lock-timeout", "0"]
    destination = os.path.abspath(merged.destination.value)
    name, notes = _user(user, destination)
    pages = [os.path.dirname(os.path.abspath(merged.status_page.value))] if merged.status_page else []
    for path in (destination, *pages, *(os.path.abspath(file) for file in (*files, dcirc))):
        if f"{path}/".startswith(_TEMPORARY):
            notes += (f"{path}: the service has a /tmp of its own (PrivateTmp=) and does not see it: move it",)
    outside = [folder for folder in pages if os.path.commonpath([destination, folder]) != destination]
    return Units({"service": service_unit(name, command, destination, *outside), "timer": TIMER}, notes)


def _user(named: str, destination: str) -> tuple[str, tuple[str, ...]]:
    """The user that the service runs as, and notes about that."""
    if named:
        try:
            return pwd.getpwnam(named).pw_name, ()
        except KeyError:
            hint = f"sudo useradd -r {named}"
            raise SettingsError(f"there is no user {named}", hint=hint) from None
    uid = os.geteuid()
    if uid:
        return _name_of(uid), ()
    owner = os.stat(destination).st_uid if os.path.isdir(destination) else 0
    if owner:
        name = _name_of(owner)
        return name, (f"the service runs as {name}, who owns {destination}; --user names another",)
    return "root", ("the service runs as root, which it need not: --user names another, who owns the mirror",)


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # in a container, say
        return str(uid)


def _program() -> list[str]:
    """The command that starts this program: its script, beside the interpreter or on the PATH, or its module."""
    beside = os.path.join(os.path.dirname(sys.executable), "dci-downloader")
    script = beside if os.access(beside, os.X_OK) else shutil.which("dci-downloader")
    return [os.path.abspath(script)] if script else [sys.executable, "-m", "dci_downloader"]
