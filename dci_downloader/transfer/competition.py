"""Whether the object store is asked for what peers have, too: rules without I/O.

Peers spare the object store, so they come first; but no run is to take longer for a peer that is slow.

* In the beginning, peers are alone. A head start later it is seen what they bring.
* While this program itself is the bottleneck, another source would not help: the peers stay alone.
* Otherwise the object store is tried beside them, for as long as it brings more and more. Where the peers alone brought
  about as much as the object store alone would, they are alone again; else all compete for every file from then on.
* What the object store would bring alone is what it brought beside the peers. Only where the peers brought less beside
  it than alone, they share a line with it, which it could have had for itself.
* While the peers stay alone, that is seen again after ever longer pauses, and at once when they bring much less.
* While all compete, peers that bring a good part of it are tried alone again, after ever longer pauses: a peer that is
  much slower never is.
"""

from __future__ import annotations

import enum
from typing import NamedTuple, Optional

from dci_downloader.transfer.tuning import Tuning

_BUSY = 0.3  # of the time spent waiting for sources, below which this program is what takes the time
_AS_FAST = 0.9  # of what the object store would bring, from which peers are as fast
_NEARLY_AS_FAST = 0.7  # the same where this program could not take more from the object store than it did
_FELL = 0.85  # of what peers brought alone, below which they share a line with the object store
_GROWS = 1.2  # times what the object store brought in the window before, from which it is not up to speed yet
_MOST_WINDOWS = 12  # for it to answer at all, and to come up to speed
_GOOD_PART = 1 / 3  # of what all bring, from which peers are tried alone again
_SOME_PART = 1 / 12  # the same where they were not alone before
_HALF = 0.5  # of what all bring, from which peers are tried alone again if they brought that much alone
_MUCH_LESS = 0.4  # of what peers brought before, below which the object store is tried at once
_LEAST_PAUSE, _MOST_PAUSE = 4.0, 64.0  # seconds between two tries


class _Phase(enum.Enum):
    PREFERRED = "the peers are alone"
    TRYING = "it is tried whether the object store brings more"
    COMPETING = "all are asked"
    ALONE = "it is tried whether the peers bring as much alone"


class _Totals(NamedTuple):
    """What was counted so far: work of the peers and of the object store, seconds spent waiting for them."""

    time: float
    peers: float
    store: float
    idle: float

    def rates(self, before: _Totals) -> _Totals:
        """What was counted since then, by second; ``time`` is how many seconds that were."""
        seconds = max(self.time - before.time, 1e-6)
        return _Totals(seconds, *((now - then) / seconds for now, then in zip(self[1:], before[1:])))


class Competition:
    """Compares peers and the object store.

    Args:
        tuning: the head start, and over which time is compared.
        now: when the first request starts.
        competing: whether the peers were too slow alone before.

    Attributes:
        competing: whether the object store is asked for what peers have, too.
    """

    def __init__(self, tuning: Tuning, now: float, *, competing: bool = False) -> None:
        self.competing = competing
        self._tuning = tuning
        self._phase = _Phase.COMPETING if competing else _Phase.PREFERRED
        self._began = now
        self._window: Optional[_Totals] = None
        self._first_work: Optional[float] = None
        self._measured = False
        self._alone = self._beside = _Totals(0, 0, 0, 0)
        self._windows = 0
        self._pause = _LEAST_PAUSE
        self._due = now + (self._pause if competing else 0.0)
        self._usual = 0.0

    def look(self, now: float, *, peers: float, store: float, idle: float) -> None:
        """Decide anew, where enough time has passed.

        Args:
            now: the time.
            peers: work of all peers so far.
            store: work of the object store so far.
            idle: seconds so far that were spent waiting for them.
        """
        totals = _Totals(now, peers, store, idle)
        if self._window is None or (peers and self._first_work is None):
            self._window = totals._replace(time=self._began if self._window is None else now)
        if peers and self._first_work is None:
            self._first_work = now
        if not self._is_over(now):
            return
        self._measured = True
        rates = totals.rates(self._window)
        self._window = totals
        self._decide(rates, now)

    def _is_over(self, now: float) -> bool:
        """Whether the window over which is measured has ended. The first one ends with the head start.

        That is twice as long while no peer has answered: it may be the handshakes that take so long.
        """
        assert self._window is not None
        if self._measured or self._phase is not _Phase.PREFERRED:
            return now - self._window.time >= self._tuning.compare_seconds
        alone, head_start = now - self._began, self._tuning.head_start
        if self._first_work is None:
            return alone >= 2 * head_start
        return alone >= head_start and now - self._first_work >= head_start / 2

    def _decide(self, rates: _Totals, now: float) -> None:
        if self._phase is _Phase.PREFERRED:
            self._alone = rates
            much_less = rates.peers < self._usual * _MUCH_LESS
            self._usual = max(rates.peers, self._usual * _AS_FAST)
            if rates.idle >= _BUSY and (now >= self._due or much_less):
                self._enter(_Phase.TRYING)
        elif self._phase is _Phase.COMPETING:
            self._beside = rates
            if now >= self._due and self._may_be_as_fast(rates):
                self._enter(_Phase.ALONE)
        else:
            self._try(rates, now)

    def _try(self, rates: _Totals, now: float) -> None:
        """Go on with a try."""
        self._windows += 1
        if self._windows == 1:  # what was under way before belongs to neither
            return
        if self._phase is _Phase.ALONE:
            self._alone = rates
        else:
            before, self._beside = self._beside.store, rates
            if self._windows < _MOST_WINDOWS and (not before or rates.store > before * _GROWS):
                return
        self._conclude(now)

    def _conclude(self, now: float) -> None:
        """End a try; what is close is tried once more, the other way round, for what is fetched may have changed."""
        if self._phase is _Phase.TRYING and not self._peers_are_as_fast() and self._may_be_as_fast(self._beside):
            self._enter(_Phase.ALONE)
            return
        self._due, self._pause = now + self._pause, min(self._pause * 2, _MOST_PAUSE)
        self._usual = self._alone.peers
        self._enter(_Phase.PREFERRED if self._peers_are_as_fast() else _Phase.COMPETING)

    def _may_be_as_fast(self, rates: _Totals) -> bool:
        """Whether it is worth a try to leave peers alone, by what they bring beside the object store."""
        everything = rates.peers + rates.store
        if not self._alone.time:  # they were not alone yet, and have fewer connections than the object store
            return rates.peers >= everything * _SOME_PART
        return rates.peers >= everything * _GOOD_PART or self._alone.peers >= everything * _HALF

    def _peers_are_as_fast(self) -> bool:
        alone = self._alone.peers + self._alone.store  # it brings what no peer has, too
        share = self._beside.peers < self._alone.peers * _FELL
        enough = _NEARLY_AS_FAST if self._beside.idle < _BUSY else _AS_FAST
        return alone > 0 and alone >= enough * (self._beside.store + share * self._beside.peers)

    def _enter(self, phase: _Phase) -> None:
        self._phase, self._windows = phase, 0
        if phase is _Phase.TRYING:
            self._beside = _Totals(0, 0, 0, 0)
        self.competing = phase in (_Phase.TRYING, _Phase.COMPETING)
