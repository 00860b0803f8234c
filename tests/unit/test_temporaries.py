import shutil

import pytest

from dci_downloader.mirror.version import record_path
from tests.unit.samples import FIRST, names_in


def test_records_without_a_tree_are_swept_and_foreign_files_are_not(sample):
    version = sample.publish("c1", FIRST).version
    (sample.folder / "c2.json").write_bytes(record_path(sample.topic.tree(version)).read_bytes())
    (sample.folder / "mine.json").write_text("{}")
    (sample.folder / "mine").mkdir()
    sample.publish("c1", FIRST)
    assert names_in(sample.folder) == ["c1", "c1.json", "mine", "mine.json"]
    assert sample.topic.versions("compose") == (sample.topic.published("compose"),)


@pytest.mark.parametrize("written", [50, 10_000])
def test_a_truncated_record_without_a_tree_is_swept_so_that_its_name_is_free(sample, written):
    version = sample.publish("c1", FIRST).version
    record = record_path(sample.topic.tree(version))
    record.write_bytes(record.read_bytes()[:written])
    shutil.rmtree(sample.folder / "c1")
    (sample.folder / "mine.json").write_text("theirs")
    sample.publish("c1", FIRST)
    assert names_in(sample.folder) == ["c1", "c1.json", "mine.json"]


def test_the_record_of_a_newer_program_without_a_tree_stays(sample):
    version = sample.publish("c1", FIRST).version
    record = record_path(sample.topic.tree(version)).read_bytes()
    newer = sample.folder / "c2.json"
    newer.write_bytes(record.replace(b'"format": 1', b'"format": 99', 1))
    with sample.topic.lock():
        assert newer.exists()


def test_what_others_put_aside_under_a_similar_name_stays(sample):
    sample.publish("c1", FIRST)
    ours, theirs = sample.topic.path / ".old-0123abcd", sample.topic.path / ".old-backup"
    ours.mkdir()
    theirs.mkdir()
    with sample.topic.lock():
        assert (ours.exists(), theirs.exists()) == (False, True)


def test_what_a_run_left_that_died_between_two_renames_is_removed(sample):
    sample.publish("c1", FIRST)
    aside = sample.folder / ".new-0123abcd-aside"
    aside.mkdir()
    with sample.topic.lock():
        assert not aside.exists()
