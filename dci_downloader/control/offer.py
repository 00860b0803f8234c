"""What the control server offers: which components a request means, and which files a component has.

The files are those of the manifest, and ``images_list.yaml``, a list of container images, where it is served beside the
manifest. That counts as a file at the root of the component, as in the previous downloader, unless the manifest lists
something under that name itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Optional

from dci_downloader.content.manifest import IMAGE_LIST_NAME
from dci_downloader.control.resolver import (
    ResolvedRequest,
    resolve_component,
    resolve_components,
    resolve_job,
    resolve_topic,
)
from dci_downloader.control.upstream import Upstream
from dci_downloader.errors import NoFilesError, SettingsError, TransferError
from dci_downloader.hooks import Progress
from dci_downloader.models import Component, FileEntry, Manifest
from dci_downloader.options import SyncOptions


def resolve_request(server: Upstream, topic: str, options: SyncOptions, progress: Progress) -> ResolvedRequest:
    """Find the topic and the components that a topic's name and the options mean. Safe to repeat.

    Args:
        server: the server to ask.
        topic: name, or pattern with a trailing ``*``; may be empty where ``options`` name a component or a job.
        options: filters, component or job.
        progress: gets a message about what was chosen.

    Raises:
        NotFoundError: there is no such topic or component.
        SettingsError: the request names nothing, or contradicts itself.
    """
    if options.job is not None:
        return resolve_job(options.job, topic)
    resolved = resolve_topic(server, topic, progress) if topic else None
    if options.component_id:
        return resolve_component(server, options.component_id, resolved)
    if resolved is None:
        raise SettingsError("neither a topic, nor a component, nor a job says what to mirror")
    return resolve_components(server, resolved, options.filters, progress)


@dataclass(frozen=True)
class Offer:
    """A component as the control server offers it now, before selection.

    Attributes:
        manifest: every file, those served beside the manifest included, or none at all; None where a known manifest is
            still valid.
        contents: the content of files that came with the offer, by entry; they need not be fetched.
    """

    manifest: Optional[Manifest]
    contents: Mapping[FileEntry, bytes] = field(default_factory=dict, repr=False)


def resolve_offer(server: Upstream, component: Component, known: Optional[Manifest] = None) -> Offer:
    """Ask the server for what a component offers. Safe to repeat.

    The two requests are sent one after the other: on a slow line, a second connection would take longer to be made than
    a second response on the first one.

    Args:
        server: the server to ask.
        component: the component to look at.
        known: what was selected from an earlier offer; where neither it nor the image list has changed since, the
            manifest is not sent again.

    Raises:
        NotFoundError: there is no such component.
        ManifestError: the manifest cannot be trusted.
        TransferError: the server cannot be asked, or the image list is a web page.
    """
    contents = _image_list(server, component)
    listed = [] if known is None else [entry for entry in known.files if entry.path == IMAGE_LIST_NAME]
    manifest = _manifest(server, component, known.etag if known is not None and listed == list(contents) else "")
    if manifest is not None and not lists(manifest, IMAGE_LIST_NAME):
        manifest = replace(manifest, files=(*manifest.files, *contents))
    return Offer(manifest, contents)


def _manifest(server: Upstream, component: Component, etag: str) -> Optional[Manifest]:
    """The manifest, an empty one for a component without files; None where ``etag`` is still that of the server's."""
    try:
        return server.manifest(component, etag=etag)
    except NoFilesError:
        return Manifest(component.type, ())


def _image_list(server: Upstream, component: Component) -> dict[FileEntry, bytes]:
    content = server.image_list(component)
    if content is None:
        return {}
    if content.lstrip().startswith(b"<"):
        raise TransferError(f"{IMAGE_LIST_NAME} of {component.name} is a web page", hint="does a proxy stand between?")
    return {FileEntry(IMAGE_LIST_NAME, hashlib.sha256(content).hexdigest(), len(content)): content}


def lists(manifest: Manifest, path: str) -> bool:
    """Whether a manifest has something under a path: a file, a link or a folder."""
    paths = [*(entry.path for entry in manifest.files), *(link.path for link in manifest.symlinks)]
    return any(each == path or each.startswith(f"{path}/") for each in paths)
