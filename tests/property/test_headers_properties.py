"""Whatever a server writes into a header, its parser gives an answer and never an exception."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Optional

from hypothesis import example, given, settings
from hypothesis import strategies as st

from dci_downloader.content import ranges
from dci_downloader.network.headers import (
    content_length,
    http_date,
    parse_content_range,
    read_head,
    retry_after,
)

QUICK = settings(deadline=None, max_examples=150)
NOW = datetime(2022, 11, 21, 12, tzinfo=timezone.utc)

# Digits of other scripts, superscripts, signs and separators: str.isdigit, int and \d do not agree about them.
ODD = st.text("0123456789²٣๓①-+_, \t\x0bE.", max_size=30)
DATES = st.from_regex(r"\A(Mon, )?\d{1,12} Nov -?\d{1,12} \d{1,12}:\d\d(:\d{1,12})? ?([+-]\d{1,12}|GMT|-0000)?\Z")
TEXT = st.one_of(st.text(), ODD, DATES)


@QUICK
@given(TEXT)
@example("²")
@example("9" * 5000)
def test_a_content_length_is_a_number_of_bytes_or_nothing(value: str) -> None:
    length = content_length(value)
    assert length is None or 0 <= length < 10**19


@QUICK
@given(st.integers(0, 10**19 - 1))
def test_every_length_that_a_server_may_send_is_read(size: int) -> None:
    assert content_length(str(size)) == size


@QUICK
@given(TEXT)
@example("9" * 5000)
def test_a_retry_after_is_a_number_of_seconds(value: str) -> None:
    assert 0 <= retry_after(value, NOW) < float("inf")


@QUICK
@given(TEXT)
def test_a_date_is_aware_or_nothing(value: str) -> None:
    moment = http_date(value)
    assert moment is None or moment.utcoffset() is not None


@QUICK
@given(st.text("0123456789-/* =,٣", max_size=40))
def test_a_content_range_is_sound_or_nothing(value: str) -> None:
    for text in (value, f"bytes {value}"):
        parsed = parse_content_range(text)
        assert parsed is None or 0 <= parsed.start < parsed.end <= (parsed.size or parsed.end)


@QUICK
@given(st.integers(0, 2**60), st.integers(1, 2**60), st.one_of(st.none(), st.integers(0, 2**60)))
def test_a_content_range_means_the_bytes_that_were_asked_for(start: int, length: int, beyond: Optional[int]) -> None:
    end = start + length
    size = None if beyond is None else end + beyond
    answer = f"bytes {ranges.header(start, end)}/{'*' if size is None else size}"
    assert parse_content_range(answer) == (start, end, size)


@QUICK
@given(st.lists(st.binary(max_size=60), max_size=5))
@example([b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n"])
@example([b"HTTP/1.1 " + b"9" * 5000])
def test_a_head_of_any_bytes_is_read(lines: list[bytes]) -> None:
    for first in (b"", b"HTTP/1.1 ", b"HTTP/2 206\r\nContent-Length: "):
        head = read_head([first, *lines])
        assert 0 <= head.status <= 999
        assert all(name == name.lower() for name in head.headers)
