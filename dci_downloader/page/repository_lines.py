"""Lines that make dnf and kickstart use a mirror, ready to be copied.

* The id of a repository holds only letters, digits and ``-_.:``, as dnf demands; each id is there once.
* What a URL or a kickstart file would read as something else is percent-encoded.
* ``gpgcheck=0``: nightly builds are not all signed, and the mirror has compared every file with its manifest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from urllib.parse import quote

from dci_downloader import formatting
from dci_downloader.content.selection import TREE
from dci_downloader.mirror.repositories import Repository

_NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9_.:-]+")
_ORDINARY = ("os", "")


class Source(NamedTuple):
    """A repository of the mirror.

    Attributes:
        id: for dnf.
        name: for people.
        variant: ``BaseOS``; the path where there is none.
        arch: empty where there is none.
        content: os, debug or source; empty where there is none.
        path: below the mirror, percent-encoded, without a slash at the start.
    """

    id: str
    name: str
    variant: str
    arch: str
    content: str
    path: str
    installable: bool


def sources(topic_folder: str, topic: str, component_type: str, found: Iterable[Repository]) -> tuple[Source, ...]:
    """The repositories of one component.

    Args:
        topic_folder: as it is named on disk.
        topic: the topic's own name.
        component_type: as its folder is named.
        found: in the tree of the component.
    """
    made: list[Source] = []
    for path, installable in found:
        match = TREE.match(f"{path}/")
        variant, source, arch, content = match.groups() if match else (path, "", "", "")
        content = source or content or ""
        parts = [topic, component_type, variant or "", arch or "", content if content != "os" else ""]
        name = formatting.printable_line(" ".join(filter(None, parts)))
        identity = _NOT_IN_AN_ID.sub("_", "-".join(filter(None, parts)))
        taken = {each.id for each in made}
        while identity in taken:
            identity += "_"
        url = quote("/".join(filter(None, (topic_folder, component_type, path))), errors="surrogateescape")
        made.append(Source(identity, name, variant or "", arch or "", content, url, installable))
    return tuple(made)


def architectures(found: Sequence[Source]) -> tuple[str, ...]:
    """The architectures that there are repositories of, sorted; empty text for what belongs to none."""
    return tuple(sorted({each.arch for each in found}))


def repo_file(found: Iterable[Source]) -> Iterator[tuple[str, str]]:
    """The content of a ``.repo`` file, as pairs of a text and the path that follows the mirror's own URL after it.

    Debug and source packages are not enabled.
    """
    separator = ""
    for each in found:
        enabled = int(each.content in _ORDINARY)
        yield f"{separator}[{each.id}]\nname={each.name}\nbaseurl=", each.path
        yield f"\nenabled={enabled}\ngpgcheck=0\n", ""
        separator = "\n"


def kickstart(found: Iterable[Source]) -> Iterator[tuple[str, str]]:
    """Lines for a kickstart file, in the same form: what can be installed from, then what can be added."""
    ordinary = [each for each in found if each.content in _ORDINARY]
    installable = [each for each in ordinary if each.installable]
    if installable:
        yield "# install from one of these\n", ""
    for each in installable:
        yield "url --url=", each.path
        yield "\n", ""
    yield ("# and add others\n" if installable else ""), ""
    for each in ordinary:
        yield f"repo --name={_NOT_IN_AN_ID.sub('_', each.variant) or each.id} --baseurl=", each.path
        yield "\n", ""
