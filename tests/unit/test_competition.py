"""Whether the object store competes with peers, on lines that are simulated; each look is 20 ms after the other."""

import pytest

from dci_downloader.transfer.competition import Competition
from dci_downloader.transfer.tuning import Tuning

TUNING = Tuning()
STEP = 0.02
ANSWERS_AFTER = 0.1  # seconds until the first bytes of a source
PEER_CONNECTIONS, STORE_CONNECTIONS = 8, 56
ENOUGH = 1e12


class Line:
    """Two sources behind one line; all rates are work per second.

    Args:
        peers: what the peers bring at the most, by the time.
        store: the same of the object store.
        line: what the line, or this program, takes from both.
        busy: whether it is this program, which then has no time to wait.
        answers_after: seconds before peers bring something.
    """

    def __init__(self, peers, store, line=ENOUGH, busy=False, outpaced=False, answers_after=ANSWERS_AFTER):
        self._peer_rate = peers if callable(peers) else lambda _: peers
        self._store_rate = store if callable(store) else lambda _: store
        self._line, self._busy, self._answers_after = line, busy, answers_after
        self.competition = Competition(TUNING, 0.0, competing=outpaced)
        self.now = self.peers = self.store = self.idle = 0.0
        self._competing_since = 0.0
        self.changes = []

    def step(self):
        self.now += STEP
        before = self.competition.competing
        peers, store = self._rates()
        self.peers += peers * STEP
        self.store += store * STEP
        if not (self._busy and peers + store >= self._line * 0.99):
            self.idle += STEP
        self.competition.look(self.now, peers=self.peers, store=self.store, idle=self.idle)
        if self.competition.competing != before:
            self.changes.append(round(self.now, 2))
            self._competing_since = self.now

    def _rates(self):
        peers = self._peer_rate(self.now) if self.now > self._answers_after else 0.0
        store = 0.0
        if self.competition.competing and self.now - self._competing_since > ANSWERS_AFTER:
            store = self._store_rate(self.now)
        if peers + store <= self._line:
            return peers, store
        part = self._line * STORE_CONNECTIONS / (STORE_CONNECTIONS + PEER_CONNECTIONS)
        store = min(store, max(part, self._line - peers))
        return min(peers, self._line - store), store

    def run(self, seconds):
        while self.now < seconds:
            self.step()
        return self

    def fetch(self, work):
        """Seconds that it takes to bring so much work."""
        while self.peers + self.store < work:
            self.step()
        return self.now

    @property
    def share(self):
        """The part of the work that the peers did."""
        return self.peers / (self.peers + self.store)


def alone(store, work, line=ENOUGH):
    """Seconds that the object store takes for it without peers."""
    return ANSWERS_AFTER + work / min(store, line)


SLOW = {
    "trickles": (0.001, 100.0, ENOUGH),
    "0.8 MB/s": (0.8, 100.0, ENOUGH),
    "a tenth": (10.0, 100.0, ENOUGH),
    "half": (50.0, 100.0, ENOUGH),
    "two thirds": (66.0, 100.0, ENOUGH),
    "a tenth of a line that is shared": (10.0, 500.0, 100.0),
    "half of a line that is shared": (50.0, 500.0, 100.0),
    "two thirds of a line that is shared": (66.0, 500.0, 100.0),
    "never answers": (0.0, 100.0, ENOUGH),
    "fast at first": (lambda now: 100.0 if now < 1.0 else 1.0, 100.0, ENOUGH),
    "fast at first, then silent": (lambda now: 100.0 if now < 2.0 else 0.0, 100.0, ENOUGH),
    "fast from time to time": (lambda now: 100.0 if now % 6 < 1.0 else 1.0, 100.0, ENOUGH),
}


@pytest.mark.parametrize(("peers", "store", "line"), SLOW.values(), ids=SLOW)
def test_no_run_takes_longer_for_peers_that_are_slow(peers, store, line):
    work = 1000.0  # of the object store at 100 a second
    assert Line(peers, store, line).fetch(work) <= 1.1 * alone(store, work, line) + TUNING.head_start


GOOD = {
    "as fast": (100.0, 100.0, ENOUGH),
    "nearly as fast": (95.0, 100.0, ENOUGH),
    "faster": (200.0, 100.0, ENOUGH),
    "fills the line": (100.0, 500.0, 100.0),
    "nearly fills the line": (95.0, 500.0, 100.0),
    "the object store never answers": (1.0, 0.0, ENOUGH),
}


@pytest.mark.parametrize(("peers", "store", "line"), GOOD.values(), ids=GOOD)
@pytest.mark.parametrize("outpaced", [False, True], ids=["", "outpaced before"])
def test_peers_as_fast_as_the_object_store_give_nine_tenths_of_all_bytes(peers, store, line, outpaced):
    seconds = 60.0 if outpaced else 20.0
    assert Line(peers, store, line, outpaced=outpaced).run(seconds).share >= 0.9


def test_the_object_store_is_not_asked_while_this_program_is_what_takes_the_time():
    assert Line(100.0, 500.0, 100.0, busy=True).run(60.0).changes == []


@pytest.mark.parametrize(
    ("answers_after", "ends"),
    [
        (0.0, TUNING.head_start),
        (1.5 * TUNING.head_start, 2 * TUNING.head_start),
        (3 * TUNING.head_start, 2 * TUNING.head_start),
    ],
    ids=["answers at once", "answers late", "does not answer meanwhile"],
)
def test_nothing_is_tried_before_the_head_start_has_ended(answers_after, ends):
    line = Line(0.8, 100.0, answers_after=answers_after)
    line.run(5.0)
    assert ends <= line.changes[0] <= ends + 2.1 * STEP


def test_peers_that_get_as_fast_as_the_object_store_are_preferred_again():
    line = Line(lambda now: 60.0 if now < 4.5 else 150.0, 100.0).run(4.5)
    assert line.competition.competing
    line.run(30.0)
    assert not line.competition.competing


def test_peers_that_are_far_slower_are_never_alone_again():
    assert len(Line(1.0, 100.0).run(100.0).changes) == 1


def test_peers_that_were_outpaced_before_have_no_head_start():
    line = Line(1.0, 100.0, outpaced=True).run(1.0)
    assert line.store > 50


def test_tries_become_rare():
    changes = Line(100.0, 100.0).run(120.0).changes
    assert len(changes) <= 14
