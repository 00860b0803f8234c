"""The published link of a type where something is wrong with it: what stands in its place, and what belongs there."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Optional

from dci_downloader.mirror.comparison import Damage
from dci_downloader.mirror.head import Head
from dci_downloader.mirror.index import read_index
from dci_downloader.mirror.native import native, text_of
from dci_downloader.mirror.topic import TopicMirror

_LINK = "a link to one of its versions"


def link_damage(topic: TopicMirror, component_type: str) -> Optional[Damage]:
    """What is wrong with the link that agents read through; None where nothing is, or nothing was ever published.

    No side effect.
    """
    folder, link = topic.published_folder(component_type), topic.link(component_type)
    tree = topic.versions_folder(component_type) / native(folder)
    if folder and not os.path.lexists(tree):
        return Damage("", "the version that the link points at", "nothing")
    if folder and stat.S_ISDIR(os.lstat(tree).st_mode):
        return None
    found = _found(link)
    # the index comes with the first publication; a link may be of a release that had none
    if not link.is_symlink() and read_index(topic, component_type) is None:
        return None
    # where there are no versions it may be anybody's
    return Damage("", "a link to one of its versions", found) if any(topic.read_heads(component_type)) else None


def _found(link: Path) -> str:
    """What stands in the place of a published link."""
    if link.is_symlink():
        return f"a link to {text_of(os.readlink(link))}"
    if not os.path.lexists(link):
        return "nothing"
    return "a folder" if link.is_dir() else "a file, which is to be moved aside first"


def version_meant(topic: TopicMirror, component_type: str) -> Optional[Head]:
    """The version that the published link leads to, or should lead to where it is damaged; None where there is none.

    That is the one that it leads to by another way, else the one that the index names, else the last published.
    """
    heads = {head.folder: head for head in topic.heads(component_type)}
    if published := heads.get(topic.published_folder(component_type)):
        return published
    parent, name = os.path.split(os.path.realpath(topic.link(component_type)))
    beside = parent == os.path.realpath(topic.versions_folder(component_type))
    index = read_index(topic, component_type)
    names = (text_of(name) if beside else "", index.published if index else "", *heads)
    return next((heads[name] for name in names if name in heads), None)
