"""Which digests a version names, as a sorted list in binary: read fifty times faster than the record that it repeats.

After the digests come the sizes of their contents, in the same order, eight bytes each with the lowest first.

    .versions/<type>/.<folder>.digests   beside the record <folder>.json

The list begins with the identity of its version, of which its content is a function, and ends with the sha256 of all
before. So a list that does not fit its record is recognised, and made anew: one older than the record has another
identity, one that a disk or a killed run cut short has another sum. Whoever can forge a list can forge the record and
remove objects as well; and an object that a tree links to stays, whatever lists say.
"""

from __future__ import annotations

import hashlib
import re
import struct
import sys
from array import array
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Optional

from dci_downloader.mirror.files import replace_atomically
from dci_downloader.mirror.reading import read_beginning, read_file
from dci_downloader.mirror.version import record_path
from dci_downloader.models import FileEntry

SUFFIX = ".digests"
SIZE = 32  # bytes of a digest

_BEGINNING = b"dci-downloader digests 2\n"
_MAX_SIZE = 256 << 20  # bytes, as of a record, which takes more for each file
_RECORD_BEGINNING = re.compile(rb'\{"format": ?1, ?"identity": ?"([0-9a-f]{64})"')


def list_path(tree: Path) -> Path:
    """The path of a tree's list. No component's folder begins with a dot, so the name is free."""
    return tree.with_name(f".{tree.name}{SUFFIX}")


def write_digest_list(tree: Path, identity: str, files: Iterable[FileEntry]) -> None:
    """Write the list of a tree atomically. Safe to repeat; where it cannot be written it is made when it is needed.

    Args:
        tree: of the version.
        identity: of the version.
        files: of the version, in any order.
    """
    sizes = {sha256: size for _, sha256, size in files}
    digests = sorted(sizes)  # in the order of the bytes that they stand for, and not there twice
    in_order = array("Q", map(sizes.__getitem__, digests))
    if sys.byteorder == "big":
        in_order.byteswap()
    content = b"".join([_BEGINNING, bytes.fromhex(identity), bytes.fromhex("".join(digests)), in_order.tobytes()])
    with suppress(OSError):  # a full disk, or a user who may only read
        replace_atomically(list_path(tree), (content, hashlib.sha256(content).digest()), mode=0o644)


def read_digest_list(tree: Path) -> Optional[bytes]:
    """The digests of a tree's list, one after the other; None where there is none that fits the record beside it.

    Raises:
        OSError: the record cannot be read.
    """
    match = _RECORD_BEGINNING.match(read_beginning(record_path(tree), 128))
    content = _read(tree) if match else b""
    identity, digests, _ = _parts(content)
    return digests if match and identity == bytes.fromhex(match[1].decode()) else None


def read_sizes(tree: Path, identity: str) -> Optional[dict[int, int]]:
    """The sizes of a tree's list by the first eight bytes of each digest, which are enough to count by.

    Args:
        tree: of the version.
        identity: of the version.

    Returns:
        None where there is no list of this version.
    """
    listed, digests, sizes = _parts(_read(tree))
    if listed.hex() != identity:
        return None
    beginnings, numbers = array("Q", digests)[:: SIZE // 8], array("Q", sizes)
    if sys.byteorder == "big":
        numbers.byteswap()
    return dict(zip(beginnings, numbers))


def remembered_digests(tree: Path) -> bytes:
    """The digests of a tree's list, of whatever version it is: what a version whose record is lost may have held."""
    return _parts(_read(tree))[1]


def is_digest_list(path: Path) -> bool:
    """Whether a file begins like a list that this program wrote."""
    with suppress(OSError):
        return read_beginning(path, len(_BEGINNING)) == _BEGINNING
    return False


def each_digest(digests: bytes) -> Iterator[bytes]:
    """Split digests that follow each other; an incomplete one at the end is left out."""
    whole = digests[: len(digests) // SIZE * SIZE]
    return chain.from_iterable(struct.iter_unpack(f"{SIZE}s", whole))  # no loop in Python: there may be millions


def _read(tree: Path) -> bytes:
    """The list of a tree without its sum; empty where it is not as it was written."""
    try:
        content = read_file(list_path(tree), _MAX_SIZE)
    except OSError:
        return b""
    whole, digest = content[:-SIZE], content[-SIZE:]
    is_right = whole.startswith(_BEGINNING) and hashlib.sha256(whole).digest() == digest
    return whole if is_right else b""


def _parts(content: bytes) -> tuple[bytes, bytes, bytes]:
    """Identity, digests and sizes of a list without its sum; all empty where there is none."""
    start = len(_BEGINNING) + SIZE
    count, rest = divmod(len(content) - start, SIZE + 8)
    if count < 0 or rest:
        return b"", b"", b""
    end = start + count * SIZE
    return content[len(_BEGINNING) : start], content[start:end], content[end:]
