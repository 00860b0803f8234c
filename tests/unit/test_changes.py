import pytest

from dci_downloader.cli import changes
from dci_downloader.cli.changes import Narrowing, two_ids
from dci_downloader.errors import ManifestError, NotFoundError, SettingsError
from dci_downloader.hooks import NullProgress
from dci_downloader.mirror.version import record_path

OS = "BaseOS/x86_64/os/Packages"
ONE = {f"{OS}/a-1-1.x86_64.rpm": b"a1", f"{OS}/b-1-1.noarch.rpm": b"b", "BaseOS/aarch64/os/a-1-1.aarch64.rpm": b"a1"}
TWO = {f"{OS}/a-2-1.x86_64.rpm": b"a2", f"{OS}/b-1-1.noarch.rpm": b"b", "BaseOS/aarch64/os/a-2-1.aarch64.rpm": b"a2"}
ALL = Narrowing()
IDS = ["one", "two"]


@pytest.mark.parametrize("words", [[], ["RHEL-9.2"]])
def test_two_components_or_two_jobs_are_compared_of_one_topic_or_none(words):
    assert two_ids(words, IDS, ()) == two_ids(words, (), IDS) == ("one", "two")
    assert two_ids(["/srv/dci", "RHEL-9.2", "compose"], (), ()) == ()


@pytest.mark.parametrize(
    ("words", "components", "jobs"),
    [
        ([], [], []),
        ([], IDS[:1], []),
        ([], [*IDS, "three"], []),
        ([], IDS[:1], IDS[1:]),
        ([], IDS, IDS),
        (["/srv/dci", "RHEL-9.2"], IDS, []),
    ],
)
def test_a_command_line_that_does_not_say_what_to_compare(words, components, jobs):
    with pytest.raises(SettingsError) as caught:
        two_ids(words, components, jobs)
    assert "dci-downloader changes" in caught.value.hint


@pytest.fixture
def two(sample):
    sample.publish("c1", ONE)
    sample.publish("c2", TWO)
    return sample


def test_what_is_published_is_compared_with_what_was_before_it(two):
    two.publish("h1", ONE, type="hwcert")
    result = changes.of_mirror(two.mirror, "RHEL 9.2", "", ALL)
    assert result.lines == [
        "RHEL 9.2 compose c1 → c2",
        "  upgraded:",
        "    a  1-1 → 2-1",
        "  1 package: 1 upgraded; files: 2 added, 2 removed",
        "RHEL 9.2 hwcert h1: no older version is here",
    ]
    compose, hwcert = result.document["builds"]
    assert (compose["from"], compose["to"], compose["changes"]["packages"][0]["to"]) == ("c1", "c2", ["2-1"])
    assert (hwcert["note"], hwcert["changes"]["packages"]) == ("no older version is here", [])


def test_one_architecture_on_its_own(two):
    result = changes.of_mirror(two.mirror, "RHEL_9.2", "compose", Narrowing(("BaseOS",), ("aarch64",), by_tree=True))
    assert result.lines[1:] == [
        "  BaseOS/aarch64:",
        "    upgraded:",
        "      a  1-1 → 2-1",
        "  1 package: 1 upgraded; files: 1 added, 1 removed",
    ]


def test_builds_without_a_difference(sample):
    sample.publish("c1", ONE)
    sample.publish("c2", ONE)
    result = changes.of_mirror(sample.mirror, "RHEL 9.2", "", ALL)
    assert result.lines[1:] == ["  no package differs; no file differs"]


@pytest.mark.parametrize(
    ("narrowing", "fault", "hint"),
    [
        (Narrowing(("BaseOs",)), "no variant BaseOs", "did you mean BaseOS? they have BaseOS"),
        (Narrowing((), ("x86_64", "s")), "no architecture s", "they have aarch64, x86_64"),
    ],
)
def test_a_variant_or_architecture_that_neither_build_has(two, narrowing, fault, hint):
    with pytest.raises(NotFoundError, match=fault) as caught:
        changes.of_mirror(two.mirror, "RHEL 9.2", "", narrowing)
    assert caught.value.hint == hint


def test_what_is_not_there_is_said_with_what_is(two, tmp_path):
    def error(mirror, *words):
        with pytest.raises(NotFoundError) as caught:
            changes.of_mirror(mirror, *words, ALL)
        return f"{caught.value}; {caught.value.hint}"

    assert error(two.mirror, "RHEL-9.3", "").endswith("; did you mean RHEL_9.2?")
    assert error(two.mirror, "RHEL 9.2", "hwcert").endswith("; here are compose")
    assert "DEST comes first" in error(type(two.mirror)("RHEL-9.2"), str(two.root), "")
    assert "there is no mirror here" in error(type(two.mirror)(tmp_path / "no"), "RHEL-9.2", "")


def test_a_published_version_that_cannot_be_read_is_said(two):
    record_path(two.folder / "c2").unlink()
    with pytest.raises(NotFoundError, match="nothing is published that can be read") as raised:
        changes.of_mirror(two.mirror, "RHEL 9.2", "", ALL)
    assert raised.value.hint == "see dci-downloader status"


