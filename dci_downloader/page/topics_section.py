"""The part of the status page about topics: for each type its version, health, sizes, package changes and lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from xml.etree.ElementTree import Element

from dci_downloader import formatting
from dci_downloader.changes import PackageChangeKind
from dci_downloader.mirror.history import Build
from dci_downloader.mirror.status import StatusRow
from dci_downloader.page.chart import Bar, chart
from dci_downloader.page.elements import Child, element
from dci_downloader.page.repository_lines import Source, architectures, kickstart, repo_file

_FEWEST_BARS = 2
_ADDRESS = (
    "They name the mirror by the address that this page was opened at, else by its path on the machine that wrote it."
)

PastBuilds = Callable[[StatusRow], Sequence[Build]]
"""The last builds of a row, the newest first."""
Sources = Callable[[StatusRow], Sequence[Source]]
"""The repositories of a row."""


def topics_section(rows: Iterable[StatusRow], builds: PastBuilds, sources: Sources, root: str) -> Iterator[Element]:
    """A card for each topic.

    Args:
        rows: of the status.
        builds: the last builds of each.
        sources: the repositories of each.
        root: the URL of the mirror, until a script in the page replaces it.
    """
    for topic, of_topic in groupby(rows, key=lambda row: row.topic):
        types = [_type(row, builds(row), sources(row), root) for row in of_topic]
        yield element("section", element("h2", topic), *types, class_="card")


def _type(row: StatusRow, builds: Sequence[Build], sources: Sequence[Source], root: str) -> Element:
    parts: list[Child] = [
        element("header", element("h3", row.type), *_pills(row)),
        element("p", row.version or "nothing is published", class_="version"),
        element("div", _facts(row), *_chart(builds), class_="columns"),
        *(element("p", problem, class_="problem") for problem in row.problems),
    ]
    newest = builds[0] if builds and builds[0].version == row.version else None
    if newest is not None and newest.since:
        parts.append(_packages(newest))
    if sources:
        parts.append(_lines(sources, root))
    return element("article", *parts)


def _pills(row: StatusRow) -> Iterator[Element]:
    """The health of what is published, in a word, and whether it is held."""
    if row.damaged:
        yield pill("damaged", "bad")
    elif row.published_at is None:
        yield pill("unreadable" if row.version else "not published", "bad" if row.version else "odd")
    else:
        yield pill("whole", "good")
    if row.held:
        yield pill("held", "odd")


def pill(text: str, kind: str) -> Element:
    """A word with a background: ``good``, ``bad`` or ``odd``."""
    return element("span", text, class_=f"pill {kind}")


def _facts(row: StatusRow) -> Element:
    facts: list[tuple[str, Child]] = [
        ("size", formatting.size(row.size)),
        ("files", f"{row.files:,}"),
        ("published", moment(row.published_at) if row.published_at else "–"),
        ("verified", moment(row.last_verified) if row.last_verified else "on arrival" if row.published_at else "–"),
        ("older versions", ", ".join(row.kept) or "none"),
    ]
    if row.tags:
        facts.append(("tags", ", ".join(row.tags)))
    return element("dl", *(element("div", element("dt", name), element("dd", value)) for name, value in facts))


def moment(instant: datetime) -> Element:
    """An instant in UTC, which a browser turns into how long ago it was."""
    return element("time", formatting.instant(instant), datetime=instant.isoformat())


def _chart(builds: Sequence[Build]) -> Iterator[Element]:
    if len(builds) < _FEWEST_BARS:
        return
    bars = [Bar(f"{build.version}, {build.published_at:%Y-%m-%d}", build.size) for build in reversed(builds)]
    sizes = [bar.size for bar in bars]
    span = f"{formatting.size(min(sizes))} to {formatting.size(max(sizes))}"
    caption = f"sizes of the last {len(bars)} builds, {span}"
    yield element("figure", chart(bars), element("figcaption", caption))


def _packages(build: Build) -> Element:
    """The packages that differ from the build before, those of a kind together."""
    counts = []
    tables: list[Element] = []
    for kind in PackageChangeKind:
        changes = [change for change in build.packages if change.kind is kind]
        if changes:
            counts.append(f"{len(changes):,} {kind.value}")
            rows = [
                element("tr", element("th", each.label, scope="row"), element("td", each.transition))
                for each in changes
            ]
            tables.append(element("table", element("caption", kind.value), element("tbody", *rows), class_="packages"))
    if build.more_packages:
        counts.append(f"{build.more_packages:,} more")
    summary = f"Packages since {build.since}: {', '.join(counts) or 'none differs'}"
    if not tables:
        return element("p", summary, class_="quiet")
    return element("details", element("summary", summary), *tables)


def _lines(sources: Sequence[Source], root: str) -> Element:
    """What to write into a ``.repo`` file and a kickstart file, for each architecture."""
    blocks: list[Child] = [element("p", _ADDRESS, class_="quiet")]
    for arch in architectures(sources):
        found = [each for each in sources if each.arch == arch]
        title = arch or ("sources" if any(each.content == "source" for each in found) else "all architectures")
        blocks.append(element("h4", f"{title}: /etc/yum.repos.d/mirror.repo"))
        blocks.append(_pre(repo_file(found), root, "repo"))
        if any(each.content in ("os", "") for each in found):
            blocks += [element("h4", f"{title}: kickstart"), _pre(kickstart(found), root, "kickstart")]
    return element("details", element("summary", "Lines for dnf and kickstart"), *blocks)


def _pre(lines: Iterable[tuple[str, str]], root: str, kind: str) -> Element:
    parts: list[Child] = []
    for text, path in lines:
        parts += [text, element("span", root, class_="base"), f"/{path}"] if path else [text]
    return element("pre", *parts, class_=kind, tabindex="0")
