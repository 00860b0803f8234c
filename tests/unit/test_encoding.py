"""Encoded bodies are decoded, whatever pieces they arrive in, and never to more than they should be."""

import gzip
import os
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dci_downloader.network.encoding import Decoder, codings, names_encoding

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
