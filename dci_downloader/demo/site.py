"""Both embedded servers together, ready for a client."""

from __future__ import annotations

import ssl
from contextlib import ExitStack
from datetime import datetime
from typing import Callable, Optional

from dci_downloader.demo.catalog import Catalog
from dci_downloader.demo.control_server import DemoControl
from dci_downloader.demo.http_server import utc_now
from dci_downloader.demo.object_store import DemoObjectStore


class DemoSite:
    """A control server and an object store on loopback that answer while the site is entered as a context.

    Args:
        catalog: what they serve.
        now: their clock, UTC; signatures of clients are checked by the real one, because dciauth reads it.
        ssl_context: for https; None for http.
        port: of the control server; 0 for any that is free.

    Attributes:
        catalog: what they serve.
        control: the control server; its ``requests`` are a log of what arrived.
        store: the object store; likewise.
        url: of the control server.
        client_id: of the remoteci that clients use.
        api_secret: its secret.
    """

    def __init__(
        self,
        catalog: Catalog,
        *,
        now: Callable[[], datetime] = utc_now,
        ssl_context: Optional[ssl.SSLContext] = None,
        port: int = 0,
    ) -> None:
        self.catalog = catalog
        self.store = DemoObjectStore(catalog, now=now, ssl_context=ssl_context)
        try:
            self.control = DemoControl(catalog, self.store.url, now=now, ssl_context=ssl_context, port=port)
        except OSError:
            self.store.stop()
            raise
        self.url = self.control.url
        self.client_id = catalog.remoteci.client_id
        self.api_secret = catalog.remoteci.api_secret
        self._running = ExitStack()

    def environment(self) -> dict[str, str]:
        """The three variables that a ``dcirc.sh`` file sets."""
        return {"DCI_CLIENT_ID": self.client_id, "DCI_API_SECRET": self.api_secret, "DCI_CS_URL": self.url}

    def __enter__(self) -> DemoSite:
        self._running.enter_context(self.store)
        self._running.enter_context(self.control)
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()
