"""What is kept of each peer, of each file that is asked for, and of each request under way."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Optional

from dci_downloader.mirror.partial import Partial
from dci_downloader.models import FileEntry
from dci_downloader.network.headers import content_length, parse_content_range, read_head

SAVED_BYTES = 16 << 20
"""Bytes of a big file after which its journal is saved."""

ERROR_BODY = 16 * 1024
"""Bytes of an error's body that are read, so that its connection can be used again."""


@dataclass(eq=False)
class Peer:
    """Another mirror, and how it has behaved.

    Attributes:
        url: its root, without a slash at the end.
        under_way: requests that it has not answered yet.
        faults: answers that were none.
        misses: objects in a row that it did not have.
        dropped: why it is not asked any more; empty while it is.
    """

    url: str
    under_way: int = 0
    faults: int = 0
    misses: int = 0
    dropped: str = ""


@dataclass(eq=False)
class Wanted:
    """A file that is still to come.

    Attributes:
        ask: the peers that are still to be asked for it.
        came: bytes of it that came and are kept so far.
        mixed: whether the one who is asked now goes on with what others gave.
    """

    entry: FileEntry
    ask: deque[Peer]
    came: int = 0
    mixed: bool = False


@dataclass(eq=False)
class PeerRequest:
    """A request for a file, or for a gap of it, whose body it takes in.

    Attributes:
        partial: where the body goes; None for a file that fits into memory, whose chunks are kept.
        start: the first byte that is asked for.
        end: the byte after the last.
        came: told of bytes that are kept.
        position: the byte after the last that came.
        right: whether the answer is what was asked for; None before its head was judged.
        error: what the disk had against it.
    """

    wanted: Wanted
    peer: Peer
    partial: Optional[Partial]
    start: int
    end: int
    came: Callable[[int], None]
    position: int = 0
    head: list[bytes] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    right: Optional[bool] = None
    spilt: int = 0
    unsaved: int = 0
    error: Optional[Exception] = None

    def __post_init__(self) -> None:
        self.position = self.start

    @property
    def complete(self) -> bool:
        """Whether all of what was asked for came, however the request ends."""
        return bool(self.right) and self.position == self.end

    @property
    def whole(self) -> bool:
        """Whether it is for the file and not for a part of it."""
        return self.end - self.start == self.wanted.entry.size

    def receive(self, chunk: bytes) -> int:
        """Take a chunk in. Any number but its length makes libcurl end the request."""
        if not self.judge():
            self.spilt += len(chunk)
            return len(chunk) if self.spilt <= ERROR_BODY else 0
        if self.position + len(chunk) > self.end:
            self.right = False
            return 0
        try:
            if self.partial is not None:
                self.partial.write(self.position, chunk)
                self._note(len(chunk))
            else:
                self.chunks.append(chunk)
        except Exception as error:  # libcurl would print it, and go on
            self.error = error
            return 0
        self.position += len(chunk)
        self.came(len(chunk))
        return len(chunk)

    def _note(self, size: int) -> None:
        """Save the journal each time so much came, for a run that is killed."""
        self.unsaved += size
        if self.partial is not None and self.unsaved >= SAVED_BYTES:
            self.partial.save()
            self.unsaved = 0

    def judge(self) -> bool:
        """Whether the head promises what was asked for."""
        if self.right is None:
            self.right = self._is_right()
        return self.right

    def _is_right(self) -> bool:
        head = read_head(self.head)
        if "content-encoding" in head.headers:
            return False
        if content_length(head.headers.get("content-length", "")) not in (None, self.end - self.start):
            return False
        if self.whole:
            return head.status == 200
        place = parse_content_range(head.headers.get("content-range", ""))
        return head.status == 206 and place == (self.start, self.end, self.wanted.entry.size)
