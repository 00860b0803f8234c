"""Responses other than the expected one → errors with a hint about what the user can do.

The rules are those of DCI control servers: 401 for an unknown remoteci (404 on older ones) and for what a team may not
see, 400 for a wrong secret and for a wrong clock, 412 for what is not active: team, topic or remoteci. An error of the
control server itself is JSON with a message; HTML comes from whatever stands before it.
"""

from __future__ import annotations

import re
from typing import Optional

from dci_downloader.control.decoding import Response
from dci_downloader.errors import AccessError, DownloaderError, NotFoundError, StatusError
from dci_downloader.network.bounded_json import read_json
from dci_downloader.network.headers import http_date
from dci_downloader.network.retries import TRANSIENT

_MOST_VALUES = 10_000
_UNKNOWN_REMOTECI = re.compile(r"remoteci\b.*\bnot found", re.IGNORECASE)
_ACTIVATION_HINTS = {
    "remoteci": "enable the remoteci on its page of the DCI dashboard",
    "topic": "choose one of those that `dci-downloader topics` lists",
    "team": "ask your DCI contact to activate the team",
}


def error_from_response(response: Response, now: float) -> DownloaderError:
    """The error for a response that is not the expected one.

    Args:
        response: of any status.
        now: seconds since the epoch, to tell by how much the clocks differ.
    """
    message = server_message(response)
    if not response.signed:
        return _status_error(response, "the object store", message)
    access_error = _access_error(response, message, now)
    if access_error is None and response.status == 404 and message:
        text = f"{response.request}: not found ({message})"
        return NotFoundError(text, hint="ids can be copied from the DCI dashboard")
    return access_error or _status_error(response, "the control server", message)


def server_message(response: Response) -> str:
    """What a JSON error says, fit for a terminal and at most 200 characters; empty for any other body."""
    try:
        text = read_json(response.body, _MOST_VALUES)["message"]
    except (ValueError, KeyError, TypeError, IndexError):
        return ""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())[:200]


def _access_error(response: Response, message: str, now: float) -> Optional[AccessError]:
    """The error for credentials, clock or permission; None for a status that means something else."""
    quoted = f" ({message})" if message else ""
    if response.status == 401 and "not authorized" in message.lower():
        return AccessError(f"{response.request}: this remoteci has no access to it{quoted}", hint=_owner_hint(response))
    if response.status == 401 or (response.status == 404 and _UNKNOWN_REMOTECI.match(message)):
        hint = "check DCI_CLIENT_ID and DCI_API_SECRET (those of your dcirc.sh), and that the remoteci is active;"
        hint += " or the login or SSO token, where one is set"
        if not message:
            hint += f"; or does a proxy answer in its place, and want a password ({response.proxy_variable})?"
        return AccessError(f"{response.request}: the control server does not accept the credentials{quoted}", hint=hint)
    if response.status == 400 and "expired" in message.lower():
        return AccessError(
            f"{response.request}: the signature counts as expired: {_clock_difference(response, now)}",
            hint="set this machine's clock (chronyc makestep, or systemctl start chronyd); 15 minutes are tolerated",
        )
    if response.status == 400 and "signature" in message.lower():
        return AccessError(
            f"{response.request}: the control server finds the signature wrong{quoted}",
            hint="DCI_API_SECRET is most likely not the one of DCI_CLIENT_ID: download dcirc.sh again",
        )
    if response.status == 412:
        reason = message or "a condition for it is not met"
        return AccessError(f"{response.request}: refused: {reason}", hint=_activation_hint(message))
    return None


def _owner_hint(response: Response) -> str:
    """Who can give access to what a URL stands for."""
    if "/jobs" in response.url:
        return "a job is seen by its own team only: are these the credentials of the remoteci that made it?"
    if "/topics" in response.url:
        return "its team must be given access to the topic: ask your DCI contact"
    return "it may be private to another team, which then has to share it; `dci-downloader components` lists yours"


def _activation_hint(message: str) -> str:
    """What to do about a team, topic or remoteci that the server says is not active."""
    for word, hint in _ACTIVATION_HINTS.items():
        if word in message.lower():
            return hint
    return "team, topic and remoteci have to be active: see the DCI dashboard"


def _clock_difference(response: Response, now: float) -> str:
    """By how much this machine's clock is off, by the Date header of the response."""
    server_time = http_date(response.headers.get("date", ""))
    if server_time is None:
        return "this machine's clock and the server's differ"
    ahead = round((now - server_time.timestamp()) / 60)
    if ahead == 0:
        return "this machine's clock agrees with the server's, so something held the request up"
    return f"this machine's clock is {abs(ahead)} minutes {'ahead of' if ahead > 0 else 'behind'} the server's"


def _status_error(response: Response, server: str, message: str) -> StatusError:
    """The error for a status that means nothing in particular."""
    hint = ""
    if response.status >= 500 or response.status in TRANSIENT:
        hint = f"{server} is in trouble or overloaded: run again later, or with a longer --patience"
    elif response.status == 407:
        hint = f"the proxy wants a user and a password: put them into {response.proxy_variable}"
    elif response.status == 404:
        hint = "is DCI_CS_URL the address of a DCI control server?"
    elif response.status in (400, 403) and not response.signed:
        hint = "does a proxy or firewall stand between? Is this machine's clock right?"
    text = f"{response.request}: {server} answered HTTP {response.status}" + (f" ({message})" if message else "")
    return StatusError(text, url=response.url, status=response.status, hint=hint)
