"""What is done about each file: rules without I/O. The code that does the I/O reports events, and does what they say.

    waiting ─► located ─► under way ─► complete
       ▲                      │
       │                      ├─► given up
       └─ again, later, or ◄──┘
          at the next source

* A failure that passes with time is tried again, later each time, until the file has made no progress for as long as
  the patience of the run. A wrong response is tried again as often as :mod:`dci_downloader.network.retries` says.
* Once one segment makes progress, earlier failures of all segments of the file no longer count.
* A peer is asked once; what it did not bring is asked of another source. So is what the object store did not bring, as
  long as peers are left that may have it: those that were slow after some tries in vain, in turn.
* A source that gets ranges wrong is asked for the file in one piece.
* So is one whose parts were said to be encoded, where they do not hash.
* Content with a wrong digest is held against who gave it: a peer is not asked for that file again, the object store is
  asked some times more. Where bytes of one peer and the object store were put together it is held against the peer;
  where bytes of several peers were, or of an earlier run, against nobody. Of several peers, one is asked for all of it;
  where that proves slow, and again several gave it, they are not asked for it any more.
* When the run ends early (:mod:`dci_downloader.transfer.ending`), what live peers have is fetched nevertheless.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple, Optional

from dci_downloader.errors import DigestMismatchError
from dci_downloader.models import FileEntry
from dci_downloader.network import retries
from dci_downloader.results import Assembled, Failure
from dci_downloader.transfer.ending import Ending
from dci_downloader.transfer.peer_verdict import WRONG_CONTENT
from dci_downloader.transfer.schedule import Schedule
from dci_downloader.transfer.sources import Peer
from dci_downloader.transfer.transfers import Giver, Segment, Transfer
from dci_downloader.transfer.tuning import Tuning
from dci_downloader.transfer.verdict import Action, Verdict

_TRIES_BEFORE_SLOW_PEERS = 2  # at the object store


class Step(enum.Enum):
    """What is to be done about a file now."""

    NOTHING = "the ledger has done all there is to do"
    RESTART = "end its requests and discard its partial, then report that by Ledger.restart"
    GIVE_UP = "end its requests and save its partial"


class Decision(NamedTuple):
    """What follows from an event.

    Attributes:
        detail: a line for those who want to know more; empty for none.
        lost: bytes that counted as received for a file, and do no longer.
        dropped: a peer that is no longer asked, and whose requests are to be ended.
        moved: whether the run made progress, if not by bytes.
    """

    step: Step = Step.NOTHING
    detail: str = ""
    lost: int = 0
    dropped: Optional[Peer] = None
    moved: bool = False


class Ledger:
    """The state of every file of a run.

    Args:
        schedule: hands out segments.
        patience: seconds that a file may go without progress.
        tuning: limits.
        clock: seconds, monotonic.
        chance: a random number in [0, 1).

    Attributes:
        entries: how many files there were to bring.
        unfinished: how many of them are neither complete nor given up.
        failures: what was given up.
        ending: of the run, where it comes early.
        completed_by: how many files each peer completed.
        assembled: how many images were put together, and bytes of them that were taken from the store.
    """

    def __init__(
        self,
        schedule: Schedule,
        patience: float,
        tuning: Tuning,
        clock: Callable[[], float],
        chance: Callable[[], float],
    ) -> None:
        self._schedule, self._patience, self._tuning = schedule, patience, tuning
        self._clock, self._chance = clock, chance
        self.entries = self.unfinished = 0
        self.failures: list[Failure] = []
        self.ending = Ending(tuning.most_access_errors)
        self.completed_by: Counter[Peer] = Counter()
        self.assembled = Assembled()
        self._mismatches: Counter[str] = Counter()

    def add(self, entries: Sequence[FileEntry]) -> None:
        """Have more files brought."""
        self._schedule.queue.add(entries)
        self.entries += len(entries)
        self.unfinished += len(entries)

    def halve(self) -> list[FileEntry]:
        """Give away half of the files whose turn has not come, or as many as are given away at once."""
        entries = self._schedule.queue.halve(self._tuning.most_given)
        self.entries -= len(entries)
        self.unfinished -= len(entries)
        return entries

    # events of a request

    def received(self, segment: Segment, position: int, giver: Giver) -> None:
        """Note that a segment's bytes up to a position were received."""
        transfer = segment.transfer
        if transfer.partial is None:
            transfer.givers = frozenset({giver})  # of earlier tries, nothing is kept
        elif giver not in transfer.givers:
            transfer.givers |= {giver}
        if giver is not None:
            giver.misses = 0
        if position > segment.farthest:
            segment.farthest = position
            transfer.forgive(self._clock())

    def located(self, segment: Segment) -> Optional[Verdict]:
        """Note that a segment was redirected; the verdict where that is no longer to be followed."""
        self.ending.located()
        segment.hops += 1
        return Verdict(Action.GIVE_UP, "redirected in a circle") if segment.hops > retries.MAX_REDIRECTS else None

    def failed(self, segment: Segment, verdict: Verdict) -> Decision:
        """Decide about a segment that control server and object store did not bring; any verdict but to accept."""
        transfer = segment.transfer
        self.ending.failed(verdict)
        ranged = verdict.action is Action.WHOLE and segment.range is not None
        if not ranged and _peers_left(segment, verdict):
            return self._ask_peers(segment, verdict)
        if verdict.action is Action.ABORT:
            return Decision()
        if ranged:
            return self._in_one_piece(transfer, None, f"{transfer.entry.path}: {verdict.reason}")
        if verdict.action is Action.RETRY:
            transfer.attempts += 1
            final = self._clock() - (transfer.stuck_since or 0.0) > self._patience
        else:
            transfer.wrong_responses[segment] += 1
            final = verdict.action is Action.GIVE_UP or transfer.wrong_responses[segment] >= retries.MAX_WRONG_RESPONSES
        if not final:
            return self._try_again(segment, verdict)
        failure = Failure(transfer.entry.path, verdict.reason, verdict.exit_code, verdict.hint)
        there = verdict.action is not Action.RETRY  # a response that is final comes from a server that works
        return self._give_up(transfer, failure)._replace(moved=there)

    def _ask_peers(self, segment: Segment, verdict: Verdict) -> Decision:
        """Have peers asked for what the object store did not bring."""
        segment.return_to_peers()
        self._schedule.later(segment, 0.0)
        return Decision(detail=f"{segment}: {verdict.reason}; asking peers for it", moved=True)

    def _try_again(self, segment: Segment, verdict: Verdict) -> Decision:
        transfer, lost = segment.transfer, 0
        tries = transfer.attempts + transfer.wrong_responses[segment]
        seconds = retries.back_off(tries, verdict.wait, self._patience, self._chance())
        detail = f"{segment}: {verdict.reason}; trying again in {seconds:.1f} s"
        if self._schedule.choice.is_rangeless(transfer.entry, None):
            lost, segment.start, transfer.kept = transfer.kept, 0, 0
        self._schedule.later(segment, seconds)
        return Decision(detail=detail, lost=lost)

    def peer_failed(self, segment: Segment, peer: Peer, verdict: Verdict) -> Decision:
        """Decide about a segment that a peer did not bring; the verdict is WHOLE, MISS, REFUSE or DROP."""
        transfer = segment.transfer
        if verdict.action is Action.WHOLE and segment.range is not None:
            detail = f"{transfer.entry.path}: peer {peer.url} does not serve ranges of it"
            return self._in_one_piece(transfer, peer, detail)._replace(moved=True)
        self._schedule.later(segment, 0.0)
        if verdict.action is not Action.DROP and peer not in transfer.peers:
            return Decision(moved=True)  # another segment of the file had the same response before
        return _hold_against(transfer, peer, verdict, self._tuning)

    def withdrawn(self, segment: Segment) -> None:
        """Have another source asked for a segment whose request was ended, for its source is of no use any more."""
        segment.transfer.forgive(None)
        self._schedule.later(segment, 0.0)

    def moved(self, segment: Segment, giver: Giver) -> None:
        """Have another source asked for a segment whose request was ended, for its source is slow."""
        segment.move_to(giver)
        self._schedule.later(segment, 0.0)

    # a file begins anew, or ends

    def _in_one_piece(self, transfer: Transfer, source: Giver, detail: str) -> Decision:
        self._schedule.choice.without_ranges(transfer, source)
        transfer.over = True
        return Decision(Step.RESTART, f"{detail}; asking for it in one piece")

    def restart(self, transfer: Transfer) -> int:
        """Begin a file anew, now that its bytes are discarded; how many of them had counted."""
        transfer.over = True
        self._schedule.again(transfer)
        return transfer.kept

    def present(self) -> None:
        """Note that another run brought a file before its turn came."""
        self.unfinished -= 1

    def completed(self, transfer: Transfer) -> None:
        """Note that a file is in the store."""
        self._end(transfer)
        if transfer.filled:
            self.assembled = self.assembled.plus(1, transfer.filled)
            return
        giver = next(iter(transfer.givers), None) if len(transfer.givers) < 2 else transfer.source
        if giver is not None:
            self.completed_by[giver] += 1

    def mismatched(self, transfer: Transfer, error: DigestMismatchError) -> Decision:
        """Decide about a file whose bytes were all received, but do not hash to it; they are discarded already."""
        decision = Decision()
        choice, source = self._schedule.choice, transfer.source
        if transfer.encoded and not transfer.in_one_piece and not choice.is_rangeless(transfer.entry, source):
            choice.without_ranges(transfer, source)
            detail = f"{error}; it came encoded; asking for it in one piece"
            return Decision(detail=detail, lost=self.restart(transfer))
        transfer.otherwise ^= transfer.encoded  # the next try decodes where this did not, or vice versa
        if not transfer.resumed:
            peers = [giver for giver in transfer.givers if giver is not None]
            if len(peers) == 1:
                decision = _hold_against(transfer, peers[0], WRONG_CONTENT, self._tuning)
            elif peers and not choice.unshare(transfer.entry):
                transfer.peers = [peer for peer in transfer.peers if peer not in peers]
            elif not peers:
                self.ending.trouble = str(error)
                self._mismatches[transfer.entry.sha256] += 1
                if self._mismatches[transfer.entry.sha256] > self._tuning.most_mismatches:
                    path, digests = transfer.entry.path, {"expected": error.expected, "actual": error.actual}
                    return self._give_up(transfer, Failure(path, str(error), error.exit_code, **digests))
        detail = decision.detail or f"{error}; fetching it again"
        return decision._replace(detail=detail, lost=self.restart(transfer))

    def _give_up(self, transfer: Transfer, failure: Failure) -> Decision:
        """Give a file up. What was received of a big one stays for another run."""
        self._end(transfer)
        self.failures.append(failure)
        return Decision(Step.GIVE_UP, f"{transfer.entry.path}: {failure.reason}; given up")

    def _end(self, transfer: Transfer) -> None:
        transfer.over = True
        self._schedule.transfers.discard(transfer)
        self.unfinished -= 1

    def fail_the_rest(self) -> None:
        """Where the run ends early, make every file that is not complete a failure."""
        if self.ending.verdict is not None:
            under_way = [transfer.entry for transfer in self._schedule.transfers]
            self.failures += map(self.ending.failure, [*under_way, *self._schedule.queue.unopened])


def _peers_left(segment: Segment, verdict: Verdict) -> bool:
    """Whether peers can be asked for what the object store did not bring: slow ones where it did not for long."""
    transfer = segment.transfer
    peers = [peer for peer in transfer.peers if not peer.dropped]
    tries = transfer.attempts + transfer.wrong_responses[segment]
    if verdict.action in (Action.GIVE_UP, Action.ABORT) or tries >= _TRIES_BEFORE_SLOW_PEERS:
        return bool(peers)
    return any(peer not in segment.left for peer in peers)


def _hold_against(transfer: Transfer, peer: Peer, verdict: Verdict, tuning: Tuning) -> Decision:
    """Have the next source asked for a file, and drop the peer where this was one response too many."""
    transfer.peers = [other for other in transfer.peers if other is not peer]
    transfer.forgive(None)
    if peer.dropped:
        return Decision(moved=True)
    peer.record(verdict, tuning)
    return Decision(detail=peer.note, dropped=peer, moved=True) if peer.dropped else Decision(moved=True)
