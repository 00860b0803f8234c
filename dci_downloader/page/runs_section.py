"""The parts of the status page about runs: what they fetch now, and what the last ones did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from xml.etree.ElementTree import Element

from dci_downloader import formatting
from dci_downloader.mirror.fetching import Fetching
from dci_downloader.mirror.history import Run
from dci_downloader.page.elements import Child, element
from dci_downloader.page.topics_section import moment, pill

_RUNS_SHOWN = 20


def fetching_section(found: Iterable[Fetching]) -> Iterator[Element]:
    """What is being fetched, and what interrupted runs left; nothing where there is neither."""
    items = []
    for each in found:
        amount = f"{formatting.size(each.size_done)} of {formatting.size(each.size)}"
        state = ("is being fetched: ",) if each.running else ("was not finished, ", moment(each.seen_at), ": ")
        bar = element(
            "progress", value=str(min(each.size_done, each.size)), max=str(max(each.size, 1)), aria_label=amount
        )
        items.append(element("li", f"{each.topic} {each.type} {each.name} ", *state, amount, bar))
    if items:
        yield element("section", element("h2", "On its way"), element("ul", *items), class_="card")


def runs_section(runs: Sequence[Run]) -> Iterator[Element]:
    """The last runs, the newest first; nothing where none is known."""
    rows = []
    for run in runs[:_RUNS_SHOWN]:
        result = pill("failed" if run.exit_code else "done", "bad" if run.exit_code else "good")
        taken = formatting.duration(run.seconds)
        cells = element("td", moment(run.ended_at)), element("td", result), element("td", taken, class_="number")
        rows.append(element("tr", *cells, element("td", *_what_was_done(run))))
    if rows:
        heads = element("tr", *(element("th", name, scope="col") for name in ("ended", "result", "took", "what")))
        table = element("table", element("thead", heads), element("tbody", *rows), class_="runs")
        yield element("section", element("h2", "Last runs"), table, class_="card")


def _what_was_done(run: Run) -> Iterator[Child]:
    quiet = [topic.topic for topic in run.topics if not topic.published and not topic.reason]
    for topic in run.topics:
        if topic.published:
            fetched = f", {formatting.size(topic.size)} fetched" if topic.size else ""
            yield element("p", f"{topic.topic}: published {', '.join(topic.published)}{fetched}")
        if topic.reason:
            yield element("p", f"{topic.topic}: {topic.reason}", class_="problem")
    if quiet:
        yield element("p", f"nothing new: {', '.join(quiet)}", class_="quiet")
