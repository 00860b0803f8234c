"""The control server's documents: products, topics, components, jobs and their files.

* What a sync relies on (ids, names, types, tags, when something was created) is checked, and its lack is an error.
* What is only passed on to whoever reads it is taken where it has the expected type. What has another, and every key
  that this program does not know, is kept in ``extra``, so that a newer server's answer is no reason to fail.
* Of a job's remoteci, which holds a secret, nothing is kept but its id; of a component neither its files nor its jobs,
  which grow without bound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Optional

from dci_downloader.control.decoding import Fields
from dci_downloader.errors import TransferError
from dci_downloader.models import Component, Job, JobFile, Product, Topic

_TOPIC = {"id", "name", "component_types", "component_types_optional", "created_at"}
_TOPIC_TEXTS = ("state", "product_id", "next_topic_id", "etag")
_COMPONENT = {"id", "name", "type", "topic_id", "tags", "created_at", "released_at", "team_id", "state", "version"}
_COMPONENT_TEXTS = ("display_name", "canonical_project_name", "uid", "url", "title", "message", "etag")
_JOB = {"id", "status", "etag", "topic_id"}
_JOB_TEXTS = (
    *("name", "comment", "configuration", "status_reason", "url", "state", "client_version", "user_agent"),
    *("remoteci_id", "team_id", "product_id", "previous_job_id", "update_previous_job_id", "pipeline_id"),
)
_FILE_TEXTS = ("job_id", "jobstate_id", "team_id", "mime", "md5", "state", "etag")

_Readers = Mapping[str, Callable[[str], Any]]


def product(document: Fields) -> Product:
    """Read a product."""
    facts = _facts(document, _texts(document, "label", "description", "state", "etag"), instants=True)
    extra = document.rest({"id", "name", *facts})
    return Product(id=document.text("id"), name=document.text("name"), **facts, extra=extra)


def topic(document: Fields) -> Topic:
    """Read a topic."""
    readers: _Readers = {
        **_texts(document, *_TOPIC_TEXTS),
        "export_control": document.flag,
        "data": document.mapping,
        "product": lambda key: product(document.object(key)),
        "next_topic": lambda key: topic(document.object(key)),
        "updated_at": document.instant,
    }
    facts = _facts(document, readers)
    return Topic(
        id=document.text("id"),
        name=document.text("name"),
        component_types=document.texts("component_types"),
        optional_types=document.texts("component_types_optional"),
        created_at=document.instant("created_at"),
        registry=document.strings("data", "registry"),
        **facts,
        extra=document.rest({*_TOPIC, *facts}),
    )


def component(document: Fields) -> Component:
    """Read a component."""
    readers = {**_texts(document, *_COMPONENT_TEXTS), "data": document.mapping, "updated_at": document.instant}
    facts = _facts(document, readers)
    return Component(
        id=document.text("id"),
        name=document.text("name"),
        type=document.text("type"),
        topic_id=document.text("topic_id"),
        tags=document.texts("tags"),
        created_at=document.instant("created_at"),
        released_at=document.instant("released_at"),
        team_id=document.optional_text("team_id"),
        state=document.optional_text("state") or "active",
        version=document.optional_text("version") or "",
        **facts,
        extra=document.rest({*_COMPONENT, *facts, "files", "jobs"}),
    )


def job(document: Fields, of_topic: Optional[Topic] = None, components: Optional[tuple[Component, ...]] = None) -> Job:
    """Read a job, but not the remoteci's secret in it.

    Args:
        document: of the job.
        of_topic: its topic, where the document need not say it.
        components: likewise.
    """
    readers: _Readers = {
        **_texts(document, *_JOB_TEXTS),
        "tags": document.texts,
        "duration": document.number,
        "data": document.mapping,
    }
    facts = _facts(document, readers, instants=True)
    if components is None:
        components = tuple(component(item) for item in document.objects("components"))
    return Job(
        id=document.text("id"),
        status=document.text("status"),
        topic=of_topic or topic(document.object("topic")),
        components=components,
        etag=document.optional_text("etag") or "",
        **facts,
        extra=document.rest({*_JOB, *facts, "topic", "components", "remoteci"}),
    )


def job_file(document: Fields) -> JobFile:
    """Read what is known of a file of a job."""
    facts = _facts(document, {**_texts(document, *_FILE_TEXTS), "size": document.number}, instants=True)
    extra = document.rest({"id", "name", *facts, "job", "jobstate"})
    return JobFile(id=document.text("id"), name=document.text("name"), **facts, extra=extra)


def _texts(document: Fields, *keys: str) -> _Readers:
    return dict.fromkeys(keys, document.optional_text)


def _facts(document: Fields, readers: _Readers, *, instants: bool = False) -> dict[str, Any]:
    """What there is under some keys, as far as it has the type that its reader expects."""
    if instants:
        readers = {**readers, "created_at": document.instant, "updated_at": document.instant}
    facts = {}
    for key, read in readers.items():
        with suppress(TransferError):
            value = read(key)
            if value is not None:
                facts[key] = value
    return facts
