"""Encoded bodies: what the bytes look like decides, whatever pieces they arrive in, and none grows beyond its limit."""

from __future__ import annotations

import contextlib
import gzip
import os
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dci_downloader.network.encoding import Decoder, EncodingError, decodable, decode, names_encoding

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


# piece by piece

CONTENT = os.urandom(70_000) + b"a" * 130_000


def raw_deflate(content):
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(content) + deflater.flush()


@pytest.mark.parametrize(
    ("value", "names", "says"),
    [
        ("", (), False),
        (" Identity ", (), False),
        ("gzip", ("gzip",), True),
        ("X-GZIP", ("x-gzip",), True),
        ("deflate, gzip", ("deflate", "gzip"), True),
        ("aws-chunked,gzip", ("gzip",), True),
        (", ,gzip,identity", ("gzip",), True),
        ("utf-8", (), True),
        ("br", (), True),
        ("zstd, gzip", (), True),
        ("gzip," * 6, (), True),
    ],
)
def test_what_can_be_decoded_by_a_content_encoding(value, names, says):
    assert decodable(value) == names
    assert names_encoding(value) is says


@pytest.mark.parametrize("step", [1, 7, 1000, 10**7])
@pytest.mark.parametrize(
    ("names", "body"),
    [
        (("gzip",), gzip.compress(CONTENT)),
        (("deflate",), zlib.compress(CONTENT)),
        (("deflate",), raw_deflate(CONTENT)),
        (("gzip", "gzip"), gzip.compress(gzip.compress(CONTENT))),
        (("deflate", "x-gzip"), gzip.compress(zlib.compress(CONTENT))),
        (("gzip",), gzip.compress(CONTENT[:999]) + gzip.compress(CONTENT[999:])),
        (("gzip",), gzip.compress(CONTENT) + bytes(50)),
    ],
    ids=["gzip", "deflate", "raw deflate", "twice", "both", "two members", "padded"],
)
def test_what_was_encoded_is_decoded(names, body, step):
    decoder = Decoder(names, len(CONTENT))
    decoded = [decoder.decode(body[start : start + step]) for start in range(0, len(body), step)]
    assert b"".join(decoded) == CONTENT


LONG = gzip.compress(bytes(3_000_000))


@pytest.mark.parametrize(
    ("names", "body"),
    [
        (("gzip",), gzip.compress(CONTENT + b"1")),
        (("gzip",), LONG),
        (("gzip", "gzip"), gzip.compress(LONG)),
        (("gzip", "gzip"), gzip.compress(gzip.compress(b"small") + LONG)),
        (("deflate",), raw_deflate(bytes(3_000_000))),
        (("gzip",), b"as it is"),
        (("deflate",), b"as it is"),
        (("gzip",), gzip.compress(CONTENT)[:-8] + bytes(8)),
        (("gzip", "gzip"), gzip.compress(CONTENT)),
    ],
    ids=["a byte", "bomb", "two layers", "after another", "deflate", "plain", "no deflate", "checksum", "once only"],
)
def test_anything_else_and_more_than_there_should_be_is_refused(names, body):
    with pytest.raises(EncodingError, match=r"longer than|damaged"):
        Decoder(names, len(CONTENT)).decode(body)


@settings(deadline=None)
@given(st.sampled_from(["gzip", "deflate", "x-gzip"]), st.lists(st.binary(max_size=50)))
def test_arbitrary_bytes_are_decoded_or_refused(name, chunks):
    decoder = Decoder((name,), 100)
    try:
        decoded = b"".join(map(decoder.decode, chunks))
    except EncodingError:
        return
    assert len(decoded) <= 100
