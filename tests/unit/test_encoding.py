"""Encoded bodies: what the bytes look like decides, and no body grows beyond its limit."""

from __future__ import annotations

import contextlib
import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dci_downloader.network.encoding import EncodingError, decode

TEXT = b'{"files": []}' * 20
BARE = zlib.compressobj(wbits=-15)
DEFLATED = BARE.compress(TEXT) + BARE.flush()
MIB = 2**20


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)  # the time would be part of the tests' ids


def bomb(layers: int) -> bytes:
    """64 MiB of zeros."""
    body = bytes(64 * MIB)
    for _ in range(layers):
        body = gzipped(body)
    return body


@pytest.mark.parametrize(
    ("header", "body"),
    [
        *(("", TEXT), ("identity", TEXT), ("aws-chunked", TEXT), ("utf-8", TEXT), (", ,", TEXT), ("br", TEXT)),
        *(("gzip", TEXT), ("deflate", TEXT), ("gzip, gzip", TEXT), ("zstd", TEXT)),  # said, but not done
        *(("gzip", gzipped(TEXT)), ("X-GZip", gzipped(TEXT)), (" GZIP ,", gzipped(TEXT))),
        *(("deflate", zlib.compress(TEXT)), ("deflate", DEFLATED)),
        ("gzip", gzipped(TEXT[:9]) + gzipped(TEXT[9:])),
        ("gzip", gzipped(TEXT) + b"\0\0\0"),
        ("deflate, gzip", gzipped(zlib.compress(TEXT))),
        ("gzip, aws-chunked, gzip", gzipped(gzipped(TEXT))),
        ("gzip, gzip", gzipped(TEXT)),
    ],
)
def test_what_arrived_is_decoded_where_it_is_encoded(header, body):
    assert decode(body, header, len(TEXT)) == TEXT


def test_an_empty_body_is_empty_whatever_it_is_called():
    for header in ("", "gzip", "deflate", "gzip, deflate", "br"):
        assert decode(b"", header, 0) == b""


@pytest.mark.parametrize("cut", [gzipped(TEXT)[:-1], gzipped(TEXT)[:20], b"\x1f\x8b\x08", b"\x1f\x8b\x08x"])
def test_a_cut_or_damaged_body_is_an_error(cut):
    with pytest.raises(EncodingError, match=r"cut|damaged") as caught:
        decode(cut, "gzip", MIB)
    assert not caught.value.too_long


def test_a_layer_may_have_as_many_bytes_as_the_limit_and_no_more():
    for header, body in (("gzip", gzipped(TEXT)), ("deflate", zlib.compress(TEXT)), ("deflate", DEFLATED)):
        with pytest.raises(EncodingError, match="longer than") as caught:
            decode(body, header, len(TEXT) - 1)
        assert caught.value.too_long
    with pytest.raises(EncodingError, match="longer than"):
        decode(gzipped(TEXT) * 2, "gzip", len(TEXT) * 2 - 1)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_bomb_takes_no_more_memory_than_the_limit(layers):
    body = bomb(layers)
    tracemalloc.start()
    try:
        with pytest.raises(EncodingError, match="longer than"):
            decode(body, ", ".join(["gzip"] * layers), MIB)
        assert tracemalloc.get_traced_memory()[1] < 6 * MIB
    finally:
        tracemalloc.stop()


def test_layers_without_end_are_refused():
    with pytest.raises(EncodingError, match="encoded 6 times"):
        decode(TEXT, ",".join(["gzip"] * 6), MIB)


def test_members_without_end_are_refused():
    member = gzipped(b"x")
    assert decode(member * 1000, "gzip", MIB) == b"x" * 1000
    with pytest.raises(EncodingError, match="more than 1,000 members"):
        decode(member * 1001, "gzip", MIB)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=300), st.text("gzipdeflate, xbr", max_size=30))
def test_any_bytes_under_any_name_end_in_bytes_or_an_error(body, header):
    for begin in (b"", b"\x1f\x8b\x08\0", b"\x78\x9c", gzipped(body)):
        with contextlib.suppress(EncodingError):
            assert len(decode(begin + body, header, 1000)) <= max(1000, len(begin + body))
