"""JSON that others wrote, read within bounds.

* An integer of more than 19 digits is read as a float, one of more than 1,000 is refused: ``int`` takes time by
  the square of the digits, or refuses so many, depending on the version of Python.
* How many values there are is bounded before they are read, because each takes up to twenty times its bytes. Commas,
  colons and opening brackets are counted, within strings, too: no value stands without one of them but the first.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Optional, Union

_LONGEST_INTEGER = 19  # digits: 2⁶³, which no size or count exceeds, has so many
_LONGEST_NUMBER = 1000  # digits


def read_json(
    document: Union[bytes, str], most_values: int, made: Optional[Callable[[dict[str, Any]], Any]] = None
) -> Any:
    """The value of a JSON document.

    Args:
        document: the whole of it; bytes are UTF-8, with or without a byte order mark.
        most_values: how many values it may hold, keys and values of objects included.
        made: replaces each object as soon as it is read.

    Raises:
        ValueError: it is not JSON, or holds more; a ``JSONDecodeError`` says where.
    """
    if isinstance(document, bytes):
        document = document.decode("utf-8-sig")
    if sum(map(document.count, ",:[{")) > most_values:
        raise ValueError(f"more than {most_values:,} values")
    try:
        return json.loads(document, parse_int=_bounded_integer, object_hook=made)
    except RecursionError:  # brackets nested thousands deep
        raise ValueError("nested too deeply") from None


def _bounded_integer(digits: str) -> Union[int, float]:
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError(f"a number of {len(digits):,} digits")
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)
