"""What to do about a peer's response: rules without I/O.

A peer is not tried again, since there are others and the object store: it lacks the object, has given a wrong response,
or cannot be reached and is dropped. Only where it does not serve ranges it is asked for the whole file.
"""

from __future__ import annotations

from dataclasses import replace

import pycurl

from dci_downloader.network.headers import Head
from dci_downloader.transfer.verdict import Action, Verdict

_UNREACHABLE_PEER = {
    pycurl.E_COULDNT_RESOLVE_HOST: "its name cannot be resolved",
    pycurl.E_COULDNT_RESOLVE_PROXY: "the name of the proxy cannot be resolved",
    pycurl.E_COULDNT_CONNECT: "no connection",
    pycurl.E_OPERATION_TIMEDOUT: "it is slow, or does not answer",
    pycurl.E_PEER_FAILED_VERIFICATION: "its certificate cannot be trusted",
    pycurl.E_SSL_CONNECT_ERROR: "TLS handshake failed",
}

NO_ANSWER = Verdict(Action.DROP, "it does not answer")
"""The judgement of a peer that had answered nothing when others had brought all that it was asked for."""

WRONG_CONTENT = Verdict(Action.REFUSE, "what it gives is something else")
"""The judgement of a peer all of whose bytes of a file were received, but do not hash to it."""


def judge_peer_head(verdict: Verdict, head: Head) -> Verdict:
    """Judge the head of a peer's response.

    Args:
        verdict: what :func:`judge_fetch` says of it.
        head: of the response; its status is 0 when there was none.
    """
    if verdict.action is Action.ACCEPT:
        return verdict
    if verdict.action is Action.WHOLE:
        return replace(WRONG_CONTENT, action=Action.WHOLE)
    if head.status in (404, 410):
        return Verdict(Action.MISS)
    return WRONG_CONTENT if head.status in (0, 200, 206) else Verdict(Action.REFUSE, f"it answers HTTP {head.status}")


def judge_peer_failure(code: int, *, begun: bool) -> Verdict:
    """Judge a request to a peer that ended without a complete response.

    Args:
        code: libcurl's error code, 0 for a response that is too short.
        begun: whether there was a head, and it was right.
    """
    if code in _UNREACHABLE_PEER:
        return Verdict(Action.DROP, _UNREACHABLE_PEER[code])
    return Verdict(Action.REFUSE, "its answers are cut") if begun else WRONG_CONTENT
