"""libcurl's multi interface on epoll: many transfers, one thread, no waiting in it."""

from __future__ import annotations

import errno
import os
import select
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple, Optional

import pycurl

_EVENTS = {
    pycurl.POLL_IN: select.EPOLLIN,
    pycurl.POLL_OUT: select.EPOLLOUT,
    pycurl.POLL_INOUT: select.EPOLLIN | select.EPOLLOUT,
}


class FinishedHandle(NamedTuple):
    """A handle whose transfer ended, with libcurl's error code (0 is none) and text."""

    handle: Any
    code: int
    message: str


class CurlLoop:
    """Drives easy handles. Its descriptor is readable when there is something to do, so that loops can be nested.

    Args:
        connections: how many idle connections are kept for reuse.

    Raises:
        OSError: this process, or the machine, has too many files open.
    """

    def __init__(self, connections: int) -> None:
        self._epoll = select.epoll()
        try:
            self._multi = pycurl.CurlMulti()
        except pycurl.error:  # it does not say why; it opens pipes
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE)) from None
        self._multi.setopt(pycurl.M_MAXCONNECTS, connections)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        self._watched: set[int] = set()
        self._idle: set[int] = set()
        self._due: Optional[float] = None

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._epoll.fileno()

    def add(self, handle: Any) -> None:
        """Start a transfer. The handle must stay referenced until it is finished or removed."""
        self._multi.add_handle(handle)

    def remove(self, handle: Any) -> None:
        """Abandon a transfer."""
        self._multi.remove_handle(handle)

    def wait_seconds(self, most: float) -> float:
        """How long to wait on the descriptor before ``turn`` is due, at most ``most`` seconds."""
        if self._due is None:
            return most
        return max(0.0, min(most, self._due - time.monotonic()))

    def turn(self, sockets: int = -1) -> list[FinishedHandle]:
        """Do what can be done without waiting; the transfers that ended are returned, and are out of the loop.

        Args:
            sockets: how many are read at the most; those left over are ready at the next turn. For each, libcurl
                serves every transfer that still has something to read, so that a turn can bring their product.
        """
        for fd, event in self._epoll.poll(0, sockets):
            if fd in self._idle:  # its server ended the connection
                self._forget(fd)
                continue
            mask = pycurl.CSELECT_IN if event & select.EPOLLIN else 0
            if event & select.EPOLLOUT:
                mask |= pycurl.CSELECT_OUT
            if event & (select.EPOLLERR | select.EPOLLHUP):
                mask |= pycurl.CSELECT_ERR
            self._multi.socket_action(fd, mask)
        if self._due is not None and time.monotonic() >= self._due:
            self._due = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        return list(self._finished())

    def close(self) -> None:
        """Drop every connection."""
        self._multi.close()
        self._epoll.close()

    def _finished(self) -> Iterator[FinishedHandle]:
        waiting = 1
        while waiting:
            waiting, done, failed = self._multi.info_read()
            for handle in done:
                self._multi.remove_handle(handle)
                yield FinishedHandle(handle, 0, "")
            for handle, code, message in failed:
                self._multi.remove_handle(handle)
                yield FinishedHandle(handle, code, message)

    def _watch(self, what: int, fd: int, _multi: Any, _assigned: Any) -> None:
        """Watch a socket, as libcurl wishes."""
        if what == pycurl.POLL_REMOVE:
            # it stays watched, for mostly the next request needs it at once: to unregister and register a socket for
            # each request took a tenth of all processor time
            if fd in self._watched:
                self._idle.add(fd)
        elif what in _EVENTS:
            self._idle.discard(fd)
            if fd in self._watched:
                try:
                    self._epoll.modify(fd, _EVENTS[what])
                    return
                except FileNotFoundError:
                    pass  # the one that was watched is closed, which unregistered it; this is another
            self._watched.add(fd)
            self._epoll.register(fd, _EVENTS[what])

    def _forget(self, fd: int) -> None:
        self._idle.discard(fd)
        self._watched.discard(fd)
        with suppress(OSError):  # closed meanwhile
            self._epoll.unregister(fd)

    def _set_timer(self, milliseconds: int) -> None:
        self._due = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000
