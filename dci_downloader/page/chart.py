"""A chart of the sizes of the last builds: a bar for each, as SVG within the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element

from dci_downloader import formatting
from dci_downloader.page.elements import element

_HEIGHT = 48
_BAR, _GAP = 14, 4


class Bar(NamedTuple):
    """A build.

    Attributes:
        label: its name and date, shown where one points at the bar.
        size: bytes.
    """

    label: str
    size: int


def chart(bars: Sequence[Bar]) -> Element:
    """The chart, from the oldest build to the newest, whose bar stands out."""
    most = max((bar.size for bar in bars), default=0) or 1
    width = len(bars) * (_BAR + _GAP) - _GAP
    drawn = []
    for number, bar in enumerate(bars):
        height = max(2, round(_HEIGHT * bar.size / most))
        drawn.append(
            element(
                "rect",
                element("title", f"{bar.label}: {formatting.size(bar.size)}"),
                x=str(number * (_BAR + _GAP)),
                y=str(_HEIGHT - height),
                width=str(_BAR),
                height=str(height),
                rx="2",
                class_="newest" if number == len(bars) - 1 else "bar",
            )
        )
    text = f"sizes of the last builds: {', '.join(formatting.size(bar.size) for bar in bars)}"
    view = {"viewBox": f"0 0 {width} {_HEIGHT}"}
    return element(
        "svg", *drawn, width=str(width), height=str(_HEIGHT), class_="chart", role="img", aria_label=text, **view
    )
