"""Marks of what is known to be damaged."""

import os
import tempfile
from pathlib import Path

import pytest

from dci_downloader.errors import SettingsError
from dci_downloader.mirror.damage import DamageMarks, forbidden, judge
from tests.unit.ordinary_user import USER, as_user
from tests.unit.samples import FIRST, entry_of
from tests.unit.test_verify import rot

A, B = "a" * 64, "b" * 64


@pytest.fixture
def marks(tmp_path):
    return DamageMarks(tmp_path / "damaged")


def test_what_is_marked_is_known_to_all_who_look_until_it_is_unmarked(marks):
    other = DamageMarks(marks.folder)
    assert A not in marks
    marks.add([A, B])
    marks.add([A])
    assert A in marks
    assert other.read() == {A, B}
    other.remove([A, "c" * 64])
    assert marks.read() == {B}
    marks.remove([B])
    marks.remove([B])
    assert os.listdir(marks.folder) == []


def test_those_who_ask_often_get_the_answer_of_the_last_look(marks):
    assert A not in marks
    DamageMarks(marks.folder).add([A])
    assert A not in marks
    marks.read()
    assert A in marks


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be two users")
def test_marks_that_root_makes_can_be_taken_away_by_the_owner_of_the_store():
    with tempfile.TemporaryDirectory() as folder:  # not pytest's, which only root may enter
        os.chown(folder, USER, USER)
        marks = DamageMarks(Path(folder) / "damaged")
        marks.add([A])
        as_user(lambda: marks.remove([A]))
        assert marks.read() == frozenset()


def test_names_that_are_no_digests_are_not_ours(marks):
    marks.folder.mkdir()
    for name in ("mine", "A" * 64, A + ".tmp"):
        (marks.folder / name).touch()
    (marks.folder / A).mkdir()
    assert marks.read() == {A}


def test_a_link_in_the_folder_s_place_leads_nowhere(marks, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / A).touch()
    marks.folder.symlink_to(tmp_path / "elsewhere")
    assert marks.read() == frozenset()
    marks.remove([A])
    with pytest.raises(SettingsError, match="symbolic link"):
        marks.add([B])
    assert os.listdir(tmp_path / "elsewhere") == [A]


def test_objects_are_judged_by_their_content_now(sample):
    sample.publish("c1", FIRST)
    right, wrong = entry_of("", b"first").sha256, entry_of("", b"bash" * 100).sha256
    rot(sample.store.path(wrong))
    marks = sample.store.damage
    marks.add([right])
    objects = {sha256: sample.store.object_path(sha256) for sha256 in (right, wrong, A)}
    assert judge(marks, objects) == {wrong, A}
    assert marks.read() == {wrong, A}


def test_an_object_that_this_user_may_not_read_is_not_judged(sample, monkeypatch):
    sample.publish("c1", FIRST)
    sha256 = entry_of("", b"first").sha256
    path = sample.store.object_path(sha256)
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr("dci_downloader.mirror.digests.sha256_file", lambda *_: (_ for _ in ()).throw(PermissionError))
    assert forbidden(path)
    assert judge(sample.store.damage, {sha256: path}) == frozenset()
    assert sample.store.damage.read() == frozenset()


def test_a_marked_object_is_not_held_and_a_new_one_takes_the_mark_away(sample):
    sample.publish("c1", FIRST)
    entry = entry_of(".composeinfo", b"first")
    sample.store.damage.add([entry.sha256])
    assert not sample.store.holds(entry)
    sample.store.add(entry, [b"first"])
    assert sample.store.holds(entry)
    assert sample.store.damage.read() == frozenset()
