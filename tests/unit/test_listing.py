"""The lists of topics and components, against the embedded control server."""

import json
from datetime import datetime, timezone

import pytest

from dci_downloader.cli import listing
from dci_downloader.cli.listing import ListOptions
from dci_downloader.errors import NotFoundError, SettingsError
from dci_downloader.hooks import NullProgress
from dci_downloader.models import Component
from dci_downloader.options import Filter


class Notes(NullProgress):
    def __init__(self):
        self.messages = []

    def message(self, text):
        self.messages.append(text)


@pytest.fixture
def builds(lab):
    """Four components, the oldest first; gives them by name."""
    own = lab.catalog.remoteci.team.id
    made = [
        lab.build({"a": b"12345"}, number=1, name="n-9", tags=("nightly",)),
        lab.build({"a": b"1"}, number=2, name="n-10", tags=("nightly", "kernel:5")),
        lab.build({}, number=3, name="empty", type="ocp", without_files=True),
        lab.build({"a": b"123"}, number=4, name="mine", team_id=own),
        lab.build({"a": b"1"}, number=5, name="gone", state="inactive"),
    ]
    return {component.name: component for component in made}


def names(result):
    return [component["name"] for component in result.document["components"]]


def components(lab, filters=(), progress=None, sizes=False, **options):
    shown = progress or Notes()
    return listing.components(lab.server, "RHEL-9.2", filters, ListOptions(**options), shown, sizes=sizes)


def test_components_are_listed_newest_first_whatever_their_type_active_ones_alone(lab, builds):
    assert names(components(lab)) == ["mine", "empty", "n-10", "n-9"]


@pytest.mark.parametrize(
    ("sort", "wanted"),
    [
        ("name", ["empty", "mine", "n-9", "n-10"]),
        ("type", ["mine", "n-10", "n-9", "empty"]),
        ("size", ["n-9", "mine", "n-10", "empty"]),
        ("created", ["mine", "empty", "n-10", "n-9"]),
    ],
)
def test_the_order_is_that_of_the_key_and_can_be_turned_round(lab, builds, sort, wanted):
    assert names(components(lab, sort=sort)) == wanted
    assert names(components(lab, sort=sort, reverse=True)) == wanted[::-1]


def test_a_limit_says_that_there_is_more_and_only_then(lab, builds):
    notes = Notes()
    result = components(lab, limit=2, progress=notes)
    assert (names(result), result.document["more"]) == (["mine", "empty"], True)
    assert notes.messages == ["these are the first 2; --limit 0 shows all"]
    notes = Notes()
    result = components(lab, limit=4, progress=notes)
    assert (len(names(result)), result.document["more"]) == (4, False)
    assert notes.messages == []


def test_no_more_pages_are_asked_for_than_the_limit_needs(lab):
    for number in range(45):
        lab.build({}, number=number)
    lab.site.control.requests.clear()
    components(lab, limit=5)
    pages = [request for request in lab.site.control.requests if request.path.endswith("/components")]
    assert len(pages) == 1


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ([Filter("compose")], ["mine", "n-10", "n-9"]),
        ([Filter("compose", ("nightly",))], ["n-10", "n-9"]),
        ([Filter("compose", ("nightly",)), Filter("compose", ("kernel:5",))], ["n-10"]),
        ([Filter("compose", name="n-9"), Filter("ocp")], ["empty", "n-9"]),
    ],
)
def test_filters_choose_as_for_mirroring(lab, builds, filters, wanted):
    assert names(components(lab, filters)) == wanted


def test_nothing_that_fits_is_an_error_that_says_what_there_is(lab, builds):
    with pytest.raises(NotFoundError, match="no active component that fits") as raised:
        components(lab, [Filter("compose", ("x",)), Filter("other")])
    assert "types compose" in raised.value.hint


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [(Filter("compos"), "did you mean the type compose?"), (Filter("compose", ("nigthly",)), "the tag nightly?")],
)
def test_one_filter_that_fits_nothing_is_answered_as_in_a_run(lab, builds, wanted, hint):
    with pytest.raises(NotFoundError, match="no active component of type comp") as raised:
        components(lab, [wanted])
    assert hint in raised.value.hint


