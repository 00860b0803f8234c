"""What the embedded servers serve: accounts, products, topics, components with their files, jobs.

File names are plain text here, ``a%41.txt`` or ``gcc-c++.rpm``; only the servers quote them. The catalogue, and
everything in it, may change while it is served.
"""

from __future__ import annotations

import hashlib
import json
import threading
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Optional

from dci_downloader.content.manifest import IMAGE_LIST_NAME, MANIFEST_NAME
from dci_downloader.demo.accounts import RemoteCI as RemoteCI
from dci_downloader.demo.accounts import Team as Team
from dci_downloader.demo.accounts import User as User
from dci_downloader.demo.catalog_items import RHEL, CatalogProduct, stable_id
from dci_downloader.demo.catalog_items import CatalogComponent as CatalogComponent
from dci_downloader.demo.catalog_items import CatalogJob as CatalogJob
from dci_downloader.demo.catalog_items import CatalogTopic as CatalogTopic
from dci_downloader.demo.catalog_items import timestamp as timestamp
from dci_downloader.demo.payloads import Bytes, Payload, payload

_EPOCH = datetime(2022, 11, 21, 3, 0, tzinfo=timezone.utc)


class Catalog:
    """Everything that is served.

    Attributes:
        remoteci: the identity of the demo's lab; one of ``remotecis``.
        user: a user of its team; one of ``users``.
        objects: payloads by key, ``<component id>/<path>``; see ``put`` and ``drop``.
        signing_key: signs presigned URLs, and the tokens of the SSO.
        older: whether the server is of the older generation, which says 404 of a remoteci that it does not know.
        lock: held while a call is answered, and while topics, components and jobs are added.
    """

    def __init__(self) -> None:
        self.products: dict[str, CatalogProduct] = {RHEL.id: RHEL}
        self.topics: dict[str, CatalogTopic] = {}
        self.components: dict[str, CatalogComponent] = {}
        self.remotecis: dict[str, RemoteCI] = {}
        self.jobs: dict[str, CatalogJob] = {}
        self.objects: dict[str, Payload] = {}
        self.older = False
        self.signing_key = uuid.uuid4().bytes
        self.lock = threading.RLock()
        self.users: dict[str, User] = {}
        self.remoteci = self.add_remoteci("demo-lab", team=Team(stable_id("team", "demo"), "demo"))
        self.user = self.add_user("demo-user", team=self.remoteci.team)

    def add_remoteci(
        self, name: str, *, team: Optional[Team] = None, state: str = "active", kind: str = "remoteci"
    ) -> RemoteCI:
        """Add a remoteci, or a ``feeder``, by default with a team of its own."""
        team = team or Team(stable_id("team", name), name)
        remoteci = RemoteCI(stable_id(kind, name), name, _secret(name), team, state, kind)
        self.remotecis[remoteci.id] = remoteci
        return remoteci

    def add_user(self, login: str, *, team: Team, state: str = "active") -> User:
        """Add a user with a login, here and at the SSO."""
        self.users[login] = User(stable_id("user", login), login, _secret(login), team, state)
        return self.users[login]

    def add_product(self, name: str, label: str) -> CatalogProduct:
        """Add a product."""
        product = CatalogProduct(stable_id("product", name), name, label)
        with self.lock:
            self.products[product.id] = product
        return product

    def add_topic(self, name: str, **fields: Any) -> CatalogTopic:
        """Add a topic, by default newer than those before it.

        Args:
            name: what people call it.
            fields: others of :class:`CatalogTopic`.
        """
        fields.setdefault("created_at", _EPOCH + timedelta(days=len(self.topics)))
        topic = CatalogTopic(stable_id("topic", f"{name}/{len(self.topics)}"), name, **fields)
        with self.lock:
            self.topics[topic.id] = topic
        return topic

    def add_component(
        self,
        topic: CatalogTopic,
        *,
        name: str,
        files: Optional[Mapping[str, Bytes]] = None,
        symlinks: Optional[Mapping[str, str]] = None,
        images_list: Optional[bytes] = None,
        **fields: Any,
    ) -> CatalogComponent:
        """Add a component with its manifest, by default newer than those before it.

        Args:
            topic: where it is attached.
            name: what people call it.
            files: content by path.
            symlinks: destination by the path of the link.
            images_list: content of ``images_list.yaml``, which the manifest does not list.
            fields: others of :class:`CatalogComponent`.
        """
        number = len(self.components)
        fields.setdefault("created_at", _EPOCH + timedelta(days=number))
        id_ = stable_id("component", f"{topic.id}/{fields.get('type')}/{name}/{number}")
        component = CatalogComponent(id_, name, topic, **fields)
        payloads = {path: payload(source) for path, source in (files or {}).items()}
        manifest = payload(manifest_document(payloads, symlinks or {}))
        extra = {} if images_list is None else {IMAGE_LIST_NAME: payload(images_list)}
        for path, content in {**payloads, MANIFEST_NAME: manifest, **extra}.items():
            self.put(component, path, content)
        with self.lock:
            self.components[component.id] = component
        return component

    def put(self, component: CatalogComponent, path: str, source: Bytes) -> None:
        """Add or replace an object; the manifest stays as it is."""
        self.objects[object_key(component, path)] = payload(source)

    def drop(self, component: CatalogComponent, path: str) -> None:
        """Remove an object; the manifest stays as it is."""
        del self.objects[object_key(component, path)]

    def add_job(
        self,
        topic: CatalogTopic,
        components: Sequence[CatalogComponent],
        *,
        remoteci: Optional[RemoteCI] = None,
        created_at: datetime = _EPOCH,
    ) -> CatalogJob:
        """Add a job of a remoteci, by default of the demo's lab."""
        job = CatalogJob(str(uuid.uuid4()), topic, tuple(components), remoteci or self.remoteci, created_at)
        with self.lock:
            self.jobs[job.id] = job
        return job


def object_key(component: CatalogComponent, path: str) -> str:
    """The name of an object in the object store."""
    return f"{component.id}/{path}"


def manifest_document(files: Mapping[str, Payload], symlinks: Mapping[str, str]) -> bytes:
    """The ``dci_files_list.json`` of files and symlinks, both by path."""

    def entry(path: str, **fields: Any) -> dict[str, Any]:
        folder, _, name = path.rpartition("/")
        return {"path": folder, "name": name, **fields}

    document = {
        "directories": [],
        "files": [entry(path, sha256=item.sha256, size=item.size) for path, item in files.items()],
        "symlinks": [entry(path, destination=destination) for path, destination in symlinks.items()],
    }
    return json.dumps(document).encode()


def _secret(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
