"""Topics, components and jobs, as the control server has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date
from itertools import islice
from typing import Optional, TypeVar, Union

from dci_downloader.control import documents
from dci_downloader.control.api import Api, path_segment
from dci_downloader.control.conditions import NEWEST_FIRST, Listing, Where, moment
from dci_downloader.control.decoding import Fields
from dci_downloader.control.ids import beginning_as_query, is_id
from dci_downloader.errors import NotFoundError, SettingsError, TransferError
from dci_downloader.models import Component, Job, JobFile, Product, Topic
from dci_downloader.sequences import as_tuple

_Dated = TypeVar("_Dated", Component, Job)


class ControlReader:
    """The calls that only read, each safe to repeat; the base of ``ControlServer``."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def topics(
        self,
        name: str = "",
        *,
        active: bool = True,
        where: Where = "",
        query: str = "",
        sort: str = NEWEST_FIRST,
        limit: Optional[int] = None,
    ) -> Iterator[Topic]:
        """The topics that one may see, newest created first, page by page.

        Args:
            name: as the server reads it: case ignored, and with a trailing ``*`` every name that holds it.
            active: leave out those that are not.
            where: further conditions, see :func:`~dci_downloader.control.conditions.where`.
            query: an expression in place of them.
            sort: the order.
            limit: at most so many.
        """
        listing = Listing(where, [("name", name), ("state", "active" if active else "")], query, sort)
        return islice(map(documents.topic, self._api.pages("/api/v1/topics", "topics", listing)), limit)

    def components(
        self,
        topic: Union[Topic, str, None] = None,
        *,
        type: str = "",
        tags: Sequence[str] = (),
        name: str = "",
        created_after: Union[date, str, None] = None,
        where: Where = "",
        query: str = "",
        sort: str = NEWEST_FIRST,
        limit: Optional[int] = None,
    ) -> Iterator[Component]:
        """The active components of a topic, newest created first, page by page; private ones of one's own team too.

        Args:
            topic: whose components; None for those of every topic that one may see.
            type: case is ignored; empty for any.
            tags: all of them are on the component.
            name: exact name, or empty for any.
            created_after: only what was created then or later; UTC where it names no zone.
            where: further conditions, see :func:`~dci_downloader.control.conditions.where`; a ``state`` among them
                takes the place of ``active``.
            query: an expression in place of them.
            sort: the order.
            limit: at most so many.
        """
        tags = as_tuple(tags, "tags")
        required = [("type", type), ("name", name), ("state", "active"), *(("tags", tag) for tag in tags)]
        listing = Listing(where, required, query, sort)
        path = "/api/v1/components" if topic is None else f"/api/v1/topics/{path_segment(topic, 'topic')}/components"
        components = map(documents.component, self._api.pages(path, "components", listing))
        state = listing.value_of("state")

        def fits(component: Component) -> bool:
            # The server reads some conditions differently: a name that ends in "*", or is written in another case.
            same_type = type.lower() in ("", component.type.lower())
            fitting = same_type and name in ("", component.name) and {*tags} <= {*component.tags}
            return fitting and state in ("", component.state)

        return islice(filter(fits, _since(components, created_after, sort)), limit)

    def jobs(
        self,
        *,
        created_after: Union[date, str, None] = None,
        where: Where = "",
        query: str = "",
        sort: str = NEWEST_FIRST,
        limit: Optional[int] = None,
    ) -> Iterator[Job]:
        """The jobs of one's team, newest created first, page by page. Takes what :meth:`components` takes."""
        pages = self._api.pages("/api/v1/jobs", "jobs", Listing(where, (), query, sort))
        return islice(_since(map(documents.job, pages), created_after, sort), limit)

    def products(
        self, *, where: Where = "", query: str = "", sort: str = NEWEST_FIRST, limit: Optional[int] = None
    ) -> Iterator[Product]:
        """The products that one may see, newest created first, page by page. Takes what :meth:`topics` takes."""
        pages = self._api.pages("/api/v1/products", "products", Listing(where, (), query, sort))
        return islice(map(documents.product, pages), limit)

    def job_files(self, job: Union[Job, str]) -> Iterator[JobFile]:
        """The files that are attached to a job, newest first, page by page."""
        path = f"/api/v1/jobs/{path_segment(job, 'job')}/files"
        return map(documents.job_file, self._api.pages(path, "files"))

    def topic(self, topic_id: str) -> Topic:
        """One topic."""
        return documents.topic(self._api.subject("topic", topic_id))

    def component(self, component_id: str) -> Component:
        """One component, active or not, private ones included.

        Args:
            component_id: its id; of an active component a beginning that no other has is enough.

        Raises:
            NotFoundError: there is none.
            SettingsError: several begin so.
        """
        hint = "`dci-downloader components TOPIC` lists those there are, with --json their ids"
        return documents.component(self._subject("component", component_id, hint))

    def latest_component(self, topic_name: str, *, type: str, tags: Sequence[str] = ()) -> Component:
        """The newest active component of a type that is not private.

        Args:
            topic_name: exact name.
            type: case is ignored.
            tags: all of them are on the component.

        Raises:
            NotFoundError: there is no such topic or component.
        """
        topic = next((topic for topic in self.topics(topic_name) if topic.name == topic_name), None)
        if topic is None:
            raise NotFoundError(
                f"there is no active topic {topic_name}", hint="topics that one has no access to are not listed"
            )
        for component in self.components(topic, type=type, tags=tags):
            if component.team_id is None:
                return component
        tagged = f" tagged {', '.join(tags)}" if tags else ""
        raise NotFoundError(f"topic {topic_name} has no active component of type {type}{tagged}")

    def job(self, job_id: str) -> Job:
        """One job, with its topic and exactly the components that it was scheduled with.

        Args:
            job_id: its id, or the beginning of it, as for :meth:`component`.
        """
        return documents.job(self._subject("job", job_id))

    def _subject(self, kind: str, given: str, hint: str = "") -> Fields:
        """Read a component or a job by its id or the beginning of that."""
        try:
            return self._api.subject(kind, given, hint)
        except NotFoundError as error:
            if is_id(given) or given in ("", ".", "..") or not given.isprintable():
                raise
            found = self._listed(kind, beginning_as_query(given), lambda one: one.text("id").startswith(given.lower()))
            if not found and kind == "component":
                error = self._name_error(given) or error
            if not found:
                raise error from None
        if len(found) > 1:
            several = " and ".join(one.text("id") for one in found[:2])
            raise SettingsError(
                f"the id of more than one {kind} begins with {given}", hint=f"give more of it: {several}"
            )
        return self._api.subject(kind, found[0].text("id"), hint)

    def _listed(self, kind: str, query: str, fits: Callable[[Fields], bool], name: str = "") -> list[Fields]:
        """The first two components or jobs of a list that fit; none where the server refuses the query."""
        listing = Listing("", [("name", name)], query)
        with suppress(TransferError, NotFoundError, SettingsError):
            if query or name:
                return list(islice(filter(fits, self._api.pages(f"/api/v1/{kind}s", f"{kind}s", listing)), 2))
        return []

    def _name_error(self, given: str) -> Optional[NotFoundError]:
        """The error where a component's name stands for its id; None where no component has that name."""
        for one in self._listed("component", "", lambda one: one.text("name") == given, given):
            return NotFoundError(f"{given} is the name of a component, and no id", hint=f"its id is {one.text('id')}")
        return None


def _since(items: Iterable[_Dated], created_after: Union[date, str, None], sort: str) -> Iterator[_Dated]:
    """The items created then or later. A list with the newest first is read only as far as necessary."""
    if created_after is None:
        yield from items
        return
    begin = moment(created_after)
    for item in items:
        if item.created_at is not None and item.created_at >= begin:
            yield item
        elif sort == NEWEST_FIRST and item.created_at is not None:
            return