def test_sizes_are_asked_for_only_if_wanted_and_only_of_what_is_listed(lab, builds):
    def manifests():
        return [request for request in lab.site.store.requests if request.path.endswith("dci_files_list.json")]

    assert [one["size"] for one in components(lab).document["components"]] == [None] * 4
    assert manifests() == []
    result = components(lab, sizes=True, limit=3)
    found = [(one["files"], one["size"]) for one in result.document["components"]]
    assert found == [(1, 3), (None, None), (1, 1)]
    assert len(manifests()) == 3


def test_a_manifest_that_cannot_be_read_hides_no_other_component(lab, builds):
    lab.build({}, number=6, name="broken", manifest=b"<html>")
    result = components(lab, sizes=True, limit=2)
    assert [(one["name"], one["size"]) for one in result.document["components"]] == [("broken", None), ("mine", 3)]


def test_who_has_no_date_is_shown_without():
    undated = Component("7", "x", "t", "1")
    for piped, shown in ((True, ""), (False, "-")):
        assert listing._component_cells(listing._Row(undated), piped)[2] == shown


def test_a_pipe_gets_each_component_in_tab_separated_fields(lab, builds):
    result = components(lab, sizes=True)
    assert [line.split("\t") for line in result.lines] == [
        ["compose", "mine", "2026-11-05T00:00:00Z", "3", "(private)", builds["mine"].id],
        ["ocp", "empty", "2026-11-04T00:00:00Z", "", "", builds["empty"].id],
        ["compose", "n-10", "2026-11-03T00:00:00Z", "1", "nightly,kernel:5", builds["n-10"].id],
        ["compose", "n-9", "2026-11-02T00:00:00Z", "5", "nightly", builds["n-9"].id],
    ]


def test_a_terminal_gets_a_table_with_sizes_where_any_is_known(lab, builds):
    lines = components(lab, sizes=True, width=200).lines
    assert lines[0].split() == ["TYPE", "NAME", "CREATED", "SIZE", "TAGS", "ID"]
    assert lines[2].split() == ["ocp", "empty", "2026-11-04", "00:00Z", "-", builds["empty"].id]
    assert {line.index("2026") for line in lines[1:]} == {lines[0].index("CREATED")}
    assert components(lab, width=200).lines[0].split() == ["TYPE", "NAME", "CREATED", "TAGS", "ID"]


def test_a_narrow_terminal_loses_the_ids_first_then_the_end_of_tags(lab):
    lab.build({}, tags=("a" * 15, "b" * 15))
    full = components(lab, width=200).lines
    assert max(map(len, components(lab, width=len(full[1])).lines)) == len(full[1])
    without_ids = components(lab, width=len(full[1]) - 1).lines
    assert without_ids[1].endswith("b" * 15)
    cut = components(lab, width=len(without_ids[1]) - 1).lines
    assert cut[1].endswith("bb…")
    assert len(cut[1]) == len(without_ids[1]) - 1
    block = components(lab, width=40).lines
    assert [line.startswith("  ") for line in block] == [False, True, True, True]
    assert max(map(len, block)) <= 40
    assert "aaa" in block[2]


def test_a_server_cannot_drive_the_terminal_or_break_a_line(lab):
    lab.build({}, tags=("\x1b[2J", "a\nb"))
    (line,) = components(lab).lines
    assert "\\x1b[2J,a b" in line


def test_topics_are_listed_newest_first_or_by_name_in_natural_order(lab):
    for minor in (10, 1):
        lab.catalog.add_topic(f"RHEL-9.{minor}", component_types=("compose", "hwcert"))
    lab.catalog.add_topic("OSP", created_at=datetime(2030, 1, 1, tzinfo=timezone.utc))

    def listed(pattern="*", **options):
        return [
            one["name"]
            for one in listing.topics(lab.server, pattern, ListOptions(**options), Notes()).document["topics"]
        ]

    assert listed() == ["OSP", "RHEL-9.1", "RHEL-9.10", "RHEL-9.2"]
    assert listed(sort="name") == ["OSP", "RHEL-9.1", "RHEL-9.2", "RHEL-9.10"]
    assert listed("rhel-9.1*") == ["RHEL-9.1", "RHEL-9.10"]
    assert listed("RHEL-9.1") == ["RHEL-9.1"]
    assert listed(limit=1, reverse=True) == ["RHEL-9.2"]


def test_a_name_of_thousands_of_digits_is_listed(lab):
    lab.catalog.add_topic(f"RHEL-{'9' * 5000}")
    told = listing.topics(lab.server, "*", ListOptions(sort="name"), Notes())
    assert [len(one["name"]) for one in told.document["topics"]] == [8, 5005]