def test_two_components_of_the_server_are_compared_without_a_download(lab):
    one, two = lab.build(ONE, number=1), lab.build(TWO, number=2)
    result = changes.of_components(lab.server, "RHEL-9.2", [one.id, two.id], ALL, NullProgress())
    assert result.lines[:3] == ["RHEL-9.2 compose RHEL-9.2.0-1 → RHEL-9.2.0-2", "  upgraded:", "    a  1-1 → 2-1"]
    same = changes.of_components(lab.server, "", [two.id, two.id], ALL, NullProgress())
    assert same.lines == ["RHEL-9.2 compose RHEL-9.2.0-2: both ids are of this one"]
    back = changes.of_components(lab.server, "", [two.id, one.id], ALL, NullProgress())
    assert back.lines[1] == "  downgraded:"
    assert lab.fetched() == []


def test_components_of_two_topics_are_compared_unless_a_topic_is_named(lab):
    other = lab.catalog.add_topic("RHEL-9.3", component_types=("compose",))
    ids = [lab.build(ONE, number=1).id, lab.build(TWO, name="n", topic=other, type="compose-noinstall").id]
    result = changes.of_components(lab.server, "", ids, ALL, NullProgress())
    assert result.lines[0] == "RHEL-9.2 → RHEL-9.3 compose → compose-noinstall RHEL-9.2.0-1 → n"
    with pytest.raises(SettingsError, match=r"does not belong to topic RHEL-9\.2"):
        changes.of_components(lab.server, "RHEL-9.2", ids, ALL, NullProgress())


def test_components_that_cannot_be_compared(lab):
    one, empty = lab.build(ONE, number=1), lab.build({}, number=2, without_files=True)
    broken = lab.build({}, number=3, manifest=b"{}")
    for ids, error in (([one.id, empty.id], NotFoundError), ([broken.id, one.id], ManifestError)):
        with pytest.raises(error):
            changes.of_components(lab.server, "", ids, ALL, NullProgress())
    with pytest.raises(NotFoundError):
        changes.of_components(lab.server, "", [one.id, "no-id"], ALL, NullProgress())


def test_what_changed_between_the_job_that_passed_and_the_one_that_failed(lab):
    certificate = lab.build({"f": b""}, name="cert", type="hwcert")
    notes = [lab.build({}, name=name, type="git", without_files=True) for name in ("g1", "g2")]
    old, new = lab.build(ONE, number=1), lab.build(TWO, number=2)
    extra = lab.build({"f": b""}, name="more", type="more")
    passed = lab.catalog.add_job(lab.topic, [certificate, old, notes[0]])
    failed = lab.catalog.add_job(lab.topic, [new, certificate, notes[1], extra])
    result = changes.of_jobs(lab.server, "RHEL-9.2", [passed.id, failed.id], ALL, NullProgress())
    assert result.lines == [
        "RHEL-9.2 compose RHEL-9.2.0-1 → RHEL-9.2.0-2",
        "  upgraded:",
        "    a  1-1 → 2-1",
        "  1 package: 1 upgraded; files: 2 added, 2 removed",
        "RHEL-9.2 git g1 → g2: not compared: component g1 of type git has no files",
        "RHEL-9.2 hwcert cert: the same in both jobs",
        "RHEL-9.2 more more: only the second job has it",
    ]
    assert [build["type"] for build in result.document["builds"]] == ["compose", "git", "hwcert", "more"]


def test_jobs_that_cannot_be_compared(lab):
    job, empty = lab.catalog.add_job(lab.topic, [lab.build(ONE)]), lab.catalog.add_job(lab.topic, [])
    other = lab.catalog.add_topic("RHEL-9.3", component_types=("compose",))
    elsewhere = lab.catalog.add_job(other, [])
    for topic, ids, fault in (
        ("", [empty.id, empty.id], "neither of the jobs"),
        ("RHEL-9.2", [job.id, elsewhere.id], r"of topic RHEL-9\.3, not of RHEL-9\.2"),
        ("", [job.id, "5b5cbb32-4a79-4a39-9c0c-e6bb1bf7e0d5"], "5b5cbb32"),
    ):
        with pytest.raises(NotFoundError, match=fault):
            changes.of_jobs(lab.server, topic, ids, ALL, NullProgress())


def test_several_components_of_one_type_go_together_by_identity_then_by_name(lab):
    a, b, c = (lab.build({"f": name.encode()}, name=name, type="git") for name in "abc")
    one, two = lab.catalog.add_job(lab.topic, [b, a]), lab.catalog.add_job(lab.topic, [c, b])
    result = changes.of_jobs(lab.server, "", [one.id, two.id], ALL, NullProgress())
    assert [line for line in result.lines if line[0] != " "] == [
        "RHEL-9.2 git b: the same in both jobs",
        "RHEL-9.2 git a → c",
    ]
