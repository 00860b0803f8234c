"""Units for systemd: a service that mirrors what settings files say and may do nothing else, and a timer for it.

They are for systemd 239 (RHEL 8) and later, which ignores what it does not know yet.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
import sys
from collections.abc import Sequence

from dci_downloader.errors import LockedError, SettingsError
from dci_downloader.settings.command_line import CommandLine
from dci_downloader.settings.precedence import merge

FOLDER = "/etc/systemd/system"

_SERVICE = """\
[Unit]
Description=Mirror builds of Distributed CI
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
User={user}
ExecStart={command}
# Another run holds the lock: nothing is wrong.
SuccessExitStatus={locked}
# Time to save what has been received; the next run goes on from there.
TimeoutStopSec=90
Nice=10
IOSchedulingClass=idle
UMask=0022

# The whole system is read-only but for the mirror, which must exist.
ProtectSystem=strict
ReadWritePaths={destination}
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
RestrictSUIDSGID=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
LockPersonality=yes
ProtectClock=yes
ProtectHostname=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""

_TIMER = """\
[Unit]
Description=Mirror builds of Distributed CI every night

[Timer]
OnCalendar=*-*-* 03:00:00
# Many labs, one control server: not all at once.
RandomizedDelaySec=1h
# A machine that was off makes up for it.
Persistent=true

[Install]
WantedBy=timers.target
"""


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
    service = _SERVICE.format(
        user=getpass.getuser(),
        command=" ".join(_quoted(word).replace("$", "$$") for word in command),
        destination=_quoted(os.path.abspath(merged.destination.value)),
        locked=LockedError.exit_code,
    )
    return {"service": service, "timer": _TIMER}


def _program() -> list[str]:
    """The command that starts this program: its script, beside the interpreter or on the PATH, or its module."""
    beside = os.path.join(os.path.dirname(sys.executable), "dci-downloader")
    script = beside if os.access(beside, os.X_OK) else shutil.which("dci-downloader")
    return [os.path.abspath(script)] if script else [sys.executable, "-m", "dci_downloader"]


def _quoted(word: str) -> str:
    """A word as systemd reads it back: without specifiers, and in quotes where it has more than plain characters."""
    if not word.isprintable():
        raise SettingsError(f"{word!r}: systemd units hold printable characters only")
    word = word.replace("%", "%%")
    if re.fullmatch(r"[\w@%+=:,./~^$-]+", word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
