"""Requests under way: to the control server, to the object store, to a peer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Optional

from dci_downloader.content.ranges import header
from dci_downloader.network.headers import Head
from dci_downloader.transfer.sources import Peer
from dci_downloader.transfer.transfers import Segment
from dci_downloader.transfer.verdict import (
    ACCEPT,
    Action,
    Verdict,
    judge_end,
    judge_failure,
    judge_fetch,
    judge_peer_failure,
    judge_peer_head,
)

ERROR_BODY = 16 * 1024
"""Bytes of an error's body that are read, so that its connection can be used again."""


@dataclass(eq=False)
class TransferRequest:
    """A request under way. Its lists are filled by libcurl, without a line of Python in between.

    Attributes:
        url: where it goes; one to the object store is presigned and never to be shown.
        peer: who is asked, where that is a peer.
        headers: raw lines of the response's head; only where ``reads_head``, for each line costs a call.
        chunks: of the response's body, as they are received.
        seen: bytes of the body at the last look.
        moved: when ``seen`` last changed.
        checked: bytes of the body, and the time, when its rate was last checked.
        slow: whether it was below the least rate then.
    """

    segment: Segment
    url: str
    peer: Optional[Peer] = None
    handle: Any = None
    headers: list[bytes] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    seen: int = 0
    moved: float = 0.0
    checked: tuple[int, float] = (0, 0.0)
    slow: bool = False

    @property
    def received(self) -> int:
        """Bytes of the body so far. libcurl's own count is, at first, that of the handle's previous request."""
        return sum(map(len, self.chunks))

    @property
    def reads_head(self) -> bool:
        """Whether more is to be known of the head than libcurl keeps of it."""
        return False

    @property
    def largest(self) -> int:
        """Bytes of a body beyond which libcurl is to give up; 0 for no limit."""
        return ERROR_BODY


@dataclass(eq=False)
class LocateRequest(TransferRequest):
    """A request to the control server, for the presigned URL of a file.

    Attributes:
        authorization: the headers that authorize it.
    """

    authorization: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(eq=False)
class FetchRequest(TransferRequest):
    """A request whose body becomes part of a file.

    Attributes:
        began: the first byte that was asked for.
        position: the byte after the last that was taken.
        verdict: the judgement of the head; None before there is one.
    """

    began: int = 0
    position: int = 0
    verdict: Optional[Verdict] = None

    def __post_init__(self) -> None:
        self.began = self.position = self.segment.start

    @property
    def reads_head(self) -> bool:
        """For ranges, and to find out what is wrong with a response when the first try failed."""
        transfer = self.segment.transfer
        return self.segment.range is not None or transfer.attempts + transfer.wrong_responses > 0

    @property
    def largest(self) -> int:
        """A file in memory is given up when it proves larger than it should be; any other is judged while it comes."""
        return max(self.segment.end, ERROR_BODY) if self.segment.transfer.partial is None else 0

    @property
    def received(self) -> int:
        """Bytes of the body so far, those that were taken included."""
        return self.taken + sum(map(len, self.chunks))

    @property
    def taken(self) -> int:
        """Bytes of the file that were taken."""
        return self.position - self.began

    def request_headers(self) -> list[str]:
        """The headers to send: nothing that identifies who asks."""
        wanted = self.segment.range
        if wanted is None:
            return ["Accept-Encoding: identity"]
        return ["Accept-Encoding: identity", f"Range: bytes={header(wanted.start, wanted.end)}"]

    def take(self, head: Head) -> list[bytes]:
        """The bytes received since the last call that belong to the file: none unless the head is as it should be."""
        chunks = self.chunks[:]
        self.chunks.clear()  # not replaced by another list: libcurl appends to this one
        if self.judge(head).action is not Action.ACCEPT:
            return []
        size, room = sum(map(len, chunks)), self.segment.end - self.position
        if size > room:  # more than was asked for: the hash decides whether the file is right
            chunks, size = [b"".join(chunks)[:room]], room
        self.position += size
        return chunks

    def judge(self, head: Head) -> Verdict:
        """Judge the head of the response, once."""
        if self.verdict is None:
            now = datetime.now(timezone.utc)
            size = self.segment.transfer.entry.size
            self.verdict = judge_fetch(head, self.url, self.segment.range, size, now)
            if self.peer is not None:
                self.verdict = judge_peer_head(self.verdict, head)
        return self.verdict

    def outcome(self, code: int, message: str, head: Head) -> Verdict:
        """Judge the response as a whole, now that it ended and :meth:`take` had its bytes.

        Args:
            code: libcurl's error code, 0 for none.
            message: libcurl's text for it.
            head: of the response; its status is 0 when there was none.
        """
        verdict = self.judge(head) if head.status or not code else None
        if verdict is not None and verdict.action is not Action.ACCEPT:
            return verdict
        if verdict is not None and self.position == self.segment.end:
            return ACCEPT  # however it ended
        if self.peer is not None:
            return judge_peer_failure(code, begun=verdict is not None)
        if code:
            return judge_failure(code, message, self.url)
        return judge_end(head, self.position, self.segment.end)
