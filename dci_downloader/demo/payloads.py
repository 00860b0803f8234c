"""The bytes that the embedded object store serves: from memory, from disk, or made up as they are sent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, Union

_CHUNK = 256 * 1024


class Content(Protocol):
    """The bytes of an object.

    Attributes:
        size: bytes.
        sha256: 64 lower-case hexadecimal digits.
    """

    @property
    def size(self) -> int: ...  # noqa: D102

    @property
    def sha256(self) -> str: ...  # noqa: D102

    def chunks(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from ``start`` up to, not including, ``end``, in pieces."""


class Blob:
    """Content held in memory."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)
        self.sha256 = hashlib.sha256(content).hexdigest()

    def chunks(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from ``start`` up to, not including, ``end``, in pieces."""
        for position in range(start, end, _CHUNK):
            yield self._content[position : min(position + _CHUNK, end)]


class DiskFile:
    """Content that stays on disk and is read as it is sent; hashed once, when it is added."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.size = path.stat().st_size
        digest = hashlib.sha256()
        for chunk in self.chunks(0, self.size):
            digest.update(chunk)
        self.sha256 = digest.hexdigest()

    def chunks(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from ``start`` up to, not including, ``end``, in pieces."""
        with self._path.open("rb") as stream:
            stream.seek(start)
            while start < end:
                chunk = stream.read(min(_CHUNK, end - start))
                if not chunk:
                    raise OSError(f"{self._path} became shorter while it was served")
                yield chunk
                start += len(chunk)


class Pattern:
    """Content of any size that takes no memory: a short pattern over and over."""

    def __init__(self, pattern: bytes, size: int) -> None:
        self._block = pattern * (_CHUNK // len(pattern) + 2)
        self._period = len(pattern)
        self.size = size
        digest = hashlib.sha256()
        for chunk in self.chunks(0, size):
            digest.update(chunk)
        self.sha256 = digest.hexdigest()

    def chunks(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from ``start`` up to, not including, ``end``, in pieces."""
        for position in range(start, end, _CHUNK):
            phase = position % self._period
            yield self._block[phase : phase + min(_CHUNK, end - position)]


Bytes = Union[bytes, Path, Content]


def content(source: Bytes) -> Content:
    """Bytes, a file on disk, or what already is content."""
    if isinstance(source, bytes):
        return Blob(source)
    return DiskFile(source) if isinstance(source, Path) else source
