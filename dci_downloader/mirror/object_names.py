"""Names in the store, which are digests."""

from __future__ import annotations

import re

from dci_downloader.content.names import quoted
from dci_downloader.errors import IntegrityError

_DIGEST = re.compile(r"[0-9a-f]{64}")


def is_digest(name: str) -> bool:
    """Whether an object may have this name; other files beside the objects are other people's."""
    return _DIGEST.fullmatch(name) is not None


def checked_digest(sha256: str) -> str:
    """Return a digest that may become a name in the store: objects, partials and their journals have no other names.

    Raises:
        IntegrityError: it is no digest, and might lead out of the store.
    """
    if _DIGEST.fullmatch(sha256) is None:  # not by is_digest: this is asked for each file
        raise IntegrityError(f"{quoted(sha256)} is no sha256", hint="nothing was read or written under this name")
    return sha256
