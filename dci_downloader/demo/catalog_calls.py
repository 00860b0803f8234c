"""The embedded control server's calls about products, topics and components, and who may see which."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dci_downloader.demo.accounts import Account, RemoteCI
from dci_downloader.demo.calls import Call, Reply
from dci_downloader.demo.catalog import Catalog, CatalogComponent, CatalogTopic, object_key
from dci_downloader.demo.http_server import LoopbackServer
from dci_downloader.demo.object_store import presign
from dci_downloader.demo.queries import ApiError, list_page


class CatalogCalls:
    """One method for each call.

    Args:
        catalog: what there is.
        store_url: the URL of the object store.
        server: its clock counts.
    """

    def __init__(self, catalog: Catalog, store_url: str, server: LoopbackServer) -> None:
        self._catalog = catalog
        self._store_url = store_url
        self._server = server

    def identity(self, call: Call) -> Reply:
        """Who asks."""
        sender = call.sender
        name = sender.name if isinstance(sender, RemoteCI) else sender.login
        teams = {sender.team.id: {"team_name": sender.team.name}}
        who = {"id": sender.id, "name": name, "email": None, "fullname": None, "etag": None, "timezone": None}
        return Reply({"identity": {**who, "teams": teams}})

    def products(self, call: Call) -> Reply:
        """All products."""
        products = [product.document() for product in self._catalog.products.values()]
        return Reply(list_page("products", products, call.query, "-created_at"))

    def topics(self, call: Call) -> Reply:
        """The topics that the sender may see."""
        visible = [topic.document() for topic in self._catalog.topics.values() if _may_see_topic(topic, call.sender)]
        return Reply(list_page("topics", visible, call.query, "-created_at"))

    def topic(self, call: Call) -> Reply:
        """One topic."""
        topic = self._topic(call.parts[0], call).document()
        return Reply({"topic": topic}, headers={"ETag": topic["etag"]})

    def components(self, call: Call) -> Reply:
        """The components of a topic that the sender may see."""
        topic = self._topic(call.parts[0], call)
        return self._listed(self._attached(topic), call)

    def all_components(self, call: Call) -> Reply:
        """The components of all topics that the sender may see."""
        components = self._catalog.components.values()
        return self._listed([one for one in components if _may_see_topic(one.topic, call.sender)], call)

    def component(self, call: Call) -> Reply:
        """One component, with its jobs."""
        component = self._component(call.parts[0], call)
        jobs = [job.document() for job in self._catalog.jobs.values() if component in job.components]
        document: dict[str, Any] = {**component.document(), "files": [], "jobs": jobs}
        return Reply({"component": document}, headers={"ETag": document["etag"]})

    def file(self, call: Call) -> Reply:
        """Where a file of a component is."""
        component = self._component(call.parts[0], call)
        name = object_key(component, call.parts[1])
        location = presign(self._store_url, name, self._catalog.signing_key, self._server.now())
        return Reply(None, 302, {"Location": location})

    def _listed(self, components: Iterable[CatalogComponent], call: Call) -> Reply:
        visible = [one.document() for one in components if _may_see_component(one, call.sender)]
        return Reply(list_page("components", visible, call.query, "-released_at"))

    def _attached(self, topic: CatalogTopic) -> list[CatalogComponent]:
        return [component for component in self._catalog.components.values() if component.topic is topic]

    def _topic(self, id_: str, call: Call) -> CatalogTopic:
        topic = self._catalog.topics.get(id_)
        if topic is None:
            raise ApiError(404, f"topic {id_} not found")
        if not _may_see_topic(topic, call.sender):
            raise ApiError(401, "Operation not authorized.")
        return topic

    def _component(self, id_: str, call: Call) -> CatalogComponent:
        component = self._catalog.components.get(id_)
        if component is None:
            raise ApiError(404, f"component {id_} not found")
        if not _may_see_topic(component.topic, call.sender) or not _may_see_component(component, call.sender):
            raise ApiError(401, "Operation not authorized.")
        return component


def _may_see_topic(topic: CatalogTopic, sender: Account) -> bool:
    return topic.teams is None or sender.team.id in topic.teams


def _may_see_component(component: CatalogComponent, sender: Account) -> bool:
    return component.team_id in (None, sender.team.id)
