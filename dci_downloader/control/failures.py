"""Why a request got no answer, in words: exceptions of requests, urllib3, ssl and socket → errors with a hint.

Their own texts are not passed on: they may hold a presigned URL.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Optional

from requests import exceptions

from dci_downloader.errors import (
    AUTHORITY_HINT,
    CLOCK_HINT,
    HOST_NAME_HINT,
    ServerUnreachableError,
    StallError,
    TransferError,
)

_UNKNOWN = ("is signed by an authority that is not trusted here", AUTHORITY_HINT)
_ELSEWHERE = ("is for another host name", HOST_NAME_HINT)
_CERTIFICATE = {
    9: ("is not valid yet", CLOCK_HINT),
    10: ("has expired", CLOCK_HINT),
    18: _UNKNOWN,
    19: _UNKNOWN,
    20: _UNKNOWN,
    21: _UNKNOWN,
    62: _ELSEWHERE,
    64: _ELSEWHERE,
}
"""What is wrong with a certificate, by OpenSSL's X509_V_ERR codes."""


_PROXY = (exceptions.ProxyError, exceptions.InvalidURL, exceptions.InvalidSchema)
"""What requests raises about the proxy; URLs of servers were found valid before."""


class RequestFailure(NamedTuple):
    """A request that ended without an answer.

    Attributes:
        passing: whether the same request may succeed a little later.
    """

    error: TransferError
    passing: bool = True


class RequestFailedError(Exception):
    """Carries a break, and the seconds a server asked to wait, to where it is decided whether to try again."""

    def __init__(self, cause: RequestFailure, asked: float = 0.0) -> None:
        super().__init__(str(cause.error))
        self.cause = cause
        self.asked = asked


@dataclass(frozen=True)
class Target:
    """What was asked, for messages.

    Attributes:
        call: method and URL without query.
        host: host and port of the server.
        proxy: URL of the proxy without user and password; empty for a direct connection.
    """

    call: str
    host: str
    proxy: str = ""


def broken(error: Exception, target: Target) -> RequestFailure:
    """Say why there was no answer, and whether to ask again."""
    causes = list(_causes(error))
    return _untrusted(causes, target) or _unresolved(causes, target) or RequestFailure(_cut(causes, target))


def stalled(target: Target, seconds: float) -> RequestFailure:
    """An answer that comes too slowly, or not at all."""
    return RequestFailure(
        StallError(
            f"{target.call}: {target.host} did not answer in good time (waited {seconds:.0f} s)",
            hint="the server or the line is overloaded: run again later, or with a longer --patience",
        )
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and everything it came from; urllib3 hides the origin in arguments and in ``reason``."""
    found = [error]
    for cause in found:
        yield cause
        nested = (cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args)
        found += [other for other in nested if isinstance(other, BaseException) and other not in found]


def _untrusted(causes: list[BaseException], target: Target) -> Optional[RequestFailure]:
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            wrong, hint = _CERTIFICATE.get(
                cause.verify_code, (f"is not trusted: {cause.verify_message}", AUTHORITY_HINT)
            )
            text = f"{target.call}: the certificate of {target.host} {wrong}"
            return RequestFailure(ServerUnreachableError(text, hint=hint), passing=False)
    if any(isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError) for cause in causes):
        return RequestFailure(
            ServerUnreachableError(
                f"{target.call}: TLS with {target.host} failed",
                hint="does that port speak https? Is REQUESTS_CA_BUNDLE a PEM file, the proxy's scheme http?",
            ),
            passing=False,
        )
    return None


def _unresolved(causes: list[BaseException], target: Target) -> Optional[RequestFailure]:
    for cause in causes:
        if isinstance(cause, socket.gaierror):
            name = f"the proxy {target.proxy}" if target.proxy else target.host
            hint = "check HTTPS_PROXY" if target.proxy else "check the name (DCI_CS_URL?) and the name servers"
            error = ServerUnreachableError(f"{target.call}: the name of {name} cannot be resolved", hint=hint)
            return RequestFailure(error, passing=cause.errno != socket.EAI_NONAME)
    return None


def _cut(causes: list[BaseException], target: Target) -> TransferError:
    through = f" through the proxy {target.proxy}" if target.proxy else ""
    hint = "is the server up, and reachable from here? Is a proxy needed (HTTPS_PROXY)?"
    if any(isinstance(cause, exceptions.ConnectTimeout) for cause in causes):
        what = f"no connection to {target.host}{through} in good time"
    elif any(isinstance(cause, (exceptions.Timeout, socket.timeout)) for cause in causes):
        return StallError(f"{target.call}: {target.host} stopped answering{through}", hint="run again later")
    elif any(isinstance(cause, _PROXY) for cause in causes):
        what, hint = f"no connection{through}", "check HTTPS_PROXY and NO_PROXY: is the proxy up, does it let you in?"
    elif any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        what = f"connection refused by {target.host}{through}"
    else:
        what = f"the connection to {target.host}{through} was cut"
    return ServerUnreachableError(f"{target.call}: {what}", hint=hint)
