"""A settings file: YAML → values, the place of each, and everything that is wrong with it.

The rules:

* The loader is that of ``yaml.safe_load``, stopped before it builds values: only known settings are looked at, whatever
  else the file holds. Aliases and merge keys are followed, within a bound.
* A key that is not a setting is somebody else's, unless it is one edit away from a setting: then it is a mistake.
* The topics of a file are its ``jobs``, else its ``topic``, else its ``topics``, as in the previous downloader; an
  empty list is passed over where there is another.
* A setting without a value counts as not set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Optional, Union

import yaml
from yaml.constructor import SafeConstructor
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from dci_downloader.content.selection import Variant
from dci_downloader.network.addresses import mirror_url, registry_address
from dci_downloader.options import Filter
from dci_downloader.settings import bounds

LARGEST_FILE = 2**20
"""Bytes; a settings file is a page or two."""

MOST_VALUES = 100_000
"""How many keys and list items are read, each alias counted as what it stands for: an alias bomb ends here."""

_TAG = "tag:yaml.org,2002:"
_KINDS = {"str": "a string", "int": "a number", "float": "a number", "bool": "true or false", "timestamp": "a date"}


class SettingValue(NamedTuple):
    """A value and where it comes from, in words: ``settings.yml:3:1``, ``--arch``, ``DCI_LOCAL_REPO``, ``default``."""

    value: Any
    origin: str


Values = Mapping[str, SettingValue]


class SettingsFile(NamedTuple):
    """What a settings file says.

    Attributes:
        values: the settings of its top level.
        topics: those of each topic; None where the file names none.
        problems: what is wrong, a line each, with file, line and column. While there are any, nothing else counts.
        notes: what is right but without effect, likewise.
    """

    values: Values = MappingProxyType({})
    topics: Optional[tuple[Values, ...]] = None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read(path: str) -> SettingsFile:
    """Read a settings file. A file that cannot be read is one with a problem."""
    try:
        with open(path, "rb") as file:
            document = file.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        return SettingsFile(problems=(f"{path}: {getattr(error, 'strerror', None) or error}",))
    return parse(document, path)


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
    """Reads one file. Converters get it, to say what they expected."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.problems: list[tuple[int, int, str]] = []
        self.notes: list[str] = []
        self._left = MOST_VALUES

    def read(self, document: bytes) -> SettingsFile:
        root = self._root(self._text(document))
        values = self.mapping(root, _ROOT, "")
        folder = values.pop("download_folder", None)
        if folder is not None:
            values.setdefault("local_repo", folder)
        topics = self._topics(values)
        return SettingsFile(values, topics, tuple(text for *_, text in sorted(set(self.problems))), tuple(self.notes))

    def _topics(self, values: dict[str, SettingValue]) -> Optional[tuple[Values, ...]]:
        """What the file says about topics, taken out of its other values."""
        said = [(key, values.pop(key)) for key in ("jobs", "topic", "topics") if key in values]
        if not said:
            return None
        filled = [(key, found) for key, found in said if found.value != ()]
        if not filled:
            key, empty = said[0]
            line, column = map(int, empty.origin.rsplit(":", 2)[1:])
            text = f"{empty.origin}: {key}: expected a list of mappings with topic, not an empty one"
            self.problems.append((line - 1, column - 1, text))
            return None
        (first, found), others = filled[0], filled[1:]
        self.notes += [f"{other.origin}: {key} is not used, because there is {first}" for key, other in others]
        return ({"topic": found},) if first == "topic" else found.value

    def _text(self, document: bytes) -> str:
        if len(document) > LARGEST_FILE:
            raise _UnreadableError(f"{self.name}: larger than {LARGEST_FILE:,} bytes, which no settings file is")
        try:
            return document.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = document.count(b"\n", 0, error.start) + 1
            column = len(document[document.rfind(b"\n", 0, error.start) + 1 : error.start].decode("utf-8")) + 1
            raise _UnreadableError(f"{self.name}:{line}:{column}: this is not UTF-8") from None

    def _root(self, text: str) -> MappingNode:
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            raise _UnreadableError(self._yaml_problem(error)) from None
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            column = error.position - text.rfind("\n", 0, error.position)
            raise _UnreadableError(f"{self.name}:{line}:{column}: {error.reason}") from None
        except RecursionError:
            raise _UnreadableError(f"{self.name}: nested too deeply") from None
        if root is None or _is(root, "null"):
            raise _UnreadableError(f"{self.name}: the file is empty")
        if not isinstance(root, MappingNode):
            raise _UnreadableError(f"{self.place(root)}: expected settings like `topic: RHEL-9.2`, not {_kind(root)}")
        return root

    def _yaml_problem(self, error: yaml.MarkedYAMLError) -> str:
        mark = error.problem_mark or error.context_mark
        where = f"{self.name}:{mark.line + 1}:{mark.column + 1}" if mark else self.name
        context = f" ({error.context})" if error.context and error.problem else ""
        return f"{where}: this is not YAML: {error.problem or error.context}{context}"

    def place(self, node: Node) -> str:
        return f"{self.name}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"

    def problem(self, node: Node, text: str) -> None:
        mark = node.start_mark
        self.problems.append((mark.line, mark.column, f"{self.place(node)}: {text}"))

    def wrong(self, node: Node, what: str, expected: str) -> None:
        """Note a value of the wrong type. The file counts as wrong then, so that no value needs to be made up."""
        self.problem(node, f"{what}: expected {expected}, not {_kind(node)}")

    def spend(self, values: int) -> None:
        """Count values against the bound.

        Raises:
            _UnreadableError: there are too many.
        """
        self._left -= values
        if self._left < 0:
            raise _UnreadableError(f"{self.name}: more than {MOST_VALUES:,} values, aliases included")

    def mapping(self, node: MappingNode, schema: Mapping[str, _Converter], what: str) -> dict[str, SettingValue]:
        """The known settings of a mapping, each converted."""
        found = {}
        for name, (key, value) in self._pairs(node, schema).items():
            if name in schema:
                if not _is(value, "null"):
                    found[name] = SettingValue(schema[name](self, value, f"{what}{name}"), self.place(key))
            else:
                meant = next((known for known in schema if _one_edit_apart(name.lower(), known)), "")
                if meant:
                    self.problem(key, f"{what}{name} is not a setting: did you mean {meant}?")
        return found

    def _pairs(
        self, node: MappingNode, schema: Iterable[str], inside: tuple[Node, ...] = ()
    ) -> dict[str, tuple[Node, Node]]:
        """Keys and values of a mapping: its own, then those it merges (``<<``), the first of a name counting."""
        pairs: dict[str, tuple[Node, Node]] = {}
        merged: list[Node] = []
        self.spend(len(node.value))
        for key, value in node.value:
            if key.tag == f"{_TAG}merge":
                merged += value.value if isinstance(value, SequenceNode) else [value]
            elif isinstance(key, ScalarNode):
                if key.value in pairs and key.value in schema:
                    first = pairs[key.value][0].start_mark.line + 1
                    self.problem(key, f"{key.value}: set twice, first on line {first}")
                pairs.setdefault(key.value, (key, value))
        self.spend(len(merged))
        for other in merged:
            if not isinstance(other, MappingNode) or other in inside:
                self.problem(other, "<<: expected another mapping, or a list of them")
            else:
                pairs = {**self._pairs(other, schema, (*inside, node)), **pairs}
        return pairs


