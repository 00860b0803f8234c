"""Room for a new build: older ones give way, and some of the disk stays free."""

import pytest

from dci_downloader import Mirror, Outcome, Selection, SyncOptions, SyncRequest, sync_topic, sync_topics
from dci_downloader.cli.main import main
from dci_downloader.errors import LockedError
from dci_downloader.hooks import NullProgress
from dci_downloader.mirror.locks import FileLock
from dci_downloader.mirror.rollback import rollback
from dci_downloader.mirror.room import make_room, removable

ALL = Selection(all=True)
SIZE = 200_000


def content(number):
    return bytes([number]) * SIZE


@pytest.fixture
def mirror(lab, tmp_path):
    """Two topics with three versions each, of one file each, published in turn."""
    mirror = Mirror(tmp_path / "dci")
    other = lab.catalog.add_topic("RHEL-9.3", component_types=("compose",))
    for number in (1, 2, 3):
        for offset, topic in ((0, lab.topic), (100, other)):
            lab.build({"a": content(number + offset)}, number=number, name=f"{topic.name}.{number}", topic=topic)
            sync_topic(lab.server, mirror, topic.name, ALL, options=SyncOptions(keep=9))
    return mirror


@pytest.fixture
def disk(mirror, monkeypatch):
    """A disk that has room for so many files of this size beside what the store holds when the test begins."""

    def used():
        return sum(mirror.store.path(digest).stat().st_size for digest in mirror.store.object_names())

    def disk(files):
        capacity = used() + int(files * SIZE)
        monkeypatch.setattr("dci_downloader.mirror.mirror.free_bytes", lambda path: capacity - used())

    return disk


def named(mirror, topic="RHEL-9.2"):
    """The versions of a topic."""
    folder = mirror.root / topic / ".versions/compose"
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def sync(lab, mirror, **options):
    return sync_topic(lab.server, mirror, "RHEL-9.2", ALL, options=SyncOptions(keep=9, **options))


def test_where_there_is_room_nothing_goes(lab, mirror, disk):
    disk(5)
    lab.build({"a": content(4)}, number=4, name="RHEL-9.2.4")
    assert sync(lab, mirror, make_room=True).exit_code == 0
    assert len(named(mirror)) == 4


def test_the_oldest_versions_that_are_not_published_go_first_whatever_topic_they_are_of(lab, mirror, disk):
    disk(0.5)
    lab.build({"a": content(4), "b": content(5)}, number=4, name="RHEL-9.2.4")
    report = sync(lab, mirror, make_room=True)
    (component,) = report.components
    assert (report.exit_code, component.outcome) == (0, Outcome.PUBLISHED)
    assert named(mirror) == ["RHEL-9.2.2", "RHEL-9.2.3", "RHEL-9.2.4"]
    assert named(mirror, "RHEL-9.3") == ["RHEL-9.3.2", "RHEL-9.3.3"]
    assert [note for note in component.notes if note.startswith("removed RHEL-9.2.1, RHEL-9.3.1 to make room")]


def test_without_it_the_run_ends_before_the_first_byte(lab, mirror, disk):
    disk(0.5)
    lab.build({"a": content(4)}, number=4, name="RHEL-9.2.4")
    lab.site.store.forget()
    report = sync(lab, mirror)
    assert (report.exit_code, "--make-room" in report.failures[0].hint) == (6, True)
    assert (lab.fetched(), len(named(mirror))) == ([], 3)


def test_where_not_even_all_of_them_would_do_none_goes(lab, mirror, disk):
    disk(0)
    files = {name: content(10 + number) for number, name in enumerate("abcdefgh")}
    lab.build(files, number=4, name="RHEL-9.2.4")
    lab.site.store.forget()
    for dry_run in (True, False):
        report = sync(lab, mirror, make_room=True, dry_run=dry_run)
        (failure,) = report.failures
        assert (report.exit_code, "older versions do not make enough room" in failure.hint) == (6, True)
        assert "-make-room" not in failure.hint, "it was given"
    assert (len(named(mirror)), len(named(mirror, "RHEL-9.3")), lab.fetched()) == (3, 3, [])


def test_what_is_published_stays_even_where_it_is_the_oldest(lab, mirror, disk):
    for _ in range(2):
        rollback(mirror, "RHEL-9.2")
    disk(0)
    assert make_room(mirror, 4 * SIZE, lambda _: None).versions == (
        *("RHEL-9.3.1", "RHEL-9.2.2", "RHEL-9.3.2", "RHEL-9.2.3"),
    )
    assert named(mirror) == ["RHEL-9.2.1"]
    assert (mirror.root / "RHEL-9.2/compose/a").read_bytes() == content(1)


