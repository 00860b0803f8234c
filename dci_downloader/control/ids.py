"""The ids of the control server: their form, and the beginnings of ids that people give in their place.

An id is a UUID. A list has no condition for the beginning of one, but can be asked for what lies between the lowest and
the highest id that begin so.
"""

from __future__ import annotations

import re

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_LOWEST, _HIGHEST = "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"


def is_id(text: str) -> bool:
    """Whether a text has the form of an id. The server knows no route for any other, and answers with a web page."""
    return _ID.fullmatch(text) is not None


def beginning_as_query(text: str) -> str:
    """The expression that holds for every id with this beginning; empty where no id can have it.

    Args:
        text: the first digits of an id, with its dashes.
    """
    lowest, highest = (f"{text.lower()}{filling[len(text) :]}" for filling in (_LOWEST, _HIGHEST))
    return f"and(ge(id,{lowest}),le(id,{highest}))" if text and is_id(lowest) else ""
