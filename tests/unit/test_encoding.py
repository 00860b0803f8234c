"""Encoded bodies are decoded, whatever pieces they arrive in, and never to more than they should be."""

import contextlib
import gzip
import os
import time
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dci_downloader.network.encoding import Decoder, TooLongError, codings, decode, names_encoding

CONTENT = os.urandom(70_000) + b"a" * 130_000
TEXT = b'{"files": []}' * 20


def gzipped(content):
    return gzip.compress(content, mtime=0)  # the time would be part of the tests' ids


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
        ("gzip," * 5, (), True),
    ],
)
def test_what_can_be_undone_of_a_content_encoding(value, names, says):
    assert codings(value) == names
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


BOMB = gzip.compress(bytes(3_000_000))


@pytest.mark.parametrize(
    ("names", "body"),
    [
        (("gzip",), gzip.compress(CONTENT + b"1")),
        (("gzip",), BOMB),
        (("gzip", "gzip"), gzip.compress(BOMB)),
        (("gzip", "gzip"), gzip.compress(gzip.compress(b"small") + BOMB)),
        (("deflate",), raw_deflate(bytes(3_000_000))),
        (("gzip",), b"as it is"),
        (("deflate",), b"as it is"),
        (("gzip",), gzip.compress(CONTENT)[:-8] + bytes(8)),
        (("gzip", "gzip"), gzip.compress(CONTENT)),
    ],
    ids=["a byte", "bomb", "two layers", "after another", "deflate", "plain", "no deflate", "checksum", "once only"],
)
def test_anything_else_and_more_than_there_should_be_is_refused(names, body):
    with pytest.raises(ValueError, match=r"more in it|Content-Encoding"):
        Decoder(names, len(CONTENT)).decode(body)


@given(st.sampled_from(["gzip", "deflate", "x-gzip"]), st.lists(st.binary(max_size=50)))
def test_arbitrary_bytes_are_decoded_or_refused(name, chunks):
    decoder = Decoder((name,), 100)
    try:
        decoded = b"".join(map(decoder.decode, chunks))
    except ValueError:
        return
    assert len(decoded) <= 100


@pytest.mark.parametrize(
    ("header", "body"),
    [
        *(("", TEXT), ("identity", TEXT), ("aws-chunked", TEXT), (", ,", TEXT), ("br", TEXT), ("gzip, br", TEXT)),
        *(("gzip", TEXT), ("deflate", TEXT), ("gzip, gzip", TEXT), ("zstd", TEXT)),  # said, but not done
        *(("gzip", gzipped(TEXT)), ("X-GZip", gzipped(TEXT)), (" GZIP ,", gzipped(TEXT))),
        *(("deflate", zlib.compress(TEXT)), ("deflate", raw_deflate(TEXT))),
        ("gzip", gzipped(TEXT[:9]) + gzipped(TEXT[9:])),
        ("gzip", gzipped(TEXT) + b"\0\0\0"),
        ("deflate, gzip", gzipped(zlib.compress(TEXT))),
        ("gzip, aws-chunked, gzip", gzipped(gzipped(TEXT))),
        ("gzip, gzip", gzipped(TEXT)),
    ],
)
def test_a_whole_body_is_decoded_where_it_is_encoded(header, body):
    assert decode(body, header, len(TEXT)) == TEXT
    assert decode(b"", header, 0) == b""


@pytest.mark.parametrize("cut", [gzipped(TEXT)[:-1], gzipped(TEXT)[:20], b"\x1f\x8b\x08", b"\x1f\x8b\x08xyz"])
def test_a_whole_body_that_is_cut_or_damaged_is_an_error(cut):
    with pytest.raises(ValueError, match=r"too early|not what") as caught:
        decode(cut, "gzip", 10**6)
    assert not isinstance(caught.value, TooLongError)


def test_each_layer_of_a_whole_body_may_have_as_many_bytes_as_the_bound_and_no_more():
    for header, body in (("gzip", gzipped(TEXT)), ("deflate", zlib.compress(TEXT)), ("deflate", raw_deflate(TEXT))):
        with pytest.raises(TooLongError):
            decode(body, header, len(TEXT) - 1)
    with pytest.raises(TooLongError):
        decode(gzipped(TEXT) * 2, "gzip", len(TEXT) * 2 - 1)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_bomb_of_a_whole_body_takes_no_more_memory_than_the_bound(layers):
    body = bytes(64 * 2**20)
    for _ in range(layers):
        body = gzipped(body)
    tracemalloc.start()
    try:
        with pytest.raises(TooLongError):
            decode(body, ", ".join(["gzip"] * layers), 2**20)
        assert tracemalloc.get_traced_memory()[1] < 6 * 2**20
    finally:
        tracemalloc.stop()


def test_a_body_of_many_members_takes_time_in_proportion_to_it():
    times = []
    for number in (20_000, 80_000):
        began = time.process_time()
        assert decode(gzipped(b"") * number, "gzip", 10) == b""
        times.append(time.process_time() - began)
    assert times[1] < 16 * times[0]


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=300), st.text("gzipdeflate, xbr", max_size=30))
def test_any_bytes_under_any_name_end_in_bytes_or_an_error(body, header):
    for begin in (b"", b"\x1f\x8b\x08\0", b"\x78\x9c", gzipped(body)):
        with contextlib.suppress(ValueError):
            assert len(decode(begin + body, header, 1000)) <= max(1000, len(begin + body))
