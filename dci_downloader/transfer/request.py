"""Requests under way: to the control server, to the object store, to a peer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Optional

from dci_downloader.content.ranges import header
from dci_downloader.errors import IntegrityError
from dci_downloader.network.encoding import Decoder
from dci_downloader.network.headers import Head
from dci_downloader.transfer.peer_verdict import WRONG_CONTENT, judge_peer_failure, judge_peer_head
from dci_downloader.transfer.sources import Peer
from dci_downloader.transfer.transfers import Segment
from dci_downloader.transfer.verdict import (
    ACCEPT,
    Action,
    Verdict,
    judge_end,
    judge_failure,
    judge_fetch,
)

ERROR_BODY = 16 * 1024
"""Bytes of an error's body that are read, so that its connection can be used again."""

_AS_IT_IS = ("Accept-Encoding: identity",)

MOST_DECODED = 4 << 20
"""Bytes from which no more is decoded at once: a few can hold gigabytes."""


@dataclass(eq=False)
class TransferRequest:
    """A request under way. Its lists are filled by libcurl, without a line of Python in between.

    Attributes:
        url: where it goes; one to the object store is presigned and never to be shown.
        peer: who is asked, where that is a peer.
        headers: raw lines of the response's head; only where ``reads_head``, for each line costs a call.
        chunks: of the response's body, as they are received.
        began_at: when it was sent.
        seen: bytes of the body at the last look.
        moved: when ``seen`` last changed.
        checked: bytes of the body, and the time, when its rate was last checked.
        slow: whether it was too slow then.
    """

    segment: Segment
    url: str
    peer: Optional[Peer] = None
    handle: Any = None
    headers: list[bytes] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    began_at: float = 0.0
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
        verdict: the judgement of the head, and of what came after it; None before there is one.
        misread: whether the body was encoded and proved to be something else than it was taken for.
        rate: bytes of the body per second when that was last measured; less than 0 before.
        suspicious: whether the head is read because of what came before.
    """

    began: int = 0
    position: int = 0
    verdict: Optional[Verdict] = None
    misread: bool = False
    rate: float = -1.0
    suspicious: bool = False
    _decoder: Optional[Decoder] = None

    def __post_init__(self) -> None:
        self.began = self.position = self.segment.start

    @property
    def reads_head(self) -> bool:
        """For all but small files, and to find out what is wrong with a response when the first try failed."""
        transfer = self.segment.transfer
        return (
            self.suspicious
            or transfer.partial is not None
            or transfer.attempts > 0
            or bool(transfer.wrong_responses)
            or transfer.otherwise
        )

    @property
    def largest(self) -> int:
        """A file in memory is given up when it proves larger than it should be; any other is judged while it comes.

        What cannot be compressed is a little larger when it is encoded.
        """
        end = self.segment.end
        return max(end + end // 16, ERROR_BODY) if self.segment.transfer.partial is None else 0

    @property
    def received(self) -> int:
        """Bytes of the body so far, those that were taken included."""
        return self.taken + sum(map(len, self.chunks))

    @property
    def taken(self) -> int:
        """Bytes of the file that were taken."""
        return self.position - self.began

    @property
    def encoded(self) -> bool:
        """Whether the body was said to be encoded."""
        return self.verdict is not None and self.verdict.encoded

    @property
    def decodes(self) -> bool:
        """Whether the body is decoded; nothing can go on from the middle of it."""
        return self._decoder is not None

    def request_headers(self) -> Sequence[str]:
        """The headers to send: nothing that identifies who asks."""
        wanted = self.segment.range
        if wanted is None:
            return _AS_IT_IS
        return [*_AS_IT_IS, f"Range: bytes={header(wanted.start, wanted.end)}"]

    def take(self, head: Head) -> list[bytes]:
        """The bytes received since the last call that belong to the file: none unless the head is as it should be.

        Of a body that is decoded, not many at once: what remains is in ``chunks`` still.
        """
        if self.judge(head).action is not Action.ACCEPT:
            self.chunks.clear()
            return []
        if self._decoder is not None:
            chunks = self._decode(self._decoder)
        else:
            chunks = self.chunks[:]
            self.chunks.clear()  # not replaced by another list: libcurl appends to this one
        size, room = sum(map(len, chunks)), self.segment.end - self.position
        if size > room:  # more than was asked for: the hash decides whether the file is right
            chunks, size = [b"".join(chunks)[:room]], room
        self.position += size
        return chunks

    def _decode(self, decoder: Decoder) -> list[bytes]:
        """Decode chunks until ``MOST_DECODED`` bytes are there; the others stay in ``chunks``."""
        pieces: list[bytes] = []
        size = 0
        try:
            while self.chunks and size < MOST_DECODED:
                pieces.append(decoder.decode(self.chunks.pop(0)))
                size += len(pieces[-1])
        except ValueError as error:
            self.chunks.clear()
            return self._give_up_decoding(str(error))
        return pieces

    def _give_up_decoding(self, reason: str) -> list[bytes]:
        self.misread = True
        self.verdict = Verdict(Action.REFUSE, f"its encoded body is {reason}", exit_code=IntegrityError.exit_code)
        if self.peer is not None:
            self.verdict = WRONG_CONTENT
        return []

    def judge(self, head: Head) -> Verdict:
        """Judge the head of the response, once."""
        if self.verdict is None:
            now = datetime.now(timezone.utc)
            transfer = self.segment.transfer
            size, otherwise = transfer.entry.size, transfer.otherwise
            self.verdict = judge_fetch(head, self.url, self.segment.range, size, now, otherwise=otherwise)
            if self.peer is not None:
                self.verdict = judge_peer_head(self.verdict, head)
            if self.verdict.codings:
                self._decoder = Decoder(self.verdict.codings, size)
        return self.verdict

    def cut(self, code: int) -> bool:
        """Whether the bytes that were taken are the beginning of what was asked for, which did not come to its end.

        A body that ended in good order is something else, a page or encoded. Only where nothing but the end of the
        connection tells that it ended, it may have been cut.

        Args:
            code: libcurl's error code, 0 for none.
        """
        if not self.taken or self.decodes or code:
            return self.taken > 0 and not self.decodes
        lines = b"".join(self.headers).lower()
        ended = re.search(rb"\n(transfer-encoding:|content-type: *text/html)", lines)
        return bool(lines) and not self.encoded and not ended

    def outcome(self, code: int, message: str, head: Head, proxy_variable: str = "HTTPS_PROXY") -> Verdict:
        """Judge the response as a whole, now that it ended and :meth:`take` had its bytes.

        Args:
            code: libcurl's error code, 0 for none.
            message: libcurl's text for it.
            head: of the response; its status is 0 when there was none.
            proxy_variable: the environment variable that names the proxy on the way.
        """
        verdict = self.judge(head) if head.status or not code else None
        if verdict is not None and verdict.action is not Action.ACCEPT:
            return verdict
        if verdict is not None and self.position == self.segment.end:
            return ACCEPT  # however it ended
        if verdict is not None and verdict.encoded and not code:
            if self.segment.range is not None:
                return Verdict(Action.WHOLE, "a part of it came encoded")
            self.misread = True
        if self.peer is not None:
            return judge_peer_failure(code, begun=verdict is not None)
        if code:
            return judge_failure(code, message, self.url, proxy_variable)
        return judge_end(head, self.position, self.segment.end)
