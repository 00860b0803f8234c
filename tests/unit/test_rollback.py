import os

import pytest

from dci_downloader.errors import (
    IntegrityError,
    NotFoundError,
)
from dci_downloader.mirror.rollback import roll_back
from dci_downloader.mirror.version import record_path
from tests.unit.samples import FIRST, SECOND


def test_rollback_publishes_what_was_published_before_and_refuses_when_nothing_is_older(sample):
    first = sample.publish("c1", FIRST).version
    sample.publish("c2", SECOND)
    with sample.topic.lock():
        done = roll_back(sample.topic, "compose")
        assert (done.topic, done.type, done.version) == ("RHEL 9.2", "compose", first.folder)
        assert "next sync" in done.notes[-1]
        assert os.readlink(sample.link) == ".versions/compose/c1"
        with pytest.raises(NotFoundError):
            roll_back(sample.topic, "compose")
        with pytest.raises(NotFoundError):
            roll_back(sample.topic, "hwcert")


def test_rollback_works_where_the_record_of_what_is_published_is_lost(sample):
    sample.publish("c1", FIRST)
    version = sample.publish("c2", SECOND).version
    record_path(sample.topic.tree(version)).write_bytes(b"")
    with sample.topic.lock():
        assert roll_back(sample.topic, "compose").version == "c1"


def test_rollback_to_a_damaged_version_restores_it_first(sample):
    sample.publish("c1", FIRST)
    sample.publish("c2", SECOND)
    (sample.folder / "c1" / "same").unlink()
    with sample.topic.lock():
        assert roll_back(sample.topic, "compose").version == "c1"
    assert sample.topic.intact(sample.topic.published("compose"))


def test_rollback_to_a_version_whose_content_rotted_is_refused(sample):
    older = sample.publish("c1", {"a": b"one", "b": b"same"}, links={}).version
    newer = sample.publish("c2", {"a": b"two", "b": b"same"}, links={}).version
    rotten = sample.store.path(next(entry.sha256 for entry in older.manifest.files if entry.path == "a"))
    rotten.chmod(0o644)
    rotten.write_bytes(b"0ne")
    with sample.topic.lock(), pytest.raises(IntegrityError, match=r"c1 is damaged: a should have sha256"):
        roll_back(sample.topic, "compose")
    assert sample.topic.published("compose") == newer
