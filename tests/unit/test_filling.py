"""A partial that is filled in part from files: what counts as there, and what the journal says."""

from __future__ import annotations

import errno
import hashlib
import os
import random

import pytest

from dci_downloader.content.ranges import NOTHING, Range
from dci_downloader.errors import DiskFullError, DownloaderError
from dci_downloader.mirror.filling import FilledPartial, Piece
from dci_downloader.mirror.partial import read_journal
from dci_downloader.models import FileEntry

CONTENT = random.Random(1).randbytes(10_000) + bytes(48)
ENTRY = FileEntry("dvd.iso", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))


@pytest.fixture
def partial(tmp_path):
    made = FilledPartial(tmp_path / "partial", ENTRY, "boot", lambda path, _: os.rename(path, tmp_path / "object"))
    yield made
    made.discard()


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source"
    path.write_bytes(b"before" + CONTENT[4000:10_000])
    return str(path)


def rest(source):
    """The end of the content, from the file, and the zeros behind it."""
    return Piece(Range(4000, len(CONTENT)), source, 6006, 6, 6000)


def test_what_was_filled_and_written_together_is_the_file(partial, source, tmp_path):
    assert partial.fill([rest(source)]) == NOTHING
    partial.write(0, CONTENT[:4000])
    assert partial.present == (Range(0, len(CONTENT)),)
    assert partial.matches()
    partial.finish()
    assert (tmp_path / "object").read_bytes() == CONTENT


def test_zeros_are_written_behind_the_bytes_of_a_file_whatever_was_there(partial, source):
    partial.write(4000, b"x" * (len(CONTENT) - 4000))
    partial.fill([rest(source)])
    assert partial.read(Range(4000, len(CONTENT))) == CONTENT[4000:]


def test_what_was_filled_is_not_in_the_journal(partial, source):
    partial.write(0, CONTENT[:100])
    partial.fill([rest(source)])
    partial.save(flush=True)
    assert read_journal(partial.path, partial.size, "boot") == ((Range(0, 100),), (Range(0, 100),))
    partial.close()
    assert FilledPartial(partial.path, ENTRY, "boot", lambda *_: None).present == (Range(0, 100),)


def test_a_partial_with_a_hole_does_not_match(partial, source):
    partial.fill([rest(source)])
    assert not partial.matches()
    with pytest.raises(ValueError, match="not complete"):
        partial.finish()


def test_what_is_forgotten_is_missing_again(partial, source):
    partial.write(0, CONTENT[:4000])
    partial.fill([rest(source)])
    assert partial.forget((Range(3000, 5000),)) == (Range(4000, 5000),)
    assert partial.present == (Range(0, 4000), Range(5000, len(CONTENT)))


def test_what_was_hashed_and_then_replaced_is_hashed_again(partial, source, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_bytes(bytes(6006))
    partial.write(0, CONTENT[:4000])
    partial.fill([rest(str(wrong))])
    assert not partial.matches()
    partial.forget((Range(0, len(CONTENT)),))
    partial.fill([rest(source)])
    assert partial.matches()


@pytest.mark.parametrize("fault", ["gone", "short", "long", "link", "folder", "pipe"])
def test_a_file_that_is_not_as_it_should_be_fills_nothing(partial, source, fault, tmp_path):
    if fault == "short":
        os.truncate(source, 6005)
    elif fault == "long":
        os.truncate(source, 6007)
    else:
        os.rename(source, tmp_path / "elsewhere")
    if fault == "link":
        os.symlink(tmp_path / "elsewhere", source)
    elif fault == "folder":
        os.mkdir(source)
    elif fault == "pipe":
        os.mkfifo(source)
    assert partial.fill([rest(source)]) == (Range(4000, len(CONTENT)),)
    assert partial.present == NOTHING


def test_a_file_that_ends_while_it_is_read_fills_nothing(partial, source, monkeypatch):
    monkeypatch.setattr(os, "copy_file_range", lambda *_: 0)
    monkeypatch.setattr(os, "pread", lambda *_: b"")
    assert partial.fill([rest(source)]) == (Range(4000, len(CONTENT)),)


def test_a_python_that_cannot_have_the_kernel_copy_reads_and_writes(partial, source, monkeypatch):
    monkeypatch.delattr(os, "copy_file_range")
    partial.write(0, CONTENT[:4000])
    assert partial.fill([rest(source)]) == NOTHING
    assert partial.matches()


def test_a_full_disk_is_told(partial, source, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "copy_file_range", full)
    with pytest.raises(DiskFullError):
        partial.fill([rest(source)])


def test_bytes_that_are_not_there_cannot_be_read(partial):
    os.ftruncate(partial._fd, 10)
    with pytest.raises(DownloaderError):
        partial.read(Range(0, 100))
