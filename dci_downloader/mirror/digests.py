"""The sha256 of files; also a program of its own, which :mod:`dci_downloader.mirror.hashing` runs once for each core.

A request on standard input is a line with a number of bytes, then so many bytes: paths with NUL between them. The
answer is one line: a digest for each path, with commas between them, empty for what cannot be read to its end.
Imports as little as can be, for it is started often and must be there at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from typing import BinaryIO, Union

_READ_SIZE = 256 << 10  # fits the second-level cache of most processors
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def digests(paths: Iterable[Union[str, bytes]]) -> list[str]:
    """The digests of files, each empty where it cannot be read; see :func:`sha256_file`."""
    buffer = bytearray(_READ_SIZE)
    found = []
    for path in paths:
        digest = ""
        with suppress(OSError):
            digest = sha256_file(path, buffer)
        found.append(digest)
    return found


def sha256_file(path: Union[os.PathLike[str], str, bytes], buffer: bytearray) -> str:
    """The digest of a file's content, 64 lower-case hexadecimal digits. A symbolic link is not followed.

    Args:
        path: of a regular file.
        buffer: to read into.

    Raises:
        OSError: it is not a regular file, or cannot be read to its end.
    """
    fd = os.open(path, _FLAGS)
    try:
        digest = sha256()
        buffers = [buffer]
        with memoryview(buffer) as view:
            while size := os.readv(fd, buffers):
                digest.update(view[:size])
    finally:
        os.close(fd)
    return digest.hexdigest()


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more."""
    while line := requests.readline():
        paths = requests.read(int(line)).split(b"\0")
        answers.write(",".join(digests(paths)).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
