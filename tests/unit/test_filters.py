"""Filters of components, as the command line has them."""

import pytest

from dci_downloader.content.filters import merge_filters, parse_filter
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
        ("Compose:Nightly", Filter("Compose", ("Nightly",))),
        ("hwcert:", Filter("hwcert")),
        ("hwcert: ", Filter("hwcert")),
    ],
)
def test_a_filter_names_type_and_tag_or_name(text, expected):
    assert parse_filter(text) == expected


@pytest.mark.parametrize("text", ["", ":", " ", ":tag", ": ", "compose:name="])
def test_a_filter_that_says_nothing_is_refused(text):
    with pytest.raises(SettingsError, match="filter"):
        parse_filter(text)


def test_filters_of_one_type_are_merged_with_the_tags_of_all():
    filters = [
        Filter("compose", ("a", "b")),
        Filter("hwcert"),
        Filter("compose", ("b", "c")),
        Filter("compose", name="n"),
    ]
    assert merge_filters(filters) == [Filter("compose", ("a", "b", "c"), "n"), Filter("hwcert")]
    assert merge_filters(filters[::-1])[0] == Filter("compose", ("b", "c", "a"), "n")


def test_filters_of_one_type_are_merged_whatever_its_case():
    filters = [Filter("Compose", ("a",)), Filter("compose", ("b",)), Filter("COMPOSE", name="n")]
    assert merge_filters(filters) == [Filter("Compose", ("a", "b"), "n")]


def test_filters_of_one_type_with_different_names_contradict_each_other():
    same = [Filter("compose", name="n"), Filter("compose", name="n")]
    assert merge_filters(same) == [Filter("compose", name="n")]
    with pytest.raises(SettingsError, match="different components of type compose: n and m"):
        merge_filters([*same, Filter("compose", name="m")])
