"""The sizes that tests work with: a hundredth of the real ones."""

from __future__ import annotations

from dci_downloader.transfer.tuning import Tuning

SEGMENT = 64 * 1024
SMALL = 20_000
BIG = 4 * SEGMENT + 12_345
SMALL_SCALE = Tuning(
    in_memory=SEGMENT // 2,
    smallest_segment=SEGMENT,
    biggest_segment=SEGMENT,
    write_chunks=1,
    head_start=1e9,
    straggler_window=1e9,
)
