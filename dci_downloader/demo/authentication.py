"""Who asks the embedded control server: by a signature, a password, or a token of the embedded SSO.

Signatures are checked with the code that real control servers use (``dciauth.v2``). The rules, observed of such a
server: 400 for a wrong secret and a wrong clock, 401 for whom it does not know, 412 for an inactive team.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Optional
from urllib.parse import parse_qsl, unquote

from dciauth.v2.headers import parse_headers
from dciauth.v2.signature import is_valid

from dci_downloader.demo.accounts import Account, RemoteCI, User
from dci_downloader.demo.catalog import Catalog
from dci_downloader.demo.http_server import Request
from dci_downloader.demo.queries import ApiError

_UNKNOWN = "Could not verify your access level for that URL. Please login with proper credentials."


def unambiguous_query(request: Request) -> dict[str, str]:
    """The query, decoded; a repeated key or an empty value breaks the signature on a real server, so it does here.

    Raises:
        ApiError: 400.
    """
    pairs = parse_qsl(request.query, keep_blank_values=True)
    query = dict(pairs)
    if len(query) < len(pairs) or not all(query.values()):
        raise ApiError(400, "HmacMechanism failed: signature is invalid")
    return query


def authenticated(catalog: Catalog, request: Request, query: Mapping[str, str], now: datetime) -> Account:
    """Who sent a request.

    Args:
        catalog: with all accounts.
        request: as it arrived.
        query: of the request, decoded.
        now: the server's clock.

    Raises:
        ApiError: the sender is unknown, or not allowed in.
    """
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    sender: Optional[Account]
    if scheme == "Basic" and "x-dci-date" not in request.headers:
        sender = _by_password(catalog, value)
    elif scheme == "Bearer":
        sender = catalog.users.get(read_token(catalog.signing_key, value, now))
    else:
        sender = _by_signature(catalog, request, query)
    if sender is None and catalog.older and scheme.startswith("DCI2"):
        raise ApiError(404, "remoteci not found")
    if sender is None or sender.state != "active":
        raise ApiError(401, _UNKNOWN)
    if sender.team.state != "active":
        raise ApiError(412, f"Team {sender.team.name} is not active")
    return sender


def _by_signature(catalog: Catalog, request: Request, query: Mapping[str, str]) -> Optional[RemoteCI]:
    # A WSGI server hands on the unquoted path, and the signature check unquotes it once more.
    claimed = {"method": request.method, "endpoint": unquote(request.path), "params": query, "data": request.body}
    try:
        signed = parse_headers(request.headers)
        remoteci = catalog.remotecis.get(signed["client_id"]) if signed else None
        if remoteci is None or remoteci.state != "active" or signed["client_type"] != remoteci.kind:
            return None
        valid, reason = is_valid(claimed, {"secret_key": remoteci.api_secret}, signed)
    except (KeyError, ValueError):  # what dciauth makes of headers that nobody signed
        return None
    if not valid:
        raise ApiError(400, f"HmacMechanism failed: {reason}")
    return remoteci


def _by_password(catalog: Catalog, value: str) -> Optional[User]:
    try:
        login, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        return None
    return user_with(catalog, login, password)


def user_with(catalog: Catalog, login: str, password: str) -> Optional[User]:
    """The user with this login and password."""
    user = catalog.users.get(login)
    return user if user is not None and hmac.compare_digest(user.password.encode(), password.encode()) else None


def make_token(key: bytes, login: str, end: datetime) -> str:
    """A token of a user that ends at some moment, in the form that Keycloak gives tokens (a JWT, RFC 7519).

    Args:
        key: signs it.
        login: of the user.
        end: when it ends.
    """
    head = _encoded({"alg": "HS256", "typ": "JWT"})
    signed = f"{head}.{_encoded({'preferred_username': login, 'exp': end.timestamp()})}"
    return f"{signed}.{_base64(hmac.digest(key, signed.encode(), hashlib.sha256))}"


def read_token(key: bytes, token: str, now: datetime) -> str:
    """The login that a token is of; empty where it is none, or has ended."""
    signed, _, signature = token.rpartition(".")
    if not hmac.compare_digest(_base64(hmac.digest(key, signed.encode(), hashlib.sha256)), signature):
        return ""
    payload = signed.partition(".")[2]
    try:
        claims: Any = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, binascii.Error):
        return ""
    return str(claims["preferred_username"]) if claims["exp"] > now.timestamp() else ""


def _encoded(claims: Mapping[str, Any]) -> str:
    return _base64(json.dumps(claims).encode())


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
