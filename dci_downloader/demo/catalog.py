"""What the embedded servers serve: teams, remotecis, topics, components with their files, jobs.

File names are plain text here, ``a%41.txt`` or ``gcc-c++.rpm``; only the servers quote them. The catalogue may grow
and change while it is served.
"""

from __future__ import annotations

import hashlib
import json
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Optional

from dci_downloader.demo.payloads import Bytes, Content, content

MANIFEST = "dci_files_list.json"
IMAGES_LIST = "images_list.yaml"

_EPOCH = datetime(2022, 11, 21, 3, 0, tzinfo=timezone.utc)


@dataclass
class Team:
    """A team; while its state is not ``active`` its remotecis get 412."""

    id: str
    name: str
    state: str = "active"


@dataclass
class RemoteCI:
    """A lab's identity; while its state is not ``active`` it gets 401."""

    id: str
    name: str
    api_secret: str = field(repr=False)
    team: Team
    state: str = "active"

    @property
    def client_id(self) -> str:
        """What goes into ``DCI_CLIENT_ID``."""
        return f"remoteci/{self.id}"

    def document(self) -> dict[str, Any]:
        """As the control server shows it inside a job: with its secret."""
        return {
            "id": self.id,
            "name": self.name,
            "api_secret": self.api_secret,
            "team_id": self.team.id,
            "state": self.state,
        }


@dataclass
class CatalogTopic:
    """A topic.

    Attributes:
        teams: ids of the teams that may see it; None for all.
        registry: login of its container registry, ends up in ``data``.
    """

    id: str
    name: str
    component_types: tuple[str, ...]
    optional_types: tuple[str, ...]
    created_at: datetime
    state: str
    teams: Optional[frozenset[str]]
    registry: Mapping[str, str]

    def document(self) -> dict[str, Any]:
        """As the control server shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "component_types": list(self.component_types),
            "component_types_optional": list(self.optional_types),
            "data": {"registry": dict(self.registry)} if self.registry else {},
            "etag": _etag(self.id, self.state),
            "export_control": True,
            "next_topic": None,
            "next_topic_id": None,
            "product": {"id": _identity("product", "RHEL"), "name": "RHEL", "label": "RHEL", "state": "active"},
            "product_id": _identity("product", "RHEL"),
            "state": self.state,
            "created_at": instant(self.created_at),
            "updated_at": instant(self.created_at),
        }


@dataclass
class CatalogComponent:
    """A component; ``team_id`` is that of the owner where it is private."""

    id: str
    name: str
    type: str
    topic: CatalogTopic
    tags: tuple[str, ...]
    created_at: datetime
    released_at: datetime
    team_id: Optional[str]
    state: str

    def document(self) -> dict[str, Any]:
        """As the control server shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "display_name": self.name,
            "version": self.name,
            "type": self.type,
            "tags": list(self.tags),
            "state": self.state,
            "topic_id": self.topic.id,
            "team_id": self.team_id,
            "data": {},
            "created_at": instant(self.created_at),
            "released_at": instant(self.released_at),
            "updated_at": instant(self.created_at),
            "url": None,
            "etag": _etag(self.id, self.state),
        }


@dataclass
class CatalogJob:
    """A job, with the components it is fixed to."""

    id: str
    topic: CatalogTopic
    components: tuple[CatalogComponent, ...]
    remoteci: RemoteCI
    created_at: datetime
    status: str = "new"
    comment: str = ""
    changes: int = 0

    @property
    def etag(self) -> str:
        """Another one after each change."""
        return _etag(self.id, str(self.changes))

    def document(self) -> dict[str, Any]:
        """As the control server shows it when it is new."""
        return {
            "id": self.id,
            "status": self.status,
            "state": "active",
            "comment": self.comment,
            "topic_id": self.topic.id,
            "remoteci_id": self.remoteci.id,
            "team_id": self.remoteci.team.id,
            "etag": self.etag,
            "created_at": instant(self.created_at),
            "updated_at": instant(self.created_at),
        }