_Converter = Callable[[_Reader, Node, str], Any]


def _is(node: Node, *tags: str) -> bool:
    return isinstance(node, ScalarNode) and node.tag in [f"{_TAG}{tag}" for tag in tags]


def _kind(node: Node) -> str:
    """What a value is, in words; never the value itself, which may be anything, secrets included."""
    if isinstance(node, ScalarNode):
        if _is(node, "str") and not node.value.strip():
            return "an empty one"
        return _KINDS.get(node.tag[len(_TAG) :], "nothing" if _is(node, "null") else "a value of another type")
    return "a mapping" if isinstance(node, MappingNode) else "a list"


def _one_edit_apart(name: str, known: str) -> bool:
    """Whether one letter left out, put in, changed, or swapped with its neighbour makes one of the other."""
    if abs(len(name) - len(known)) > 1:
        return False
    same = next((at for at, (a, b) in enumerate(zip(name, known)) if a != b), min(len(name), len(known)))
    rest, other = name[same:], known[same:]
    swapped = rest[1:2] + rest[:1] + rest[2:]
    return other in (rest[1:], swapped) or rest == other[1:] or rest[1:] == other[1:]


def _string(reader: _Reader, node: Node, what: str) -> Any:
    if _is(node, "str") and node.value.strip():
        if "\0" in node.value or not node.value.isprintable():
            return reader.problem(node, f"{what}: holds a character that is not printable")
        return node.value
    quotes = " in quotes" if _is(node, "int", "float", "bool", "timestamp") else ""
    return reader.wrong(node, what, f"a string{quotes}")


def _flag(reader: _Reader, node: Node, what: str) -> Any:
    if _is(node, "bool") and node.value.lower() in SafeConstructor.bool_values:
        return SafeConstructor.bool_values[node.value.lower()]
    return reader.wrong(node, what, "true or false")


def _registry(reader: _Reader, node: Node, what: str) -> Any:
    if _is(node, "str") and not node.value.strip():
        return ""  # what a template makes of a lab without one
    text = _string(reader, node, what)
    try:
        return text and registry_address(text)
    except ValueError as error:
        return reader.problem(node, f"{what}: {error}")


