"""Remove forgets a topic or a type, and nothing else."""

import os

import pytest

from dci_downloader import Mirror
from dci_downloader.cli.main import main
from dci_downloader.errors import LockedError, NotFoundError, SettingsError
from dci_downloader.mirror import hold
from dci_downloader.mirror.remove import remove
from tests.unit.samples import FIRST, SECOND


@pytest.fixture
def filled(sample):
    """A topic with two types and three versions, and another topic that shares content with it."""
    sample.publish("c1", FIRST)
    sample.publish("c2", SECOND)
    sample.publish("h1", {"tests": b"hwcert"}, type="hwcert")
    other = Mirror(sample.root).topic("RHEL-9.3")
    sample.other, sample.topic = sample.topic, other
    sample.publish("d1", FIRST)
    sample.topic = sample.other
    return sample


def test_a_topic_goes_with_all_it_has_and_others_stay(filled):
    removed = remove(filled.mirror, "RHEL 9.2")
    assert (removed.topic, removed.types, removed.notes) == ("RHEL 9.2", ("compose", "hwcert"), ())
    assert sorted(removed.removal.versions) == ["c1", "c2", "h1"]
    assert not filled.topic.path.exists()
    assert filled.read(filled.root / "RHEL-9.3/compose") == FIRST
    assert len(filled.objects()) == len(set(FIRST.values())), "what only the topic had has left the store"


def test_what_was_freed_is_what_nothing_else_holds(filled):
    removal = remove(filled.mirror, "RHEL 9.2", "compose").removal
    alone = [content for path, content in SECOND.items() if FIRST.get(path) != content]
    assert (removal.files, removal.size) == (len(alone), sum(map(len, alone)))


def test_a_type_goes_and_the_others_stay(filled):
    remove(filled.mirror, "rhel 9.2", "HWCERT")
    assert filled.topic.types() == ("compose",)
    assert filled.read() == SECOND
    assert not (filled.topic.path / "hwcert").is_symlink()
    with pytest.raises(NotFoundError, match="nothing of type hwcert"):
        remove(filled.mirror, "RHEL 9.2", "hwcert")


def test_what_is_held_is_not_removed_and_neither_is_the_rest_of_the_request(filled):
    hold.hold(filled.mirror, "RHEL 9.2", "hwcert")
    with pytest.raises(SettingsError, match="hwcert is held") as raised:
        remove(filled.mirror, "RHEL 9.2")
    assert "release" in raised.value.hint
    assert filled.read() == SECOND
    remove(filled.mirror, "RHEL 9.2", "compose")
    assert filled.topic.types() == ("hwcert",)


def test_a_running_sync_keeps_its_topic(filled):
    with filled.topic.lock(), pytest.raises(LockedError):
        remove(filled.mirror, "RHEL 9.2", timeout=0)
    assert filled.read() == SECOND


def test_what_is_not_of_this_program_stays_and_is_named(filled):
    own = filled.folder / "notes.txt"
    own.write_text("of an admin")
    (filled.topic.path / "beside").write_text("likewise")
    removed = remove(filled.mirror, "RHEL 9.2")
    assert len(removed.notes) == 1
    assert str(filled.folder) in removed.notes[0]
    assert own.exists()
    assert (filled.topic.path / "beside").exists()
    assert not filled.link.exists()


def test_a_plain_folder_in_the_place_of_the_link_stays(filled):
    filled.link.unlink()
    filled.link.mkdir()
    removed = remove(filled.mirror, "RHEL 9.2", "compose")
    assert "no link of this program" in removed.notes[0]
    assert filled.link.is_dir()


def test_versions_whose_records_are_lost_go_too(filled):
    (filled.folder / "c2.json").write_bytes(b"")
    removed = remove(filled.mirror, "RHEL 9.2")
    assert "c2" in removed.removal.versions
    assert not filled.topic.path.exists()


def test_who_reads_keeps_what_is_open(filled):
    with open(filled.link / ".composeinfo", "rb") as file:
        remove(filled.mirror, "RHEL 9.2")
        assert file.read() == SECOND[".composeinfo"]


def test_a_topic_can_come_back(filled):
    remove(filled.mirror, "RHEL 9.2")
    filled.publish("c2", SECOND)
    assert filled.read() == SECOND


def test_the_command_says_what_it_freed(filled, capsys):
    assert main(["remove", str(filled.root), "RHEL_9.2", "hwcert"]) == 0
    assert capsys.readouterr().out == "removed RHEL 9.2 hwcert: 1 version, 1 file, 6 bytes freed\n"
    assert main(["remove", str(filled.root), "RHEL 9.2", "hwcert", "--json"]) == 4
    assert os.path.isdir(filled.link)
