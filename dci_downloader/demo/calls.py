"""A call of the embedded control server's API, and what it returns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional

from dci_downloader.demo.accounts import Account
from dci_downloader.demo.http_server import Request
from dci_downloader.demo.queries import ApiError


class Reply(NamedTuple):
    """What a call returns: a document that is sent as JSON, or where it is None, content as it is."""

    document: Optional[Mapping[str, Any]] = None
    status: int = 200
    headers: Mapping[str, str] = {}
    content: bytes = b""


@dataclass(frozen=True)
class Call:
    """A request whose sender is known.

    Attributes:
        query: decoded.
        parts: the variable parts of the path, ids for example.
    """

    sender: Account
    query: Mapping[str, str]
    request: Request
    parts: tuple[str, ...]

    def document(self, *required: str) -> dict[str, Any]:
        """The JSON object that was sent, with the strings that must be in it.

        Raises:
            ApiError: 400, it is something else.
        """
        try:
            document = json.loads(self.request.body)
        except (ValueError, RecursionError):
            raise ApiError(400, "Request malformed") from None
        if not isinstance(document, dict):
            raise ApiError(400, "Request malformed")
        for name in required:
            if not isinstance(document.get(name), str):
                raise ApiError(400, f"{name}: required property")
        return document
