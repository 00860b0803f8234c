from __future__ import annotations

from datetime import datetime, timezone

import pytest

from dci_downloader.control.resolver import folder_conflicts, resolve_component, resolve_components, resolve_topic
from dci_downloader.errors import ManifestError, NotFoundError, SettingsError
from dci_downloader.hooks import NullProgress
from dci_downloader.models import Component, Topic
from dci_downloader.options import Filter


def day(number):
    return datetime(2026, 11, number, tzinfo=timezone.utc)


def build(name, type="compose", *, tags=(), team=None, topic="t1", at=1):
    return Component(f"id-{name}", name, type, topic, tuple(tags), day(at), team_id=team)


class Server:
    """Answers as the control server does, from lists."""

    unlisted = "topics that this remoteci has no access to are not listed"

    def __init__(self, topics=(), inactive=(), components=()):
        self.active, self.inactive, self.all = list(topics), list(inactive), list(components)

    def topics(self, name="", *, active=True):
        for topic in self.active + ([] if active else self.inactive):
            low = topic.name.lower()
            if name.lower().rstrip("*") in low if name.endswith("*") else name.lower() in ("", low):
                yield topic

    def components(self, topic, *, type, tags=(), name=""):
        for found in sorted(self.all, key=lambda c: c.created_at, reverse=True):
            of_type = (found.topic_id, found.type) == (topic.id, type.lower())
            matches = of_type and set(tags) <= set(found.tags)
            if matches and name in ("", found.name):
                yield found

    def topic(self, topic_id):
        return next(topic for topic in self.active + self.inactive if topic.id == topic_id)

    def component(self, component_id):
        return next(found for found in self.all if found.id == component_id)


class Notes(NullProgress):
    def __init__(self):
        self.messages, self.details = [], []

    def message(self, text):
        self.messages.append(text)

    def detail(self, text):
        self.details.append(text)


def chosen(*arguments, **more):
    """The names of the components."""
    return [component.name for component in resolve_components(*arguments, **more).components]


TOPIC = Topic("t1", "RHEL-9.2", ("compose", "hwcert"), ("hwcert",))


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("RHEL-9.2", "b"),
        ("rhel-9.2", "a"),
        ("RHEL 7 ELS", "els"),
        ("RHEL-9.*", "b"),
        ("rhel-*", "new"),
        ("*", "new"),
    ],
)
def test_a_topic_is_found_by_name_and_by_pattern(pattern, expected):
    topics = [
        Topic("a", "rhel-9.2", created_at=day(1)),
        Topic("b", "RHEL-9.2", created_at=day(3)),
        Topic("undated", "RHEL-9.9"),
        Topic("els", "RHEL 7 ELS", created_at=day(2)),
        Topic("new", "RHEL-10.0", created_at=day(4)),
        Topic("x", "X-RHEL-9.3", created_at=day(3)),
    ]
    assert resolve_topic(Server(topics), pattern, NullProgress()).id == expected


def test_a_pattern_says_which_topic_it_came_to_mean():
    notes = Notes()
    topics = [Topic("a", "RHEL-9.1", created_at=day(1)), Topic("b", "RHEL-9.2", created_at=day(2))]
    resolve_topic(Server(topics), "RHEL-9.*", notes)
    assert notes.messages == ["RHEL-9.* means RHEL-9.2, the newest of 2 that fit"]


def test_a_name_in_another_case_finds_the_topic():
    assert resolve_topic(Server([TOPIC]), "rhel-9.2", NullProgress()) is TOPIC


def test_an_unknown_topic_is_answered_with_names_that_are_close():
    with pytest.raises(NotFoundError, match=r"no topic RHEL-9\.22") as caught:
        resolve_topic(Server([TOPIC, Topic("o", "OSP17.1")]), "RHEL-9.22", NullProgress())
    assert caught.value.hint.startswith("did you mean RHEL-9.2?")
    assert "no access" in caught.value.hint
    assert "OSP" not in caught.value.hint


