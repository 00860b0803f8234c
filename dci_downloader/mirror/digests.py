"""The sha256 of files; also a program, which :mod:`dci_downloader.mirror.hashing` runs once for each core.

A request on standard input is a line with a number of bytes, followed by so many bytes: paths separated by NUL. The
response is one line: a digest for each path, separated by commas, empty for a file that cannot be read to its end.
A path may hold ``/./`` once: below it no folder is entered through a symbolic link, whoever made one there.
It imports as little as possible, because it is started often and has to start fast.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from typing import BinaryIO, Optional, Union

_READ_SIZE = 256 << 10  # fits the second-level cache of most processors
BELOW = "/./"
FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""Open a folder to work below it, without following a link in its place."""
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # non-blocking: a FIFO would wait for a writer


def digests(paths: Iterable[Union[str, bytes]]) -> list[str]:
    """The digests of files, each empty where it cannot be read; see :func:`sha256_file`."""
    buffer = bytearray(_READ_SIZE)
    result = []
    for path in paths:
        digest = ""
        with suppress(OSError):
            digest = sha256_file(path, buffer)
        result.append(digest)
    return result


def sha256_file(path: Union[os.PathLike[str], str, bytes], buffer: bytearray) -> str:
    """The digest of a file's content, 64 lower-case hexadecimal digits. A symbolic link is not followed.

    Args:
        path: of a regular file.
        buffer: to read into.

    Raises:
        OSError: it is not a regular file, or cannot be read to its end.
    """
    fd = _open(path)
    try:
        return sha256_open(fd, buffer)
    finally:
        os.close(fd)


def sha256_open(fd: int, buffer: Optional[bytearray] = None) -> str:
    """The digest of the rest of an open file.

    Args:
        fd: an open regular file.
        buffer: to read into; None for one of its own.

    Raises:
        OSError: it cannot be read to its end.
    """
    digest = sha256()
    buffers = [bytearray(_READ_SIZE) if buffer is None else buffer]
    with memoryview(buffers[0]) as view:
        while size := os.readv(fd, buffers):  # into the same buffer each time: nothing is allocated
            digest.update(view[:size])
    return digest.hexdigest()


def _open(path: Union[os.PathLike[str], str, bytes]) -> int:
    """Open a file; what is below ``/./`` is reached through folders only."""
    root, _, below = os.fsencode(path).partition(b"/./")
    if not below:
        return os.open(path, _FLAGS)
    folders, _, name = below.rpartition(b"/")
    folder = open_folder(root, folders)
    try:
        return os.open(name, _FLAGS, dir_fd=folder)
    finally:
        os.close(folder)


def open_folder(root: bytes, below: bytes) -> int:
    """Open a folder for its names alone; below the root no symbolic link is followed.

    Args:
        root: where to begin.
        below: a relative path; empty for the root itself.

    Raises:
        OSError: there is no such folder, or a link is in its way.
    """
    return descend(os.open(root, FOLDER), below.split(b"/") if below else ())


def descend(folder: int, steps: Iterable[Union[str, bytes]]) -> int:
    """Open the folder that steps from an open one lead to, without following a link on the way.

    Args:
        folder: where to begin; closed in any case.
        steps: names of folders, each in the one before.

    Raises:
        OSError: a step is missing, or is no folder.
    """
    for step in steps:
        try:
            inner = os.open(step, FOLDER, dir_fd=folder)
        finally:
            os.close(folder)
        folder = inner
    return folder


def serve(requests: BinaryIO, responses: BinaryIO) -> None:
    """Respond to requests until their stream ends."""
    while line := requests.readline():
        paths = requests.read(int(line)).split(b"\0")
        responses.write(",".join(digests(paths)).encode() + b"\n")
        responses.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
