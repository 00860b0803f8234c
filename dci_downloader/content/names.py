"""Names and paths that a mirror may hold: rules without I/O.

* A name is at most 255 bytes of UTF-8 (``NAME_MAX`` of Linux), without ``/`` and control characters (``Cc`` of Unicode:
  they break lines and terminals), and not ``.`` or ``..``.
* A path is at most 3,072 bytes, which leaves a quarter of ``PATH_MAX`` to the mirror's own folders, and 64 folders
  deep: no small document may ask for millions of folders.
* A folder of the mirror does not start with a dot, as the mirror's own folders do.
* A component may have any name: what its version's folder cannot hold, on a stick with vfat or exFAT either, is written
  as in a URL (RFC 3986, 2.1), and ``%`` with it. Of a name that is too long that folder has the beginning and the
  digest; no other name gives ``%~``.
"""

from __future__ import annotations

import hashlib
import re

from dci_downloader.errors import ManifestError

MAX_NAME = 255
MAX_PATH = 3072
MAX_DEPTH = 64
PLAIN_NAME = re.compile(r"[ 0-~][ -.0-~]{0,254}")
"""A cheap test that nearly every name passes: ASCII, no dot first."""
HINT = "nothing was changed in the mirror; report the component to whoever publishes it"

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NOT_IN_A_FOLDER = re.compile(r"""^\.|[. ]\Z|[/%"*:<>?\\|\x00-\x1f\x7f-\x9f\ud800-\udfff]""")
_LONGEST_FOLDER = 200
"""Bytes of a version's folder, so that a suffix and the names of its record fit into ``MAX_NAME``."""


class EntryError(Exception):
    """An entry of a manifest, or a name, that no mirror may hold; the text completes "it …"."""


def check_name(name: str, subject: str) -> str:
    """Return ``name`` if it can be a folder of the mirror.

    Args:
        name: of a topic, component type or component, from the server.
        subject: what it names, for the message.

    Raises:
        ManifestError: it breaks a rule.
    """
    try:
        check_segment(name)
        if name.startswith("."):
            raise EntryError("it starts with a dot")
    except EntryError as fault:
        raise ManifestError(
            f"{subject} {quoted(name)} cannot be a folder: {fault}", entry=quoted(name), hint=HINT
        ) from None
    return name


def version_folder(name: str) -> str:
    """The folder of a version, from the name of its component: another one for every other name."""
    folder = _NOT_IN_A_FOLDER.sub(_escaped, name)
    if 0 < len(folder.encode()) <= _LONGEST_FOLDER:
        return folder
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    beginning = folder.encode()[: _LONGEST_FOLDER - len(digest) - 2].decode(errors="ignore")
    return f"{beginning}%~{digest}"


def _escaped(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))


def check_segment(name: str) -> None:
    """Raise EntryError for what cannot be one step of a path."""
    if name in ("", ".", ".."):
        raise EntryError(f"a step of its path is {name!r}" if name else "a step of its path is empty")
    if "/" in name:
        raise EntryError("a name holds a slash")
    if _CONTROL.search(name):
        raise EntryError("a name holds a control character")
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise EntryError("a name is not valid Unicode") from None
    if size > MAX_NAME:
        raise EntryError(f"a name is longer than {MAX_NAME} bytes")


def quoted(text: str) -> str:
    """Foreign text for a message: quoted, shortened, control characters and lone surrogates escaped."""
    return repr(text if len(text) <= 120 else f"{text[:80]}…{text[-39:]}")