def test_an_unknown_topic_without_a_like_is_answered_with_the_remark_about_access():
    with pytest.raises(NotFoundError) as caught:
        resolve_topic(Server([TOPIC]), "zzz", NullProgress())
    assert caught.value.hint == (
        "see `dci-downloader topics`; topics that this remoteci has no access to are not listed"
    )


def test_an_inactive_topic_is_called_so():
    with pytest.raises(NotFoundError, match=r"RHEL-8\.1 is no longer active"):
        resolve_topic(Server([TOPIC], [Topic("t0", "RHEL-8.1")]), "rhel-8.1", NullProgress())


def test_a_pattern_that_fits_nothing_is_not_found():
    with pytest.raises(NotFoundError, match=r"no active topic fits RHEL-8\.\*"):
        resolve_topic(Server([TOPIC], [Topic("t0", "RHEL-8.1")]), "RHEL-8.*", NullProgress())


def test_a_star_in_the_middle_is_explained():
    with pytest.raises(NotFoundError) as caught:
        resolve_topic(Server([TOPIC]), "RHEL-*.2", NullProgress())
    assert "only stand at the end" in caught.value.hint


@pytest.mark.parametrize("name", ["../RHEL", ".dci-downloader", ".."])
def test_a_topic_that_cannot_be_a_folder_is_refused(name):
    with pytest.raises(ManifestError):
        resolve_topic(Server([Topic("t", name)]), name, NullProgress())


def test_each_type_gives_its_newest_public_component():
    notes = Notes()
    server = Server(
        components=[
            build("old", at=1),
            build("new", at=3),
            build("private", at=4, team="us"),
            build("elsewhere", at=5, topic="t2"),
            build("cert", "hwcert"),
        ]
    )
    assert chosen(server, TOPIC, progress=notes) == ["new", "cert"]
    assert notes.details == ["RHEL-9.2: compose new (id id-new)", "RHEL-9.2: hwcert cert (id id-cert)"]


def test_a_type_that_a_topic_names_in_two_cases_gives_its_component_once():
    server = Server(components=[build("new"), build("cert", "hwcert")])
    found = resolve_components(server, Topic("t1", "RHEL-9.2", ("compose", "Compose", "hwcert")))
    assert [component.name for component in found.components] == ["new", "cert"]
    assert not found.missing


def test_an_optional_type_may_lack_a_component():
    notes = Notes()
    assert chosen(Server(components=[build("new")]), TOPIC, progress=notes) == ["new"]
    assert "RHEL-9.2: no component of the optional type hwcert" in notes.details


def test_a_required_type_without_component_does_not_keep_the_others_from_being_chosen():
    topic = Topic("t1", "RHEL-9.2", ("compose", "hwcert", "kernel"), ("hwcert",))
    found = resolve_components(Server(components=[build("cert", "hwcert"), build("mine", team="us")]), topic)
    assert [component.name for component in found.components] == ["cert"]
    assert list(found.missing) == ["compose", "kernel"]
    assert "no active component of type compose" in str(found.missing["compose"])
    assert "--filter" in found.missing["compose"].hint


def test_a_filter_that_nothing_fits_does_not_keep_the_others_from_being_chosen():
    server = Server(components=[build("cert", "hwcert"), build("new")])
    found = resolve_components(server, TOPIC, [Filter("compose", ("z",)), Filter("Hwcert"), Filter("none")])
    assert [component.name for component in found.components] == ["cert"]
    reasons = [str(error).rpartition(" of ")[2] for error in found.missing.values()]
    assert reasons == ["type compose tagged z", "type none"]


def test_filters_that_nothing_fits_are_all_named():
    with pytest.raises(NotFoundError, match=r"of type hwcert; .* of type none"):
        resolve_components(Server(components=[build("new")]), TOPIC, [Filter("hwcert"), Filter("none")])


