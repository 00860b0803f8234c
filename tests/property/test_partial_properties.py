"""A file on its way through completions, interruptions and restarts in any order: done and missing partition it.

The machine writes what is missing in any order and cut off anywhere, saves, closes, kills and reboots. The page cache
outlives a kill; after a reboot only what was flushed is sure to be there, and the journal may have gone.
"""

from __future__ import annotations

import os
import tempfile
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from dci_downloader.content import ranges
from dci_downloader.content.ranges import NOTHING, Ranges
from dci_downloader.mirror.partial import Partial, journal_path, read_journal
from dci_downloader.models import FileEntry


class PartialMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "partial"
        self.boots = 0
        self.noted: Ranges = NOTHING
        self.flushed: Ranges = NOTHING
        self.committed: list[str] = []

    @initialize(size=st.integers(1, 999), segment=st.integers(1, 40), seed=st.integers(0, 255))
    def a_file(self, size: int, segment: int, seed: int) -> None:
        self.size, self.segment = size, segment
        self.content = bytes((seed + number * 7) % 255 + 1 for number in range(size))  # never the zeros of a hole
        self.entry = FileEntry("a.iso", sha256(self.content).hexdigest(), size)
        self.open()

    def open(self) -> None:
        found = Partial(self.path, self.entry, f"boot {self.boots}", self.commit)
        assert found.done == self.noted  # what was noted, no more and no less
        self.partial = found

    def commit(self, path: str, sha256: str) -> None:
        assert Path(path).read_bytes() == self.content
        self.committed.append(sha256)

    def gaps(self) -> Ranges:
        return ranges.split(ranges.missing(self.partial.done, self.size), self.segment)

    @rule(data=st.data())
    def pieces_come(self, data: st.DataObject) -> None:
        gaps = self.gaps()
        for number in data.draw(st.lists(st.integers(0, len(gaps) - 1), max_size=3, unique=True)) if gaps else ():
            start, end = gaps[number]
            cut = data.draw(st.integers(start + 1, end))
            before = ranges.total(self.partial.done)
            self.partial.write(start, self.content[start:cut])
            assert ranges.total(self.partial.done) == before + cut - start  # nothing comes twice

    @rule()
    def all_that_is_hashable_is_hashed(self) -> None:
        while self.partial.catch_up(7):
            pass

    @rule(flush=st.booleans())
    def it_is_saved(self, flush: bool) -> None:
        self.partial.save(flush=flush)
        self.noted = self.partial.done
        self.flushed = self.noted if flush else self.flushed

    @rule(
        how=st.sampled_from(
            ["closed", "killed", "power cut", "power cut", "power cut, journal lost", "power cut, journal torn"]
        )
    )
    def another_run_begins_after_it_was(self, how: str) -> None:
        if how == "closed":
            self.noted = self.flushed = self.partial.done
            self.partial.close()
        else:
            os.close(self.partial._fd)  # the process is gone; so are its lock and what it knew
        if how.startswith("power cut"):
            self.power_fails(how)
        self.open()

    def power_fails(self, how: str) -> None:
        self.boots += 1
        with self.path.open("r+b") as file:
            for start, end in ranges.missing(self.flushed, self.size):  # never reached the disk
                file.seek(start)
                file.write(bytes(end - start))
        place = journal_path(self.path)
        if how != "power cut" and place.exists():
            place.write_bytes(place.read_bytes()[:-3]) if "torn" in how else place.unlink()
            self.flushed = NOTHING
        self.noted = self.flushed

    @invariant()
    def done_and_missing_partition_the_file(self) -> None:
        done = self.partial.done
        gaps = ranges.missing(done, self.size)
        assert ranges.union((*done, *gaps)) == ((0, self.size),)
        assert ranges.total(done) + ranges.total(gaps) == self.size

    @invariant()
    def what_is_vouched_for_is_there(self) -> None:
        noted, flushed = read_journal(self.path, self.size, f"boot {self.boots}")
        assert (noted, flushed) == (self.noted, self.flushed)
        held = self.path.read_bytes()
        for start, end in (*noted, *flushed, *self.partial.done):
            assert held[start:end] == self.content[start:end]

    def teardown(self) -> None:
        if hasattr(self, "partial"):
            for start, end in reversed(self.gaps()):
                self.partial.write(start, self.content[start:end])
            self.partial.finish()
            assert self.committed == [self.entry.sha256]
        self.folder.cleanup()


PartialMachine.TestCase.settings = settings(deadline=None, max_examples=60, stateful_step_count=30)
TestAnyOrder = PartialMachine.TestCase


@pytest.mark.slow
class TestAnyOrderAtLength(PartialMachine.TestCase):  # type: ignore[name-defined,misc]
    settings = settings(deadline=None, max_examples=150, stateful_step_count=60)
