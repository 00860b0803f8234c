"""The control server's documents: products, topics, components, jobs and their files.

* Fields that a sync relies on (ids, names, types, tags, dates of creation) are checked; a missing one is an error.
* Fields that are only passed on are taken where they have the expected type. Those of another type, and those that this
  program does not know, are kept in ``extra``, so that the answer of a newer server is no error.
* Of a job's remoteci, which holds a secret, nothing is kept but its id; of a component neither its files nor its jobs,
  which grow without bound.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any, Optional

from dci_downloader.control.decoding import Fields
from dci_downloader.errors import TransferError
from dci_downloader.models import Component, Job, JobFile, Product, Topic

_NAMED = {"id", "name"}
_TOPIC = {"id", "name", "component_types", "component_types_optional", "created_at"}
_TOPIC_TEXTS = ("state", "product_id", "next_topic_id", "etag")
_COMPONENT = {
    *("id", "name", "type", "topic_id", "tags", "created_at", "released_at", "team_id", "state", "version"),
    *("files", "jobs"),
}
_COMPONENT_TEXTS = ("display_name", "canonical_project_name", "uid", "url", "title", "message", "etag")
_JOB = {"id", "status", "etag", "topic_id", "topic", "components", "remoteci"}
_JOB_TEXTS = (
    *("name", "comment", "configuration", "status_reason", "url", "state", "client_version", "user_agent"),
    *("remoteci_id", "team_id", "product_id", "previous_job_id", "update_previous_job_id", "pipeline_id"),
)
_FILE_TEXTS = ("job_id", "jobstate_id", "team_id", "mime", "md5", "state", "etag")
"""Keys by kind of document: those of ``…_TEXTS`` are only passed on, the others are checked, or left out."""

_Readers = Mapping[str, Callable[[str], Any]]


def product(document: Fields) -> Product:
    """Read a product."""
    facts = _facts(document, _texts(document, "label", "description", "state", "etag"), _NAMED, instants=True)
    return Product(id=document.text("id"), name=document.text("name"), **facts)


def topic(document: Fields, *, next_topic: bool = True) -> Topic:
    """Read a topic.

    Args:
        document: of the topic.
        next_topic: also the one after it, but none after that.
    """
    readers: _Readers = {
        **_texts(document, *_TOPIC_TEXTS),
        "export_control": document.flag,
        "data": document.mapping,
        "product": lambda key: product(document.object(key)),
        "updated_at": document.instant,
    }
    if next_topic:
        readers = {**readers, "next_topic": lambda key: topic(document.object(key), next_topic=False)}
    facts = _facts(document, readers, {*_TOPIC, "next_topic"})
    return Topic(
        id=document.text("id"),
        name=document.text("name"),
        component_types=document.texts("component_types"),
        optional_types=document.texts("component_types_optional"),
        created_at=document.instant("created_at"),
        registry=document.strings("data", "registry"),
        **facts,
    )


def component(document: Fields) -> Component:
    """Read a component."""
    readers = {**_texts(document, *_COMPONENT_TEXTS), "data": document.mapping, "updated_at": document.instant}
    facts = _facts(document, readers, _COMPONENT)
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
    )


def job(document: Fields, of_topic: Optional[Topic] = None, components: Optional[tuple[Component, ...]] = None) -> Job:
    """Read a job, but not the remoteci's secret in it.

    Args:
        document: of the job.
        of_topic: its topic, where the document need not hold it.
        components: its components, where the document need not hold them.
    """
    readers: _Readers = {
        **_texts(document, *_JOB_TEXTS),
        "tags": document.texts,
        "duration": document.number,
        "data": document.mapping,
    }
    facts = _facts(document, readers, _JOB, instants=True)
    if components is None:
        components = tuple(component(item) for item in document.objects("components"))
    return Job(
        id=document.text("id"),
        status=document.text("status"),
        topic=of_topic or topic(document.object("topic")),
        components=components,
        etag=document.optional_text("etag") or "",
        **facts,
    )


def job_file(document: Fields) -> JobFile:
    """Read what is known of a file of a job."""
    readers = {**_texts(document, *_FILE_TEXTS), "size": document.number}
    facts = _facts(document, readers, {*_NAMED, "job", "jobstate"}, instants=True)
    return JobFile(id=document.text("id"), name=document.text("name"), **facts)


def _texts(document: Fields, *keys: str) -> _Readers:
    return dict.fromkeys(keys, document.optional_text)


def _facts(document: Fields, readers: _Readers, known: Collection[str], *, instants: bool = False) -> dict[str, Any]:
    """The values under some keys, where they have the type that its reader expects, and the rest as ``extra``.

    Args:
        document: the object to read.
        readers: by key.
        known: keys that are read elsewhere, or are not wanted.
        instants: also when it was created and updated.
    """
    if instants:
        readers = {**readers, "created_at": document.instant, "updated_at": document.instant}
    facts = {}
    for key, read in readers.items():
        with suppress(TransferError):
            facts[key] = read(key)
    extra = document.rest({*known, *facts})
    return {**{key: value for key, value in facts.items() if value is not None}, "extra": extra}
