"""Makes a lost record anew: the server says what the component holds, the tree which part of it was selected.

The selection stays unknown, so the next sync publishes the same files under its own selection, and fetches nothing.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Optional

from dci_downloader.control.offer import Offer, resolve_offer
from dci_downloader.control.upstream import Upstream
from dci_downloader.errors import NotFoundError
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.native import native
from dci_downloader.mirror.publish import UNKNOWN_SELECTION, publish
from dci_downloader.mirror.restore import FetchMissing
from dci_downloader.mirror.retention import remove_unreadable
from dci_downloader.mirror.verify import VersionCheck
from dci_downloader.models import Component, Manifest, folder_name

_SUFFIX = re.compile(r"\+[0-9a-f]{8}$")
"""Of the folder of a version whose component's name was taken by another selection of it."""


def reconstruct(
    server: Upstream,
    mirror: Mirror,
    check: VersionCheck,
    fetch: FetchMissing,
    *,
    timeout: Optional[float] = None,
    waiting: Callable[[str], None] = lambda _: None,
) -> None:
    """Publish a published version whose record is lost anew, with a record. Safe to repeat.

    Args:
        server: has the component.
        mirror: the mirror to repair.
        check: of the version.
        fetch: brings what a plan misses of a component into the store, or raises; called under the topic's lock.
        timeout: seconds to wait for another run; None waits for ever, 0 not at all.
        waiting: called once for each wait, with a line for people that names the holder.

    Raises:
        NotFoundError: the server has no such component any more, or nothing is left that tells what was selected of it.
        LockedError: another run holds the topic for longer than ``timeout``.
    """
    component = _component(server, check)
    offer = resolve_offer(server, component)
    topic = mirror.topic(check.topic)
    with topic.lock(timeout, waiting):
        unreadable = [record.folder for record in topic.read_heads(check.type)[1]]
        if check.version not in unreadable or check.version != topic.published_folder(check.type):
            return  # a sync was faster
        wanted = _wanted(offer, topic.versions_folder(check.type) / native(check.version))
        for entry, content in offer.contents.items():
            if entry in wanted.files:
                mirror.store.add(entry, [content])
        plan = mirror.plan(component, wanted)
        if plan.missing:
            fetch(component, plan)
        publish(topic, component, UNKNOWN_SELECTION, wanted)
        remove_unreadable(topic, check.type)  # its tree, where that had another name


def _component(server: Upstream, check: VersionCheck) -> Component:
    """The component of a version, by the names of its folders."""
    for topic in server.topics():
        if folder_name(topic.name) != folder_name(check.topic):
            continue
        for component_type in topic.component_types:
            if folder_name(component_type) != folder_name(check.type):
                continue
            for component in server.components(topic, type=component_type):
                if check.version == component.name or _SUFFIX.sub("", check.version) == component.name:
                    return component
    raise NotFoundError(
        f"{check.topic} {check.type} {check.version}: its record is lost, and the server has no component of that name",
        hint="the next sync publishes another",
    )


def _wanted(offer: Offer, tree: Path) -> Manifest:
    """The part of an offer that a tree has."""
    manifest = offer.manifest
    assert manifest is not None, "no manifest was known"
    files = tuple(entry for entry in manifest.files if _is_there(tree / native(entry.path), entry.size))
    if not files:
        raise NotFoundError(
            f"{tree}: neither record nor files are left, so nobody knows what was selected",
            hint="run the sync: it publishes the version again",
        )
    symlinks = tuple(link for link in manifest.symlinks if os.path.islink(tree / native(link.path)))
    return replace(manifest, files=files, symlinks=symlinks)


def _is_there(path: Path, size: int) -> bool:
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size == size
