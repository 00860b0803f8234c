import errno
import json
import os
import subprocess
import sys
from datetime import timedelta

import pytest

from dci_downloader.hooks import NullProgress
from dci_downloader.mirror import fetching
from dci_downloader.mirror.fetching import fetchings, forget_fetching, recorded_fetching, unfinished
from tests.unit.samples import CONTENT, ENTRY, FIRST, component_of, plan_of

C1 = component_of("c1")


class Heard(NullProgress):
    def __init__(self):
        self.calls = []

    def message(self, text):
        self.calls.append(text)

    detail = message

    def begin(self, *amounts):
        self.calls.append(amounts)

    advance = begin

    def end(self):
        self.calls.append("end")


@pytest.fixture
def topic(sample):
    sample.mirror.prepare()
    sample.topic.path.mkdir()
    return sample.topic


@pytest.fixture
def found(sample):
    return lambda: fetchings(sample.store.root, sample.mirror.clock())


def test_how_far_a_run_is_can_be_read_while_it_works_and_after_it(topic, found, monkeypatch):
    monkeypatch.setattr(fetching, "_PERIOD", 0.0)
    heard = Heard()
    with recorded_fetching(topic, C1, plan_of(3, 1000), heard) as progress:
        progress.begin("c1", 3, 1000)
        progress.advance(1, 600)
        progress.advance(0, -100)
        progress.message("m")
        progress.detail("d")
        (now,) = found()
        assert (now.topic, now.type, now.name, now.running) == ("RHEL 9.2", "compose", "c1", True)
        assert (now.files, now.size, now.files_done, now.size_done) == (3, 1000, 1, 500)
        progress.end()
    (left,) = found()
    assert (left.running, left.files_done, left.size_done) == (False, 0, 0), "nothing of it has reached the disk"
    assert left.began_at < left.seen_at
    assert heard.calls == [("c1", 3, 1000), (1, 600), (0, -100), "m", "d", "end"]
    forget_fetching(topic, "compose")
    forget_fetching(topic, "compose")
    assert found() == ()


def test_the_end_writes_what_the_last_moments_brought(topic, found):
    with recorded_fetching(topic, C1, plan_of(2, 20), NullProgress()) as progress:
        progress.begin("c1", 2, 20)
        progress.advance(1, 10)
        progress.advance(1, 10)
    assert [(each.files_done, each.size_done) for each in found()] == [(2, 20)]


def test_where_the_disk_cannot_be_read_at_the_end_what_was_reported_stays(topic, found, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    with recorded_fetching(topic, C1, plan_of(2, 20), NullProgress()) as progress:
        progress.begin("c1", 2, 20)
        progress.advance(1, 10)
        monkeypatch.setattr(topic.store, "plan", fail)
    assert [(each.running, each.files_done, each.size_done) for each in found()] == [(False, 1, 10)]


def test_what_is_written_during_a_period_is_written_once(topic, monkeypatch):
    written = []
    monkeypatch.setattr(fetching, "replace_atomically", lambda *_, **options: written.append(options))
    with recorded_fetching(topic, C1, plan_of(1000, 1000), NullProgress()) as progress:
        progress.begin("c1", 1000, 1000)
        for _ in range(1000):
            progress.advance(1, 1)
    assert len(written) < 1000


def test_a_run_that_was_killed_is_told_from_one_that_works(topic, found):
    with recorded_fetching(topic, C1, plan_of(3, 1000), NullProgress()) as progress:
        progress.begin("c1", 3, 1000)
        (path,) = (topic.store.root / "fetching").iterdir()
        record = json.loads(path.read_text())
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        start = record["process"]["start"]
        for changes in (
            {"pid": ended.pid},
            {"start": start + 1},
            {"boot": "another"},
            {"pid": ended.pid, "start": None},
        ):
            path.write_text(json.dumps({**record, "process": {**record["process"], **changes}}))
            assert [each.running for each in found()] == [False], changes
        path.write_text(json.dumps(record))
        assert [each.running for each in found()] == [True]


def test_a_run_on_another_machine_counts_as_long_as_it_writes(topic, sample):
    with recorded_fetching(topic, C1, plan_of(3, 1000), NullProgress()) as progress:
        progress.begin("c1", 3, 1000)
        (path,) = (topic.store.root / "fetching").iterdir()
        record = json.loads(path.read_text())
        path.write_text(json.dumps({**record, "process": {**record["process"], "host": "other.example.com"}}))
        later = [sample.mirror.clock.now + timedelta(minutes=minutes) for minutes in (1, 3)]
        (near,), (far,) = (fetchings(sample.store.root, moment) for moment in later)
        assert (near.running, far.running) == (True, False)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 100,
        b"[]",
        b"{}",
        b"[" * 10_000,
        b'{"topic": "\\ud800", "type": "t", "name": "n"}',
        b"x" * (1 << 17),
        None,
    ],
)
def test_what_is_no_such_record_is_passed_by(topic, found, content):
    with recorded_fetching(topic, C1, plan_of(3, 1000), NullProgress()) as progress:
        progress.begin("c1", 3, 1000)
    folder = topic.store.root / "fetching"
    if content is None:
        os.mkfifo(folder / "0.json")
        (folder / "1.json").symlink_to("/dev/zero")
        (folder / "2.json").mkdir()
    else:
        (folder / "0.json").write_bytes(content)
    assert [each.name for each in found()] == ["c1"]


@pytest.mark.parametrize("field", ["files", "size_done", "began_at", "process", "name"])
@pytest.mark.parametrize("value", [None, -1, 1.5, "x", [], 2**70, True])
def test_a_record_with_a_wrong_field_is_passed_by_or_read_without_an_error(topic, found, field, value):
    with recorded_fetching(topic, C1, plan_of(3, 1000), NullProgress()) as progress:
        progress.begin("c1", 3, 1000)
    (path,) = (topic.store.root / "fetching").iterdir()
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    assert all(not each.running for each in found())


def test_a_folder_that_is_in_the_way_keeps_no_run_from_fetching(topic, found):
    (topic.store.root / "fetching").symlink_to("/etc")
    with recorded_fetching(topic, C1, plan_of(3, 1000), NullProgress()) as progress:
        progress.begin("c1", 3, 1000)
    assert found() == ()
    forget_fetching(topic, "compose")


def test_a_link_in_the_place_of_the_folder_is_not_followed(topic, found, tmp_path):
    with recorded_fetching(topic, C1, plan_of(3, 1000), NullProgress()) as progress:
        progress.begin("c1", 3, 1000)
    assert len(found()) == 1
    folder = topic.store.root / "fetching"
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    assert found() == ()
    forget_fetching(topic, "compose")
    assert len(list((tmp_path / "elsewhere").iterdir())) == 1


def test_unfinished_files_count_by_what_of_them_is_here(sample):
    sample.fill(FIRST)
    assert unfinished(sample.store) == (0, 0)
    partial = sample.store.open_partial(ENTRY)
    partial.write(0, CONTENT[:1000])
    partial.close()
    (sample.store.partials / ("0" * 64)).write_bytes(b"nobody knows which of these bytes are right")
    assert unfinished(sample.store) == (1, 1000)
