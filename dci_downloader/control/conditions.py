"""Which items of a list are wanted, and in which order, in the form that the control server reads.

* ``where`` is one CSV row of ``key:value`` pairs, all of which must hold, so that values may hold commas and quotes.
  Case is ignored; one trailing ``*`` means *contains*.
* ``query`` is an expression such as ``and(eq(type,compose),contains(tags,nightly))``. The server does not look at it
  where there is a ``where``, too. Its values cannot hold ``+ ~ ^ , ( )`` and cannot be quoted.
* ``sort`` is a list of columns with commas between them, a ``-`` before those that descend.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timezone
from typing import Union

from dci_downloader.errors import SettingsError

Value = Union[str, int, bool, Sequence[str]]
Where = Union[str, Mapping[str, Value]]
NEWEST_FIRST = "-created_at"
_WHERE_FORM = "is made of column:value, with commas between them; where() of Python does the quoting"
_EXPRESSION_FORM = "an expression is like and(eq(type,compose),contains(tags,nightly)); values hold none of + ~ ^ , ( )"
_SORT_FORM = "sort is made of columns, with commas between them and - before those that descend"


def where(**conditions: Value) -> str:
    """The conditions of a list in the form and with the quoting of the control server.

    Args:
        conditions: values by the name of a column; of ``tags`` several, all of which must be there.

    Raises:
        SettingsError: a value cannot be sent.
    """
    return _row(_pairs(conditions))


@dataclass(frozen=True)
class Listing:
    """Which items of a list are wanted.

    Attributes:
        where: conditions, as pairs of column and value, or as the control server reads them.
        required: further conditions, as pairs; those with an empty value are ignored.
        expression: in the language of ``query``; empty for none.
        sort: the order.
    """

    where: Where = ""
    required: Sequence[tuple[str, str]] = ()
    expression: str = ""
    sort: str = NEWEST_FIRST

    def value_of(self, name: str) -> str:
        """The value that a column is to have; empty for any."""
        return dict([*self.required, *_pairs(self.where)]).get(name, "")

    def form(self) -> str:
        """The form of those parts that the user wrote; empty where all of it is as every list is asked for."""
        forms = [_EXPRESSION_FORM] if self.expression else [f"where {_WHERE_FORM}"] if self.where else []
        return "; ".join([*forms, *([_SORT_FORM] if self.sort not in ("", NEWEST_FIRST) else [])])

    def query(self) -> dict[str, str]:
        """The query of the request, without empty values.

        Raises:
            SettingsError: the conditions cannot be sent.
        """
        given = _pairs(self.where)
        named = {name for name, _ in given if name != "tags"}
        pairs = [*given, *((name, value) for name, value in self.required if value and name not in named)]
        if not self.expression:
            conditions = {"where": _row(pairs)} if pairs else {}
        elif given:
            raise SettingsError("where and query cannot be used together", hint="put the conditions into the query")
        else:
            conditions = {"query": _expression(self.expression, pairs)}
        return {**conditions, **({"sort": _printable(self.sort)} if self.sort else {})}


def moment(given: Union[date, str]) -> datetime:
    """A point in time, aware, from a date, a datetime, or either in ISO 8601; UTC where it names no zone.

    Raises:
        SettingsError: it is none of that.
    """
    if isinstance(given, str):
        text = given.strip()
        try:
            # datetime.fromisoformat of Python 3.9 knows no Z
            given = datetime.fromisoformat(f"{text[:-1]}+00:00" if text[-1:] in ("Z", "z") else text)
        except ValueError:
            raise SettingsError(
                f"{text!r} is neither a date nor a time", hint="for example 2026-11-01, or 2026-11-01T06:00:00+01:00"
            ) from None
    if not isinstance(given, datetime):
        given = datetime.combine(given, time())
    return given if given.tzinfo else given.replace(tzinfo=timezone.utc)


def _pairs(conditions: Where) -> list[tuple[str, str]]:
    if not isinstance(conditions, str):
        return [(name, value) for name, given in conditions.items() for value in _texts(given)]
    try:
        row = next(csv.reader([_printable(conditions)]), [])
    except csv.Error as error:
        raise SettingsError(f"where cannot be read: {error}", hint="where() of Python does the quoting") from None
    pairs = [pair.partition(":") for pair in row]
    for name, colon, _ in pairs:
        if not colon:
            raise SettingsError(f"where: {name!r} is no condition", hint=f"it {_WHERE_FORM}")
    return [(name, value) for name, _, value in pairs]


def _texts(value: Value) -> Sequence[str]:
    if isinstance(value, bool):
        return (str(value).lower(),)
    return (str(value),) if isinstance(value, (str, int)) else list(map(str, value))


def _row(pairs: Iterable[tuple[str, str]]) -> str:
    row = io.StringIO()
    csv.writer(row, lineterminator="").writerow([f"{name}:{value}" for name, value in pairs])
    return _printable(row.getvalue())


def _expression(expression: str, pairs: Iterable[tuple[str, str]]) -> str:
    """The expression with those conditions that its language can express; the caller has to check the others."""
    # Types are stored in lower case, and eq() minds the case.
    pairs = [(name, value.lower() if name == "type" else value) for name, value in pairs]
    expressible = [(name, value) for name, value in pairs if not set(value) & set('+~^,()*"')]
    terms = [f"{'contains' if name == 'tags' else 'eq'}({name},{value})" for name, value in expressible]
    whole = _printable(expression)
    for term in terms:  # and() takes two
        whole = f"and({term},{whole})"
    return whole


def _printable(text: str) -> str:
    if not text.isprintable():  # for example bytes of the command line that are no text
        raise SettingsError(f"{text!r}: names and tags hold printable characters only")
    return text
