"""A settings file: YAML → values, the position of each, and everything that is wrong with it.

The rules:

* The loader is that of ``yaml.safe_load``, stopped before it builds values: only known settings are looked at, whatever
  else the file holds. Aliases and merge keys are followed, within a bound.
* :mod:`dci_downloader.settings.table` declares the settings, where they may stand and what they hold.
* A key that is not a setting is left to other programs, unless it is one edit away from a setting: that is a mistake.
* The topics of a file are its ``jobs``, else its ``topic``, else its ``topics``, as in the previous downloader; an
  empty list is passed over where there is another.
* A setting without a value counts as not set.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType
from typing import Any, NamedTuple, Optional

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from dci_downloader import user_files
from dci_downloader.errors import SettingsError
from dci_downloader.settings.table import settings_at
from dci_downloader.settings.types import TEXT, Choice, Entry, Level, ListOf, Scalar, Values, ValueType
from dci_downloader.settings.values import SettingValue

LARGEST_FILE = 2**20
"""Bytes; a settings file is a page or two."""

MOST_VALUES = 100_000
"""How many keys and list items are read, each alias counted as what it stands for: an alias bomb ends here."""

_TAG = "tag:yaml.org,2002:"
_DESCRIPTIONS = {
    "str": "a string",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "timestamp": "a date",
    "null": "nothing",
}


class SettingsFile(NamedTuple):
    """The content of a settings file.

    Attributes:
        values: the settings of its top level.
        topics: those of each topic; None where the file names none.
        problems: what is wrong, a line each, with file, line and column. While there are any, nothing else counts.
        notes: what is valid but without effect, a line each, with file, line and column.
    """

    values: Values = MappingProxyType({})
    topics: Optional[tuple[Values, ...]] = None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read(path: str) -> SettingsFile:
    """Read a settings file. A file that cannot be read is one with a problem."""
    try:
        return parse(user_files.read(path, LARGEST_FILE), path)
    except SettingsError as error:
        return SettingsFile(problems=(str(error),))


def parse(document: bytes, name: str) -> SettingsFile:
    """Read the content of a settings file.

    Args:
        document: the file's bytes.
        name: of the file, for messages.
    """
    reader = _Reader(name)
    try:
        return reader.read(document)
    except _UnreadableError as error:
        return SettingsFile(problems=(str(error),))


class _UnreadableError(Exception):
    """Nothing more can be read of this file."""


class _Reader:
    """Reads one file, and collects everything that is wrong with it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.problems: list[tuple[int, int, str]] = []
        self.notes: list[str] = []
        self._left = MOST_VALUES

    def read(self, document: bytes) -> SettingsFile:
        values = self._mapping(_compose(document, self.name), Level.FILE, "")
        folder = values.pop("download_folder", None)
        if folder is not None:
            values.setdefault("local_repo", folder)
        topics = self._topics(values)
        return SettingsFile(values, topics, tuple(text for *_, text in sorted(set(self.problems))), tuple(self.notes))

    def _topics(self, values: dict[str, SettingValue]) -> Optional[tuple[Values, ...]]:
        """The topics of the file, taken out of its other values."""
        given = [(key, values.pop(key)) for key in ("jobs", "topic", "topics") if key in values]
        if not given:
            return None
        filled = [(key, setting) for key, setting in given if setting.value != ()]
        if not filled:
            key, empty = given[0]
            line, column = map(int, empty.origin.rsplit(":", 2)[1:])
            text = f"{empty.origin}: {key}: expected a list of mappings with topic, not an empty one"
            self.problems.append((line - 1, column - 1, text))
            return None
        (first, setting), others = filled[0], filled[1:]
        self.notes += [f"{unused.origin}: {key} is not used, because there is {first}" for key, unused in others]
        return ({"topic": setting},) if first == "topic" else setting.value

    def _problem(self, node: Node, text: str) -> None:
        """Note a problem. The value becomes None: the file cannot be used then."""
        mark = node.start_mark
        self.problems.append((mark.line, mark.column, f"{_position(self.name, node.start_mark)}: {text}"))

    def _wrong_type(self, node: Node, name: str, expected: str) -> None:
        self._problem(node, f"{name}: expected {expected}, not {_description(node)}")

    def _spend(self, values: int) -> None:
        """Count values against the bound.

        Raises:
            _UnreadableError: there are too many.
        """
        self._left -= values
        if self._left < 0:
            raise _UnreadableError(f"{self.name}: more than {MOST_VALUES:,} values, aliases included")

    def _mapping(self, node: MappingNode, level: Level, prefix: str) -> dict[str, SettingValue]:
        """The known settings of a mapping, each converted."""
        settings = settings_at(level)
        values = {}
        for name, (key, value) in self._pairs(node, settings).items():
            if name in settings:
                if not _is(value, "null"):
                    converted = self._value(settings[name].value_type, value, f"{prefix}{name}")
                    values[name] = SettingValue(converted, _position(self.name, key.start_mark))
            else:
                meant = next((known for known in settings if _one_edit_apart(name.lower(), known)), "")
                if meant:
                    self._problem(key, f"{prefix}{name} is not a setting: did you mean {meant}?")
        return values

    def _value(self, value_type: ValueType, node: Node, name: str) -> Any:
        """The value of a node; None where it is a problem."""
        if isinstance(value_type, ListOf):
            return self._list(value_type, node, name)
        if isinstance(value_type, Entry):
            return self._entry(value_type, node, name)
        assert not isinstance(value_type, Choice), "no settings file holds one"
        return self._scalar(value_type, node, name)

    def _list(self, value_type: ListOf, node: Node, name: str) -> Any:
        if not isinstance(node, SequenceNode):
            return self._wrong_type(node, name, f"a list of {value_type.plural}")
        self._spend(len(node.value))
        return tuple(self._value(value_type.item, item, name) for item in node.value)

    def _entry(self, value_type: Entry, node: Node, name: str) -> Any:
        if value_type.text_in_files and _is(node, "str"):
            text = self._scalar(TEXT, node, name)
            return text and value_type.parse(text)
        if not isinstance(node, MappingNode):
            return self._wrong_type(node, name, value_type.expected)
        try:
            return value_type.build(self._mapping(node, value_type.level, f"{name}: "))
        except ValueError as error:
            return self._problem(node, f"{name}: {error}")

    def _scalar(self, value_type: Scalar, node: Node, name: str) -> Any:
        """The converted value of a plain node; None where it is a problem."""
        if not _is(node, *value_type.yaml_types):
            unquoted = value_type.expected == TEXT.expected and _is(node, "int", "float", "bool", "timestamp")
            return self._wrong_type(node, name, value_type.expected + (" in quotes" if unquoted else ""))
        if _is(node, "str"):
            if not node.value.strip():
                return "" if value_type.may_be_empty else self._wrong_type(node, name, value_type.expected)
            if not node.value.isprintable():
                return self._problem(node, f"{name}: holds a character that is not printable")
        try:
            return value_type.parse(node.value)
        except ValueError as error:
            return self._problem(node, f"{name}: {error}")

    def _pairs(
        self, node: MappingNode, known: Iterable[str], inside: tuple[Node, ...] = ()
    ) -> dict[str, tuple[Node, Node]]:
        """Keys and values of a mapping: its own, then those it merges (``<<``), the first of a name counting."""
        pairs: dict[str, tuple[Node, Node]] = {}
        merged: list[Node] = []
        self._spend(len(node.value))
        for key, value in node.value:
            if key.tag == f"{_TAG}merge":
                merged += value.value if isinstance(value, SequenceNode) else [value]
            elif isinstance(key, ScalarNode):
                if key.value in pairs and key.value in known:
                    first = pairs[key.value][0].start_mark.line + 1
                    self._problem(key, f"{key.value}: set twice, first on line {first}")
                pairs.setdefault(key.value, (key, value))
        self._spend(len(merged))
        for other in merged:
            if not isinstance(other, MappingNode) or other in inside:
                self._problem(other, "<<: expected another mapping, or a list of them")
            else:
                pairs = {**self._pairs(other, known, (*inside, node)), **pairs}
        return pairs


