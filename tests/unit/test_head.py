"""Heads: what changes after a publication; with a wrong one, or without any, the record says everything."""

import hashlib
import json
import os
from dataclasses import replace
from unittest.mock import Mock

import pytest

from dci_downloader.errors import DiskFullError
from dci_downloader.mirror.head import head_of, head_path, read_current_head, read_head, write_head
from dci_downloader.mirror.publish import rebuild
from dci_downloader.mirror.record import load_head, load_record, refresh_head
from dci_downloader.mirror.rollback import rollback
from dci_downloader.mirror.status import status
from dci_downloader.mirror.verify import verify
from dci_downloader.mirror.version import record_path
from tests.unit.samples import FIRST, SECOND, Sample, refuse_links


@pytest.fixture
def place(sample):
    return sample.topic.tree(sample.publish("c1", FIRST).version)


def lie(place, **fields):
    """Change a head as somebody would who knows how it is made."""
    line = json.dumps({**json.loads(head_path(place).read_bytes().splitlines()[0]), **fields}).encode()
    head_path(place).write_bytes(line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n")


def row(sample):
    (one,) = status(sample.mirror).rows
    return one


def test_a_head_tells_what_a_record_does(sample, place):
    assert read_current_head(place) == head_of(load_record(place))


def test_a_record_never_changes_once_its_version_is_published(sample, place, monkeypatch):
    before = record_path(place).read_bytes(), record_path(place).stat()
    verify(sample.mirror)
    sample.publish("c2", SECOND)
    rollback(sample.mirror, "RHEL 9.2")
    sample.publish("c2", SECOND)
    sample.publish("c1", FIRST, tags=("nightly", "kept"))
    (sample.folder / "c1" / "same").unlink()
    sample.publish("c1", FIRST)
    refuse_links(monkeypatch)
    (sample.folder / "c1" / "same").unlink()
    sample.publish("c1", FIRST)
    after = record_path(place).read_bytes(), record_path(place).stat()
    assert (before[0], before[1].st_ino, before[1].st_mtime_ns) == (after[0], after[1].st_ino, after[1].st_mtime_ns)
    version = load_record(place)
    assert version.copies == {*FIRST}
    assert version.number > 1
    assert version.last_verified is not None


def test_what_changed_is_read_by_everyone(sample, place):
    first = load_record(place)
    sample.publish("c2", SECOND)
    again = sample.publish("c1", FIRST, tags=("nightly", "kept")).version
    assert load_record(place) == again
    assert (again.number, again.published_at > first.published_at) == (3, True)
    verify(sample.mirror)
    assert row(sample).tags == ("nightly", "kept")
    assert row(sample).last_verified == load_record(place).last_verified > again.published_at


HARM = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:100]),
    "zeros": lambda path: path.write_bytes(b"\0" * 500),
    "a bit": lambda path: path.write_bytes(path.read_bytes().replace(b'"files": 3', b'"files": 7')),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "a link": lambda path: (path.unlink(), path.symlink_to("/etc/passwd")),
    "brackets": lambda path: path.write_bytes(b"[" * 300_000 + b"\n"),
}


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM)
def test_without_a_head_the_record_says_everything_and_the_next_publication_writes_one(sample, place, harm):
    version = load_record(place)
    harm(head_path(place))
    assert (load_record(place), load_head(place)) == (version, head_of(version))
    assert (row(sample).files, row(sample).size, row(sample).problems) == (3, 805, ())
    sample.publish("c2", SECOND)
    assert read_current_head(place) == head_of(version)


LIES = {
    "another format": {"head": 2},
    "another identity": {"identity": "b" * 64},
    "another record": {"record": [1, 2]},
    "no record": {"record": None},
    "another type": {"component": {"id": "id-c1", "name": "c1", "type": "hwcert", "topic_id": "t1"}},
    "a type outside": {"component": {"id": "id-c1", "name": "c1", "type": "../..", "topic_id": "t1"}},
    "a component without a name": {"component": {}},
    "no files": {"files": -1},
    "a size that is none": {"size": "many"},
    "no time": {"published_at": "soon"},
    "no number": {"number": 1.5},
    "copies elsewhere": {"copies": ["../../etc/passwd"]},
    "copies that are none": {"copies": 7},
    "half a surrogate pair": {"topic": "\udc80"},
}


