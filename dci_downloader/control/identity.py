"""Whose the credentials are for the control server, and by how much this machine's clock differs from the server's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Optional

from dci_downloader.control import decoding
from dci_downloader.control.decoding import Response
from dci_downloader.network.headers import http_date


class Identity(NamedTuple):
    """Whose the credentials are.

    Attributes:
        name: of the remoteci, feeder or user.
        teams: the names of their teams.
        seconds_ahead: by how much this machine's clock is ahead of the server's; None where the server does not tell.
    """

    id: str
    name: str
    teams: tuple[str, ...] = ()
    seconds_ahead: Optional[float] = None


def read_identity(response: Response, now: float) -> Identity:
    """The identity that a response of ``/identity`` describes.

    Args:
        response: with status 200.
        now: seconds since the epoch when it was received.

    Raises:
        TransferError: it describes none.
    """
    document = decoding.fields(response).object("identity")
    teams = [team for team in document.mapping("teams").values() if isinstance(team, Mapping)]
    names = (team.get("team_name") or team.get("name") for team in teams)
    time = http_date(response.headers.get("date", ""))
    ahead = None if time is None else now - time.timestamp()
    name = document.optional_text("name") or document.text("id")
    return Identity(document.text("id"), name, tuple(str(name) for name in names if name), ahead)
