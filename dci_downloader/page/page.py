"""The status page: one self-contained file of HTML about a mirror, without anything from elsewhere.

* It works from disk and behind any web server. Where it lies in the mirror, or in a folder above it, it turns the lines
  for dnf and kickstart into the address that it was opened at.
* Its own style and script are all that a browser runs: it forbids everything else (Content-Security-Policy, by hash).
* Nothing in it is secret: names, sizes, times, and why something failed, without logins in URLs.
"""

from __future__ import annotations

import base64
import hashlib
import os
from importlib.resources import files
from pathlib import Path
from typing import Optional
from urllib.parse import quote
from xml.etree.ElementTree import Element

from dci_downloader import formatting, user_files
from dci_downloader.errors import SettingsError
from dci_downloader.mirror.disk_errors import disk_errors
from dci_downloader.mirror.files import replace_atomically
from dci_downloader.mirror.history import History, read_history
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.status import Status, status
from dci_downloader.page.elements import document, element, raw
from dci_downloader.page.row_details import past_builds, sources_of
from dci_downloader.page.runs_section import fetching_section, runs_section
from dci_downloader.page.topics_section import moment, pill, topics_section

_MODE = 0o644  # a web server runs as another user


def write_page(mirror: Mirror, path: Path) -> None:
    """Write the page, at once and readable by all. Safe to repeat.

    Args:
        mirror: the mirror to show.
        path: the file; replaced.

    Raises:
        NotFoundError: there is no mirror.
        SettingsError: the file cannot be written.
        DiskFullError: no room.
    """
    require_place(mirror, path)
    content = page(mirror, path).encode()
    with disk_errors(path):
        replace_atomically(path, content, mode=_MODE)


def require_place(mirror: Mirror, path: Path) -> None:
    """Make sure that a page can be written, before there is one.

    Args:
        mirror: the mirror to show; its own folder need not be there yet.
        path: the file.

    Raises:
        SettingsError: it cannot.
    """
    try:
        user_files.require_safe_place(str(path))
        if os.path.abspath(path.parent) == os.path.abspath(mirror.root) and not os.path.lexists(mirror.root):
            return
        if not path.parent.is_dir():
            raise OSError("there is no such folder")
        if path.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
            raise OSError("it is a folder, or in one that cannot be written to")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(
            f"status page {path}: {reason}", hint="name a file in a folder that this user may write to"
        ) from None


def page(mirror: Mirror, path: Optional[Path] = None) -> str:
    """The page as text.

    Args:
        mirror: the mirror to show.
        path: where it will be; None where that is not known.

    Raises:
        NotFoundError: there is no mirror.
    """
    found, history = status(mirror), read_history(mirror)
    root = Path(os.path.abspath(mirror.root))
    style, script = _resource("page.css"), _resource("page.js")
    policy = f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"Mirror {root}"),
        element("link", rel="icon", href="data:,"),
        raw("style", style),
        raw("script", script),
    )
    topics = topics_section(
        found.rows,
        lambda row: past_builds(mirror, row, history),
        lambda row: sources_of(mirror, row),
        f"file://{quote(os.fsencode(root))}".rstrip("/"),
    )
    main = [
        *fetching_section(found.fetching),
        *(element("p", each, class_="card problem") for each in found.unreadable),
        *(list(topics) or [element("p", "Nothing is here yet.", class_="card")]),
        *runs_section(history.runs),
    ]
    body = element("body", _header(mirror, root, found, history), element("main", *main), _footer())
    return document(element("html", head, body, lang="en", data_up=_way_to(root, path) if path else ""))


def _resource(name: str) -> str:
    return (files("dci_downloader.page") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _way_to(root: Path, page: Path) -> str:
    """The relative URL that leads from the page to the mirror, if it is in it or above it; else empty text."""
    way = os.path.relpath(os.path.realpath(root), os.path.dirname(os.path.realpath(page))).split(os.sep)
    if ".." in way and set(way) != {".."}:
        return ""
    return quote(os.fsencode("/".join([*way, ""])))


def _header(mirror: Mirror, root: Path, found: Status, history: History) -> Element:
    damaged = sum(row.damaged for row in found.rows)
    pills = []
    if damaged or found.unreadable:
        pills.append(pill(f"{damaged} damaged" if damaged else "not everything can be read", "bad"))
    elif found.rows:
        pills.append(pill("everything is whole", "good"))
    if history.runs:
        code = history.runs[0].exit_code
        pills.append(pill(f"the last run failed ({code})", "bad") if code else pill("the last run succeeded", "good"))
    parts = [f"{formatting.size(found.size)} in all versions, of which links save {formatting.size(found.saved)}"]
    if found.unfinished_bytes:
        unfinished = formatting.count(found.unfinished_files, "unfinished file")
        parts.append(f"{formatting.size(found.unfinished_bytes)} in {unfinished}")
    if found.free is not None:
        parts.append(f"{formatting.size(found.free)} free")
    written = element("p", "written ", moment(mirror.clock()), class_="quiet")
    return element("header", element("h1", str(root)), element("p", *pills), element("p", " · ".join(parts)), written)


def _footer() -> Element:
    text = "Written by dci-downloader; where settings have a status_page, whatever changes the mirror writes it anew."
    return element("footer", element("p", text, class_="quiet"))
