"""When to ask a server again, and how long to wait before: rules without I/O, for API calls and file bytes alike.

* A status is transient if the same request may succeed later: 408 and, on another connection, 421 (RFC 9110, 15.5),
  425 (RFC 8470), 429 (RFC 6585), and every 5xx, registered or not: full disks and quotas (507, 509) and failures of
  proxies in between (520 to 530, 598, 599). Not 501 and 505, which are about the request.
  Every other error is final, or needs a new URL.
* A redirect is 301, 302, 303, 307 or 308 (RFC 9110, 15.4); 300 and 304 name no other place.
* Waits double from try to try, half of each by chance, so that many clients of a server that fell over do not come
  back in one moment. ``Retry-After`` (RFC 9110, 10.2.3) makes a wait longer, never shorter.
"""

from __future__ import annotations

TRANSIENT = frozenset({408, 421, 425, 429, *range(500, 600)} - {501, 505})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_REDIRECTS = 5
"""Redirects that are followed from one request, one after the other."""
MAX_WRONG_RESPONSES = 3
"""Wrong responses in a row (refused, too short, not what was asked for) after which a file is given up."""

_FIRST_WAIT = 0.2  # seconds, doubled before the first use
_MAX_DOUBLINGS = 10  # 205 s: after an outage of hours it is noticed within minutes that the server is back


def back_off(attempt: int, asked: float, patience: float, chance: float) -> float:
    """Seconds to wait before the next try.

    Args:
        attempt: tries since the last progress, from 1.
        asked: seconds that the server asks for by ``Retry-After``, 0 for none.
        patience: seconds that the run may go without progress; no wait takes more than half of it.
        chance: a random number in [0, 1).
    """
    longest = min(_FIRST_WAIT * 2.0 ** min(attempt, _MAX_DOUBLINGS), patience / 4)
    return min(max(longest * (0.5 + chance / 2), asked), patience / 2)
