"""The bytes that the embedded object store serves: from memory, or made up as they are sent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Protocol, Union

CHUNK = 256 * 1024


class Payload(Protocol):
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
    """A payload in memory."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)
        self.sha256 = hashlib.sha256(content).hexdigest()

    def chunks(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from ``start`` up to, not including, ``end``, in pieces."""
        for position in range(start, end, CHUNK):
            yield self._content[position : min(position + CHUNK, end)]


class Pattern:
    """A payload of any size that takes no memory: a short pattern over and over."""

    def __init__(self, pattern: bytes, size: int) -> None:
        self._block = pattern * (CHUNK // len(pattern) + 2)
        self._period = len(pattern)
        self.size = size
        digest = hashlib.sha256()
        for chunk in self.chunks(0, size):
            digest.update(chunk)
        self.sha256 = digest.hexdigest()

    def chunks(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from ``start`` up to, not including, ``end``, in pieces."""
        for position in range(start, end, CHUNK):
            phase = position % self._period
            yield self._block[phase : phase + min(CHUNK, end - position)]


Bytes = Union[bytes, Payload]
"""What the catalogue takes for an object."""


def payload(source: Bytes) -> Payload:
    """The payload of plain bytes; a payload as it is."""
    return Blob(source) if isinstance(source, bytes) else source
