"""The embedded servers together, ready for a client."""

from __future__ import annotations

import ssl
from contextlib import ExitStack
from datetime import datetime
from typing import Callable, Optional

from dci_downloader.demo.catalog import Catalog
from dci_downloader.demo.control_server import DemoControl
from dci_downloader.demo.http_server import utc_now
from dci_downloader.demo.object_store import DemoObjectStore
from dci_downloader.demo.sso_server import DemoSso


class DemoSite:
    """A control server, an object store and an SSO on loopback that answer while the site is entered as a context.

    Args:
        catalog: what they serve.
        now: their clock, UTC; signatures of clients are checked by the real one, because dciauth reads it.
        ssl_context: for https; None for http.
        port: of the control server; 0 for any that is free.

    Attributes:
        catalog: what they serve.
        control: the control server; its ``requests`` are a log of what arrived.
        store: the object store; likewise.
        sso: the single sign-on; likewise.
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
        self.sso = DemoSso(catalog, now=now, ssl_context=ssl_context)
        try:
            self.control = DemoControl(catalog, self.store.url, now=now, ssl_context=ssl_context, port=port)
        except OSError:
            self.store.stop()
            self.sso.stop()
            raise
        self.url = self.control.url
        self.client_id = catalog.remoteci.client_id
        self.api_secret = catalog.remoteci.api_secret
        self._running = ExitStack()

    def environment(self) -> dict[str, str]:
        """The three variables that a ``dcirc.sh`` file sets."""
        return {"DCI_CLIENT_ID": self.client_id, "DCI_API_SECRET": self.api_secret, "DCI_CS_URL": self.url}

    def login_environment(self) -> dict[str, str]:
        """The variables of a user who logs in by password."""
        user = self.catalog.user
        return {"DCI_LOGIN": user.login, "DCI_PASSWORD": user.password, "DCI_CS_URL": self.url}

    def sso_environment(self) -> dict[str, str]:
        """The variables of a user who logs in at the SSO."""
        user = self.catalog.user
        names = {"SSO_URL": self.sso.url, "SSO_USERNAME": user.login, "SSO_PASSWORD": user.password}
        return {**names, "DCI_CS_URL": self.url}

    def __enter__(self) -> DemoSite:
        self._running.enter_context(self.store)
        self._running.enter_context(self.sso)
        self._running.enter_context(self.control)
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()
