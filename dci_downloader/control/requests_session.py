"""The session of ``requests`` that API calls go through, without some of its habits, and with stricter verification.

* It takes nothing from the environment, keeps no cookies, follows no redirect and asks for no encoding.
* A proxy that is reached by https is verified whatever the URL that is asked for; ``requests`` verifies it for https
  only.
"""

from __future__ import annotations

from http.cookiejar import DefaultCookiePolicy
from typing import Any, Optional

import requests
from urllib3.connectionpool import HTTPSConnectionPool

from dci_downloader.network.interim import InterimAdapter
from dci_downloader.version_number import USER_AGENT


class RequestsSession(requests.Session):
    """A session; several threads may send through it."""

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


class _Adapter(InterimAdapter):
    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Decide by the connection, not by the URL: through a proxy they differ."""
        url = "https://" if isinstance(conn, HTTPSConnectionPool) else url
        super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
