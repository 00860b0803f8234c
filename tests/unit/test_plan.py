from __future__ import annotations

from dci_downloader.changes import Changes
from dci_downloader.content.plan import changes, make_plan
from dci_downloader.models import FileEntry, Manifest

SMALL, TWIN, BIG, MIDDLE, EMPTY = (
    FileEntry("a/small", "1" * 64, 10),
    FileEntry("z/twin", "1" * 64, 10),
    FileEntry("b/big", "2" * 64, 1000),
    FileEntry("c/middle", "3" * 64, 10),
    FileEntry("d/empty", "4" * 64, 0),
)
WANTED = Manifest("compose", (SMALL, BIG, MIDDLE, EMPTY, TWIN))


def nothing(entry: FileEntry) -> int:
    return 0


def test_each_missing_content_comes_once_biggest_first() -> None:
    plan = make_plan(WANTED, lambda entry: False, nothing)
    assert plan.missing == (BIG, SMALL, MIDDLE, EMPTY)
    assert (plan.missing_files, plan.missing_bytes, plan.partial_bytes) == (4, 1020, 0)
    assert plan.wanted is WANTED


def test_order_of_the_manifest_does_not_matter_to_equal_sizes() -> None:
    backwards = Manifest("compose", (MIDDLE, SMALL))
    assert make_plan(backwards, lambda entry: False, nothing).missing == (SMALL, MIDDLE)


def test_what_is_held_is_not_missing_and_asked_once_for_each_content() -> None:
    asked: list[FileEntry] = []

    def holds(entry: FileEntry) -> bool:
        asked.append(entry)
        return entry.sha256 != BIG.sha256

    assert make_plan(WANTED, holds, nothing).missing == (BIG,)
    assert asked == [SMALL, BIG, MIDDLE, EMPTY]


def test_partials_count_only_for_what_is_missing_and_up_to_its_size() -> None:
    left = {SMALL: 7, BIG: 400, MIDDLE: 999}
    plan = make_plan(WANTED, lambda entry: entry is SMALL, lambda entry: left.get(entry, 0))
    assert plan.partial_bytes == 400 + 10
    assert plan.missing_bytes == 600


def test_nothing_is_missing_when_all_is_held() -> None:
    plan = make_plan(WANTED, lambda entry: True, nothing)
    assert (plan.missing, plan.missing_bytes) == ((), 0)


def test_changes_are_counted_by_path_and_content() -> None:
    after = Manifest("compose", (SMALL, FileEntry("b/big", "5" * 64, 1000), FileEntry("new", "2" * 64, 1000)))
    assert changes("v1", WANTED, after) == Changes("v1", added=1, changed=1, removed=3)
    assert changes("v1", WANTED, WANTED) == Changes("v1")
