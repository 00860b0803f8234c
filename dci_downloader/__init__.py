"""Mirrors the builds of Distributed CI into a local folder: resumable, verified, published atomically.

    from dci_downloader import ControlServer, Mirror, Selection, sync_topic

    report = sync_topic(ControlServer.from_env(), Mirror("/srv/dci"), "RHEL-9.2", Selection(variants=("BaseOS",)))

Names are imported when they are first used: ``dci-downloader --version`` does not wait for libcurl.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "4.0.0"

if TYPE_CHECKING:
    from dci_downloader.content.selection import Selection as Selection
    from dci_downloader.content.selection import Variant as Variant
    from dci_downloader.control.client import ControlServer as ControlServer
    from dci_downloader.control.signing import Credentials as Credentials
    from dci_downloader.errors import AccessError as AccessError
    from dci_downloader.errors import CancelledError as CancelledError
    from dci_downloader.errors import DigestMismatchError as DigestMismatchError
    from dci_downloader.errors import DiskFullError as DiskFullError
    from dci_downloader.errors import DownloaderError as DownloaderError
    from dci_downloader.errors import IntegrityError as IntegrityError
    from dci_downloader.errors import LockedError as LockedError
    from dci_downloader.errors import ManifestError as ManifestError
    from dci_downloader.errors import NotFoundError as NotFoundError
    from dci_downloader.errors import ServerUnreachableError as ServerUnreachableError
    from dci_downloader.errors import SettingsError as SettingsError
    from dci_downloader.errors import StaleJobError as StaleJobError
    from dci_downloader.errors import StallError as StallError
    from dci_downloader.errors import StatusError as StatusError
    from dci_downloader.errors import TransferError as TransferError
    from dci_downloader.mirror.mirror import Mirror as Mirror
    from dci_downloader.models import Changes as Changes
    from dci_downloader.models import Component as Component
    from dci_downloader.models import ComponentReport as ComponentReport
    from dci_downloader.models import Failure as Failure
    from dci_downloader.models import FileEntry as FileEntry
    from dci_downloader.models import Filter as Filter
    from dci_downloader.models import Image as Image
    from dci_downloader.models import ImageOutcome as ImageOutcome
    from dci_downloader.models import Job as Job
    from dci_downloader.models import Manifest as Manifest
    from dci_downloader.models import Network as Network
    from dci_downloader.models import Outcome as Outcome
    from dci_downloader.models import Plan as Plan
    from dci_downloader.models import Progress as Progress
    from dci_downloader.models import Received as Received
    from dci_downloader.models import Report as Report
    from dci_downloader.models import Silence as Silence
    from dci_downloader.models import Stop as Stop
    from dci_downloader.models import SymlinkEntry as SymlinkEntry
    from dci_downloader.models import SyncOptions as SyncOptions
    from dci_downloader.models import Topic as Topic
    from dci_downloader.models import TransferOptions as TransferOptions
    from dci_downloader.sync import sync_topic as sync_topic

_HOMES = {
    "content.selection": ("Selection", "Variant"),
    "control.client": ("ControlServer",),
    "control.signing": ("Credentials",),
    "errors": (
        "AccessError",
        "CancelledError",
        "DigestMismatchError",
        "DiskFullError",
        "DownloaderError",
        "IntegrityError",
        "LockedError",
        "ManifestError",
        "NotFoundError",
        "ServerUnreachableError",
        "SettingsError",
        "StaleJobError",
        "StallError",
        "StatusError",
        "TransferError",
    ),
    "mirror.mirror": ("Mirror",),
    "models": (
        "Changes",
        "Component",
        "ComponentReport",
        "Failure",
        "FileEntry",
        "Filter",
        "Image",
        "ImageOutcome",
        "Job",
        "Manifest",
        "Network",
        "Outcome",
        "Plan",
        "Progress",
        "Received",
        "Report",
        "Silence",
        "Stop",
        "SymlinkEntry",
        "SyncOptions",
        "Topic",
        "TransferOptions",
    ),
    "sync": ("sync_topic",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
