"""YAML that others wrote, read within bounds.

A list of texts is read from the parser's events, one by one, so that nothing else is built. All that is plain is text:
no numbers to the base of sixty, no dates. Aliases, tags and nesting make it something else than such a list.
"""

from __future__ import annotations

import yaml

_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # the same, many times faster, where libyaml is
_TEXT_TAGS = (None, "!", "tag:yaml.org,2002:str")


def read_yaml_texts(document: bytes, most_texts: int) -> list[str]:
    """The texts of a YAML document that is a list of them.

    Args:
        document: the whole of it.
        most_texts: how many it may hold.

    Raises:
        ValueError: it is something else, or holds more.
    """
    try:
        return _texts(document, most_texts)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError("not YAML") from error


def _texts(document: bytes, most_texts: int) -> list[str]:
    events = yaml.parse(document, Loader=_LOADER)
    expected = (yaml.StreamStartEvent, yaml.DocumentStartEvent, yaml.SequenceStartEvent)
    if not all(isinstance(next(events, None), kind) for kind in expected):
        raise ValueError("not a list")
    texts: list[str] = []
    for event in events:
        if isinstance(event, yaml.SequenceEndEvent):
            break
        if not isinstance(event, yaml.ScalarEvent) or event.tag not in _TEXT_TAGS:
            raise ValueError("not a list of texts")
        if len(texts) == most_texts:
            raise ValueError(f"more than {most_texts:,} texts")
        texts.append(event.value)
    next(events)  # the end of the document
    if not isinstance(next(events, None), yaml.StreamEndEvent):
        raise ValueError("several documents")
    return texts
