"""Where files are fetched from: the object store, by way of the control server, and peers before it.

The rules of peers:

* A peer is another mirror, served by whatever web server. An object is a static file of it,
  ``<peer>/.dci-downloader/objects/ab/ab34…``. Its name is its digest, so a peer needs no trust; it gets no credentials,
  and learns nothing but which digests are wanted.
* A peer is asked directly, without a locate. Which one that is decides :mod:`dci_downloader.transfer.choice`; how much
  of the whole it is asked for, beside the object store, :mod:`dci_downloader.transfer.balance`.
* A response that is not the object (404, any error, another length or content) makes another peer be asked, and after
  the last of them the object store. The bytes of a big file that were received before stay.
* Content that does not hash is held against a peer only if no other peer, and no earlier run, gave a part of it.
* A peer is dropped for the rest of the run if it cannot be reached, stalls or is slow, after some wrong responses, and
  after many objects in a row that it lacks; :class:`dci_downloader.transfer.tuning.Tuning` has the numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional, Protocol, Union

from dci_downloader.control.signing import SignedRequest
from dci_downloader.control.upstream import MirrorObjects

if TYPE_CHECKING:
    from dci_downloader.transfer.tuning import Tuning
    from dci_downloader.transfer.verdict import Verdict


class Source(Protocol):
    """Where the files of one component can be asked for. Implemented by ``ControlServer.files``."""

    def request(self, path: str) -> SignedRequest:
        """Sign, afresh at each call, the request that the control server answers with a redirect to the file."""

    def follow(self, url: str) -> Optional[SignedRequest]:
        """Sign a redirect that stays on the control server; None for one that leads elsewhere."""


Origin = Union[Source, MirrorObjects]
"""What is asked for what no peer has: the control server, or the mirror that is asked in its place."""


@dataclass(eq=False)
class Peer:
    """Another mirror, and how it has behaved.

    Attributes:
        url: its root, without a slash at the end.
        faults: wrong responses so far.
        misses: objects in a row that it did not have.
        dropped: why the peer is no longer asked; empty while it is.
        outpaced: whether the object store had to compete with it the last time.
        silent: whether it has answered nothing so far.
    """

    url: str
    faults: int = 0
    misses: int = 0
    dropped: str = ""
    outpaced: bool = False
    silent: bool = True

    def object_url(self, sha256: str) -> str:
        """The URL of an object."""
        return f"{self.url}/.dci-downloader/objects/{sha256[:2]}/{sha256}"

    @property
    def note(self) -> str:
        """The line for the report about why the peer is no longer asked."""
        return f"peer {self.url} is not asked any more: {self.dropped}"

    def record(self, verdict: Verdict, tuning: Tuning) -> None:
        """Hold a response against the peer, and drop it where that was one too many."""
        from dci_downloader.transfer.verdict import Action  # with libcurl, which a run with nothing new need not load

        if verdict.action is Action.DROP:
            self.dropped = verdict.reason
        elif verdict.action is Action.MISS:
            self.misses += 1
            if self.misses >= tuning.most_misses:
                self.dropped = f"it does not have {tuning.most_misses} objects in a row"
        else:
            self.faults += 1
            if self.faults >= tuning.most_faults:
                self.dropped = verdict.reason


class PeerPool:
    """The peers of a run. It remembers, from one component to the next, those that are of no use.

    Args:
        urls: of the roots of other mirrors.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self._peers = tuple(Peer(url.rstrip("/")) for url in urls)

    @property
    def live(self) -> tuple[Peer, ...]:
        """The peers that are asked."""
        return tuple(peer for peer in self._peers if not peer.dropped)

    @property
    def dropped(self) -> tuple[str, ...]:
        """URLs of the peers that are no longer asked."""
        return tuple(peer.url for peer in self._peers if peer.dropped)
