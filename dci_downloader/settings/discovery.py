"""Settings and credentials that are found in their usual places, where the user names none.

    /etc/dci-downloader/settings.yml, dcirc.sh        those of the machine
    ~/.config/dci-downloader/settings.yml, dcirc.sh   those of the user, over them

XDG_CONFIG_HOME is taken in place of ~/.config.

The rules:

* A file that nobody named is used only where nobody else can have written it: it and its folder belong to this user or
  to root, and not everybody may write to them. So root does not follow another user's settings under ``sudo``.
* A file that this user may not read is skipped; errors about missing settings or credentials then name it.
* Found credentials count only where the environment holds none. Other variables of ``dcirc.sh`` give way to it, too.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from typing import NamedTuple, Optional

from dci_downloader import environment, user_files
from dci_downloader.errors import AccessError
from dci_downloader.options import AnyCredentials

SYSTEM_FOLDER = "/etc/dci-downloader"
SETTINGS_NAME, DCIRC_NAME = "settings.yml", "dcirc.sh"


class FoundFiles(NamedTuple):
    """The files that are found.

    Attributes:
        settings: paths of settings files, later over earlier.
        dcirc: path of the file with credentials; empty for none.
        ignored: why another one is not used, a line each.
    """

    settings: tuple[str, ...] = ()
    dcirc: str = ""
    ignored: tuple[str, ...] = ()

    def explain(self, hint: str) -> str:
        """A hint about something that is missing, with the files that are there and not used."""
        return "; ".join([hint, *self.ignored])


class Variables(NamedTuple):
    """The environment with the credentials of a file.

    Attributes:
        environ: as ``os.environ``, with the variables of a ``dcirc.sh``.
        found: the files that were found.
        notes: lines for everybody.
        details: lines for verbose output.
    """

    environ: Mapping[str, str]
    found: FoundFiles
    notes: tuple[str, ...] = ()
    details: tuple[str, ...] = ()

    def credentials(self) -> AnyCredentials:
        """The credentials that count.

        Raises:
            AccessError: there are none.
        """
        try:
            return environment.credentials(self.environ)
        except AccessError as error:
            error.hint = self.found.explain(error.hint)
            raise


def folders(environ: Mapping[str, str]) -> tuple[str, str]:
    """The folder of the machine and that of the user, in the order in which they count."""
    home = environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(home):  # by the XDG base directory specification such a value counts for nothing
        home = os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".config")
    return SYSTEM_FOLDER, os.path.join(home, "dci-downloader")


def find(environ: Mapping[str, str]) -> FoundFiles:
    """Look for the files. Reads none of them.

    Args:
        environ: as ``os.environ``.
    """
    settings: list[str] = []
    credentials: list[str] = []
    ignored: list[str] = []
    for folder in folders(environ):
        for name, found in ((SETTINGS_NAME, settings), (DCIRC_NAME, credentials)):
            path = os.path.join(folder, name)
            obstacle = _obstacle(folder, path)
            if obstacle:
                ignored.append(f"{path} is not used: {obstacle}")
            elif obstacle is None:
                found.append(path)
    return FoundFiles(tuple(settings), credentials[-1] if credentials else "", tuple(ignored))


def _obstacle(folder: str, path: str) -> Optional[str]:
    """Why a file is not used; None where it is, an empty text where there is no such file."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return "it is no file"
        owned = user_files.distrust(folder) or user_files.distrust(path)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    if owned:
        return f"{owned}; to use it all the same, name it by --settings or --dcirc"
    return None if os.access(path, os.R_OK) else "this user may not read it"


def with_credentials(environ: Mapping[str, str], dcirc: Optional[str], url: Optional[str]) -> Variables:
    """The environment with the credentials that count: of a file that is named, else its own, else those found.

    Args:
        environ: as ``os.environ``.
        dcirc: path of the file that the command line names; None or empty for none.
        url: of the control server, over every other; None or empty for theirs.

    Raises:
        SettingsError: a file cannot be used.
    """
    found = find(environ)
    own = [name for names in environment.KINDS.values() for name in names if environ.get(name)]
    if dcirc or own or not found.dcirc:
        details = found.ignored
        environ = environment.with_options(environ, dcirc, url)
    else:
        details = (f"credentials found: {found.dcirc}", *found.ignored)
        dcirc, variables = found.dcirc, {name: value for name, value in environ.items() if value}
        environ = environment.with_options({**environment.read_dcirc(dcirc), **variables}, None, url)
    return Variables(environ, found, environment.dcirc_notes(dcirc), details)
