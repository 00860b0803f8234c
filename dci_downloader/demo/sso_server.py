"""The embedded single sign-on: the one call of a Keycloak by which agents get a bearer token.

``POST …/openid-connect/token`` with the form ``client_id=dci``, ``grant_type=password``, ``username``, ``password``:
200 with a token, 401 ``invalid_grant`` for a wrong password, 400 for another form, 404 elsewhere.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

from dci_downloader.demo.authentication import make_token, user_with
from dci_downloader.demo.catalog import Catalog
from dci_downloader.demo.http_server import Exchange, LoopbackServer

TOKEN_PATH = "/auth/realms/redhat-external/protocol/openid-connect/token"  # noqa: S105


class DemoSso(LoopbackServer):
    """Gives tokens to the users of a catalogue.

    Args:
        catalog: with the users, and the key that signs tokens.
        listening: see :class:`~dci_downloader.demo.http_server.LoopbackServer`.

    Attributes:
        token_seconds: how long the next tokens last.
    """

    def __init__(self, catalog: Catalog, **listening: Any) -> None:
        super().__init__(**listening)
        self._catalog = catalog
        self.token_seconds = 300

    def respond(self, exchange: Exchange) -> None:
        """Answer a request."""
        status, document = self._answer(exchange)
        exchange.answer(status, json.dumps(document).encode(), {"Content-Type": "application/json"})

    def _answer(self, exchange: Exchange) -> tuple[int, dict[str, Any]]:
        request = exchange.request
        if request.path != TOKEN_PATH:
            return 404, {"error": "RESTEASY003210: Could not find resource for full path"}
        if request.method != "POST":
            return 405, {"error": "HTTP 405 Method Not Allowed"}
        form = dict(parse_qsl(request.body.decode("latin-1")))
        if form.get("client_id") != "dci":
            return 401, {"error": "invalid_client", "error_description": "Invalid client credentials"}
        if form.get("grant_type") != "password":
            return 400, {"error": "unsupported_grant_type", "error_description": "Unsupported grant_type"}
        user = user_with(self._catalog, form.get("username", ""), form.get("password", ""))
        if user is None or user.state != "active":
            return 401, {"error": "invalid_grant", "error_description": "Invalid user credentials"}
        end = self.now() + timedelta(seconds=self.token_seconds)
        token = make_token(self._catalog.signing_key, user.login, end)
        return 200, {"access_token": token, "expires_in": self.token_seconds, "token_type": "Bearer"}
