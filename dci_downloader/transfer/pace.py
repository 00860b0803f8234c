"""When fetches are read, and when they are paused: while the rate is used up, or the disk is behind."""

from __future__ import annotations

from dci_downloader.transfer.limits import RateLimit
from dci_downloader.transfer.poller import Poller
from dci_downloader.transfer.request import FetchRequest
from dci_downloader.transfer.sink import Sink
from dci_downloader.transfer.stage import Stage
from dci_downloader.transfer.tuning import Tuning


class Pace:
    """Has fetches read or paused. Bytes that are not read stay in the sockets, which slows their sender down.

    Args:
        rate: the limit of bytes per second.
        sink: whose unwritten bytes count.
        stage: the fetches, which are paused and resumed.
        poller: waits for them unless they are paused.
        tuning: how many bytes may be unwritten.

    Attributes:
        reading: whether the fetches are read.
    """

    def __init__(self, rate: RateLimit, sink: Sink, stage: Stage[FetchRequest], poller: Poller, tuning: Tuning) -> None:
        self._rate, self._sink, self._stage, self._poller, self._tuning = rate, sink, stage, poller, tuning
        self._resting = 0.0
        self.reading = True

    def spend(self, size: int) -> None:
        """Count bytes that were received."""
        self._rate.spend(size)

    def update(self) -> None:
        """Decide anew."""
        self._resting = self._rate.seconds()
        reading = not self._resting and self._sink.unwritten <= self._tuning.most_unwritten
        if reading == self.reading:
            return
        self.reading = reading
        self._poller.heed(self._stage.loop.fileno(), reading)
        if reading:
            self._stage.resume()
        else:
            self._stage.pause()

    def wait_seconds(self, most: float) -> float:
        """How long to wait for something to do, at most ``most`` seconds."""
        if self.reading:
            return self._stage.loop.wait_seconds(most)
        return min(most, self._resting) if self._resting else most
