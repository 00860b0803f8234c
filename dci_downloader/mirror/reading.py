"""Read a file of the mirror into memory, whatever somebody put in its place: links, pipes, devices, endless files.

A folder is opened with the same care: one that was replaced by a link would lead out of the mirror.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Optional

_CHUNK = 1 << 20  # bytes; as much memory is taken for a read, however little comes


def read_file(path: Path, limit: int) -> bytes:
    """The content of a regular file. A symbolic link is not followed, and nothing else is opened.

    Args:
        path: of the file.
        limit: the most bytes to read.

    Raises:
        OSError: it cannot be read; EINVAL where it is no regular file, EFBIG where it is longer than ``limit``.
    """
    return read_open(os.fspath(path), limit)


def read_open(name: str, limit: int, folder: Optional[int] = None) -> bytes:
    """The same for a name that is relative to an open folder; None for the working folder."""
    return b"".join(_chunks(name, limit, folder))


@contextmanager
def open_listed(path: Path) -> Iterator[int]:
    """The descriptor of a folder, to list it and to open what is in it. A symbolic link is not followed.

    Raises:
        OSError: it cannot be opened; ENOTDIR where it is a link.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def hash_file(path: Path, limit: int) -> tuple[str, int]:
    """The sha256 of a regular file, in hexadecimal, and its size; raises what :func:`read_file` does."""
    digest, size = hashlib.sha256(), 0
    for chunk in _chunks(os.fspath(path), limit):  # a record takes megabytes, of which nothing is kept
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


def read_beginning(path: Path, size: int) -> bytes:
    """The first bytes of a regular file, all of them where it has no more.

    Raises:
        OSError: it cannot be read; EINVAL where it is no regular file.
    """
    with _opened(os.fspath(path)) as file:
        return file.read(size)


def _chunks(name: str, limit: int, folder: Optional[int] = None) -> Iterator[bytes]:
    size = 0
    with _opened(name, folder) as file:
        status = os.fstat(file.fileno())
        while status.st_size <= limit >= size and (chunk := file.read(min(limit + 1 - size, _CHUNK))):
            size += len(chunk)
            yield chunk
        if max(status.st_size, size) > limit:
            raise OSError(errno.EFBIG, f"it is larger than {limit:,} bytes")


def _opened(name: str, folder: Optional[int] = None) -> FileIO:
    _require_regular(os.lstat(name, dir_fd=folder))  # before it is opened: to open a device may do something
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    file = FileIO(os.open(name, flags, dir_fd=folder), "rb")
    try:
        _require_regular(os.fstat(file.fileno()))
    except OSError:
        file.close()
        raise
    return file


def _require_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
