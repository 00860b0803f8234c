"""JSON and YAML that others wrote, read within bounds.

* Numbers: an integer of more than 19 digits is read as a float, one of more than 1,000 is refused: ``int`` takes the
  square of their time, or refuses them, depending on the version of Python.
* JSON: how many values it has is bounded before it is read, because each takes up to twenty times its bytes. Commas,
  colons and opening brackets are counted, within strings, too: no value stands without one of them but the first.
* YAML: a list of texts is read from the parser's events, one by one, so that nothing else is built. All that is plain
  is text: no numbers to the base of sixty, no dates. Aliases, tags and nesting make it something else than such a list.
"""

from __future__ import annotations

import json
from typing import Any, Union

import yaml

_LONGEST_INTEGER = 19  # digits: 2⁶³, which no size or count exceeds, has so many
_LONGEST_NUMBER = 1000  # digits
_YAML_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # the same, many times faster, where libyaml is
_TEXT_TAGS = (None, "!", "tag:yaml.org,2002:str")


def read_json(document: Union[bytes, str], most_values: int) -> Any:
    """The value of a JSON document.

    Args:
        document: the whole of it; bytes are UTF-8, with or without a byte order mark.
        most_values: how many values it may hold, keys and values of objects included.

    Raises:
        ValueError: it is not JSON, or holds more; a ``JSONDecodeError`` says where.
    """
    if isinstance(document, bytes):
        document = document.decode("utf-8-sig")
    if sum(map(document.count, ",:[{")) > most_values:
        raise ValueError(f"more than {most_values:,} values")
    try:
        return json.loads(document, parse_int=_bounded_integer)
    except RecursionError:  # brackets nested thousands deep
        raise ValueError("nested too deeply") from None


def _bounded_integer(digits: str) -> Union[int, float]:
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError(f"a number of {len(digits):,} digits")
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)


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
    events = yaml.parse(document, Loader=_YAML_LOADER)
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
