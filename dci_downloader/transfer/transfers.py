"""What the engine keeps of each file and of each request under way."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Optional

from dci_downloader.content.ranges import Range, header
from dci_downloader.mirror.partial import Partial
from dci_downloader.models import FileEntry
from dci_downloader.network.headers import Head
from dci_downloader.transfer.verdict import ACCEPT, Action, Verdict, judge_end, judge_failure, judge_fetch

IN_MEMORY = 1 << 20
"""Files of at most so many bytes are held in memory until they are complete; bigger ones go to a partial."""

WRITE_CHUNKS = 16
"""Chunks of a bigger file, of mostly 16 KiB each, that are written at once."""

ERROR_BODY = 16 * 1024
"""Bytes of an error's body that are read, so that its connection can be used again."""


def segment_size(size: int) -> int:
    """Bytes of the segments of a file of ``size`` bytes: 4 to 16 MiB, some sixty of them in between."""
    mebibyte = 1 << 20
    return min(16 * mebibyte, max(4 * mebibyte, -(-size // (64 * mebibyte)) * mebibyte))


@dataclass(eq=False)
class Transfer:
    """A file on its way. One that has to begin anew is over, and another takes its place.

    Attributes:
        partial: where its bytes go; None for a file that fits into memory.
        unfinished: pieces that are not written yet.
        in_one_piece: it comes from its first byte to its last, in order.
        stuck_since: when trying began, or last got farther; None before the first try.
        attempts: tries since it last got farther.
        refusals: wrong answers since it last got farther.
        came: bytes that came for it and are kept so far.
        over: it is complete, given up, or replaced.
    """

    entry: FileEntry
    partial: Optional[Partial] = None
    unfinished: int = 0
    in_one_piece: bool = False
    stuck_since: Optional[float] = None
    attempts: int = 0
    refusals: int = 0
    came: int = 0
    over: bool = False

    def got_farther(self, now: float) -> None:
        """Forgive what went wrong before."""
        self.stuck_since = now
        self.attempts = 0
        self.refusals = 0


@dataclass(eq=False)
class Segment:
    """A range of a file that one request is to bring.

    Attributes:
        start: the first byte still missing; moves on as bytes are handed to the partial.
        end: the byte after the last.
        reach: the farthest byte that any try at it saw.
        hops: redirects followed since it was last signed for.
    """

    transfer: Transfer
    start: int
    end: int
    reach: int = 0
    hops: int = 0

    @property
    def wanted(self) -> Optional[Range]:
        """The range to ask for; None where it is the whole file."""
        if self.start == 0 and self.end == self.transfer.entry.size:
            return None
        return Range(self.start, self.end)


@dataclass(eq=False)
class TransferRequest:
    """A request under way. What comes piles up in lists that libcurl appends to without a line of Python in between.

    Attributes:
        url: where it goes; one to the object store is presigned and never to be shown.
        headers: raw lines of the answer's head; only where ``reads_head``, for each line costs a call.
        chunks: of the answer's body, as they came.
        seen: bytes of the body at the last look, and ``moved`` when that last changed.
    """

    segment: Segment
    url: str
    handle: Any = None
    headers: list[bytes] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    seen: int = 0
    moved: float = 0.0

    @property
    def received(self) -> int:
        """Bytes of the body that came so far: libcurl's own count is that of the handle's last request at first."""
        return sum(map(len, self.chunks))

    @property
    def reads_head(self) -> bool:
        """Whether more is to be known of the head than libcurl keeps of it."""
        return False

    @property
    def largest(self) -> int:
        """Bytes of a body beyond which libcurl is to give up; 0 for no limit."""
        return ERROR_BODY


class LocateRequest(TransferRequest):
    """A request to the control server."""


@dataclass(eq=False)
class FetchRequest(TransferRequest):
    """A request to the object store, whose body becomes part of a file.

    Attributes:
        began: the first byte that was asked for.
        position: the byte after the last that was taken.
        verdict: the judgement of the head, once there is one.
    """

    began: int = 0
    position: int = 0
    verdict: Optional[Verdict] = None

    def __post_init__(self) -> None:
        self.began = self.position = self.segment.start

    @property
    def reads_head(self) -> bool:
        """For ranges, and to find out what is wrong with an answer when the first try failed."""
        transfer = self.segment.transfer
        return self.segment.wanted is not None or transfer.attempts + transfer.refusals > 0

    @property
    def largest(self) -> int:
        """A file in memory is given up when it proves larger than it should be; any other is judged as it comes."""
        return max(self.segment.end, ERROR_BODY) if self.segment.transfer.partial is None else 0

    @property
    def received(self) -> int:
        """Bytes of the body that came so far, those that were taken included."""
        return self.came + sum(map(len, self.chunks))

    @property
    def came(self) -> int:
        """Bytes of the file that were taken."""
        return self.position - self.began

    def request_headers(self) -> list[str]:
        """What is sent: nothing that could tell who asks."""
        wanted = self.segment.wanted
        if wanted is None:
            return ["Accept-Encoding: identity"]
        return ["Accept-Encoding: identity", f"Range: bytes={header(wanted.start, wanted.end)}"]

    def take(self, head: Head) -> list[bytes]:
        """What came since the last call and belongs to the file: nothing unless the head is what it should be."""
        chunks = self.chunks[:]
        self.chunks.clear()
        if self.judge(head).action is not Action.ACCEPT:
            return []
        size, room = sum(map(len, chunks)), self.segment.end - self.position
        if size > room:  # more than was asked for: the hash says what the rest is worth
            chunks, size = [b"".join(chunks)[:room]], room
        self.position += size
        return chunks

    def judge(self, head: Head) -> Verdict:
        """Judge the head of the answer, once."""
        if self.verdict is None:
            now = datetime.now(timezone.utc)
            size = self.segment.transfer.entry.size
            self.verdict = judge_fetch(head, self.url, self.segment.wanted, size, now)
        return self.verdict

    def outcome(self, code: int, message: str, head: Head) -> Verdict:
        """Judge the answer as a whole, now that it ended and :meth:`take` had what came of it.

        Args:
            code: libcurl's error code, 0 for none.
            message: libcurl's words for it.
            head: of the answer; its status is 0 when none came.
        """
        verdict = self.judge(head) if head.status or not code else None
        if verdict is not None and verdict.action is not Action.ACCEPT:
            return verdict
        if verdict is not None and self.position == self.segment.end:
            return ACCEPT  # however it ended
        if code:
            return judge_failure(code, message, self.url)
        return judge_end(head, self.position, self.segment.end)
