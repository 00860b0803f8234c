"""Who may ask the embedded servers: teams, their remotecis and feeders, and their users."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Union


@dataclass
class Team:
    """A team; while its state is not ``active`` its remotecis get 412."""

    id: str
    name: str
    state: str = "active"


@dataclass
class RemoteCI:
    """The account of a lab, or of a feeder; while its state is not ``active`` it gets 401.

    Attributes:
        kind: ``remoteci`` or ``feeder``.
    """

    id: str
    name: str
    api_secret: str = field(repr=False)
    team: Team
    state: str = "active"
    kind: str = "remoteci"

    @property
    def client_id(self) -> str:
        """The value of ``DCI_CLIENT_ID``."""
        return f"{self.kind}/{self.id}"

    def document(self) -> dict[str, Any]:
        """As the control server shows it inside a job: with its secret, as a real one does."""
        fields = {"id": self.id, "name": self.name, "api_secret": self.api_secret}
        return {**fields, "team_id": self.team.id, "state": self.state}


@dataclass
class User:
    """A user who logs in by password, or by a token of the SSO; while the state is not ``active``, 401."""

    id: str
    login: str
    password: str = field(repr=False)
    team: Team
    state: str = "active"


Account = Union[RemoteCI, User]
