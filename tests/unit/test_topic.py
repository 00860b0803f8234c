import os

import pytest

from dci_downloader.errors import (
    LockedError,
    SettingsError,
)
from dci_downloader.mirror import digests, tree
from dci_downloader.mirror import publish as publish_module
from dci_downloader.mirror import store as store_module
from dci_downloader.mirror.publish import publish
from dci_downloader.mirror.rollback import roll_back
from dci_downloader.mirror.status import status
from tests.unit.samples import FIRST, LINKS, SECOND, Sample, component_of, entry_of, manifest_of


def test_a_link_to_a_version_that_is_gone_publishes_nothing(sample):
    sample.publish("c1", FIRST)
    tree.remove_tree(sample.folder / "c1")
    assert sample.topic.published("compose") is None


@pytest.mark.parametrize("name", ["RHEL_9.2", "RHEL_9.2/.versions", "RHEL_9.2/.versions/compose"])
def test_a_folder_that_is_a_link_elsewhere_is_refused_and_nothing_written_there(sample, tmp_path, name):
    (tmp_path / "elsewhere").mkdir()
    (sample.root / name).parent.mkdir(parents=True)
    (sample.root / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SettingsError, match="symbolic link"):
        sample.publish("c1", FIRST)
    with pytest.raises(SettingsError, match="symbolic link"):
        sample.topic.versions("compose")
    assert sample.mirror.topics() == ()
    assert os.listdir(tmp_path / "elsewhere") == []


def test_spaces_in_a_type_become_underscores_everywhere(sample):
    done = sample.publish("c1", FIRST, type="compose noinstall")
    assert done.path == sample.topic.path / "compose_noinstall"
    assert os.readlink(done.path) == ".versions/compose_noinstall/c1"
    assert sample.topic.types() == ("compose_noinstall",)
    for name in ("compose noinstall", "compose_noinstall"):
        assert sample.topic.published(name).identity == done.version.identity
        assert [version.identity for version in sample.topic.versions(name)] == [done.version.identity]
    assert [row.type for row in status(sample.mirror).rows] == ["compose noinstall"]
    sample.publish("c2", SECOND, type="compose noinstall")
    with sample.topic.lock():
        assert roll_back(sample.topic, "compose_noinstall").version == "c1"


def test_one_sync_of_a_topic_keeps_another_out_but_not_one_of_another_topic(sample):
    told = []
    with sample.topic.lock():
        with pytest.raises(LockedError), sample.mirror.topic("RHEL 9.2").lock(0, told.append):
            pass
        with sample.mirror.topic("RHEL 9.3").lock(0):
            pass


def killed_while_publishing(sample):
    """A run that fetched everything and dies at the last step."""

    class Killed(BaseException):
        pass

    def die(*_):
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish_module, "write_record", die)
        patch.setattr(tree, "remove_tree", lambda path: None)
        with pytest.raises(Killed):
            sample.publish("c2", SECOND)


@pytest.mark.parametrize(("boot", "hashed"), [("boot-1", set()), ("boot-2", {b"second", b"new"})])
def test_a_killed_run_costs_no_hashing_and_a_power_cut_only_what_no_version_holds(tmp_path, monkeypatch, boot, hashed):
    before = Sample(tmp_path / "mirror", boot="boot-1")
    before.publish("c1", FIRST)
    flush = store_module.Store.flush
    monkeypatch.setattr(store_module.Store, "flush", lambda store: None)  # killed before it came to that
    killed_while_publishing(before)
    monkeypatch.setattr(store_module.Store, "flush", flush)
    asked = []
    real = digests.sha256_file
    monkeypatch.setattr(digests, "sha256_file", lambda path, buffer: asked.append(path[-64:]) or real(path, buffer))
    after = Sample(tmp_path / "mirror", boot=boot)
    with after.topic.lock():
        wanted = manifest_of(SECOND, LINKS)
        assert after.mirror.plan(component_of("c2"), wanted).missing == ()
        publish(after.topic, component_of("c2"), None, wanted)
    assert set(asked) == {entry_of("", content).sha256 for content in hashed}
    assert (after.link / ".composeinfo").read_bytes() == b"second"


def test_after_a_power_cut_what_was_not_flushed_is_hashed_before_it_is_trusted(tmp_path):
    before = Sample(tmp_path / "mirror", boot="boot-1")
    before.publish("c1", FIRST)
    before.fill(SECOND)
    lost = before.store.path(entry_of("", b"second").sha256)
    lost.chmod(0o644)
    lost.write_bytes(b"\0" * 6)
    new = before.folder / ".new-12345678"
    new.mkdir()
    os.link(lost, new / "f")
    after = Sample(tmp_path / "mirror", boot="boot-2")
    with after.topic.lock():
        assert not after.store.holds(entry_of("", b"second"))
        assert after.store.holds(entry_of("", b"new"))
    assert not new.exists()
