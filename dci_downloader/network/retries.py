"""When to ask a server again, and how long to wait before: rules without I/O, for API calls and file bytes alike."""

from __future__ import annotations

TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MOST_HOPS = 5
"""Redirects followed for one file, one after the other."""
MOST_REFUSALS = 3
"""Answers in a row that are wrong rather than late, before a file is given up."""


def back_off(attempt: int, asked: float, patience: float, chance: float) -> float:
    """Seconds to wait before the next try: exponential with jitter, and what the server asked for, within bounds.

    Args:
        attempt: tries since the last progress, from 1.
        asked: seconds that the server asked for, 0 for none.
        patience: seconds the run may go without progress; no wait takes more than half of it.
        chance: a random number in [0, 1).
    """
    grown: float = min(0.2 * 2.0 ** min(attempt, 10), patience / 4)
    return min(max(grown * (0.5 + chance / 2), asked), patience / 2)
