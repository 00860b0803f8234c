import errno
import os

import pytest

from dci_downloader import Mirror, Outcome, Selection, sync_topic
from dci_downloader.mirror.carried import carried_folder, carried_path
from dci_downloader.mirror.prune import prune
from dci_downloader.mirror.remove import remove
from dci_downloader.mirror.rollback import rollback
from dci_downloader.mirror.status import status
from dci_downloader.mirror.verify import verify
from dci_downloader.upstream.mirror import UpstreamMirror
from tests.unit.samples import FIRST, SECOND, Sample, entry_of, names_in

ALL = Selection(all=True)
TOPIC = "RHEL 9.2"


@pytest.fixture(params=[errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def stick(request, tmp_path, monkeypatch):
    """Where a file system without links of either kind is mounted; elsewhere there are some."""
    root = tmp_path / "stick"

    def refusing(real):
        def call(source, target, **named):
            folder = named.get("dst_dir_fd")
            place = os.readlink(f"/proc/self/fd/{folder}") if folder is not None else os.path.abspath(target)
            if place.startswith(f"{root}/"):
                raise OSError(request.param, os.strerror(request.param))
            return real(source, target, **named)

        return call

    monkeypatch.setattr(os, "symlink", refusing(os.symlink))
    monkeypatch.setattr(os, "link", refusing(os.link))
    return root


def publish(sample, name, files):
    selection = {"rules": 1, **ALL.to_json()}
    sample.publish(name, files, selection, created_at=sample.topic.clock().replace(day=int(name[1:])))


def sync(source, root):
    (done,) = sync_topic(UpstreamMirror(source), Mirror(root), TOPIC, ALL).components
    return done


def test_a_stick_carries_what_another_mirror_needs_and_no_more(tmp_path, stick):
    first = Sample(tmp_path / "first")
    publish(first, "c1", FIRST)
    done = sync(first.root, stick)
    assert done.outcome is Outcome.PUBLISHED
    assert "nothing is published here for installers" in done.notes[0]
    assert names_in(stick / "RHEL_9.2/.versions/compose") == ["c1", "c1.json"]
    assert os.listdir(stick / "RHEL_9.2/.versions/compose/c1") == [], "the content is there once"
    assert not os.path.lexists(stick / "RHEL_9.2/compose")
    again = sync(first.root, stick)
    assert (again.outcome, again.bytes_downloaded, again.notes) == (Outcome.UNCHANGED, 0, ())
    inside = Sample(tmp_path / "inside")
    assert sync(stick, inside.root).outcome is Outcome.PUBLISHED
    assert inside.read() == first.read()
    publish(first, "c2", SECOND)
    assert (sync(first.root, stick).files_downloaded, sync(stick, inside.root).files_downloaded) == (2, 2)
    assert inside.read() == first.read()


def test_a_stick_is_looked_after_as_any_mirror(tmp_path, stick):
    first = Sample(tmp_path / "first")
    mirror = Mirror(stick)
    for name, files in (("c1", FIRST), ("c2", SECOND)):
        publish(first, name, files)
        sync(first.root, stick)
    (row,) = status(mirror).rows
    assert (row.version, row.kept, row.damaged, row.problems) == ("c2", ("c1",), False, ())
    (check,) = verify(mirror)
    assert (check.version, check.exit_code) == ("c2", 0)
    (back,) = rollback(mirror, TOPIC)
    assert (back.version, carried_folder(stick / "RHEL_9.2/compose")) == ("c1", "c1")
    assert UpstreamMirror(stick).component("id-c1")
    assert sync(first.root, stick).outcome is Outcome.PUBLISHED
    assert prune(mirror, 0).versions == ("c1",)
    assert names_in(stick / "RHEL_9.2/.versions/compose") == ["c2", "c2.json"]
    assert remove(mirror, TOPIC).removal.versions == ("c2",)
    assert not (stick / "RHEL_9.2").exists()


def test_a_file_that_a_stick_has_lost_is_brought_again(tmp_path, stick):
    first = Sample(tmp_path / "first")
    publish(first, "c1", FIRST)
    sync(first.root, stick)
    Mirror(stick).store.remove(entry_of("", b"first").sha256)
    (check,) = verify(Mirror(stick))
    assert check.exit_code == 7
    done = sync(first.root, stick)
    assert (done.outcome, done.files_downloaded) == (Outcome.PUBLISHED, 1)
    assert verify(Mirror(stick))[0].exit_code == 0


def test_a_copy_of_a_stick_on_a_disk_becomes_a_mirror_for_installers(tmp_path, stick):
    first = Sample(tmp_path / "first")
    publish(first, "c1", FIRST)
    sync(first.root, stick)
    copy = Sample(tmp_path / "copy")
    stick.rename(copy.root)
    assert sync(first.root, copy.root).outcome is Outcome.PUBLISHED
    assert copy.read() == first.read()
    assert not carried_path(copy.link).exists()
    assert sync(first.root, copy.root).outcome is Outcome.UNCHANGED


@pytest.mark.parametrize("content", [b"", b"../x\n", b".hidden\n", b"a/b\n", b"\xff\n", b"x" * 9000])
def test_what_names_no_version_carries_nothing(tmp_path, content):
    link = tmp_path / "compose"
    carried_path(link).write_bytes(content)
    assert carried_folder(link) in ("", "\udcff")
