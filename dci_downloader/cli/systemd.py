"""``systemd-units``: a service and a timer that mirror what settings files name, as the user who runs this."""

from __future__ import annotations

import getpass
import os
import shutil
import sys
from collections.abc import Sequence

from dci_downloader.cli.units import TIMER, service_unit
from dci_downloader.errors import SettingsError
from dci_downloader.settings.command_line import CommandLine
from dci_downloader.settings.precedence import merge

FOLDER = "/etc/systemd/system"


def units(files: Sequence[str], dcirc: str) -> dict[str, str]:
    """The text of the units ``service`` and ``timer``.

    Args:
        files: paths of settings files, later over earlier; read for the root of the mirror.
        dcirc: path of the ``dcirc.sh`` file that the service is to use; need not exist yet.

    Raises:
        SettingsError: a settings file cannot be used, or names no ``local_repo``.
    """
    # without the environment, which the service does not have
    merged = merge(CommandLine(settings=tuple(files)), {})
    if merged.destination is None:
        raise SettingsError("there is no destination", hint="set local_repo in a settings file")
    options = [option for file in files for option in ("--settings", os.path.abspath(file))]
    command = [*_program(), *options, "--dcirc", os.path.abspath(dcirc), "--lock-timeout", "0"]
    destination = os.path.abspath(merged.destination.value)
    return {"service": service_unit(getpass.getuser(), command, destination), "timer": TIMER}


def _program() -> list[str]:
    """The command that starts this program: its script, beside the interpreter or on the PATH, or its module."""
    beside = os.path.join(os.path.dirname(sys.executable), "dci-downloader")
    script = beside if os.access(beside, os.X_OK) else shutil.which("dci-downloader")
    return [os.path.abspath(script)] if script else [sys.executable, "-m", "dci_downloader"]
