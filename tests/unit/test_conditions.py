"""Which items of a list are wanted, as the control server is told."""

import csv
from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dci_downloader.control.conditions import Listing, moment, where
from dci_downloader.errors import SettingsError


@pytest.mark.parametrize(
    ("conditions", "row"),
    [
        ({}, ""),
        ({"name": "RHEL-9.2"}, "name:RHEL-9.2"),
        ({"name": "RHEL 9,2", "state": "active"}, '"name:RHEL 9,2",state:active'),
        ({"name": 'a"b'}, '"name:a""b"'),
        ({"tags": ["nightly", "kernel:5.14"], "type": "compose"}, "tags:nightly,tags:kernel:5.14,type:compose"),
        ({"export_control": True, "duration": 7}, "export_control:true,duration:7"),
    ],
)
def test_where_is_quoted_as_the_server_reads_it(conditions, row):
    assert where(**conditions) == row


@given(st.dictionaries(st.sampled_from(["name", "type", "tags", "state"]), st.text(st.characters(codec="utf-8"))))
def test_whatever_is_printable_arrives_as_it_was_meant(conditions):
    if not all(value.isprintable() for value in conditions.values()):
        with pytest.raises(SettingsError):
            where(**conditions)
        return
    pairs = next(csv.reader([where(**conditions)]), [])
    assert dict(pair.split(":", 1) for pair in pairs) == conditions


@pytest.mark.parametrize(
    "given_where", ["name:x,type:compose", {"name": "x", "type": "compose"}, where(name="x", type="compose")]
)
def test_conditions_may_be_given_in_either_form(given_where):
    assert Listing(given_where).query()["where"] == "name:x,type:compose"


def test_conditions_of_its_own_are_added_unless_they_are_named():
    required = [("name", ""), ("state", "active"), ("tags", "b")]
    assert Listing("", required).query()["where"] == "state:active,tags:b"
    assert Listing("state:inactive,tags:a", required).query()["where"] == "state:inactive,tags:a,tags:b"
    assert Listing("state:inactive", required).value_of("state") == "inactive"
    assert Listing("", required).value_of("state") == "active"


@pytest.mark.parametrize("text", ["name", "name:x,", "a\nb:c", f"name:{'x' * 200_000}"], ids=lambda text: text[:20])
def test_what_is_no_condition_is_refused_before_anything_is_sent(text):
    with pytest.raises(SettingsError):
        Listing(text).query()


def test_an_expression_takes_up_the_conditions_that_it_can_express():
    required = [("type", "Compose"), ("name", "a+b"), ("state", "active"), ("tags", "nightly")]
    assert Listing("", required, "ge(version,9)").query() == {
        "query": "and(contains(tags,nightly),and(eq(state,active),and(eq(type,compose),ge(version,9))))",
        "sort": "-created_at",
    }


def test_both_a_where_and_an_expression_are_refused():
    with pytest.raises(SettingsError, match="together"):
        Listing("name:x", (), "eq(name,x)").query()


def test_no_empty_value_is_sent():
    assert Listing("", (), "", "").query() == {}


UTC = timezone.utc


@pytest.mark.parametrize(
    ("given_moment", "expected"),
    [
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        (" 2026-11-01T06:30 ", datetime(2026, 11, 1, 6, 30, tzinfo=UTC)),
        ("2026-11-01T06:30:00Z", datetime(2026, 11, 1, 6, 30, tzinfo=UTC)),
        ("2026-11-01 06:30:00+02:00", datetime(2026, 11, 1, 4, 30, tzinfo=UTC)),
        (date(2026, 11, 1), datetime(2026, 11, 1, tzinfo=UTC)),
        (datetime(2026, 11, 1, 1), datetime(2026, 11, 1, 1, tzinfo=UTC)),
        (datetime(2026, 11, 1, 1, tzinfo=timezone(timedelta(hours=1))), datetime(2026, 11, 1, tzinfo=UTC)),
    ],
)
def test_moments_are_aware(given_moment, expected):
    assert moment(given_moment) == expected
    assert moment(given_moment).tzinfo


@pytest.mark.parametrize("text", ["yesterday", "", "2026-13-01", "2026-11-01T25:00", "Z", "1"])
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(SettingsError, match="neither a date nor a time"):
        moment(text)
