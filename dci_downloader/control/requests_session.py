"""The session of ``requests`` that API calls go through: what it must not do by itself, and what it leaves undone.

* It takes nothing from the environment, keeps no cookies, follows no redirect and asks for no encoding.
* A proxy that is reached by https is verified whatever the URL that is asked for; ``requests`` verifies it for https
  only.
* Interim responses (1xx, RFC 9110, 15.2), of which http.client knows 100 alone, are passed over.
"""

from __future__ import annotations

from http.client import HTTPException, HTTPResponse, parse_headers
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Optional

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from dci_downloader.release import USER_AGENT

_MAX_INTERIM = 100
"""Interim responses before a response; a server that sends more of them has nothing to say."""


class RequestsSession(requests.Session):
    """A session for one thread at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "identity"})
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter())

    def get_redirect_target(self, resp: requests.Response) -> Optional[str]:
        """None: requests would read the whole body of a redirect, whatever its size."""
        return None


class _Response(HTTPResponse):
    """A response that begins after the interim ones."""

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(_MAX_INTERIM):
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if status == 101 or not 100 <= status < 200:
                return version, status, reason
            parse_headers(self.fp)
        raise HTTPException("too many interim responses")


class _Connection(HTTPConnection):
    response_class = _Response


class _TlsConnection(HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Adapter(HTTPAdapter):
    """Opens connections of the classes above."""

    def init_poolmanager(self, *arguments: Any, **keywords: Any) -> None:
        super().init_poolmanager(*arguments, **keywords)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def proxy_manager_for(self, proxy: str, **keywords: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **keywords)
        if not proxy.startswith("socks"):  # which has classes of its own
            manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
        return manager

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Decide by the connection, not by the URL: through a proxy they differ."""
        url = "https://" if isinstance(conn, HTTPSConnectionPool) else url
        super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
