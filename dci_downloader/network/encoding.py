"""Encoded bodies (``Content-Encoding``), decoded within a bound: rules without I/O.

Nothing here asks for an encoding, so the header is a hint only (RFC 9110, 8.4). The bytes of a file are proved by its
digest: :mod:`dci_downloader.transfer.verdict` decides how they are read. Other bodies are decoded where they
look encoded.

* The header lists encodings in the order in which they were applied; at most five are undone.
* ``gzip`` and ``deflate`` are decoded, the latter with the head of zlib, as it should have, and without.
* What is no encoding (``identity``, ``aws-chunked``, ``utf-8``, none) says nothing. ``br``, ``zstd`` and their like
  cannot be decoded here; the body stays as it is.
* What an undone encoding gives is bounded, and no gzip file has more than a thousand members, so that a small body
  takes neither memory nor time without bound.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence

MAX_ENCODINGS = 5
MAX_MEMBERS = 1000

_GZIP = frozenset({"gzip", "x-gzip"})
_GZIP_MAGIC = b"\x1f\x8b\x08"
_GZIP_WINDOW, _ZLIB_WINDOW, _RAW_WINDOW = 31, 15, -15  # of zlib.decompressobj
_PIECE = 64 * 1024  # bytes decoded at once
_OTHERS = frozenset({"br", "zstd", "compress", "x-compress", "dcb", "dcz", "exi", "pack200-gzip", "xz", "bzip2"})


class EncodingError(ValueError):
    """A body cannot be decoded: it is cut or damaged, has too many encodings, or becomes too long.

    Attributes:
        too_long: whether it becomes longer than the limit.
    """

    def __init__(self, message: str, *, too_long: bool = False) -> None:
        super().__init__(message)
        self.too_long = too_long


def names_encoding(header: str) -> bool:
    """Whether a header says that bytes may be something else than they seem."""
    return header.strip(" \t").lower() not in ("", "identity")


def encodings(header: str) -> list[str]:
    """The encodings of a header that can be decoded, in the order in which they were applied."""
    names = (name.strip().lower() for name in header.split(","))
    return [name for name in names if name in _GZIP or name == "deflate"]


def decodable(header: str) -> tuple[str, ...]:
    """The encodings of a header; none where one of them cannot be decoded, or where they are too many."""
    names, found = {name.strip().lower() for name in header.split(",")}, encodings(header)
    return () if len(found) > MAX_ENCODINGS or not _OTHERS.isdisjoint(names) else tuple(found)


def decode(body: bytes, header: str, limit: int) -> bytes:
    """A body without its encodings. One that does not begin as its encoding does is taken as it is.

    Args:
        body: as it was received, whole.
        header: the value of ``Content-Encoding``; may be empty.
        limit: most bytes that any of its encodings may give when it is undone.

    Raises:
        EncodingError: it cannot be decoded.
    """
    names = encodings(header)
    if len(names) > MAX_ENCODINGS:
        raise EncodingError(f"encoded {len(names)} times")
    for name in reversed(names):
        encoding = _Encoding(name, limit)
        if not body or (name in _GZIP and not body.startswith(_GZIP_MAGIC)):
            continue
        try:
            decoded = b"".join(encoding.decode([body]))
            if not encoding.complete:
                raise EncodingError("cut, or damaged at its end")
        except EncodingError as error:
            if encoding.window != _RAW_WINDOW or error.too_long:
                raise
        else:
            body = decoded
    return body


def foreign_encoding(header: str) -> str:
    """The encoding of a header that cannot be undone here; empty for none."""
    names = (name.strip().lower() for name in header.split(","))
    return next((name for name in names if name in _OTHERS), "")


class Decoder:
    """Decodes a file's body piece by piece.

    Args:
        names: as :func:`decodable` gives them.
        size: the most bytes that the file may have. What it is compressed to is hardly longer.
    """

    def __init__(self, names: Sequence[str], size: int) -> None:
        between = size + size // 16 + _PIECE
        self._encodings = [_Encoding(name, between) for name in reversed(names)]
        self._encodings[-1].limit = size

    def decode(self, chunk: bytes) -> bytes:
        """The bytes that can be had with one more chunk.

        Raises:
            EncodingError: it is not so encoded, or holds more than it may.
        """
        pieces: Iterable[bytes] = [chunk]
        for encoding in self._encodings:
            pieces = encoding.decode(pieces)
        return b"".join(pieces)


class _Encoding:
    """Undoes one encoding.

    Attributes:
        limit: bytes that it may give.
        window: as zlib calls the kind of encoding; 0 until it is known.
        complete: whether it came to its end, and nothing but padding followed.
    """

    def __init__(self, name: str, limit: int) -> None:
        self.limit = limit
        self.window = _GZIP_WINDOW if name in _GZIP else 0
        self.complete = False
        self._size = self._members = 0
        self._begin = b""
        self._inflater = zlib.decompressobj(self.window or _ZLIB_WINDOW)

    def decode(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Undo the encoding of more bytes."""
        for chunk in chunks:
            rest = self._begin + chunk
            self._begin = b""
            while rest and not (self.complete and self._ends(rest)):
                if not self.window and not self._recognizes(rest):
                    break
                yield from self._member(rest)
                rest = self._inflater.unused_data if self.complete else b""

    def _recognizes(self, begin: bytes) -> bool:
        """Find out by two bytes whether ``deflate`` came with the head of zlib; false while there are fewer."""
        if len(begin) < 2:
            self._begin = begin
            return False
        has_head = begin[0] & 15 == zlib.DEFLATED and int.from_bytes(begin[:2], "big") % 31 == 0
        self.window = _ZLIB_WINDOW if has_head else _RAW_WINDOW
        self._inflater = zlib.decompressobj(self.window)
        return True

    def _ends(self, rest: bytes) -> bool:
        """Whether what follows a complete member is padding; if it is another member, that is begun."""
        if self.window != _GZIP_WINDOW:
            return True
        if len(rest) < len(_GZIP_MAGIC) and _GZIP_MAGIC.startswith(rest):
            self._begin = rest  # too little to tell
            return True
        if not rest.startswith(_GZIP_MAGIC):
            return True
        self._members += 1
        if self._members == MAX_MEMBERS:  # each copies what follows it
            raise EncodingError(f"a gzip file of more than {MAX_MEMBERS:,} members")
        self.complete = False
        self._inflater = zlib.decompressobj(_GZIP_WINDOW)
        return False

    def _member(self, rest: bytes) -> Iterator[bytes]:
        """Decompress to the end of a member, or as far as the bytes reach."""
        full = False  # there may be more to give though all was taken
        while not self.complete and (rest or full):
            try:
                piece = self._inflater.decompress(rest, _PIECE)
            except zlib.error as error:
                raise EncodingError(f"damaged ({error})") from None
            self._size += len(piece)
            if self._size > self.limit:
                raise EncodingError(f"longer than {self.limit:,} bytes once it is decoded", too_long=True)
            if piece:
                yield piece
            full, rest = len(piece) == _PIECE, self._inflater.unconsumed_tail
            self.complete = self._inflater.eof
