"""Content codings: bodies that come compressed are decoded, under a bound. Rules without I/O.

* ``Content-Encoding`` (RFC 9110, 8.4) lists codings in the order in which they were applied.
* ``gzip``, ``x-gzip`` and ``deflate`` can be undone here; nothing can where there is any other known coding as well.
* What is no coding (``identity``, ``aws-chunked``, ``utf-8``, nothing at all) says nothing about the bytes.
* ``deflate`` is sent with the header of zlib, as it should be, and without.
* No layer gives more than its bound, however many there are; a compressed form is hardly larger than what it holds.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence

_WINDOW = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_OTHERS = frozenset(
    {"br", "zstd", "compress", "x-compress", "dcb", "dcz", "exi", "pack200-gzip", "lzma", "xz", "bzip2"}
)
_MOST_LAYERS = 4
_PIECE = 64 * 1024
_GZIP_MAGIC = b"\x1f\x8b"


def names_encoding(value: str) -> bool:
    """Whether a ``Content-Encoding`` says that bytes may be something else than they seem."""
    return value.strip(" \t").lower() not in ("", "identity")


def codings(value: str) -> tuple[str, ...]:
    """The codings by ``Content-Encoding`` that can be undone; none where there is one that cannot."""
    names = [name.strip(" \t").lower() for name in value.split(",")]
    known = tuple(name for name in names if name in _WINDOW)
    return () if len(known) > _MOST_LAYERS or not _OTHERS.isdisjoint(names) else known


class TooLongError(ValueError):
    """A body holds more than it may."""


def decode(body: bytes, value: str, size: int) -> bytes:
    """A whole body with its codings undone.

    The header is a hint: a body that does not begin as its coding does stays as it is.

    Args:
        body: as it was received.
        value: of ``Content-Encoding``; may be empty.
        size: the most bytes that it may have, each layer for itself.

    Raises:
        TooLongError: it holds more.
        ValueError: it is damaged, or ends too early.
    """
    for name in reversed(codings(value) if body else ()):
        if name == "deflate" or body.startswith(_GZIP_MAGIC):
            decoder = Decoder([name], size)
            try:
                # Piece by piece: what follows a member of a gzip file is copied once for each.
                decoded = b"".join(decoder.decode(body[at : at + 4096]) for at in range(0, len(body), 4096))
            except TooLongError:
                raise
            except ValueError:
                if name != "deflate":
                    raise
                continue
            if not decoder.complete:
                raise ValueError("it ends too early")
            body = decoded
    return body


class Decoder:
    """Undoes codings, piece by piece.

    Args:
        names: as :func:`codings` gives them.
        size: the most bytes that the body may have when all is undone.
    """

    def __init__(self, names: Sequence[str], size: int) -> None:
        encoded = size + size // 16 + _PIECE
        self._layers = [_Layer(_WINDOW[name], encoded) for name in reversed(names)]
        self._layers[-1].left = size

    @property
    def complete(self) -> bool:
        """Whether each coding has come to its end."""
        return all(layer.complete for layer in self._layers)

    def decode(self, chunk: bytes) -> bytes:
        """The bytes that can be had with one more chunk.

        Raises:
            ValueError: it is not so encoded, or holds more than it may.
        """
        pieces: Iterable[bytes] = [chunk]
        for layer in self._layers:
            pieces = layer.decode(pieces)
        try:
            return b"".join(pieces)
        except zlib.error as error:
            raise ValueError(f"it is not what its Content-Encoding says: {error}") from None


class _Layer:
    """Undoes one coding.

    Attributes:
        left: bytes that it may still give.
    """

    def __init__(self, window: int, most: int) -> None:
        self.left = most
        self._window = window
        self._first = b""
        self._inflater = zlib.decompressobj(window)

    @property
    def complete(self) -> bool:
        """Whether it has come to its end."""
        return self._inflater.eof

    def decode(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Undo the coding of more chunks."""
        for chunk in chunks:
            yield from self._inflate(self._begin(chunk))

    def _begin(self, chunk: bytes) -> bytes:
        """Look at the first two bytes of ``deflate``: without the header of zlib it needs another inflater."""
        if self._window != 15:
            return chunk
        chunk = self._first + chunk
        if len(chunk) < 2:
            self._first = chunk
            return b""
        self._first = b""
        if chunk[0] & 0x0F != 8 or int.from_bytes(chunk[:2], "big") % 31:
            self._inflater = zlib.decompressobj(-15)
        self._window = 0
        return chunk

    def _inflate(self, chunk: bytes) -> Iterator[bytes]:
        full = False  # there may be more to give though all was taken
        while chunk or full:
            if self._inflater.eof:
                chunk, self._first = self._first + chunk, b""
                if self._window == 31 and _GZIP_MAGIC.startswith(chunk):
                    self._first = chunk  # too little to tell
                    return
                if self._window != 31 or not chunk.startswith(_GZIP_MAGIC):
                    return  # padding
                self._inflater = zlib.decompressobj(31)  # one gzip file after the other is one, too
            piece = self._inflater.decompress(chunk, _PIECE)
            full = len(piece) == _PIECE
            self.left -= len(piece)
            if self.left < 0:
                raise TooLongError("there is more in it than there should be")
            if piece:
                yield piece
            chunk = self._inflater.unused_data if self._inflater.eof else self._inflater.unconsumed_tail