@pytest.mark.parametrize("topic", [TOPIC, Topic("t1", "empty")])
def test_a_topic_without_any_component_is_not_found(topic):
    with pytest.raises(NotFoundError) as caught:
        resolve_components(Server(), topic)
    assert "nothing to mirror" in caught.value.hint


def test_tags_of_several_filters_for_one_type_are_anded():
    server = Server(components=[build("both", tags=["a", "b"], at=1), build("one", tags=["a"], at=2)])
    filters = [Filter("compose", ("a",)), Filter("compose", ("b",))]
    assert chosen(server, TOPIC, filters) == ["both"]


def test_a_filter_takes_private_components_by_name_only():
    server = Server(components=[build("public"), build("mine", at=9, team="us")])
    assert chosen(server, TOPIC, [Filter("compose")]) == ["public"]
    assert chosen(server, TOPIC, [Filter("compose", name="mine")]) == ["mine"]


def test_a_name_and_tags_of_one_type_go_together_and_two_names_do_not():
    server = Server(components=[build("mine", tags=["a"])])
    filters = [Filter("compose", name="mine"), Filter("compose", ("a",)), Filter("compose", name="mine")]
    assert chosen(server, TOPIC, filters) == ["mine"]
    with pytest.raises(SettingsError, match="mine and yours"):
        resolve_components(server, TOPIC, [*filters, Filter("compose", name="yours")])


@pytest.mark.parametrize(
    ("wanted", "message", "hint"),
    [
        (Filter("compose", ("z",)), "of type compose tagged z", "the newest is new, tagged a"),
        (Filter("compose", name="zz"), "of type compose named zz", "the newest is new"),
        (Filter("hwcert"), "of type hwcert", "the types compose, hwcert"),
        (Filter("zzz"), "of type zzz", "the types compose, hwcert"),
        (Filter("composes"), "of type composes", "did you mean the type compose?"),
        (Filter("hw-cert"), "of type hw-cert", "did you mean the type hwcert?"),
        (Filter("compose", ("nightyl",)), "tagged nightyl", "did you mean the tag nightly?"),
        (Filter("compose", ("build:RHEL9",)), "tagged build:RHEL9", "did you mean the tag build:RHEL-9?"),
        (Filter("compose", name="NEW"), "named NEW", "did you mean new?"),
    ],
)
def test_a_filter_that_nothing_fits_says_what_there_is(wanted, message, hint):
    server = Server(components=[build("older", tags=["nightly", "build:RHEL-9"]), build("new", tags=["a"], at=2)])
    with pytest.raises(NotFoundError, match=message) as caught:
        resolve_components(server, TOPIC, [wanted])
    assert hint in caught.value.hint


def test_an_id_takes_that_component_even_if_it_is_private():
    server = Server([TOPIC], components=[build("mine", team="us"), build("new", at=2)])
    for topic in (TOPIC, None):
        found = resolve_component(server, "id-mine", topic)
        assert (found.topic, [component.name for component in found.components], found.missing) == (TOPIC, ["mine"], {})


def test_an_id_of_another_topic_is_refused():
    with pytest.raises(SettingsError, match=r"does not belong to topic RHEL-9\.2"):
        resolve_component(Server(components=[build("c", topic="t2")]), "id-c", TOPIC)


def test_components_that_would_share_a_folder_are_told_so():
    fine = [build("a/b", "git"), build("z", "compose")]
    shared = [build("x", "my type"), build("y", "my_type")]
    many = [build(name, "driver") for name in "abc"]
    conflicts = folder_conflicts([*shared, *fine, *many])
    assert {id_: str(error) for id_, error in conflicts.items()} == {
        "id-x": "x and y would both be published as my_type",
        "id-y": "x and y would both be published as my_type",
        **{f"id-{name}": "a, b and c would all be published as driver" for name in "abc"},
    }
    assert folder_conflicts([]) == {}
