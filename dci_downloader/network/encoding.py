"""Encoded bodies (``Content-Encoding``), decoded within a bound: rules without I/O.

Nothing here asks for an encoding, so the header is a hint only (RFC 9110, 8.4); what the bytes look like decides:

* ``gzip`` and ``deflate`` are decoded, layer by layer, the last that was applied first; at most five layers.
* A body that does not begin as its encoding does is taken as it is: servers name encodings that they did not apply.
* Other names (``identity``, ``aws-chunked``, ``utf-8``, none) say nothing. ``br``, ``zstd`` and ``compress`` cannot be
  decoded here; the body stays as it is.
* No layer may become longer than the limit, and no gzip file has more than a thousand members, so that a small body
  takes neither memory nor time without bound.
"""

from __future__ import annotations

import zlib

MAX_LAYERS = 5
MAX_MEMBERS = 1000

_GZIP = {"gzip", "x-gzip"}
_GZIP_MAGIC = b"\x1f\x8b\x08"
_GZIP_WINDOW, _ZLIB_WINDOW, _RAW_WINDOW = 31, 15, -15  # of zlib.decompressobj


class EncodingError(ValueError):
    """A body cannot be decoded: it is cut or damaged, has too many layers, or becomes too long.

    Attributes:
        too_long: whether it becomes longer than the limit.
    """

    def __init__(self, message: str, *, too_long: bool = False) -> None:
        super().__init__(message)
        self.too_long = too_long


def encodings(header: str) -> list[str]:
    """The encodings of a header that can be decoded, in the order in which they were applied."""
    names = (name.strip().lower() for name in header.split(","))
    return [name for name in names if name in _GZIP or name == "deflate"]


def decode(body: bytes, header: str, limit: int) -> bytes:
    """A body without its encodings.

    Args:
        body: as it was received, whole.
        header: the value of ``Content-Encoding``; may be empty.
        limit: most bytes that any layer may have.

    Raises:
        EncodingError: it cannot be decoded.
    """
    layers = encodings(header)
    if len(layers) > MAX_LAYERS:
        raise EncodingError(f"encoded {len(layers)} times")
    for name in reversed(layers):
        body = _ungzip(body, limit) if name in _GZIP else _inflate(body, limit)
    return body


def _ungzip(body: bytes, limit: int) -> bytes:
    """Decode each member of a gzip file (RFC 1952, 2.2); what follows the last is ignored, as gzip(1) does."""
    if not body.startswith(_GZIP_MAGIC):
        return body
    members: list[bytes] = []
    size = 0
    while body.startswith(_GZIP_MAGIC):
        if len(members) == MAX_MEMBERS:  # each copies what follows it
            raise EncodingError(f"a gzip file of more than {MAX_MEMBERS:,} members")
        content, body = _decompress(body, _GZIP_WINDOW, limit - size)
        members.append(content)
        size += len(content)
    return b"".join(members)


def _inflate(body: bytes, limit: int) -> bytes:
    """Decode ``deflate``: zlib (RFC 1950), or bare (RFC 1951) as some servers send it; else the body is as it is."""
    if body[:1] and body[0] & 15 == zlib.DEFLATED and int.from_bytes(body[:2], "big") % 31 == 0:
        return _decompress(body, _ZLIB_WINDOW, limit)[0]
    try:
        return _decompress(body, _RAW_WINDOW, limit)[0]
    except EncodingError as error:
        if error.too_long:
            raise
        return body


def _decompress(body: bytes, window: int, limit: int) -> tuple[bytes, bytes]:
    """The content of one compressed stream, and what follows it."""
    decompressor = zlib.decompressobj(window)
    try:
        content = decompressor.decompress(body, limit + 1)
    except zlib.error as error:
        raise EncodingError(f"damaged ({error})") from None
    if len(content) > limit:
        raise EncodingError(f"longer than {limit:,} bytes once it is decoded", too_long=True)
    if not decompressor.eof:
        raise EncodingError("cut, or damaged at its end")
    return content, decompressor.unused_data
