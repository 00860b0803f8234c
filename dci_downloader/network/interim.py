"""Interim responses, which a server may send before the final one: 100 Continue, 102 Processing, 103 Early Hints.

A client reads past any number of them (RFC 9110, 15.2). libcurl does. Python's ``http.client``, on which ``requests``
stands, knows only 100, and takes any other for the response.
"""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any

from requests.adapters import HTTPAdapter

_MOST_INTERIM = 100
_MOST_LINES = 1000  # of each
_LONGEST_LINE = 64 * 1024  # bytes


class InterimAdapter(HTTPAdapter):
    """An adapter for a session of requests, by proxies or not, that reads past interim responses."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of direct connections."""
        super().init_poolmanager(*args, **kwargs)
        _read_past_interim(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """The pools of connections by a proxy."""
        made = proxy in self.proxy_manager
        pools = super().proxy_manager_for(proxy, **kwargs)
        if not made:
            _read_past_interim(pools)
        return pools


def _read_past_interim(pools: Any) -> None:
    pools.pool_classes_by_scheme = {
        scheme: type(pool.__name__, (pool,), {"ConnectionCls": _connection_class(pool.ConnectionCls)})
        for scheme, pool in pools.pool_classes_by_scheme.items()
    }


def _connection_class(connection: type[HTTPConnection]) -> type[HTTPConnection]:
    return type(connection.__name__, (connection,), {"response_class": _FinalResponse})


class _FinalResponse(HTTPResponse):
    """A response whose status is that of the final one."""

    def _read_status(self) -> Any:  # the only place of http.client that reads a status line
        for _ in range(_MOST_INTERIM):
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 100 <= status < 200:
                return version, status, reason
            for _ in range(_MOST_LINES):
                line = self.fp.readline(_LONGEST_LINE + 1)
                if line in (b"\r\n", b"\n", b""):
                    break
                if len(line) > _LONGEST_LINE:
                    raise HTTPException("a header of an interim response is too long")
        raise HTTPException("too many interim responses")
