"""Container images of a component, copied into the lab's registry by skopeo.

The rules:

* ``images_list.yaml`` is a list of references, ``registry.example.com/rhosp17/nova:17.1`` or ``…@sha256:…``; without
  either the tag is ``latest``.
* An image is copied to the lab's registry under its last name, ``<registry>/nova:17.1``, as the previous downloader
  does; with all its architectures and its digest. One whose digest is there already is not copied.
* The source gets the login of the topic only where the topic or the settings say that the login is for this registry:
  a list may name any host. Its certificate is verified, unless it is this machine and gets no login.
* The lab's registry is written to without a login and without verifying it, as the previous downloader does: plain
  http, and certificates of its own, are what labs have. Nothing secret goes there.
* An image that cannot be copied does not stop the others.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

from dci_downloader.content.manifest import IMAGE_LIST_NAME
from dci_downloader.errors import CancelledError, IntegrityError, SettingsError, TransferError
from dci_downloader.hooks import Progress, Stop
from dci_downloader.network.addresses import registry_address
from dci_downloader.options import Network
from dci_downloader.results import ContainerImage, ContainerImageOutcome, Failure
from dci_downloader.skopeo import SKOPEO, Login, Skopeo

PARALLEL = 4
"""Images that are copied side by side."""
END_SECONDS = 5.0
"""How long skopeo may take to end when it is asked to."""

_POLL_SECONDS = 0.25  # how often a request to stop is looked for
MAX_LIST = 2**20  # bytes; a list of a few hundred images has some tens of thousands
MOST_IMAGES = 10_000
_LONGEST_REFERENCE = 1000  # characters: host, 255 of a name, 128 of a tag and a digest have no more
_DIGEST = "sha256:[0-9a-f]{64}"
_REFERENCE = re.compile(
    rf"(?P<host>(?:\[[0-9a-f:]+\]|[\w.-]+)(?::\d+)?)/(?P<path>(?:\w[\w.-]*/)*)(?P<name>\w[\w.-]*)"
    rf"(?::(?P<tag>[\w][\w.-]{{0,127}}))?(?:@(?P<digest>{_DIGEST}))?",
    re.ASCII,
)
_LOOPBACK = re.compile(r"(?:localhost|127(?:\.\d+){3}|\[::1\])(?::\d+)?", re.ASCII)


class Reference(NamedTuple):
    """An image that a list names.

    Attributes:
        text: as it stands in the list.
        host: registry, with its port where the list names one.
        source: what is copied, in the form that skopeo takes: by digest where there is one.
        name: the last part of its name, with tag or digest: its name in the lab's registry.
    """

    text: str
    host: str
    source: str
    name: str


@dataclass(frozen=True)
class MirroredImages:
    """The outcome of each image of a list.

    Attributes:
        images: in the order of the list.
        failures: those that could not be copied; their path is the reference.
    """

    images: tuple[ContainerImage, ...]
    failures: tuple[Failure, ...]


def require_skopeo(registry: str) -> None:
    """Check, before anything is fetched, that images can be copied to a registry.

    Raises:
        SettingsError: skopeo is not installed, or the registry's address cannot be used.
    """
    try:
        registry_address(registry)
    except ValueError as error:
        raise SettingsError(f"the registry for container images: {error}") from None
    if shutil.which(SKOPEO) is None:
        raise SettingsError(
            "container images are mirrored by skopeo, which is not installed",
            hint="install the package skopeo (dnf install skopeo, apt install skopeo), or leave the registry out",
        )


def parse_image_list(document: bytes) -> tuple[Reference, ...]:
    """Read an ``images_list.yaml``; an image that is named twice counts once.

    Raises:
        IntegrityError: it is something else, or two images would have one name in the lab's registry.
    """
    from dci_downloader.network.bounded_yaml import read_yaml_texts  # most runs mirror no images

    try:
        listed = read_yaml_texts(document, MOST_IMAGES) if len(document) <= MAX_LIST else None
    except ValueError:
        listed = None
    if listed is None:
        raise IntegrityError(f"{IMAGE_LIST_NAME} is not a list of images", hint="the component is broken: report it")
    references: dict[str, Reference] = {}
    for text in dict.fromkeys(listed):
        reference = _parse_reference(text)
        first = references.setdefault(reference.name, reference)
        if first is not reference:
            raise IntegrityError(f"{IMAGE_LIST_NAME}: {first.text} and {text} would both become {reference.name}")
    return tuple(references.values())


def _parse_reference(text: str) -> Reference:
    match = _REFERENCE.fullmatch(text) if len(text) <= _LONGEST_REFERENCE else None
    host = match["host"] if match else ""
    # A first part without a dot or port is no host: docker takes "rhosp/nova" for an image of Docker Hub.
    if match is None or not (_LOOPBACK.fullmatch(host) or re.search(r"[.:]", host)):
        raise IntegrityError(
            f"{IMAGE_LIST_NAME}: {ascii(text)[:100]} is no image of a registry, like registry.example.com/nova:17.1",
            hint="the component is broken: report it",
        )
    source = f"{host}/{match['path']}{match['name']}"
    by_tag = f":{match['tag'] or 'latest'}"
    by_digest = f"@{match['digest']}" if match["digest"] else ""
    name = match["name"] + (by_tag if match["tag"] or not by_digest else by_digest)
    return Reference(text, host, source + (by_digest or by_tag), name)


def mirror(
    document: bytes, registry: str, login: Login, network: Network, progress: Progress, stop: Stop
) -> MirroredImages:
    """Copy the images of a list into a registry.

    Safe to repeat: an image that the registry has with the same digest is not copied again.

    Args:
        document: an ``images_list.yaml``.
        registry: of the lab, ``HOST:PORT``; a path may follow.
        login: of the topic; goes to the registries that it is for, and to no other that the list names.
        network: certificates; proxies are those of the environment.
        progress: gets a line about each image.
        stop: asked several times a second.

    Raises:
        IntegrityError: the list cannot be used.
        CancelledError: ``stop`` was requested; what was copied stays.
    """
    references = parse_image_list(document)
    others = {reference.host for reference in references if login.user and not login.is_for(reference.host)}
    for host in sorted(others):
        progress.message(
            f"note: the topic's login is not sent to {host}, which nothing says it is for: login_registries in the "
            "settings can"
        )
    skopeo = Skopeo(login, {reference.host for reference in references}, network)
    with closing(skopeo), stop.deferred(), ThreadPoolExecutor(PARALLEL, thread_name_prefix=SKOPEO) as pool:
        futures = [pool.submit(_copy, skopeo, reference, registry) for reference in references]
        _wait(futures, skopeo, progress, stop)
    results = [future.result() for future in futures]
    failures = (Failure(image.source, reason, TransferError.exit_code) for image, reason in results if reason)
    return MirroredImages(tuple(image for image, _ in results), tuple(failures))


def _wait(
    futures: Sequence[Future[tuple[ContainerImage, str]]], skopeo: Skopeo, progress: Progress, stop: Stop
) -> None:
    """Report on each image as it is done; raise CancelledError once the run is to stop."""
    left = set(futures)
    while left:
        done, left = wait(left, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
        for future in done:
            image, reason = future.result()
            report = progress.detail if image.outcome is ContainerImageOutcome.PRESENT else progress.message
            report(f"image {image.source}: {reason or f'{image.outcome.value} as {image.copy}'}")
        if stop.requested():
            for future in left:  # those that are not begun; the others are ended
                future.cancel()
            skopeo.abandon()
            if wait(left, timeout=END_SECONDS).not_done:
                skopeo.abandon(kill=True)
            raise CancelledError("interrupted")


def _copy(skopeo: Skopeo, reference: Reference, registry: str) -> tuple[ContainerImage, str]:
    """Copy an image unless the registry has it; with the reason where it failed, else an empty string."""
    source, copy = f"docker://{reference.source}", f"{registry}/{reference.name}"
    login = skopeo.auth_option("--authfile", reference.host)
    # without verification skopeo falls back to plain http, which is no place for a login
    verify = f"tls-verify={'false' if _LOOPBACK.fullmatch(reference.host) and not login else 'true'}"
    code, manifest, reason = skopeo.run("inspect", "--raw", f"--{verify}", *login, source)
    if code == 0:
        # An image's digest is that of its manifest, byte for byte.
        code, present, _ = skopeo.run("inspect", "--raw", "--tls-verify=false", "--no-creds", f"docker://{copy}")
        if code == 0 and present == manifest:
            return ContainerImage(reference.text, copy, ContainerImageOutcome.PRESENT), ""
        options = ("--quiet", "--all", "--preserve-digests", "--retry-times=3", f"--src-{verify}")
        login = (
            *skopeo.auth_option("--src-authfile", reference.host),
            "--dest-tls-verify=false",
            "--dest-no-creds",
        )
        code, _, reason = skopeo.run("copy", *options, *login, source, f"docker://{copy}")
    if code == 0:
        return ContainerImage(reference.text, copy, ContainerImageOutcome.COPIED), ""
    return ContainerImage(reference.text, copy, ContainerImageOutcome.FAILED), reason
