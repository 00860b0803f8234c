"""Messages between the two processes of a run, by a socket. No end ever waits for the other, which may be frozen.

From the first process: a :class:`Setup`, then lists of files, and each token that takes the place of another, for the
second knows no password. From the second: None when it is ready, then
:class:`Advance`, lines of detail and, each time it is done, :class:`Done`. The end of the connection asks it to stop.
"""

from __future__ import annotations

import pickle
import select
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Optional

from dci_downloader.options import TransferOptions
from dci_downloader.transfer.fetched import Fetched
from dci_downloader.transfer.sources import Origin, Peer
from dci_downloader.transfer.tuning import Tuning

_SIZE = struct.Struct("!Q")
_READ_SIZE = 256 * 1024


class Setup(NamedTuple):
    """How the second process is to work.

    Attributes:
        store: the root of the store.
        marker: of the store, see :meth:`Store.marker_path`.
        peers: those that are still asked.
    """

    source: Origin
    store: Path
    marker: str
    options: TransferOptions
    peers: tuple[Peer, ...]
    tuning: Tuning


class Advance(NamedTuple):
    """So many more files are complete, and bytes received; see :meth:`Progress.advance`. Of none: a sign of life."""

    files: int
    size: int


class Done(NamedTuple):
    """The files that were given are complete, or failed.

    Attributes:
        fetched: what became of all files that were given so far.
        dropped: by URL, why a peer is no longer asked.
    """

    fetched: Fetched
    dropped: dict[str, str]


class Channel:
    """One end of the connection.

    Args:
        end: of a socket pair; belongs to the channel from now on.
    """

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._socket.setblocking(False)
        self._incoming, self._outgoing = bytearray(), bytearray()

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._socket.fileno()

    def send(self, message: object) -> None:
        """Send a message. What the other end does not take now is sent by :meth:`flush`.

        Raises:
            OSError: the other end is gone.
        """
        content = pickle.dumps(message)
        self._outgoing += _SIZE.pack(len(content)) + content
        self.flush()

    def flush(self) -> None:
        """Send what can be sent now.

        Raises:
            OSError: the other end is gone.
        """
        with suppress(BlockingIOError):
            while self._outgoing:
                del self._outgoing[: self._socket.send(self._outgoing)]

    def receive(self) -> list[Any]:
        """The messages that have arrived whole.

        Raises:
            OSError: the other end is gone.
            EOFError: likewise, in good order; the messages before were received.
        """
        with suppress(BlockingIOError):
            chunk = self._socket.recv(_READ_SIZE)
            if not chunk:
                raise EOFError
            self._incoming += chunk
        messages: list[Any] = []
        while len(self._incoming) >= _SIZE.size:
            end = _SIZE.size + _SIZE.unpack_from(self._incoming)[0]
            if len(self._incoming) < end:
                break
            messages.append(pickle.loads(self._incoming[_SIZE.size : end]))  # noqa: S301  this program wrote it
            del self._incoming[:end]
        return messages

    def wait(self) -> list[Any]:
        """Wait for messages, however long, and send meanwhile what is to be sent; raises what :meth:`receive` does."""
        while True:
            self._poll(select.POLLIN | (select.POLLOUT if self._outgoing else 0), None)
            self.flush()
            if messages := self.receive():
                return messages

    def readable(self) -> bool:
        """Whether something has arrived: a message, or the end."""
        return self._poll(select.POLLIN, 0)

    def _poll(self, events: int, milliseconds: Optional[int]) -> bool:
        poll = select.poll()  # select(2) knows no descriptor above 1023
        poll.register(self._socket, events)
        return bool(poll.poll(milliseconds))

    def close(self) -> None:
        """Close this end, which the other notices. Safe to repeat."""
        self._socket.close()
