"""Expressions that narrow a list, as the control server reads them.

    and(eq(type,compose),contains(tags,nightly))

``eq ne lt le gt ge like ilike`` compare a column with a value, ``contains`` and ``not_contains`` look for values in a
list, ``null`` is about a column that is empty, ``and`` and ``or`` join two expressions, ``not`` turns one around. A
value is everything up to the next comma or bracket, and holds none of ``+ ~ ^``.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Collection, Mapping
from typing import Any, Callable

_TOKEN = re.compile(r"\s*([(),]|[^(),+~^]+)")
_COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}
_LISTS = {"tags"}
_Test = Callable[[Mapping[str, Any]], bool]


class ApiError(Exception):
    """An error that the API answers with, as JSON."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    def document(self) -> dict[str, Any]:
        """The body of the response."""
        return {"message": str(self), "status_code": self.status, "payload": {}}


def parse(text: str, columns: Collection[str]) -> _Test:
    """What tests whether a document fits an expression.

    Args:
        text: the expression.
        columns: those that it may speak of.

    Raises:
        ApiError: 400, it is none.
    """
    parser = _Parser(text, columns)
    try:
        test = parser.expression()
    except RecursionError:
        raise parser.error from None
    if parser.tokens:
        raise parser.error
    return test


class _Parser:
    """Reads an expression by recursive descent: each method takes its tokens from the front."""

    def __init__(self, text: str, columns: Collection[str]) -> None:
        self.error = ApiError(400, f"Invalid query: {text}")
        self._columns = columns
        self.tokens: list[str] = []
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise self.error
            self.tokens.append(match[1].strip())
            position = match.end()

    def expression(self) -> _Test:
        name = self._take()
        self._take("(")
        if name in ("and", "or"):
            first = self.expression()
            self._take(",")
            second = self.expression()
            self._take(")")
            if name == "and":
                return lambda document: first(document) and second(document)
            return lambda document: first(document) or second(document)
        if name == "not":
            negated = self.expression()
            self._take(")")
            return lambda document: not negated(document)
        return self._comparison(name)

    def _comparison(self, name: str) -> _Test:
        column, values = self._take(), list[str]()
        if column not in self._columns:
            raise self.error
        while self.tokens[:1] == [","]:
            self._take(",")
            values.append(self._take())
        self._take(")")
        if name == "null" and not values:
            return lambda document: document[column] is None
        if name in ("contains", "not_contains") and values and column in _LISTS:
            return lambda document: ({*values} <= {*document[column]}) is (name == "contains")
        if len(values) != 1:
            raise self.error
        if name in _COMPARISONS:
            compare = _COMPARISONS[name]
            return lambda document: document[column] is not None and bool(compare(str(document[column]), values[0]))
        if name in ("like", "ilike"):
            flags = re.DOTALL | (re.IGNORECASE if name == "ilike" else 0)
            pattern = re.escape(values[0]).replace("%", ".*").replace("_", ".")
            return lambda document: re.fullmatch(pattern, str(document[column]), flags) is not None
        raise self.error

    def _take(self, expected: str = "") -> str:
        token = self.tokens.pop(0) if self.tokens else ""
        if token != expected if expected else token in ("", "(", ")", ","):
            raise self.error
        return token
