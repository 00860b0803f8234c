"""Requests without a usable response: exceptions of requests, urllib3, ssl and socket → errors with a hint.

The texts of those exceptions are not passed on: they may hold a presigned URL.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Optional

from requests import exceptions

from dci_downloader.errors import (
    AUTHORITY_HINT,
    CLOCK_HINT,
    HOST_NAME_HINT,
    ServerUnreachableError,
    StallError,
    TransferError,
)

_UNKNOWN_AUTHORITY = ("is signed by an authority that is not trusted here", AUTHORITY_HINT)
_OTHER_HOST = ("is for another host name", HOST_NAME_HINT)
_CERTIFICATE_FAULTS = {
    9: ("is not valid yet", CLOCK_HINT),
    10: ("has expired", CLOCK_HINT),
    18: _UNKNOWN_AUTHORITY,
    19: _UNKNOWN_AUTHORITY,
    20: _UNKNOWN_AUTHORITY,
    21: _UNKNOWN_AUTHORITY,
    62: _OTHER_HOST,
    64: _OTHER_HOST,
}
"""What is wrong with a certificate, by the X509_V_ERR codes of OpenSSL (X509_STORE_CTX_get_error(3))."""

# A URL or scheme that requests refuses is the proxy's: the server's own URL was checked before.
_PROXY_ERRORS = (exceptions.ProxyError, exceptions.InvalidURL, exceptions.InvalidSchema)


@dataclass(frozen=True)
class Route:
    """Which request went where, for messages.

    Attributes:
        request: method and URL without query.
        host: host and port of the server.
        proxy: URL of the proxy without user and password; empty for a direct connection.
        proxy_variable: the environment variable that names that proxy, or would name one.
    """

    request: str
    host: str
    proxy: str = ""
    proxy_variable: str = "HTTPS_PROXY"


class RequestFailedError(Exception):
    """One try of a request failed; caught by whoever decides whether to try again, and never seen by the user.

    Attributes:
        error: what the user sees if this was the last try.
        transient: whether the same request may succeed a little later.
        retry_after: seconds that the server asks to wait, 0 for none.
    """

    def __init__(self, error: TransferError, *, transient: bool = True, retry_after: float = 0.0) -> None:
        super().__init__(str(error))
        self.error = error
        self.transient = transient
        self.retry_after = retry_after


def failure_from_exception(exception: Exception, route: Route) -> RequestFailedError:
    """The failure that an exception of the HTTP library stands for."""
    causes = list(_causes(exception))
    return (
        _certificate_failure(causes, route)
        or _name_failure(causes, route)
        or RequestFailedError(_connection_error(causes, route))
    )


def stall_failure(route: Route, seconds: float) -> RequestFailedError:
    """The failure of a response that comes too slowly, or not at all, after so many seconds."""
    return RequestFailedError(
        StallError(
            f"{route.request}: {route.host} did not answer in good time (waited {seconds:.0f} s)",
            hint="the server or the line is overloaded: run again later, or with a longer --patience",
        )
    )


def _causes(exception: BaseException) -> Iterator[BaseException]:
    """The exception and everything it came from; urllib3 hides the origin in arguments and in ``reason``."""
    causes = [exception]
    for cause in causes:  # grows while it is walked
        yield cause
        nested = (cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args)
        causes += [one for one in nested if isinstance(one, BaseException) and one not in causes]


def _certificate_failure(causes: list[BaseException], route: Route) -> Optional[RequestFailedError]:
    tls_errors = [cause for cause in causes if isinstance(cause, ssl.SSLError)]
    if fault := _certificate_fault(causes, tls_errors):
        text, hint = fault
        error = ServerUnreachableError(f"{route.request}: the certificate of {route.host} {text}", hint=hint)
        return RequestFailedError(error, transient=False)
    # An end of file within TLS is a connection that was cut, like any other.
    if any(not isinstance(error, ssl.SSLEOFError) for error in tls_errors):
        hint = "does that port speak https? Is REQUESTS_CA_BUNDLE a PEM file, the proxy's scheme http?"
        error = ServerUnreachableError(f"{route.request}: TLS with {route.host} failed", hint=hint)
        return RequestFailedError(error, transient=False)
    return None


def _certificate_fault(causes: list[BaseException], tls_errors: list[ssl.SSLError]) -> Optional[tuple[str, str]]:
    """What is wrong with a certificate, with a hint."""
    # urllib3 1.26 compares host names by itself: its error about them is none of ssl, or an ssl error without a code
    if not tls_errors and any(isinstance(cause, exceptions.SSLError) for cause in causes):
        return _OTHER_HOST
    for error in tls_errors:
        if isinstance(error, ssl.SSLCertVerificationError):
            if not hasattr(error, "verify_code"):
                return _OTHER_HOST
            return _CERTIFICATE_FAULTS.get(
                error.verify_code, (f"is not trusted: {error.verify_message}", AUTHORITY_HINT)
            )
    return None


def _name_failure(causes: list[BaseException], route: Route) -> Optional[RequestFailedError]:
    for cause in causes:
        if isinstance(cause, socket.gaierror):
            name = f"the proxy {route.proxy}" if route.proxy else route.host
            hint = (
                f"check {route.proxy_variable}" if route.proxy else "check the name (DCI_CS_URL?) and the name servers"
            )
            error = ServerUnreachableError(f"{route.request}: the name of {name} cannot be resolved", hint=hint)
            return RequestFailedError(error, transient=cause.errno != socket.EAI_NONAME)
    return None


def _connection_error(causes: list[BaseException], route: Route) -> TransferError:
    """The error where no connection came about, or one was cut or silent."""
    through = f" through the proxy {route.proxy}" if route.proxy else ""
    hint = f"is the server up, and reachable from here? Is a proxy needed ({route.proxy_variable})?"
    # A connect timeout is a timeout, too, so the order of these tests matters.
    if any(isinstance(cause, exceptions.ConnectTimeout) for cause in causes):
        fault = f"no connection to {route.host}{through} in good time"
    elif any(isinstance(cause, (exceptions.Timeout, socket.timeout)) for cause in causes):
        return StallError(f"{route.request}: {route.host} stopped answering{through}", hint="run again later")
    elif any(isinstance(cause, _PROXY_ERRORS) for cause in causes):
        fault = f"no connection{through}"
        hint = f"check {route.proxy_variable} and NO_PROXY: is the proxy up, does it let you in?"
    elif any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        fault = f"connection refused by {route.host}{through}"
    else:
        fault = f"the connection to {route.host}{through} was cut"
    return ServerUnreachableError(f"{route.request}: {fault}", hint=hint)
