"""Topics, components and jobs, as the control server has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Union

from dci_downloader.control import decoding
from dci_downloader.control.api import Api, path_segment
from dci_downloader.errors import NotFoundError
from dci_downloader.models import Component, Job, Topic


class ControlReader:
    """The calls that only read, each safe to repeat; the base of ``ControlServer``."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def topics(self, name: str = "", *, active: bool = True) -> Iterator[Topic]:
        """The topics that this remoteci may see, newest created first, page by page.

        Args:
            name: as the server reads it: case ignored, and with a trailing ``*`` every name that holds it.
            active: leave out those that are not.
        """
        where = [("name", name), ("state", "active" if active else "")]
        return map(decoding.topic, self._api.pages("/api/v1/topics", "topics", where))

    def components(
        self, topic: Union[Topic, str], *, type: str = "", tags: Sequence[str] = (), name: str = ""
    ) -> Iterator[Component]:
        """The active components of a topic, newest created first, page by page; one's team's private ones included.

        Args:
            topic: whose components.
            type: case is ignored; empty for any.
            tags: all of them are on the component.
            name: exact name, or empty for any.
        """
        where = [("type", type), ("name", name), ("state", "active"), *(("tags", tag) for tag in tags)]
        path = f"/api/v1/topics/{path_segment(topic, 'topic')}/components"
        for component in map(decoding.component, self._api.pages(path, "components", where)):
            # The server reads some conditions differently: a name that ends in "*", or is written in another case.
            same_type = type.lower() in ("", component.type.lower())
            matches = same_type and name in ("", component.name) and {*tags} <= {*component.tags}
            if matches and component.state == "active":
                yield component

    def topic(self, topic_id: str) -> Topic:
        """One topic."""
        return decoding.topic(self._api.subject("topic", topic_id))

    def component(self, component_id: str) -> Component:
        """One component, active or not, private ones included."""
        hint = "`dci-downloader components TOPIC` lists those there are, with --json their ids"
        return decoding.component(self._api.subject("component", component_id, hint))

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
        """One job, with its topic and exactly the components that it was scheduled with."""
        return decoding.job(self._api.subject("job", job_id))
