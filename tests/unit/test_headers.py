"""Headers: one parser for each, strict, and never at a loss."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Optional

import pytest

from dci_downloader.network.headers import (
    ContentRange,
    Head,
    content_length,
    http_date,
    parse_content_range,
    read_head,
    retry_after,
)

NOW = datetime(2022, 11, 21, 12, 0, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("lines", "status", "headers"),
    [
        ([b"HTTP/1.1 200 OK\r\n", b"Content-Length: 5\r\n", b"\r\n"], 200, {"content-length": "5"}),
        ([b"HTTP/1.1 200 OK\r\n", b"ETag: x\r\n", b"X-Location: y\r\n", b"\r\n"], 200, {}),
        ([b"HTTP/2 302 \r\n", b"location:  https://a/b \r\n"], 302, {"location": "https://a/b"}),
        ([b"HTTP/1.1 200 Connection established\r\n", b"Via: p\r\n", b"\r\n", b"HTTP/1.1 206 x\r\n"], 206, {}),
        (
            [b"HTTP/1.1 100 Continue\r\n", b"\r\n", b"HTTP/1.1 404 x\r\n", b"Location: 1\r\n", b"location:2\r\n"],
            404,
            {"location": "2"},
        ),
        ([b"HTTP/1.1 abc\r\n", b"no colon\r\n"], 0, {}),
        ([b"HTTP/1.1 20\r\n"], 0, {}),
        ([b"HTTP/1.1 2000\r\n"], 0, {}),
        ([b"ICY 200 OK\r\n"], 0, {}),
        ([], 0, {}),
    ],
)
def test_the_last_head_counts(lines, status, headers):
    assert read_head(lines) == Head(status, headers)


@pytest.mark.parametrize(
    ("value", "length"),
    [
        ("0", 0),
        ("100", 100),
        (" 100\t", 100),
        ("00100", 100),
        ("9" * 19, 10**19 - 1),
        ("9" * 20, None),
        ("9" * 5000, None),
        ("", None),
        ("-1", None),
        ("+1", None),
        ("1_000", None),
        ("1.0", None),
        ("5, 5", None),
        ("²", None),
        ("٣", None),
        ("odd", None),
    ],
)
def test_a_content_length_is_ascii_digits_or_unknown(value: str, length: Optional[int]) -> None:
    assert content_length(value) == length


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        ("99999999999999", 99999999999999),
        ("9" * 20, 0),
        ("Mon, 21 Nov 2022 12:01:00 GMT", 60),
        ("Mon, 21 Nov 2022 12:01:00 -0000", 60),
        ("Mon, 21 Nov 2022 13:01:00 +0100", 60),
        ("Mon, 21 Nov 2022 11:00:00 GMT", 0),
        ("", 0),
        ("-5", 0),
        ("1.5", 0),
        ("²", 0),
        ("٣", 0),
        ("soon", 0),
        ("Mon, 99 Nov 2022 12:01:00 GMT", 0),
        (f"Mon, 21 Nov 2022 12:01:00 +{'9' * 12}", 0),
    ],
)
def test_retry_after_is_a_number_or_a_date_or_nothing(value, seconds):
    assert retry_after(value, NOW) == seconds


def test_a_date_without_a_zone_is_utc():
    assert http_date("Mon, 21 Nov 2022 12:00:00 -0000") == NOW
    assert http_date("yesterday") is None


@pytest.mark.parametrize(
    ("value", "parsed"),
    [
        ("bytes 0-9/10", ContentRange(0, 10, 10)),
        ("bytes 5-9/100", ContentRange(5, 10, 100)),
        ("Bytes 5-9/*", ContentRange(5, 10, None)),
        ("  bytes 0-0/1\r\n", ContentRange(0, 1, 1)),
        ("bytes 9-5/100", None),
        ("bytes 0-10/10", None),
        ("bytes */10", None),
        ("bytes 0-9", None),
        ("bytes 0-9/", None),
        ("bytes=0-9/10", None),
        ("bytes -1-9/10", None),
        ("bytes 0-9/10, 20-29/30", None),
        ("bytes 0x0-9/10", None),
        ("bytes ٠-٩/١٠", None),
        ("items 0-9/10", None),
        ("bytes 0-99999999999999999999/*", None),
        ("", None),
    ],
)
def test_content_range_is_read_strictly(value: str, parsed: Optional[ContentRange]) -> None:
    assert parse_content_range(value) == parsed
