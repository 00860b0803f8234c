"""Names on disk are the UTF-8 bytes of the manifest, whatever the locale.

Python encodes a path by the locale's character set: under ISO-8859-1 ``é`` would be the byte E9, and other letters an
error. The text made here is the one that Python turns into the right bytes; under UTF-8 that is the text itself.
"""

from __future__ import annotations

import os
import sys

_UTF8 = sys.getfilesystemencoding().lower().replace("-", "") == "utf8"


def native(text: str) -> str:
    """A name or path as Python must be given it, so that its bytes on disk are UTF-8."""
    return text if _UTF8 or text.isascii() else os.fsdecode(text.encode("utf-8", "surrogateescape"))


def text_of(path: str) -> str:
    """The text whose UTF-8 bytes a name or path from Python stands for; the inverse of :func:`native`."""
    return path if _UTF8 or path.isascii() else os.fsencode(path).decode("utf-8", "surrogateescape")