def test_what_a_pattern_lists_first_is_what_it_means_for_mirroring(lab, builds):
    lab.catalog.add_topic("RHEL-9.3")
    result = listing.topics(lab.server, "RHEL-9*", ListOptions(), Notes())
    notes = Notes()
    with pytest.raises(NotFoundError):
        listing.components(lab.server, "RHEL-9*", (), ListOptions(), notes)
    assert result.document["topics"][0]["name"] in notes.messages[0]


def test_a_topic_is_shown_with_its_types(lab):
    result = listing.topics(lab.server, "*", ListOptions(width=80), Notes())
    assert result.lines[0].split() == ["TOPIC", "CREATED", "TYPES", "ID"]
    (line,) = listing.topics(lab.server, "*", ListOptions(), Notes()).lines
    assert line.split("\t") == ["RHEL-9.2", "2022-11-21T03:00:00Z", "compose", lab.topic.id]
    document = json.loads(json.dumps(result.document))["topics"][0]
    assert (document["id"], document["component_types"]) == (lab.topic.id, ["compose"])


def test_no_topic_that_fits_is_an_error(lab):
    with pytest.raises(NotFoundError, match="no active topic fits OSP"):
        listing.topics(lab.server, "OSP*", ListOptions(), Notes())


def test_names_of_thousands_of_digits_are_sorted(monkeypatch):
    names = [
        "RHEL-9.10",
        "RHEL-9.9",
        "RHEL-9.09",
        f"RHEL-9.{'9' * 5000}",
        f"RHEL-9.1{'0' * 5000}",
        "RHEL-9.²",
        "RHEL-9.٣",
        "9",
        "RHEL",
    ]
    ordered = sorted(names, key=listing._natural)
    assert ordered.index("RHEL-9.9") < ordered.index("RHEL-9.10")
    assert ordered.index("RHEL-9.10") < ordered.index(f"RHEL-9.{'9' * 5000}") < ordered.index(f"RHEL-9.1{'0' * 5000}")


def test_since_and_query_narrow_the_list(lab):
    for number in range(40):
        lab.build({}, number=number, tags=("even",) if number % 2 == 0 else ())
    lab.site.control.forget()
    shown = components(lab, since="2026-12-08", limit=0).document
    assert [each["name"] for each in shown["components"]] == ["RHEL-9.2.0-39", "RHEL-9.2.0-38", "RHEL-9.2.0-37"]
    assert len([one for one in lab.site.control.requests if one.path.endswith("/components")]) == 1
    shown = components(lab, since="2026-12-08T00:00:00+00:00", query="contains(tags,even)").document
    assert [each["name"] for each in shown["components"]] == ["RHEL-9.2.0-38"]
    with pytest.raises(NotFoundError, match="that fits"):
        components(lab, since="2027-01-01")
    lab.site.control.forget()
    with pytest.raises(SettingsError, match="neither a date nor a time"):
        components(lab, since="yesterday")
    assert lab.site.control.requests == []


def test_documents_show_all_that_the_server_says_but_no_secret(lab):
    product = lab.catalog.add_product("OpenShift", "OCP")
    data = {"pull_secret": {"auth": "s3cret"}, "channel": "stable", "deep": {"token": "s3cret", "n": [1]}}
    lab.topic.product, lab.topic.data, lab.topic.registry = product, data, {"login": "l", "password": "s3cret"}
    fields = {"display_name": "RHEL 9.2", "url": "https://example.com", "data": {"arch": ["x86_64"], "brand": 1}}
    lab.build({}, number=0, fields={**fields, "unheard_of": {"of": "x"}})
    (topic,) = listing.topics(lab.server, "*", ListOptions(), Notes()).document["topics"]
    assert (topic["product"]["label"], topic["state"], topic["export_control"]) == ("OCP", "active", True)
    assert topic["data"]["channel"] == "stable"
    assert topic["data"]["pull_secret"] == topic["data"]["registry"] == topic["data"]["deep"]["token"] == "********"
    assert "registry" not in topic
    assert topic["etag"] == lab.topic.document()["etag"]
    (component,) = components(lab).document["components"]
    assert {name: component[name] for name in fields} == fields
    assert component["extra"] == {"unheard_of": {"of": "x"}}
    assert "s3cret" not in json.dumps([topic, component])
