"""Products, topics, components and jobs of the embedded control server, and how it shows them."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Optional

from dci_downloader.demo.accounts import RemoteCI

_EPOCH = datetime(2019, 4, 10, tzinfo=timezone.utc)


def timestamp(moment: datetime) -> str:
    """A point in time as the control server writes it: ISO 8601 without a zone, meaning UTC."""
    return moment.astimezone(timezone.utc).replace(tzinfo=None).isoformat(timespec="microseconds")


def stable_id(table: str, name: str) -> str:
    """An id that is the same in every run."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"dci-downloader-demo/{table}/{name}"))


def _etag(*parts: str) -> str:
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:32]


@dataclass
class CatalogProduct:
    """A product."""

    id: str
    name: str
    label: str
    created_at: datetime = _EPOCH

    def document(self) -> dict[str, Any]:
        """As the control server shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "label": self.label,
            "description": "",
            "state": "active",
            "etag": _etag(self.id),
            "created_at": timestamp(self.created_at),
            "updated_at": timestamp(self.created_at),
        }


RHEL = CatalogProduct(stable_id("product", "RHEL"), "RHEL", "RHEL")


@dataclass
class CatalogTopic:
    """A topic.

    Attributes:
        teams: ids of the teams that may see it; None for all.
        registry: login of its container registry; a key of ``data`` in the API.
        product: None for RHEL.
        data: whatever agents find in it.
        next_topic: the one that upgrades lead to.
    """

    id: str
    name: str
    created_at: datetime
    component_types: Sequence[str] = ("compose",)
    optional_types: Sequence[str] = ()
    state: str = "active"
    teams: Optional[Collection[str]] = None
    registry: Mapping[str, str] = field(default_factory=dict)
    product: Optional[CatalogProduct] = None
    data: Mapping[str, Any] = field(default_factory=dict)
    next_topic: Optional[CatalogTopic] = None
    export_control: bool = True

    def document(self) -> dict[str, Any]:
        """As the control server shows it."""
        product = self.product or RHEL
        return {
            "id": self.id,
            "name": self.name,
            "component_types": list(self.component_types),
            "component_types_optional": list(self.optional_types),
            "data": {**self.data, **({"registry": dict(self.registry)} if self.registry else {})},
            "etag": _etag(self.id, self.state),
            "export_control": self.export_control,
            "next_topic": self.next_topic and self.next_topic.document(),
            "next_topic_id": self.next_topic and self.next_topic.id,
            "product": product.document(),
            "product_id": product.id,
            "state": self.state,
            "created_at": timestamp(self.created_at),
            "updated_at": timestamp(self.created_at),
        }


@dataclass
class CatalogComponent:
    """A component.

    Attributes:
        topic: where it is attached.
        released_at: UTC; None for the same as ``created_at``.
        team_id: of the owner where it is private.
        state: ``active`` or ``inactive``.
        fields: others in the API, or other values of them: ``display_name``, ``url``, ``data``…
    """

    id: str
    name: str
    topic: CatalogTopic
    created_at: datetime
    type: str = "compose"
    tags: Sequence[str] = ()
    released_at: Optional[datetime] = None
    team_id: Optional[str] = None
    state: str = "active"
    fields: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """As the control server shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "canonical_project_name": None,
            "uid": "",
            "title": None,
            "message": None,
            "display_name": self.name,
            "version": self.name,
            "type": self.type,
            "tags": list(self.tags),
            "state": self.state,
            "topic_id": self.topic.id,
            "team_id": self.team_id,
            "data": {},
            "created_at": timestamp(self.created_at),
            "released_at": timestamp(self.released_at or self.created_at),
            "updated_at": timestamp(self.created_at),
            "url": None,
            "etag": _etag(self.id, self.state),
            **self.fields,
        }


@dataclass
class CatalogFile:
    """A file that was attached to a job."""

    id: str
    name: str
    mime: str
    content: bytes = field(repr=False)
    created_at: datetime

    def document(self, job: CatalogJob) -> dict[str, Any]:
        """As the control server shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "mime": self.mime,
            "md5": None,
            "size": len(self.content),
            "job_id": job.id,
            "jobstate_id": None,
            "team_id": job.remoteci.team.id,
            "state": "active",
            "etag": _etag(self.id),
            "created_at": timestamp(self.created_at),
            "updated_at": timestamp(self.created_at),
        }


@dataclass
class CatalogJob:
    """A job, with the components it is fixed to.

    Attributes:
        comment: of the job, then that of its last state.
        changes: how often it changed.
        fields: what its agent says of it: ``name``, ``tags``, ``configuration``…
        states: as the control server shows them, the oldest first.
    """

    id: str
    topic: CatalogTopic
    components: tuple[CatalogComponent, ...]
    remoteci: RemoteCI
    created_at: datetime
    status: str = "new"
    comment: str = ""
    changes: int = 0
    updated_at: Optional[datetime] = None
    fields: dict[str, Any] = field(default_factory=dict)
    states: list[dict[str, Any]] = field(default_factory=list)
    files: list[CatalogFile] = field(default_factory=list)

    @property
    def etag(self) -> str:
        """A new one after each change."""
        return _etag(self.id, str(self.changes))

    def document(self) -> dict[str, Any]:
        """As the control server shows it, without topic, components and remoteci."""
        updated_at = self.updated_at or self.created_at
        return {
            "id": self.id,
            "name": "",
            "status": self.status,
            "status_reason": "",
            "state": "active",
            "comment": self.comment,
            "configuration": "",
            "url": "",
            "tags": [],
            "data": {},
            "duration": int((updated_at - self.created_at).total_seconds()),
            "topic_id": self.topic.id,
            "product_id": (self.topic.product or RHEL).id,
            "remoteci_id": self.remoteci.id,
            "team_id": self.remoteci.team.id,
            "previous_job_id": None,
            "update_previous_job_id": None,
            "pipeline_id": None,
            "client_version": None,
            "user_agent": None,
            "etag": self.etag,
            "created_at": timestamp(self.created_at),
            "updated_at": timestamp(updated_at),
            **self.fields,
        }

    def related(self) -> dict[str, Any]:
        """What the control server shows beside that: the remoteci with its secret, as a real one does."""
        return {
            "topic": self.topic.document(),
            "components": [component.document() for component in self.components],
            "remoteci": self.remoteci.document(),
            "team": {"id": self.remoteci.team.id, "name": self.remoteci.team.name},
            "results": [],
        }
