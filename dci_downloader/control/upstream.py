"""The server that a sync asks for topics, components and files: the control server, or another mirror in its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Optional, Protocol, TypeVar, Union, overload

from dci_downloader.control.signing import ComponentFiles
from dci_downloader.models import Component, Manifest, Topic
from dci_downloader.options import Network


@dataclass(frozen=True)
class MirrorObjects:
    """The objects of a mirror behind a web server: static files, named by their digests, asked for without credentials.

    Attributes:
        url: of the mirror's root, without a slash at the end.
    """

    url: str

    def object_url(self, sha256: str) -> str:
        """The URL of an object."""
        return f"{self.url}/.dci-downloader/objects/{sha256[:2]}/{sha256}"


@dataclass(frozen=True)
class FolderObjects:
    """The objects of a mirror in a folder of this machine: a disk, a stick, a network file system.

    Attributes:
        root: of the mirror.
    """

    root: Path


Files = Union[ComponentFiles, MirrorObjects, FolderObjects]
"""Where the files of a component are."""


_Self = TypeVar("_Self")


class Upstream(Protocol):
    """Implemented by ``ControlServer`` and ``UpstreamMirror``; their methods say what they raise."""

    def __enter__(self: _Self) -> _Self: ...

    def __exit__(self, *_: object) -> None: ...

    @property
    def network(self) -> Network:
        """Proxies, certificates and timeouts, which count for files, too."""

    @property
    def mirror(self) -> str:
        """The address of the mirror that is asked; empty for the control server."""

    @property
    def unlisted(self) -> str:
        """Why a topic may be missing from the list, for people."""

    def topics(self, name: str = "", *, active: bool = True) -> Iterator[Topic]:
        """The topics. An implementation may leave out those that the name, or the pattern, does not mean."""

    def components(
        self,
        topic: Union[Topic, str, None] = None,
        *,
        type: str = "",
        tags: Sequence[str] = (),
        name: str = "",
        created_after: Union[date, str, None] = None,
        query: str = "",
    ) -> Iterator[Component]:
        """The components of a topic; the one that counts as its newest comes first."""

    def topic(self, topic_id: str) -> Topic:
        """One topic."""

    def component(self, component_id: str) -> Component:
        """One component."""

    @overload
    def manifest(self, component: Component) -> Manifest: ...

    @overload
    def manifest(self, component: Component, *, etag: str) -> Optional[Manifest]: ...

    def manifest(self, component: Component, *, etag: str = "") -> Optional[Manifest]:
        """What a component holds; None where ``etag`` is still that of its manifest."""

    def image_list(self, component: Component) -> Optional[bytes]:
        """The list of container images that is beside the manifest and not in it; None where there is none."""

    def files(self, component: Component) -> Files:
        """Where the component's files are."""

    def is_at(self, root: Path) -> bool:
        """Whether this is the mirror in a folder itself."""

    def outdated(self) -> bool:
        """Whether the mirror has changed since it answered, so that what failed is worth another try."""


def went_back(upstream: Upstream, before: Component, now: Component) -> tuple[str, ...]:
    """A note that the upstream mirror has an older build than before; none where it has not."""
    if not upstream.mirror or before.created_at is None or now.created_at is None:
        return ()
    if (before.created_at, before.name) <= (now.created_at, now.name):
        return ()
    return (f"{upstream.mirror} went back from {before.name} to {now.name}: this mirror follows",)
