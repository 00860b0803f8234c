"""What the user wants: credentials, network, which components, how they are fetched. All values are immutable.

Sizes are bytes, durations seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Optional, Union

from dci_downloader.models import Job
from dci_downloader.sequences import freeze
from dci_downloader.short_repr import short_repr


@dataclass(frozen=True)
class RemoteciCredentials:
    """The identity of a remoteci, or of a feeder, as in a ``dcirc.sh`` file: requests are signed with its secret.

    Attributes:
        client_id: ``remoteci/<id>`` or ``feeder/<id>``.
        api_secret: signs requests; never shown.
        url: address of the control server; may hold a path and end in a slash.
    """

    client_id: str
    api_secret: str = field(repr=False)
    url: str


class Credentials(RemoteciCredentials):
    """The same as :class:`RemoteciCredentials`, which was the only kind once and had this name."""


@dataclass(frozen=True)
class LoginCredentials:
    """A user's login and password, sent to the control server, and nowhere else, as HTTP Basic authentication.

    Attributes:
        login: holds no colon.
        password: never shown.
        url: address of the control server; may hold a path and end in a slash.
    """

    login: str
    password: str = field(repr=False)
    url: str


@dataclass(frozen=True)
class SsoCredentials:
    """A user of the single sign-on: its bearer tokens go to the control server, its password to the SSO only.

    Without a token one is obtained, and renewed ahead of its end, with user and password; a token alone is used until
    it ends.

    Attributes:
        url: address of the control server; may hold a path and end in a slash.
        sso_url: address of the SSO, a Keycloak.
        username: for the SSO.
        password: never shown.
        token: a token that is valid now; never shown.
    """

    url: str
    sso_url: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)


AnyCredentials = Union[RemoteciCredentials, LoginCredentials, SsoCredentials]


@dataclass(frozen=True)
class Network:
    """How connections are made, alike for API calls and file bytes.

    Attributes:
        ca_bundle: file or folder of trusted certificates; empty for the default of ``requests``.
        proxies: proxy URL by scheme (``http``, ``https``, ``all``).
        no_proxy: hosts that are reached without a proxy, comma-separated.
        connect_timeout: seconds to open a connection.
        read_timeout: seconds without a byte before a response is given up.
    """

    ca_bundle: str = ""
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    no_proxy: str = ""
    connect_timeout: float = 10.0
    read_timeout: float = 30.0

    __repr__ = short_repr


@dataclass(frozen=True)
class TransferOptions:
    """How files are fetched.

    Attributes:
        connections: the most connections to the object store.
        limit_rate: bytes per second over all connections together; None for no limit.
        patience: seconds that a file, or the whole run, may go without progress.
        peers: URLs of the roots of other mirrors, which are asked before the object store.
        network: proxies, certificates, timeouts; None for those of the server that the files are asked of.
    """

    connections: int = 64
    limit_rate: Optional[int] = None
    patience: float = 30.0
    network: Optional[Network] = None
    peers: tuple[str, ...] = ()

    __repr__ = short_repr

    def __post_init__(self) -> None:
        freeze(self, "peers")


@dataclass(frozen=True)
class Filter:
    """Which component of a type is wanted.

    Attributes:
        type: case is ignored, as the server does.
        tags: all of them must be on the component.
        name: exact name, or empty; private components are found by name or id only.
    """

    type: str
    tags: tuple[str, ...] = ()
    name: str = ""

    __repr__ = short_repr

    def __post_init__(self) -> None:
        freeze(self, "tags")


@dataclass(frozen=True)
class SyncOptions:
    """How a topic is synchronised.

    Attributes:
        filters: which components; none for the newest of each type.
        component_id: of the only component that is wanted; empty for what ``filters`` say.
        job: whose components are wanted, in place of ``filters`` and ``component_id``.
        registry: ``HOST:PORT`` that container images are copied to, by skopeo; empty to leave them out.
        login_registries: ``HOST[:PORT]`` of registries that the topic's login may be sent to, beside those that the
            topic names.
        keep: how many older builds stay beside the published one, whatever was selected of each.
        make_room: where the disk is too small, remove older builds first, whatever ``keep`` says.
        reserve: bytes of the disk that are to stay free.
        on_published: a program and its arguments, run for each component that was published; none for nothing.
        lock_timeout: seconds to wait for another run; None for as long as it takes, 0 for not at all.
        dry_run: only report what would be done; nothing is written.
        transfer: how files are fetched.
    """

    filters: tuple[Filter, ...] = ()
    component_id: str = ""
    job: Optional[Job] = None
    registry: str = ""
    login_registries: tuple[str, ...] = ("registry.distributed-ci.io",)
    keep: int = 1
    make_room: bool = False
    reserve: int = 0
    on_published: tuple[str, ...] = ()
    lock_timeout: Optional[float] = None
    dry_run: bool = False
    transfer: TransferOptions = field(default_factory=TransferOptions)

    __repr__ = short_repr

    def __post_init__(self) -> None:
        freeze(self, "filters", "login_registries")
