"""Waits for the events of the loop, and measures how much of its time the loop spends waiting."""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from contextlib import suppress
from typing import Optional

from dci_downloader.transfer.tuning import Tuning


class Poller:
    """Descriptors that are waited on.

    Args:
        tuning: over which time the load is measured, and from where it is too much.
        clock: seconds, monotonic.

    Attributes:
        wake: a descriptor; a byte that another thread writes to it ends a wait.
        loaded: whether the loop lately had no time to wait: the line could bring more than this process can take.
    """

    def __init__(self, tuning: Tuning, clock: Callable[[], float]) -> None:
        self._tuning, self._clock = tuning, clock
        self._woken, self.wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self.watch(self._woken, self._drain)
        self.loaded = False
        self._measured_since, self._waited = clock(), 0.0

    def watch(self, descriptor: int, readable: Optional[Callable[[], None]] = None) -> None:
        """Wait on a descriptor, and have something called when it is readable."""
        if readable is not None:
            self._callbacks[descriptor] = readable
        self._epoll.register(descriptor, select.EPOLLIN)

    def unwatch(self, descriptor: int) -> None:
        """Wait on a descriptor no longer. It must not be closed before."""
        self._callbacks.pop(descriptor, None)
        self._epoll.unregister(descriptor)

    def heed(self, descriptor: int, heeded: bool) -> None:
        """Set whether a descriptor that is watched ends a wait."""
        self._epoll.modify(descriptor, select.EPOLLIN if heeded else 0)

    def poll(self) -> bool:
        """Call what is to be called; whether any descriptor is readable."""
        ready = self._epoll.poll(0)
        self._call(ready)
        return bool(ready)

    def wait(self, seconds: float) -> float:
        """Wait until a descriptor is readable, so long at the most, and call what is to be called; seconds waited."""
        before = self._clock()
        ready = self._epoll.poll(seconds)
        waited = self._clock() - before
        self._waited += waited
        self._call(ready)
        return waited

    def measure(self, now: float) -> None:
        """Update ``loaded``, if it is time for that."""
        passed = now - self._measured_since
        if passed >= self._tuning.load_seconds:
            self.loaded = self._waited < (1 - self._tuning.loaded) * passed
            self._measured_since, self._waited = now, 0.0

    def close(self) -> None:
        """Close what this opened."""
        self._epoll.close()
        os.close(self._woken)
        os.close(self.wake)

    def _call(self, ready: list[tuple[int, int]]) -> None:
        for descriptor, _ in ready:
            if descriptor in self._callbacks:
                self._callbacks[descriptor]()

    def _drain(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._woken, 4096)
