"""Mirrors the builds of Distributed CI into a local folder: resumable, verified, published atomically.

    from dci_downloader import ControlServer, Mirror, Selection, sync_topic

    report = sync_topic(ControlServer.from_env(), Mirror("/srv/dci"), "RHEL-9.2", Selection(variants=("BaseOS",)))

Names are imported when they are first used: ``dci-downloader --version`` does not wait for libcurl.
"""

from __future__ import annotations

from importlib import import_module

from dci_downloader.version_number import VERSION

__version__ = VERSION

TYPE_CHECKING = False  # type checkers go by the name; to import typing takes as long as the program's first moments

if TYPE_CHECKING:
    from typing import Any

    from dci_downloader.changes import Changes as Changes
    from dci_downloader.changes import PackageChange as PackageChange
    from dci_downloader.changes import PackageChangeKind as PackageChangeKind
    from dci_downloader.content.selection import Selection as Selection
    from dci_downloader.content.selection import Variant as Variant
    from dci_downloader.control.client import ControlServer as ControlServer
    from dci_downloader.control.conditions import where as where
    from dci_downloader.errors import AccessError as AccessError
    from dci_downloader.errors import CancelledError as CancelledError
    from dci_downloader.errors import DigestMismatchError as DigestMismatchError
    from dci_downloader.errors import DiskFullError as DiskFullError
    from dci_downloader.errors import DownloaderError as DownloaderError
    from dci_downloader.errors import IntegrityError as IntegrityError
    from dci_downloader.errors import LockedError as LockedError
    from dci_downloader.errors import ManifestError as ManifestError
    from dci_downloader.errors import NoFilesError as NoFilesError
    from dci_downloader.errors import NotFoundError as NotFoundError
    from dci_downloader.errors import ServerUnreachableError as ServerUnreachableError
    from dci_downloader.errors import SettingsError as SettingsError
    from dci_downloader.errors import StaleJobError as StaleJobError
    from dci_downloader.errors import StallError as StallError
    from dci_downloader.errors import StatusError as StatusError
    from dci_downloader.errors import TransferError as TransferError
    from dci_downloader.hooks import NeverStop as NeverStop
    from dci_downloader.hooks import NullProgress as NullProgress
    from dci_downloader.hooks import Progress as Progress
    from dci_downloader.hooks import Stop as Stop
    from dci_downloader.mirror.comparison import Damage as Damage
    from dci_downloader.mirror.hold import Hold as Hold
    from dci_downloader.mirror.hold import hold as hold
    from dci_downloader.mirror.hold import release as release
    from dci_downloader.mirror.mirror import Mirror as Mirror
    from dci_downloader.mirror.prune import prune as prune
    from dci_downloader.mirror.remove import RemovedTopic as RemovedTopic
    from dci_downloader.mirror.remove import remove as remove
    from dci_downloader.mirror.rollback import Rollback as Rollback
    from dci_downloader.mirror.rollback import rollback as rollback
    from dci_downloader.mirror.status import Status as Status
    from dci_downloader.mirror.status import StatusRow as StatusRow
    from dci_downloader.mirror.status import status as status
    from dci_downloader.mirror.verify import VersionCheck as VersionCheck
    from dci_downloader.mirror.verify import verify as verify
    from dci_downloader.models import Component as Component
    from dci_downloader.models import FileEntry as FileEntry
    from dci_downloader.models import Job as Job
    from dci_downloader.models import JobFile as JobFile
    from dci_downloader.models import Manifest as Manifest
    from dci_downloader.models import Plan as Plan
    from dci_downloader.models import Product as Product
    from dci_downloader.models import SymlinkEntry as SymlinkEntry
    from dci_downloader.models import Topic as Topic
    from dci_downloader.options import Credentials as Credentials
    from dci_downloader.options import Filter as Filter
    from dci_downloader.options import LoginCredentials as LoginCredentials
    from dci_downloader.options import Network as Network
    from dci_downloader.options import RemoteciCredentials as RemoteciCredentials
    from dci_downloader.options import SsoCredentials as SsoCredentials
    from dci_downloader.options import SyncOptions as SyncOptions
    from dci_downloader.options import TransferOptions as TransferOptions
    from dci_downloader.pre_run_step import PreRunStep as PreRunStep
    from dci_downloader.pre_run_step import pre_run as pre_run
    from dci_downloader.results import ComponentReport as ComponentReport
    from dci_downloader.results import ContainerImage as ContainerImage
    from dci_downloader.results import ContainerImageOutcome as ContainerImageOutcome
    from dci_downloader.results import Failure as Failure
    from dci_downloader.results import Outcome as Outcome
    from dci_downloader.results import Removal as Removal
    from dci_downloader.results import Report as Report
    from dci_downloader.results import SourceTotals as SourceTotals
    from dci_downloader.sync import sync_topic as sync_topic
    from dci_downloader.topics import SyncRequest as SyncRequest
    from dci_downloader.topics import sync_topics as sync_topics
    from dci_downloader.transfer.repair import repair as repair
    from dci_downloader.upstream.mirror import UpstreamMirror as UpstreamMirror

_NAMES_OF_MODULE = {
    "changes": "Changes PackageChange PackageChangeKind",
    "content.selection": "Selection Variant",
    "control.client": "ControlServer",
    "control.conditions": "where",
    "errors": (
        "AccessError CancelledError DigestMismatchError DiskFullError DownloaderError IntegrityError "
        "LockedError ManifestError NoFilesError NotFoundError ServerUnreachableError SettingsError StaleJobError "
        "StallError StatusError TransferError"
    ),
    "hooks": "NeverStop NullProgress Progress Stop",
    "mirror.hold": "Hold hold release",
    "mirror.mirror": "Mirror",
    "mirror.prune": "prune",
    "mirror.remove": "RemovedTopic remove",
    "mirror.rollback": "Rollback rollback",
    "mirror.status": "Status StatusRow status",
    "mirror.comparison": "Damage",
    "mirror.verify": "VersionCheck verify",
    "models": "Component FileEntry Job JobFile Manifest Plan Product SymlinkEntry Topic",
    "options": (
        "Credentials Filter LoginCredentials Network RemoteciCredentials SsoCredentials SyncOptions TransferOptions"
    ),
    "pre_run_step": "PreRunStep pre_run",
    "results": ("ComponentReport ContainerImage ContainerImageOutcome Failure Outcome Removal Report SourceTotals"),
    "sync": "sync_topic",
    "topics": "SyncRequest sync_topics",
    "transfer.repair": "repair",
    "upstream.mirror": "UpstreamMirror",
}
_MODULE_OF_NAME = {name: module for module, names in _NAMES_OF_MODULE.items() for name in names.split()}

__all__ = sorted(_MODULE_OF_NAME)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF_NAME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF_NAME[name]}"), name)
