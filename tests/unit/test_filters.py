"""Filters of components, as the command line has them."""

import pytest

from dci_downloader.content.filters import parse_filter
from dci_downloader.errors import SettingsError
from dci_downloader.options import Filter


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("compose", Filter("compose")),
        ("compose:nightly", Filter("compose", ("nightly",))),
        ("compose:kernel:5.14.0-284", Filter("compose", ("kernel:5.14.0-284",))),
        ("compose:name=RHEL-9.2.0-1", Filter("compose", name="RHEL-9.2.0-1")),
        ("compose:arch=x86", Filter("compose", ("arch=x86",))),
        ("compose:name", Filter("compose", ("name",))),
    ],
)
def test_a_filter_names_type_and_tag_or_name(text, expected):
    assert parse_filter(text) == expected


@pytest.mark.parametrize("text", ["", ":", " ", ":tag", "compose:", "compose: ", "compose:name="])
def test_a_filter_that_says_nothing_is_refused(text):
    with pytest.raises(SettingsError, match="filter"):
        parse_filter(text)
