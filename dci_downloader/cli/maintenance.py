"""The commands for a mirror that is there: verify, repair, rollback and prune; as text and as JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Optional

from dci_downloader import formatting
from dci_downloader.cli.output import CommandResult
from dci_downloader.errors import IntegrityError, SettingsError, worst_exit_code
from dci_downloader.hooks import Progress, Stop
from dci_downloader.mirror import prune as prune_module
from dci_downloader.mirror import rollback as rollback_module
from dci_downloader.mirror import verify as verify_module
from dci_downloader.mirror.mend import mend_checked
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.native import native
from dci_downloader.mirror.restore import restore_links
from dci_downloader.mirror.verify import VersionCheck
from dci_downloader.options import TransferOptions
from dci_downloader.results import Removal

if TYPE_CHECKING:
    from dci_downloader.control.upstream import Upstream

_ADVICE = {
    IntegrityError.exit_code: "the next sync fetches what is damaged, unless it is held; verify --repair does so now",
    SettingsError.exit_code: "verify as the user who owns the mirror, or let this user read it; his own: --repair",
}


def verify(
    mirror: Mirror,
    progress: Progress,
    stop: Stop,
    connect: Optional[Callable[[], Upstream]] = None,
    timeout: Optional[float] = None,
    peers: tuple[str, ...] = (),
) -> CommandResult:
    """Hash every published file again; with a server, fetch what is damaged.

    Args:
        mirror: the mirror to work on.
        progress: gets files and bytes, and a message before a wait.
        stop: asked whether to end early.
        connect: gives the server to repair from, called only if something is damaged; None to repair nothing.
        timeout: seconds to wait for another run; None waits for ever.
        peers: URLs of other mirrors, asked before the server's object store.

    Raises:
        NotFoundError: there is no mirror.
        LockedError: another run is in the way for longer than ``timeout``.
        TransferError: something damaged could not be fetched.
    """
    restored: tuple[str, ...] = ()
    if connect is not None:  # first: what is published then is verified
        mirror.open()
        restored = restore_links(mirror, timeout=timeout, waiting=progress.message)
    checks = again = verify_module.verify(mirror, timeout=timeout, progress=progress, stop=stop)
    damaged = [check for check in checks if check.damages]
    left: tuple[str, ...] = ()
    mended: tuple[str, ...] = ()
    if connect is not None:
        mended = mend_checked(mirror, checks, timeout=timeout, waiting=progress.message)
        if mended and any(check.damages and check.exit_code == SettingsError.exit_code for check in checks):
            checks = again = verify_module.verify(mirror, timeout=timeout, progress=progress, stop=stop)
    unrepaired = [check for check in checks if check.damages]
    if unrepaired and connect is not None:
        from dci_downloader.transfer.repair import repair  # imports libcurl, which only a repair needs

        with connect() as server:
            transfer = TransferOptions(network=server.network, peers=peers)
            left = repair(server, mirror, unrepaired, timeout=timeout, transfer=transfer, progress=progress, stop=stop)
        again = verify_module.verify(mirror, timeout=timeout, progress=progress, stop=stop)
    failed = [line for check in again for line in _damage_lines(mirror, check)]
    repaired = [line for check in damaged for line in _damage_lines(mirror, check) if line not in failed]
    exit_code = worst_exit_code(check.exit_code for check in again)
    is_whole = bool(damaged or restored) and not exit_code
    lines = [*restored, *mended, *(f"repaired: {line}" for line in repaired)]
    for check in again:
        is_mended = any(line.startswith(f"{check.topic} {check.type}: ") for line in mended)
        name = " ".join(filter(None, (check.topic, check.type, check.version or "(none)")))
        lines.append(f"{name}: {_verdict(replace(check, unlinked=0, modes=0, respelled=0) if is_mended else check)}")
    failed = list(dict.fromkeys([*failed, *left]))
    ending = ["repaired: everything is whole again"] if is_whole else [_ADVICE[exit_code]] if exit_code else []
    if exit_code == SettingsError.exit_code and not any(check.version for check in again if check.damages):
        ending = []  # what to do is said with each folder
    if exit_code == IntegrityError.exit_code and connect is not None:
        ending = ["not everything could be repaired: a sync publishes a whole build, unless it is held"]
    document = {"versions": [_check_document(check) for check in checks], "repaired": is_whole, "left": list(left)}
    return CommandResult([*lines, *failed, *ending], document, exit_code, failed)


def rollback(
    mirror: Mirror,
    topic_name: str,
    component_type: str,
    timeout: Optional[float],
    progress: Progress,
    *,
    hold: bool = False,
) -> CommandResult:
    """Publish the version before the present one again, without network.

    Args:
        mirror: the mirror to work on.
        topic_name: the topic.
        component_type: one type of it; empty for all that have an older version.
        timeout: seconds to wait for another run; None waits for ever.
        progress: gets a message before a wait.
        hold: have it stay until it is released.

    Raises:
        NotFoundError: there is nothing older.
        LockedError: another run holds the topic for longer than ``timeout``.
    """
    results = rollback_module.rollback(
        mirror, topic_name, component_type, hold=hold, timeout=timeout, progress=progress
    )
    lines = []
    for result in results:
        lines += [f"{result.path} is {result.version} again", *(f"  note: {note}" for note in result.notes)]
    documents = [{"path": each.path, "version": each.version, "notes": list(each.notes)} for each in results]
    return CommandResult(lines, {"rolled_back": documents})


def prune(mirror: Mirror, keep: int, timeout: Optional[float], progress: Progress) -> CommandResult:
    """Remove versions beyond ``keep`` older ones, and what no version needs.

    Raises:
        NotFoundError: there is no mirror.
        LockedError: another run is working in it for longer than ``timeout``.
    """
    removal = prune_module.prune(mirror, keep, timeout=timeout, progress=progress)
    return _pruned("removed", "freed", removal)


def prune_preview(mirror: Mirror, keep: int) -> CommandResult:
    """Say what :func:`prune` would remove.

    Raises:
        NotFoundError: there is no mirror.
        SettingsError: a folder or a record cannot be read.
    """
    return _pruned("would remove", "would be freed", prune_module.preview(mirror, keep))


def _pruned(what: str, freed: str, removal: Removal) -> CommandResult:
    names = ", ".join(removal.versions) or "no version"
    line = f"{what} {names}; {formatting.count(removal.files, 'file')}, {formatting.size(removal.size)} {freed}"
    return CommandResult((line,), {"versions": list(removal.versions), "files": removal.files, "size": removal.size})


def _verdict(check: VersionCheck) -> str:
    note = f"; this is not recorded: {check.obstacle}" if check.obstacle else ""
    if check.exit_code == SettingsError.exit_code:
        return f"not verified: {formatting.count(len(check.damages), 'place')} could not be read{note}"
    if check.damages:
        return f"DAMAGED in {formatting.count(len(check.damages), 'place')}{note}"
    if check.unlinked or check.modes or check.respelled:
        apart = formatting.count(check.unlinked, "file")
        modes = formatting.count(check.modes, "other mode")
        links = f", {formatting.count(check.respelled, 'link')} written otherwise" if check.respelled else ""
        note += f"; {apart} apart from the store, {modes}{links}: the next sync, or --repair, puts that right"
    return f"whole ({formatting.count(check.files, 'file')}, {formatting.size(check.size)}){note}"


def _damage_lines(mirror: Mirror, check: VersionCheck) -> list[str]:
    """A line for each damage of a version, with the path at which it is found."""
    topic = mirror.topic(check.topic)
    if check.exit_code == SettingsError.exit_code and not check.version:
        return [found for _, _, found in check.damages]
    link, tree = topic.link(check.type), topic.versions_folder(check.type) / native(check.version)
    root = link if topic.published_folder(check.type) == check.version else tree
    whole = tree if check.version else link
    places = [(root / path if path else whole, expected, found) for path, expected, found in check.damages]
    return [f"{place}: expected {expected}, found {found}" for place, expected, found in places]


def _check_document(check: VersionCheck) -> dict[str, Any]:
    return {
        "topic": check.topic,
        "type": check.type,
        "version": check.version,
        "files": check.files,
        "size": check.size,
        "recorded": not (check.damages or check.obstacle),
        "damages": [damage._asdict() for damage in check.damages],
    }
