import errno
import os

import pytest

from dci_downloader.mirror import candidates as candidates_module
from dci_downloader.mirror.candidates import Candidates
from dci_downloader.mirror.retention import retire
from tests.unit.samples import FIRST, Sample, entry_of
from tests.unit.system_calls import record_calls

ONE, TWO = b"1" * 32, b"2" * 32


def test_several_runs_write_side_by_side(tmp_path):
    Candidates(tmp_path).add([ONE])
    Candidates(tmp_path).add([TWO])
    Candidates(tmp_path).add([])
    written = Candidates(tmp_path).read()
    assert written.digests == {ONE, TWO}
    assert len(written.paths) == 2


def test_what_is_foreign_or_cut_short_is_passed_by(tmp_path):
    (tmp_path / ("a" * 16)).write_bytes(ONE + TWO[:9])
    (tmp_path / "theirs").write_bytes(TWO)
    (tmp_path / ("b" * 16)).mkdir()
    (tmp_path / ("c" * 16)).symlink_to(tmp_path / "theirs")
    written = Candidates(tmp_path).read()
    assert written == ({ONE}, (str(tmp_path / ("a" * 16)),))


def test_what_was_written_while_others_were_judged_stays(tmp_path):
    candidates = Candidates(tmp_path)
    candidates.add([ONE])
    written = candidates.read()
    candidates.add([TWO])
    candidates.replace(written, set())
    assert candidates.read().digests == {TWO}


def test_on_a_full_disk_this_run_still_knows(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(candidates_module, "replace_atomically", full)
    candidates = Candidates(tmp_path)
    candidates.add([ONE, TWO])
    written = candidates.read()
    assert written == ({ONE, TWO}, ())
    candidates.replace(written, {TWO})
    assert candidates.read().digests == {TWO}


def test_a_folder_that_cannot_be_is_no_obstacle(tmp_path):
    (tmp_path / "file").touch()
    candidates = Candidates(tmp_path / "file")
    candidates.add([ONE])
    assert candidates.read().digests == {ONE}


@pytest.mark.parametrize("whole", [True, False])
def test_what_a_version_held_is_written_down_and_on_disk_before_it_goes(sample, monkeypatch, whole):
    sample.publish("c1", {"own": b"1", "shared": b"shared"}, links=())
    sample.publish("c2", {**FIRST, "shared": b"shared"}, links=())
    if not whole:
        (sample.folder / "c1.json").write_bytes(b"")
    calls = record_calls(monkeypatch, sample.root)
    with sample.topic.alone(0, print):
        retire(sample.topic, "compose", 0)
    places = [path for call, path in calls if call == "fsync" or path.endswith(".old-*")]
    assert next(path.split("/")[1] for path in places if "candidates" in path or ".old-" in path) == "candidates"
    assert Sample(sample.root).store.candidates.read().digests == {bytes.fromhex(entry_of("", b"1").sha256)}


def test_what_a_lost_version_held_is_written_down_when_another_takes_its_place(sample):
    sample.publish("c1", {"own": b"1", "shared": b"shared"}, links=())
    (sample.folder / "c1.json").write_bytes(b"")
    sample.publish("c1", {**FIRST, "shared": b"shared"}, links=())
    assert entry_of("", b"shared").sha256 in sample.objects()
    with sample.topic.lock():
        pass  # removes the old tree, and then what only that held
    assert entry_of("", b"1").sha256 not in sample.objects()
