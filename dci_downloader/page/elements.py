"""Elements of HTML, in which every text is escaped by the library that writes them.

Names come from servers and disks: characters that control a text, or cannot be seen, are shown as escapes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Union
from xml.etree.ElementTree import Element, tostring

from dci_downloader import formatting

Child = Union[str, Element]


def element(tag: str, *children: Child, **attributes: str) -> Element:
    """An element.

    Args:
        tag: its name.
        children: texts and elements, in order.
        attributes: ``class_`` is ``class``, and other underscores are dashes.
    """
    made = Element(tag, {name.rstrip("_").replace("_", "-"): _shown(value) for name, value in attributes.items()})
    append(made, children)
    return made


def append(parent: Element, children: Iterable[Child]) -> None:
    """Add texts and elements at the end of an element."""
    for child in children:
        if isinstance(child, Element):
            parent.append(child)
        elif len(parent):
            parent[-1].tail = (parent[-1].tail or "") + _shown(child)
        else:
            parent.text = (parent.text or "") + _shown(child)


def raw(tag: str, text: str) -> Element:
    """A style or a script of this program's, which HTML does not escape."""
    made = Element(tag)
    made.text = text
    return made


def document(root: Element) -> str:
    """A whole page as text."""
    return "<!DOCTYPE html>\n" + tostring(root, encoding="unicode", method="html") + "\n"


def _shown(text: str) -> str:
    return formatting.printable(text)