@pytest.mark.parametrize("lies", LIES.values(), ids=LIES)
def test_a_head_that_lies_about_what_a_version_is_changes_nothing(sample, place, lies):
    version = load_record(place)
    lie(place, **lies)
    assert load_record(place) == version
    assert (row(sample).version, row(sample).problems) == ("c1", ())
    assert sample.topic.versions("compose") == (version,)
    (check,) = verify(sample.mirror)
    assert (check.files, check.exit_code) == (3, 0)


def test_a_head_of_another_version_says_nothing_about_this_one(sample, place):
    version = load_record(place)
    lie(place, identity="b" * 64, number=9, published_at="2030-01-01T00:00:00+00:00", copies=["same"], etag="e9")
    assert load_record(place) == version


def test_a_record_that_changed_since_is_read_again(sample, place):
    record_path(place).write_bytes(b"")
    assert read_head(place) is not None
    assert row(sample).damaged
    assert "its record is empty" in row(sample).problems[0]


def test_a_copy_without_times_keeps_what_the_head_says(sample, place):
    verify(sample.mirror)
    verified = load_record(place).last_verified
    os.utime(record_path(place), (1, 1))
    assert read_current_head(place) is None
    assert (load_record(place).last_verified, load_head(place).last_verified) == (verified, verified)
    with sample.topic.lock():
        sample.topic.refresh_heads("compose")
    assert read_current_head(place).last_verified == verified


def test_copies_of_a_head_survive_its_refreshing(sample, place, monkeypatch):
    refuse_links(monkeypatch)
    rebuild(sample.topic, load_record(place))
    os.utime(record_path(place), (1, 1))
    refresh_head(place)
    assert load_record(place).copies == {*FIRST}
    verify(sample.mirror)
    assert load_record(place).copies == {*FIRST}


def test_a_head_that_cannot_be_written_fails_nothing_that_does_not_need_it(sample, place, monkeypatch):
    head_path(place).unlink()
    refused = DiskFullError("no room")
    monkeypatch.setattr("dci_downloader.mirror.head.replace_atomically", Mock(side_effect=refused))
    with sample.topic.lock():
        sample.topic.refresh_heads("compose")
    assert not head_path(place).exists()


def test_records_of_older_releases_hold_the_time_of_verification_themselves(sample, place):
    record = json.loads(record_path(place).read_text())
    record_path(place).write_text(json.dumps({**record, "last_verified": "2026-11-02T00:00:00+00:00"}))
    head_path(place).unlink()
    assert row(sample).last_verified.day == 2


def test_heads_go_with_their_versions_and_those_of_nothing_are_swept(sample, place):
    head = head_path(place).read_bytes()
    (sample.folder / ".gone.head").write_bytes(head)
    (sample.folder / ".mine.head").write_bytes(b"mine")
    (sample.folder / "..gone.head.0123abcd").write_bytes(head)
    with sample.topic.lock():
        pass
    assert sorted(os.listdir(sample.folder)) == [".c1.digests", ".c1.head", ".mine.head", "c1", "c1.json"]


def test_a_component_may_be_named_like_a_head(sample, place):
    sample.publish("c1.head", SECOND)
    sample.publish(".c1.head", FIRST)
    assert {head.component.name for head in sample.topic.heads("compose")} == {"c1", "c1.head", ".c1.head"}
    assert all(read_current_head(sample.topic.tree(head)) == head for head in sample.topic.heads("compose"))


def test_status_reads_no_record_of_a_version_that_has_a_head(sample, place, monkeypatch):
    read = []
    monkeypatch.setattr("dci_downloader.mirror.record.read_file", lambda path, limit: read.append(path))
    (head,) = sample.topic.heads("compose")
    assert (head.files, head.size, read) == (3, 805, [])


def test_a_head_of_the_same_record_wins_whatever_else_it_says(tmp_path):
    sample = Sample(tmp_path / "mirror")
    place = sample.topic.tree(sample.publish("c1", FIRST).version)
    write_head(place, replace(load_head(place), number=9))
    assert load_record(place).number == 9
