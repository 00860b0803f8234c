"""The text of units for systemd: a service that mirrors and may do nothing else, and a timer for it.

They are for systemd 239 (RHEL 8) and later, which ignores what it does not know yet.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from dci_downloader.errors import LockedError, SettingsError

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

TIMER = """\
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


def service_unit(user: str, command: Sequence[str], destination: str, *others: str) -> str:
    """The service.

    Args:
        user: who it runs as.
        command: what it runs; the program by its absolute path.
        destination: root of the mirror, which must exist; an absolute path.
        others: further folders that are written to, if they are there; absolute paths.

    Raises:
        SettingsError: a word of the command, or a folder, holds a character that is not printable.
    """
    return _SERVICE.format(
        user=user,
        command=" ".join(_quoted(word).replace("$", "$$") for word in command),
        destination=" ".join([_quoted(destination), *(_quoted(f"-{folder}") for folder in others)]),
        locked=LockedError.exit_code,
    )


def _quoted(word: str) -> str:
    """A word as systemd reads it back: without specifiers, and in quotes where it has more than plain characters."""
    if not word.isprintable():
        raise SettingsError(f"{word!r}: systemd units hold printable characters only")
    word = word.replace("%", "%%")
    if re.fullmatch(r"[\w@%+=:,./~^$-]+", word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
