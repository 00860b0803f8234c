"""Headers: one parser for each, strict, and never at a loss."""

from typing import Optional

import pytest

from dci_downloader.network.headers import ContentRange, parse_content_range


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
