"""What a refusal means for the user: statuses → errors with a hint.

The rules are the error table of a DCI control server: 401 for an unknown remoteci and for what a team may not see, 400
for a wrong secret and a wrong clock, 412 for an inactive team; JSON errors come from the program, HTML ones from what
stands before it.
"""

from __future__ import annotations

import json

from dci_downloader.control.decoding import Response
from dci_downloader.errors import AccessError, DownloaderError, NotFoundError, StatusError
from dci_downloader.network.headers import http_date
from dci_downloader.network.retries import TRANSIENT


def error_from_response(answer: Response, now: float) -> DownloaderError:
    """The error for an answer that is not the one hoped for.

    Args:
        answer: any status.
        now: seconds since the epoch, to tell by how much the clocks differ.
    """
    said = message(answer)
    quoted = f" ({said})" if said else ""
    if not answer.signed:
        return _status(answer, "the object store", said)
    if answer.status == 401 and "not authorized" in said.lower():
        return AccessError(
            f"{answer.call}: this remoteci has no access to it{quoted}",
            hint="its team must be given access to the topic: ask your DCI contact",
        )
    if answer.status == 401:
        return AccessError(
            f"{answer.call}: the control server does not accept the credentials{quoted}",
            hint="check DCI_CLIENT_ID and DCI_API_SECRET (source your dcirc.sh), and that the remoteci is active"
            + ("" if said else "; or does a proxy answer in its place, and want a password (HTTPS_PROXY)?"),
        )
    if answer.status == 400 and "expired" in said.lower():
        return AccessError(
            f"{answer.call}: the signature counts as expired: {_skew(answer, now)}",
            hint="set this machine's clock (chronyc makestep, or systemctl start chronyd); 15 minutes are tolerated",
        )
    if answer.status == 400 and "signature" in said.lower():
        return AccessError(
            f"{answer.call}: the control server finds the signature wrong{quoted}",
            hint="DCI_API_SECRET is most likely not the one of DCI_CLIENT_ID: source your dcirc.sh again",
        )
    if answer.status == 412:
        return AccessError(f"{answer.call}: the team is not active{quoted}", hint="ask your DCI contact to activate it")
    if answer.status == 404 and said:
        return NotFoundError(f"{answer.call}: not found{quoted}", hint="ids can be copied from the DCI dashboard")
    return _status(answer, "the control server", said)


def message(answer: Response) -> str:
    """What the server says in a JSON error, fit for a terminal and at most 200 characters; empty for anything else."""
    try:
        text = json.loads(answer.body)["message"]
    except (ValueError, RecursionError, KeyError, TypeError, IndexError):
        return ""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())[:200]


def _skew(answer: Response, now: float) -> str:
    """By how much this machine's clock is off, by the Date header of the answer."""
    server_time = http_date(answer.headers.get("date", ""))
    if server_time is None:
        return "this machine's clock and the server's differ"
    ahead = round((now - server_time.timestamp()) / 60)
    if ahead == 0:
        return "this machine's clock agrees with the server's, so something held the request up"
    return f"this machine's clock is {abs(ahead)} minutes {'ahead of' if ahead > 0 else 'behind'} the server's"


def _status(answer: Response, who: str, said: str) -> StatusError:
    """The error for a status that means nothing in particular."""
    hint = ""
    if answer.status >= 500 or answer.status in TRANSIENT:
        hint = f"{who} is in trouble or overloaded: run again later, or with a longer --patience"
    elif answer.status == 407:
        hint = "the proxy wants a user and a password: put them into HTTPS_PROXY"
    elif answer.status == 404:
        hint = "is DCI_CS_URL the address of a DCI control server?"
    elif answer.status in (400, 403) and not answer.signed:
        hint = "does a proxy or firewall stand between? Is this machine's clock right?"
    text = f"{answer.call}: {who} answered HTTP {answer.status}" + (f" ({said})" if said else "")
    return StatusError(text, url=answer.call.rpartition(" ")[2], status=answer.status, hint=hint)