def test_contents_that_a_version_shares_with_one_that_stays_free_nothing(lab, mirror, disk):
    lab.build({"a": content(3), "b": content(9)}, number=4, name="RHEL-9.2.4")
    assert sync(lab, mirror).exit_code == 0
    assert removable(mirror, 4 * SIZE).size == 4 * SIZE
    assert removable(mirror, 4 * SIZE + 1).versions == ()


def test_a_topic_that_another_run_works_on_keeps_its_own(mirror):
    said = []
    with mirror.topic("RHEL-9.2").lock(), pytest.raises(LockedError):
        make_room(mirror, 2 * SIZE, said.append, timeout=0)
    assert (len(named(mirror)), len(named(mirror, "RHEL-9.3"))) == (3, 3)
    with FileLock(mirror.root / "RHEL-9.2/.lock").holding():
        removal = make_room(mirror, 2 * SIZE, said.append)
    assert removal.versions == ("RHEL-9.3.1",)
    assert said[-1].startswith("RHEL-9.2: RHEL-9.2.1 stays")


def test_a_dry_run_says_what_would_go_and_removes_nothing(lab, mirror, disk):
    disk(0.5)
    lab.build({"a": content(4)}, number=4, name="RHEL-9.2.4")
    report = sync(lab, mirror, make_room=True, dry_run=True)
    assert report.exit_code == 0
    assert [note for note in report.components[0].notes if note.startswith("would remove RHEL-9.2.1 to make room")]
    assert len(named(mirror)) == 3


def test_dry_runs_of_several_topics_count_what_they_would_free_once(lab, mirror, disk):
    disk(0.5)
    topics = {topic.name: topic for topic in lab.catalog.topics.values()}
    for topic, first in (("RHEL-9.2", 4), ("RHEL-9.3", 5)):
        lab.build({"a": content(first)}, number=4, name=f"{topic}.4", topic=topics[topic])
    options = SyncOptions(make_room=True, dry_run=True, keep=9)
    reports = sync_topics(lab.server, mirror, [SyncRequest(name, ALL, options) for name in ("RHEL-9.2", "RHEL-9.3")])
    assert [report.exit_code for report in reports] == [0, 0]
    assert "would remove RHEL-9.2.1, RHEL-9.3.1" in reports[1].components[0].notes[-1]


def test_a_reserve_stays_free(lab, mirror, disk):
    disk(3)
    lab.build({"a": content(4)}, number=4, name="RHEL-9.2.4")
    lab.site.store.forget()
    report = sync(lab, mirror, reserve=2 * SIZE + 1)
    assert (report.exit_code, lab.fetched()) == (6, [])
    assert "are to stay free (reserve)" in report.failures[0].reason
    assert sync(lab, mirror, reserve=2 * SIZE + 1, make_room=True).exit_code == 0
    assert len(named(mirror, "RHEL-9.3")) + len(named(mirror)) == 6


def test_a_reserve_keeps_nobody_from_what_needs_no_room(lab, mirror, disk):
    disk(0)
    assert sync(lab, mirror, reserve=2**50).components[0].outcome is Outcome.UNCHANGED


def test_the_option_reaches_the_run(lab, mirror, disk, monkeypatch, capsys):
    for name, value in lab.site.environment().items():
        monkeypatch.setenv(name, value)
    disk(0.5)
    lab.build({"a": content(4)}, number=4, name="RHEL-9.2.4")
    words = ["RHEL-9.2", str(mirror.root), "--all", "--keep", "9"]
    assert main(words) == 6
    assert "make-room" in capsys.readouterr().err
    assert main([*words, "--make-room"]) == 0
    assert "to make room" in capsys.readouterr().err


def test_progress_may_be_left_out(mirror):
    assert make_room(mirror, 0, NullProgress().message).versions == ("RHEL-9.2.1",)


def test_what_a_damaged_link_should_lead_to_makes_no_room(mirror):
    link = mirror.root / "RHEL-9.2" / "compose"
    link.unlink()
    link.symlink_to(".versions/compose/nothing")
    removal = removable(mirror, 4 * SIZE)
    assert sorted(removal.versions) == ["RHEL-9.2.1", "RHEL-9.2.2", "RHEL-9.3.1", "RHEL-9.3.2"]
    assert removable(mirror, 5 * SIZE).versions == ()
