"""The sizes that tests work with: a hundredth of the real ones."""

from __future__ import annotations

SEGMENT = 64 * 1024
SMALL = 20_000
BIG = 4 * SEGMENT + 12_345