class Catalog:
    """Everything there is to serve.

    Attributes:
        remoteci: the identity that the servers hand out to their users; one of ``remotecis``.
        objects: content by key, ``<component id>/<path>``; see ``put`` and ``drop``.
        signing_key: what presigned URLs are signed with.
        lock: held while a call is answered, and while topics, components and jobs are added.
    """

    def __init__(self) -> None:
        self.topics: dict[str, CatalogTopic] = {}
        self.components: dict[str, CatalogComponent] = {}
        self.remotecis: dict[str, RemoteCI] = {}
        self.jobs: dict[str, CatalogJob] = {}
        self.objects: dict[str, Content] = {}
        self.signing_key = uuid.uuid4().bytes
        self.lock = threading.RLock()
        self.remoteci = self.add_remoteci("demo-lab", team=Team(_identity("team", "demo"), "demo"))

    def add_remoteci(self, name: str, *, team: Optional[Team] = None, state: str = "active") -> RemoteCI:
        """Add an identity, of a team of its own unless told."""
        team = team or Team(_identity("team", name), name)
        secret = hashlib.sha256(name.encode()).hexdigest()
        remoteci = RemoteCI(_identity("remoteci", name), name, secret, team, state)
        self.remotecis[remoteci.id] = remoteci
        return remoteci

    def add_topic(
        self,
        name: str,
        *,
        component_types: Sequence[str] = ("compose",),
        optional_types: Sequence[str] = (),
        created_at: Optional[datetime] = None,
        state: str = "active",
        teams: Optional[Sequence[str]] = None,
        registry: Optional[Mapping[str, str]] = None,
    ) -> CatalogTopic:
        """Add a topic; one that is added later is newer unless told."""
        topic = CatalogTopic(
            id=_identity("topic", f"{name}/{len(self.topics)}"),
            name=name,
            component_types=tuple(component_types),
            optional_types=tuple(optional_types),
            created_at=created_at or _EPOCH + timedelta(days=len(self.topics)),
            state=state,
            teams=None if teams is None else frozenset(teams),
            registry=registry or {},
        )
        with self.lock:
            self.topics[topic.id] = topic
        return topic

    def add_component(
        self,
        topic: CatalogTopic,
        *,
        name: str,
        type: str = "compose",
        tags: Sequence[str] = (),
        files: Optional[Mapping[str, Bytes]] = None,
        symlinks: Optional[Mapping[str, str]] = None,
        created_at: Optional[datetime] = None,
        released_at: Optional[datetime] = None,
        team_id: Optional[str] = None,
        state: str = "active",
        manifest: Optional[bytes] = None,
        images_list: Optional[bytes] = None,
        without_files: bool = False,
    ) -> CatalogComponent:
        """Add a component; one that is added later is newer unless told.

        Args:
            topic: where it is attached.
            name: what people call it.
            type: one of the topic's component types, or another.
            tags: in order.
            files: content by path.
            symlinks: destination by the path of the link.
            created_at: UTC.
            released_at: UTC; as ``created_at`` unless told.
            team_id: makes it private to that team.
            state: ``active`` or ``inactive``.
            manifest: served in place of the one that fits ``files``, for a broken one.
            images_list: served as ``images_list.yaml``, which the manifest does not list.
            without_files: nothing is served, not even a manifest.
        """
        moment = created_at or _EPOCH + timedelta(days=len(self.components))
        component = CatalogComponent(
            id=_identity("component", f"{topic.id}/{type}/{name}/{len(self.components)}"),
            name=name,
            type=type,
            topic=topic,
            tags=tuple(tags),
            created_at=moment,
            released_at=released_at or moment,
            team_id=team_id,
            state=state,
        )
        if not without_files:
            contents = {path: content(source) for path, source in (files or {}).items()}
            for path, item in contents.items():
                self.put(component, path, item)
            self.put(component, MANIFEST, manifest or manifest_document(contents, symlinks or {}))
        if images_list is not None:
            self.put(component, IMAGES_LIST, images_list)
        with self.lock:
            self.components[component.id] = component
        return component

    def put(self, component: CatalogComponent, path: str, source: Bytes) -> None:
        """Put an object in place, or another in its place; the manifest stays as it is."""
        self.objects[key(component, path)] = content(source)

    def drop(self, component: CatalogComponent, path: str) -> None:
        """Remove an object; the manifest stays as it is."""
        del self.objects[key(component, path)]

    def add_job(
        self,
        topic: CatalogTopic,
        components: Sequence[CatalogComponent],
        *,
        remoteci: Optional[RemoteCI] = None,
        created_at: datetime = _EPOCH,
    ) -> CatalogJob:
        """Add a job of a remoteci, by default the one handed out."""
        job = CatalogJob(str(uuid.uuid4()), topic, tuple(components), remoteci or self.remoteci, created_at)
        with self.lock:
            self.jobs[job.id] = job
        return job


def key(component: CatalogComponent, path: str) -> str:
    """The name of an object in the store."""
    return f"{component.id}/{path}"


def manifest_document(files: Mapping[str, Content], symlinks: Mapping[str, str]) -> bytes:
    """What ``dci_files_list.json`` says about files and symlinks, by path."""
    document = {
        "directories": [],
        "files": [{**_place(path), "sha256": item.sha256, "size": item.size} for path, item in files.items()],
        "symlinks": [{**_place(path), "destination": destination} for path, destination in symlinks.items()],
    }
    return json.dumps(document).encode()


def instant(moment: datetime) -> str:
    """A point in time as the control server writes it: ISO 8601 without a zone, meaning UTC."""
    return moment.astimezone(timezone.utc).replace(tzinfo=None).isoformat(timespec="microseconds")


def _place(path: str) -> dict[str, str]:
    folder, _, name = path.rpartition("/")
    return {"path": folder, "name": name}


def _identity(kind: str, name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"dci-downloader-demo/{kind}/{name}"))


def _etag(*parts: str) -> str:
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:32]
