"""Images that are put together from what the store holds, and everything that can go wrong with that."""

from __future__ import annotations

import errno
import itertools
import os
import random
import signal
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from dci_downloader.cli.main import main
from dci_downloader.content import ranges
from dci_downloader.content.ranges import Range
from dci_downloader.errors import CancelledError, DiskFullError, LockedError
from dci_downloader.hooks import NeverStop
from dci_downloader.mirror import filling
from dci_downloader.mirror.filling import FilledPartial
from dci_downloader.models import FileEntry
from dci_downloader.transfer import engine
from dci_downloader.transfer.damaged_objects import DamagedObjects
from dci_downloader.transfer.sink import Sink
from tests.faults.conftest import Bench
from tests.faults.program import TOPIC, Program
from tests.faults.rows import body, corrupted, rangeless
from tests.faults.server import Exchange, FaultServer, cut, drop, serve, status, store_answers
from tests.faults.sizes import SMALL_SCALE
from tests.iso_images import SECTOR, build, implanted

PACKAGES = 40
PATH = "BaseOS/x86_64/iso/dvd.iso"
SIZES = [300 * 1024 + 7 * index for index in range(PACKAGES)]


class Dvd:
    """A bench with an image, and the packages that it holds.

    Attributes:
        packages: the entries of the packages; the store holds all of them.
        image: the content of the image.
    """

    def __init__(self, bench: Bench) -> None:
        self.bench, chance = bench, random.Random(16)
        bench.mirror.prepare()
        bench.tune(smallest_image=1 << 20, assembly_step=1 << 20)
        contents = {f"Packages/{index}.rpm": chance.randbytes(size) for index, size in enumerate(SIZES)}
        self.packages = []
        for path, content in contents.items():
            entry = FileEntry(f"BaseOS/x86_64/os/{path}", sha256(content).hexdigest(), len(content))
            bench.mirror.add(entry, [content])
            self.packages.append(entry)
        bench.build = list(self.packages)
        self.image = build({**contents, ".treeinfo": b"another tree", "EFI/efiboot.img": chance.randbytes(400_000)})
        self.serve(self.image)

    def serve(self, image: bytes) -> None:
        """Have the object store hold this image."""
        self.image = self.bench.contents[PATH] = image
        self.entry = self.bench.entries[PATH] = FileEntry(PATH, sha256(image).hexdigest(), len(image))

    def object(self, index: int) -> Path:
        """The object of a package."""
        return self.bench.mirror.path(self.packages[index].sha256)

    def place(self, index: int) -> Range:
        """Where a package is in the image, with the zeros behind it."""
        start = self.image.index(self.object(index).read_bytes()[:64])
        return Range(start, start + -(-self.packages[index].size // SECTOR) * SECTOR)

    def damage(self, *indices: int) -> None:
        """Have packages hold other bytes of the same size."""
        for index in indices:
            content = bytearray(self.object(index).read_bytes())
            content[1000] ^= 1
            self.object(index).chmod(0o644)
            self.object(index).write_bytes(content)

    def differ(self, *indices: int) -> None:
        """Have the image hold other bytes than the packages of that name and size."""
        for index in indices:
            place = self.place(index).start + 1000
            self.serve(self.image[:place] + bytes([self.image[place] ^ 1]) + self.image[place + 1 :])

    def fetched(self) -> int:
        """Bytes of the image that were asked for so far."""
        return sum(end - start for start, end in self.asked())

    def asked(self) -> list[tuple[int, int]]:
        return [asked or (0, len(self.image)) for asked in self.bench.store.ranges(PATH)]


@pytest.fixture
def dvd(bench: Bench) -> Dvd:
    return Dvd(bench)


def test_only_what_is_not_here_is_fetched(dvd: Dvd) -> None:
    fetched = dvd.bench.fetch()
    dvd.bench.assert_all_arrived(fetched)
    assert dvd.fetched() == fetched.bytes < 1_000_000  # the skeleton, which is half a megabyte, and efiboot.img
    assert fetched.assembled.files == 1
    assert fetched.assembled.bytes + fetched.bytes == len(dvd.image)
    assert fetched.files == fetched.received[-1].files == 0


def test_no_byte_is_asked_for_twice(dvd: Dvd) -> None:
    dvd.bench.fetch()
    asked = sorted(dvd.asked())
    assert all(left[1] <= right[0] for left, right in zip(asked, asked[1:]))


def test_what_is_taken_from_the_store_is_told(dvd: Dvd, monkeypatch: pytest.MonkeyPatch) -> None:
    details: list[str] = []
    monkeypatch.setattr(dvd.bench.tally, "detail", details.append)
    dvd.bench.fetch()
    (told,) = (detail for detail in details if PATH in detail)
    assert told == f"{PATH}: 40 of 42 files, 12.4 of 12.8 MB are taken from the store"


def test_images_come_after_the_files_that_they_hold(dvd: Dvd) -> None:
    content = dvd.object(7).read_bytes()
    dvd.bench.mirror.remove(dvd.packages[7].sha256)
    dvd.bench.contents[dvd.packages[7].path] = content
    dvd.bench.entries[dvd.packages[7].path] = dvd.packages[7]
    fetched = dvd.bench.fetch()
    dvd.bench.assert_all_arrived(fetched)
    assert fetched.bytes < 1_000_000 + len(content)
    assert (fetched.files, fetched.assembled.files) == (1, 1)


def test_images_alone_are_fetched_as_they_are(dvd: Dvd) -> None:
    dvd.bench.build = []
    fetched = dvd.bench.fetch()
    dvd.bench.assert_all_arrived(fetched)
    assert (fetched.files, fetched.bytes, fetched.assembled.files) == (1, len(dvd.image), 0)


def test_with_hardly_anything_here_an_image_is_not_looked_into(dvd: Dvd) -> None:
    for package in dvd.packages[1:]:
        dvd.bench.mirror.remove(package.sha256)
    dvd.bench.tune(least_share=40)
    assert dvd.bench.fetch().bytes == len(dvd.image)
    assert dvd.bench.partials() == []


def test_small_images_are_fetched_as_they_are(dvd: Dvd) -> None:
    dvd.bench.tune(smallest_image=len(dvd.image) + 1)
    assert dvd.bench.fetch().bytes == len(dvd.image)


@pytest.mark.parametrize(
    "image",
    [bytes(3 << 20), b"<html>" * 500_000, random.Random(5).randbytes(3 << 20)],
    ids=["zeros", "a page", "noise"],
)
def test_what_is_no_image_is_fetched_as_it_is(dvd: Dvd, image: bytes) -> None:
    dvd.serve(image)
    fetched = dvd.bench.fetch()
    dvd.bench.assert_all_arrived(fetched)
    assert fetched.bytes == len(image)
    assert fetched.files == 1


def test_a_truncated_image_is_fetched_as_it_is(dvd: Dvd) -> None:
    dvd.serve(dvd.image[:-300_000])
    fetched = dvd.bench.fetch()
    dvd.bench.assert_all_arrived(fetched)
    assert fetched.bytes == len(dvd.image)


def test_several_images_are_put_together_side_by_side(dvd: Dvd) -> None:
    dvd.bench.tune(smallest_segment=1 << 20, biggest_segment=1 << 20)
    for number in range(5):
        other = dvd.image[:-1] + bytes([number + 1])
        path = f"BaseOS/x86_64/iso/{number}.iso"
        dvd.bench.contents[path] = other
        dvd.bench.entries[path] = FileEntry(path, sha256(other).hexdigest(), len(other))
    together = threading.Barrier(6)

    def answer_all_at_once(exchange: Exchange) -> None:
        together.wait(timeout=20)  # broken, and the image not put together, where one comes after another
        serve(exchange)

    dvd.bench.store.scripts.update({path: iter([answer_all_at_once]) for path in dvd.bench.entries})
    fetched = dvd.bench.fetch()
    dvd.bench.assert_all_arrived(fetched)
    assert fetched.assembled.files == 6
    assert not together.broken


# what is wrong with objects


def test_an_object_that_is_gone_is_fetched(dvd: Dvd, monkeypatch: pytest.MonkeyPatch) -> None:
    real = filling._copy

    def vanishing(piece: filling.Piece, target: int) -> bool:
        if piece.path == str(dvd.object(5)):
            dvd.object(5).unlink(missing_ok=True)
        return real(piece, target)

    lost = dvd.place(5)
    monkeypatch.setattr(filling, "_copy", vanishing)
    fetched = dvd.bench.fetch()
    dvd.bench.assert_all_arrived(fetched)
    covered = ranges.union(dvd.asked())
    assert ranges.overlap(covered, [lost]) == (lost,)
    assert fetched.bytes < 1_400_000


@pytest.mark.parametrize("change", ["short", "long", "a link", "a folder", "a pipe"])
def test_an_object_that_is_another_file_is_fetched(dvd: Dvd, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place, target = dvd.object(5), dvd.object(6)
    content, lost = place.read_bytes(), dvd.place(5)
    monkeypatch.setattr(type(dvd.bench.mirror), "holds", lambda *_: True)
    monkeypatch.setattr(
        "dci_downloader.transfer.pipeline.Pipeline._open_partial", lambda self, entry: self._store.open_partial(entry)
    )
    place.unlink()
    if change == "a link":
        place.symlink_to(target)
    elif change == "a folder":
        place.mkdir()
    elif change == "a pipe":
        os.mkfifo(place)
    else:
        place.write_bytes(content[:-1] if change == "short" else content + b"x")
    fetched = dvd.bench.fetch()
    assert dvd.bench.arrived(PATH)
    assert ranges.overlap(ranges.union(dvd.asked()), [lost]) == (lost,)
    assert fetched.assembled.files == 1


def test_an_object_that_cannot_be_read_is_fetched(dvd: Dvd, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = os.stat(dvd.object(5)).st_ino
    real = os.pread

    def pread(fd: int, size: int, offset: int) -> bytes:
        if os.fstat(fd).st_ino == broken and offset >= 100_000:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(fd, size, offset)

    def copy_file_range(source: int, target: int, size: int, at: int, to: int) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "pread", pread)
    monkeypatch.setattr(os, "copy_file_range", copy_file_range)
    monkeypatch.setattr(filling, "_READ_SIZE", 100_000)
    fetched = dvd.bench.fetch()
    dvd.bench.assert_all_arrived(fetched)
    assert fetched.bytes < 1_400_000


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF, errno.EPERM])
def test_where_the_kernel_does_not_copy_bytes_are_read_and_written(
    dvd: Dvd, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy_file_range(*_: int) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "copy_file_range", copy_file_range)
    fetched = dvd.bench.fetch()
    dvd.bench.assert_all_arrived(fetched)
    assert fetched.bytes < 1_000_000


def test_a_kernel_that_copies_a_little_at_a_time_copies_all(dvd: Dvd, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.copy_file_range
    monkeypatch.setattr(os, "copy_file_range", lambda a, b, size, at, to: real(a, b, min(size, 100_001), at, to))
    dvd.bench.assert_all_arrived(dvd.bench.fetch())


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_ends_the_run_and_what_came_stays(
    dvd: Dvd, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy_file_range(*_: int) -> int:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as full:
        full.setattr(os, "copy_file_range", copy_file_range)
        with pytest.raises(DiskFullError):
            dvd.bench.fetch()
    before = dvd.fetched()
    assert before > 0
    dvd.bench.tally.size = 0
    fetched = dvd.bench.fetch()
    assert dvd.bench.arrived(PATH)
    assert fetched.bytes + before < 1_000_000 + 500_000  # what was under way


# wrong content


@pytest.mark.parametrize("sums", [False, True], ids=["no sums", "sums"])
@pytest.mark.parametrize("wrong", [(5,), (0, 20, 39), tuple(range(PACKAGES))], ids=["one", "three", "all"])
def test_of_damaged_objects_their_own_bytes_are_fetched_and_mend_them(
    dvd: Dvd, wrong: tuple[int, ...], sums: bool
) -> None:
    if sums:
        dvd.serve(implanted(dvd.image))
    content = {index: dvd.object(index).read_bytes() for index in wrong}
    places = [dvd.place(index) for index in wrong]
    dvd.damage(*wrong)
    fetched = dvd.bench.fetch()
    dvd.bench.assert_all_arrived(fetched)
    assert fetched.bytes == dvd.fetched() < 1_000_000 + ranges.total(ranges.union(places))
    assert ranges.total(ranges.overlap(ranges.union(dvd.asked()), places)) == ranges.total(places)
    assert {index: dvd.object(index).read_bytes() for index in wrong} == content
    assert all(dvd.bench.mirror.holds(dvd.packages[index]) for index in wrong)
    assert dvd.bench.mirror.damage.read() == frozenset()
    assert dvd.bench.partials() == []


def test_a_damaged_object_that_the_image_holds_something_else_for_is_known_to_be_damaged(dvd: Dvd) -> None:
    dvd.differ(5)
    dvd.damage(5, 6)
    fetched = dvd.bench.fetch()
    dvd.bench.assert_all_arrived(fetched)
    assert dvd.bench.mirror.damage.read() == {dvd.packages[5].sha256}
    assert not dvd.bench.mirror.holds(dvd.packages[5])
    assert dvd.bench.partials() == []


def test_a_damaged_object_that_another_run_is_fetching_is_left_to_that(dvd: Dvd) -> None:
    dvd.damage(5)
    other = dvd.bench.mirror.open_partial(dvd.packages[5])
    try:
        dvd.bench.fetch()
        assert dvd.bench.arrived(PATH)
        assert dvd.bench.mirror.damage.read() == {dvd.packages[5].sha256}
    finally:
        other.discard()


def test_an_object_is_known_to_be_damaged_from_when_it_is_found(dvd: Dvd) -> None:
    place, content = dvd.place(5), dvd.object(5).read_bytes()
    dvd.damage(5)

    def without_it(exchange: Exchange) -> None:
        asked = exchange.asked.range
        (status(404) if asked and place.start <= asked[0] < place.end else serve)(exchange)

    dvd.bench.store.default = without_it
    assert [failure.path for failure in dvd.bench.fetch().failures] == [PATH]
    assert dvd.bench.mirror.damage.read() == {dvd.packages[5].sha256}
    dvd.bench.store.default = serve
    before = dvd.fetched()
    dvd.bench.contents[dvd.packages[5].path], dvd.bench.entries[dvd.packages[5].path] = content, dvd.packages[5]
    fetched = dvd.bench.fetch()
    assert dvd.bench.arrived(PATH)
    assert dvd.bench.arrived(dvd.packages[5].path)
    assert (fetched.files, fetched.assembled.files) == (1, 1)
    assert dvd.fetched() == before
    assert dvd.bench.mirror.damage.read() == frozenset()


@pytest.mark.parametrize("wrong", [(5,), (0, 20, 39), tuple(range(PACKAGES))], ids=["one", "three", "all"])
def test_without_sums_all_that_was_filled_is_fetched_once(dvd: Dvd, wrong: tuple[int, ...]) -> None:
    dvd.differ(*wrong)
    fetched = dvd.bench.fetch()
    dvd.bench.assert_all_arrived(fetched)
    assert fetched.bytes == dvd.fetched() == len(dvd.image)
    assert (fetched.assembled.files, fetched.files) == (0, 1)
    assert dvd.bench.mirror.damage.read() == frozenset()


@pytest.mark.parametrize(("wrong", "most"), [((5,), 0.25), ((5, 20), 0.35), ((5, 20, 35), 0.45)])
def test_with_sums_only_what_is_wrong_is_fetched(dvd: Dvd, wrong: tuple[int, ...], most: float) -> None:
    dvd.differ(*wrong)
    dvd.serve(implanted(dvd.image))
    fetched = dvd.bench.fetch()
    dvd.bench.assert_all_arrived(fetched)
    assert fetched.bytes == dvd.fetched() < most * len(dvd.image)
    assert fetched.assembled.files == 1
    assert fetched.assembled.bytes + fetched.bytes == len(dvd.image)


def test_a_damaged_object_beside_a_file_that_is_another_in_the_image_is_mended(dvd: Dvd) -> None:
    dvd.differ(5)
    dvd.serve(implanted(dvd.image))
    content = dvd.object(30).read_bytes()
    dvd.damage(30)
    fetched = dvd.bench.fetch()
    dvd.bench.assert_all_arrived(fetched)
    assert fetched.bytes == dvd.fetched() < 0.28 * len(dvd.image)
    assert dvd.object(30).read_bytes() == content


def test_sums_that_lie_cost_no_more_than_the_image(dvd: Dvd) -> None:
    image = implanted(dvd.image)
    place = image.index(b"FRAGMENT SUMS = ") + 16
    dvd.serve(image[:place] + b"0123456789" * 6 + image[place + 60 :])
    dvd.differ(5)
    fetched = dvd.bench.fetch()
    dvd.bench.assert_all_arrived(fetched)
    assert fetched.bytes <= len(dvd.image)


def test_an_image_that_is_wrong_at_the_server_is_fetched_as_any_wrong_file(dvd: Dvd) -> None:
    dvd.bench.contents[PATH] = dvd.image[:-100_000] + bytes(100_000)
    fetched = dvd.bench.fetch()
    assert [failure.exit_code for failure in fetched.failures] == [7]
    assert not dvd.bench.arrived(PATH)
    assert fetched.assembled.files == 0


def test_wrong_bytes_that_come_once_are_fetched_again(dvd: Dvd) -> None:
    dvd.bench.store.scripts[PATH] = iter([body(corrupted)])
    fetched = dvd.bench.fetch()
    dvd.bench.assert_all_arrived(fetched)


# the line


@pytest.mark.parametrize(
    "behaviours",
    [[status(403)] * 2, [status(503)] * 3, [cut(1000)] * 3, [drop] * 2, [cut(0.5, reset=True)]],
    ids=["403", "503", "cut", "drop", "reset"],
)
@pytest.mark.parametrize("after", [0, 11], ids=["skeleton", "gaps"])
def test_trouble_on_the_line_costs_a_little_more(dvd: Dvd, behaviours: list[Any], after: int) -> None:
    dvd.bench.store.scripts[PATH] = itertools.chain([serve] * after, behaviours)
    fetched = dvd.bench.fetch()
    dvd.bench.assert_all_arrived(fetched)
    assert fetched.bytes < 1_500_000
    assert fetched.assembled.files == 1


@pytest.mark.parametrize("after", [0, 11], ids=["skeleton", "gaps"])
def test_a_server_without_ranges_is_asked_for_the_whole_image(dvd: Dvd, after: int) -> None:
    dvd.bench.store.scripts[PATH] = itertools.chain([serve] * after, itertools.repeat(rangeless))
    fetched = dvd.bench.fetch()
    dvd.bench.assert_all_arrived(fetched)
    assert (fetched.files, fetched.assembled.files) == (1, 0)


def test_an_image_that_the_server_does_not_have_fails_alone(dvd: Dvd) -> None:
    dvd.bench.store.default = status(404)
    fetched = dvd.bench.fetch()
    assert [failure.path for failure in fetched.failures] == [PATH]
    assert fetched.assembled.files == 0


def test_gaps_are_fetched_from_peers(dvd: Dvd) -> None:
    digest = dvd.entry.sha256
    peer = FaultServer(store_answers({f".dci-downloader/objects/{digest[:2]}/{digest}": dvd.image}))
    try:
        fetched = dvd.bench.fetch(peers=[peer.url])
        dvd.bench.assert_all_arrived(fetched)
        assert dvd.fetched() == 0
        assert fetched.received[0].bytes == fetched.bytes < 1_000_000
    finally:
        peer.close()


# interruptions

PHASES: dict[str, tuple[type, str, int]] = {
    "skeleton": (FilledPartial, "read", 1),
    "gaps": (Sink, "segment", 4),
    "fill": (FilledPartial, "fill", 5),
    "hash": (FilledPartial, "matches", 1),
}


def in_phase(phase: str, event: Callable[[], object]) -> Callable[[pytest.MonkeyPatch], None]:
    """Have something happen once a phase of an image is reached."""
    owner, name, number = PHASES[phase]
    real, calls = getattr(owner, name), itertools.count(1)

    def watched(*arguments: Any, **more: Any) -> Any:
        if next(calls) == number:
            event()
        return real(*arguments, **more)

    return lambda monkeypatch: monkeypatch.setattr(owner, name, watched)


def fork() -> int:
    """Begin another process; the threads of the servers stay in this one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def killed_in(dvd: Dvd, watch: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a fetch in another process, which has to be killed."""
    pid = fork()
    if not pid:
        watch(monkeypatch)
        dvd.bench.fetch()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize("phase", sorted(PHASES))
def test_after_a_kill_nothing_is_fetched_twice(dvd: Dvd, phase: str, monkeypatch: pytest.MonkeyPatch) -> None:
    killed_in(dvd, in_phase(phase, lambda: os.kill(os.getpid(), signal.SIGKILL)), monkeypatch)
    before = dvd.fetched()
    fetched = dvd.bench.fetch()
    assert dvd.bench.arrived(PATH)
    assert fetched.assembled.bytes > 11_000_000
    again = before + fetched.bytes - (len(dvd.image) - fetched.assembled.bytes)
    assert again <= 9 * 64 * 1024 + 512 * 1024 * (phase == "skeleton")


def test_after_a_kill_while_an_object_is_mended_it_is_known_to_be_damaged_and_nothing_is_fetched_twice(
    dvd: Dvd, monkeypatch: pytest.MonkeyPatch
) -> None:
    dvd.damage(5)

    def watch(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(DamagedObjects, "_write", lambda *_: os.kill(os.getpid(), signal.SIGKILL))

    killed_in(dvd, watch, monkeypatch)
    assert dvd.bench.mirror.damage.read() == {dvd.packages[5].sha256}
    before = dvd.fetched()
    assert dvd.bench.fetch().bytes == 0
    assert dvd.bench.arrived(PATH)
    assert dvd.fetched() == before


def test_two_runs_at_once_fetch_an_image_once(dvd: Dvd) -> None:
    dvd.bench.tune(blocked_seconds=0.01)
    pid = fork()
    if not pid:
        dvd.bench.fetch()
        os._exit(0)
    dvd.bench.fetch()
    assert os.waitpid(pid, 0)[1] == 0
    assert dvd.bench.arrived(PATH)
    assert dvd.bench.partials() == []
    assert dvd.fetched() < 1_000_000


@pytest.mark.parametrize("phase", sorted(PHASES))
def test_a_run_that_waits_for_another_goes_on_where_that_was_killed(
    dvd: Dvd, phase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dvd.bench.tune(blocked_seconds=0.01)
    reader, writer = os.pipe()
    pid = fork()
    if not pid:
        in_phase(phase, lambda: (os.write(writer, b"."), threading.Event().wait()))(monkeypatch)
        dvd.bench.fetch()
        os._exit(0)
    assert os.read(reader, 1) == b"."
    real = dvd.bench.mirror.open_partial

    def open_partial(entry: FileEntry) -> FilledPartial:
        try:
            return real(entry)
        except LockedError:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise

    monkeypatch.setattr(dvd.bench.mirror, "open_partial", open_partial)
    before = dvd.fetched()
    fetched = dvd.bench.fetch()
    assert dvd.bench.arrived(PATH)
    assert fetched.assembled.files == 1
    again = before + fetched.bytes - (len(dvd.image) - fetched.assembled.bytes)
    assert again <= 9 * 64 * 1024 + 512 * 1024 * (phase == "skeleton")
    for end in (reader, writer):
        os.close(end)


@pytest.mark.parametrize("phase", sorted(PHASES))
def test_a_signal_is_heeded_and_what_came_stays(dvd: Dvd, phase: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Asked(NeverStop):
        asked = False

        def requested(self) -> bool:
            return self.asked

    stop = Asked()
    with monkeypatch.context() as interrupted:
        in_phase(phase, lambda: setattr(stop, "asked", True))(interrupted)
        with pytest.raises(CancelledError):
            dvd.bench.fetch(stop=stop)
    before = dvd.fetched()
    fetched = dvd.bench.fetch()
    assert dvd.bench.arrived(PATH)
    assert before + fetched.bytes <= len(dvd.image) - fetched.assembled.bytes + 9 * 64 * 1024


def test_another_run_on_the_same_image_is_waited_for(dvd: Dvd, monkeypatch: pytest.MonkeyPatch) -> None:
    other = dvd.bench.mirror.open_partial(dvd.entry)
    dvd.bench.tune(blocked_seconds=0.01)
    looks = iter(range(3))
    real = dvd.bench.mirror.open_partial

    def open_partial(entry: FileEntry) -> FilledPartial:
        if next(looks, None) is None:
            other.close()
        return real(entry)

    monkeypatch.setattr(dvd.bench.mirror, "open_partial", open_partial)
    dvd.bench.assert_all_arrived(dvd.bench.fetch())


# the program as a whole


@pytest.fixture
def nightly(program: Program, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A program whose newest build has packages, a DVD that holds them, and a boot.iso."""
    tuning = replace(SMALL_SCALE, smallest_image=1 << 20)
    monkeypatch.setitem(engine.Engine.__init__.__kwdefaults__, "tuning", tuning)
    monkeypatch.setattr("dci_downloader.transfer.tuning.Tuning", lambda: tuning)
    chance = random.Random(17)
    packages = {f"Packages/{index}.rpm": chance.randbytes(1 << 18) for index in range(16)}
    install = chance.randbytes(5 << 20)
    program.build(
        {
            **{f"BaseOS/x86_64/os/{path}": content for path, content in packages.items()},
            "BaseOS/x86_64/os/images/install.img": install,
            BOOT: build({"images/install.img": install, "EFI/efiboot.img": b"efi"}),
            PATH: build({**packages, ".treeinfo": b"another tree"}),
        }
    )
    return program


BOOT = "BaseOS/x86_64/os/images/boot.iso"
IMAGES = {PATH: b"", BOOT: b""}


def bytes_asked_for(program: Program) -> int:
    """Bytes of images that the object store was asked for."""
    return sum(asked.range[1] - asked.range[0] for asked in program.asked_for(IMAGES) if asked.range)


def test_a_build_with_images_is_planned_mirrored_and_reported(nightly: Program) -> None:
    sizes = {path: len(content) for path, content in nightly.new.items()}
    images = sum(sizes[path] for path in IMAGES)
    planned = nightly.run("--dry-run").component
    assert planned["files_assembled"] == 2
    assert planned["files_downloaded"] == len(sizes) - 2
    assert 0.95 * images < planned["bytes_assembled"] <= images
    assert planned["bytes_downloaded"] == sum(sizes.values()) - planned["bytes_assembled"]
    done = nightly.run()
    nightly.assert_new_is_visible()
    made = done.component
    assert (made["files_assembled"], made["files_downloaded"], made["files_reused"]) == (2, len(sizes) - 2, 0)
    assert made["bytes_assembled"] + made["bytes_downloaded"] == made["size"]
    assert bytes_asked_for(nightly) == images - made["bytes_assembled"] < 1_500_000
    assert done.report["bytes_assembled"] == made["bytes_assembled"] <= planned["bytes_assembled"]
    assert f"{PATH}: 16 of 17 files, " in done.words
    assert "are taken from the store" in done.words
    again = nightly.run().component
    assert (again["outcome"], again["files_assembled"]) == ("unchanged", 0)


def test_the_next_build_takes_its_images_from_the_files_of_both(nightly: Program) -> None:
    assert nightly.run().code == 0
    changed = {f"BaseOS/x86_64/os/Packages/{index}.rpm": nightly.content(1 << 18) for index in range(3)}
    files = {**nightly.new, **changed}
    held = {path[len("BaseOS/x86_64/os/") :]: content for path, content in files.items() if path.endswith(".rpm")}
    nightly.build({**files, PATH: build({**held, ".treeinfo": b"the next tree"})})
    made = nightly.run().component
    nightly.assert_new_is_visible()
    assert (made["files_downloaded"], made["files_assembled"]) == (3, 1)
    assert made["bytes_downloaded"] < 3 * (1 << 18) + 600_000


def test_an_object_that_an_image_shows_to_be_damaged_is_right_in_what_is_published(nightly: Program) -> None:
    assert nightly.run().code == 0
    package = nightly.new["BaseOS/x86_64/os/Packages/5.rpm"]
    digest = sha256(package).hexdigest()
    damaged = nightly.root / ".dci-downloader" / "objects" / digest[:2] / digest
    damaged.chmod(0o644)
    damaged.write_bytes(package[:-1] + bytes([package[-1] ^ 1]))
    packages = {f"Packages/{index}.rpm": nightly.new[f"BaseOS/x86_64/os/Packages/{index}.rpm"] for index in range(16)}
    nightly.build({**nightly.new, PATH: build({**packages, ".treeinfo": b"the next tree"})})
    made = nightly.run()
    assert nightly.visible() == nightly.new
    assert f"{PATH}: 1 object damaged; " in made.words
    assert made.component["files_downloaded"] == 0
    assert made.component["bytes_downloaded"] < len(package) + 600_000


def test_a_damaged_image_is_repaired_from_the_store(nightly: Program, capsys: pytest.CaptureFixture[str]) -> None:
    assert nightly.run().code == 0
    image = nightly.root / TOPIC / "compose" / PATH
    image.chmod(0o644)
    with image.open("r+b") as file:
        file.seek(2 << 20)
        file.write(b"damage")
    nightly.store.log.clear()
    assert main(["verify", str(nightly.root), "--repair"]) == 0
    assert nightly.visible() == nightly.new
    assert 0 < bytes_asked_for(nightly) < 700_000
    capsys.readouterr()


@pytest.mark.slow
def test_a_rate_limit_counts_bytes_of_the_network_only(nightly: Program) -> None:
    assert nightly.run().code == 0
    digest = sha256(nightly.new[PATH]).hexdigest()
    (nightly.root / ".dci-downloader" / "objects" / digest[:2] / digest).unlink()
    (nightly.root / TOPIC / "compose" / PATH).unlink()
    began = time.monotonic()
    assert nightly.run("--limit-rate", "150k").component["files_assembled"] == 1
    assert time.monotonic() - began < 20  # at that rate the whole image takes half a minute