def _version(reader: _Reader, node: Node, what: str) -> Any:
    if _is(node, "str", "int", "float"):
        return node.value
    return reader.wrong(node, what, 'a version like "2"')


def _number(parse: Callable[[str], Union[int, float]], like: str, *tags: str) -> _Converter:
    def convert(reader: _Reader, node: Node, what: str) -> Any:
        if not _is(node, *tags):
            return reader.wrong(node, what, like)
        try:
            return parse(node.value)
        except ValueError as error:
            return reader.problem(node, f"{what}: {error}")

    return convert


def _list(item: _Converter, of: str) -> _Converter:
    def convert(reader: _Reader, node: Node, what: str) -> Any:
        if not isinstance(node, SequenceNode):
            return reader.wrong(node, what, f"a list of {of}")
        reader.spend(len(node.value))
        return tuple(item(reader, each, what) for each in node.value)

    return convert


def _variant(reader: _Reader, node: Node, what: str) -> Any:
    if _is(node, "str"):
        return Variant(_string(reader, node, what))
    if not isinstance(node, MappingNode):
        return reader.wrong(node, what, "a name, or a mapping with name, with_debug, with_source, with_iso")
    found = reader.mapping(node, _VARIANT, f"{what}: ")
    if "name" not in found:
        return reader.problem(node, f"{what}: expected a name in this variant")
    flags = (found[flag].value if flag in found else None for flag in ("with_debug", "with_source", "with_iso"))
    return Variant(found["name"].value, *flags)


def _filter(reader: _Reader, node: Node, what: str) -> Any:
    if not isinstance(node, MappingNode):
        return reader.wrong(node, what, "a mapping with type and tag")
    found = {key: value.value for key, value in reader.mapping(node, _FILTER, f"{what}: ").items()}
    if "type" not in found:
        return reader.problem(node, f"{what}: expected a type in this filter")
    tags = (*([found["tag"]] if "tag" in found else []), *(found.get("tags") or ()))
    return Filter(found["type"], tags, found.get("name", ""))


def _topic(reader: _Reader, node: Node, what: str) -> Any:
    if not isinstance(node, MappingNode):
        return reader.wrong(node, what, "a mapping with topic")
    found = reader.mapping(node, _TOPIC, f"{what}: ")
    name = found.pop("name", None)
    if "topic" not in found and name is not None:
        found["topic"] = name
    if not found.keys() & {"topic", "component_id"}:
        return reader.problem(node, f"{what}: expected a topic (or name, or component_id) in this mapping")
    return found


def _peer(reader: _Reader, node: Node, what: str) -> Any:
    if not _is(node, "str"):
        return reader.wrong(node, what, "the URL of a mirror")
    try:
        return mirror_url(node.value)
    except ValueError as error:
        return reader.problem(node, f"{what}: {error}")


_FLAGS: dict[str, _Converter] = {"with_debug": _flag, "with_source": _flag, "with_iso": _flag}
_VARIANT: dict[str, _Converter] = {"name": _string, **_FLAGS}
_FILTER: dict[str, _Converter] = {
    "type": _string,
    "tag": _string,
    "tags": _list(_string, "strings"),
    "name": _string,
}
OPTIONS: Mapping[str, _Converter] = {
    "filters": _list(_filter, "mappings with type and tag"),
    "component_id": _string,
    "archs": _list(_string, "architectures"),
    "variants": _list(_variant, "variants"),
    **_FLAGS,
    "download_everything": _flag,
    "package_filters": _list(_string, "package names"),
    "include": _list(_string, "globs"),
    "exclude": _list(_string, "globs"),
    "keep": _number(bounds.not_negative, "a whole number", "int"),
    "connections": _number(bounds.at_least_one, "a whole number", "int"),
    "limit_rate": _number(bounds.rate, "bytes per second, like 50M", "int", "float", "str"),
    "patience": _number(bounds.patience, "a number of seconds", "int", "float"),
    "peers": _list(_peer, "URLs of mirrors"),
    "registry": _registry,
}
"""What may stand on the top level, for all topics, or in one of them."""

_TOPIC: dict[str, _Converter] = {"topic": _string, "name": _string, **OPTIONS}
_TOPICS = _list(_topic, "mappings with topic")
_ROOT: dict[str, _Converter] = {
    "version": _version,
    "local_repo": _string,
    "download_folder": _string,
    "topic": _string,
    "topics": _TOPICS,
    "jobs": _TOPICS,
    **OPTIONS,
}
SETTINGS = tuple(dict.fromkeys((*_ROOT, *_TOPIC, *_FILTER, *_VARIANT)))
"""Every name that means something in a settings file."""