def _compose(document: bytes, name: str) -> MappingNode:
    """The mapping that a settings file is, as nodes.

    Raises:
        _UnreadableError: it is something else.
    """
    text = _decode(document, name)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = _position(name, mark) if mark else name
        during = f" ({error.context})" if error.context and error.problem else ""
        raise _UnreadableError(f"{where}: this is not YAML: {error.problem or error.context}{during}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        raise _UnreadableError(f"{name}:{line}:{column}: {error.reason}") from None
    except RecursionError:
        raise _UnreadableError(f"{name}: nested too deeply") from None
    if root is None or _is(root, "null"):
        raise _UnreadableError(f"{name}: the file is empty")
    if not isinstance(root, MappingNode):
        problem = f"expected settings like `topic: RHEL-9.2`, not {_description(root)}"
        raise _UnreadableError(f"{_position(name, root.start_mark)}: {problem}")
    return root


def _decode(document: bytes, name: str) -> str:
    if len(document) > LARGEST_FILE:
        raise _UnreadableError(f"{name}: larger than {LARGEST_FILE:,} bytes, which no settings file is")
    try:
        return document.decode("utf-8-sig")  # an editor may have left a byte order mark
    except UnicodeDecodeError as error:
        line = document.count(b"\n", 0, error.start) + 1
        column = len(document[document.rfind(b"\n", 0, error.start) + 1 : error.start].decode("utf-8")) + 1
        raise _UnreadableError(f"{name}:{line}:{column}: this is not UTF-8") from None


def _position(name: str, mark: yaml.Mark) -> str:
    """File, line and column, as people and editors count them."""
    return f"{name}:{mark.line + 1}:{mark.column + 1}"


def _is(node: Node, *tags: str) -> bool:
    return isinstance(node, ScalarNode) and node.tag in [f"{_TAG}{tag}" for tag in tags]


def _description(node: Node) -> str:
    """The type of a value, for people; never the value itself, which may be anything, secrets included."""
    if isinstance(node, ScalarNode):
        if _is(node, "str") and not node.value.strip():
            return "an empty one"
        return _DESCRIPTIONS.get(node.tag[len(_TAG) :], "a value of another type")
    return "a mapping" if isinstance(node, MappingNode) else "a list"


def _one_edit_apart(name: str, known: str) -> bool:
    """Whether one letter left out, put in, changed, or swapped with its neighbour makes one of the other."""
    if abs(len(name) - len(known)) > 1:
        return False
    same = next((at for at, (a, b) in enumerate(zip(name, known)) if a != b), min(len(name), len(known)))
    rest, other = name[same:], known[same:]
    swapped = rest[1:2] + rest[:1] + rest[2:]
    return other in (rest[1:], swapped) or rest == other[1:] or rest[1:] == other[1:]
