"""The types of settings: how an option, a variable or a node of a settings file becomes a value.

The parsers of the command line and of settings files both read them, so that a value means the same in either.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Optional, Union

from dci_downloader.content.filters import parse_filter
from dci_downloader.content.selection import Variant
from dci_downloader.network.addresses import mirror_url, registry_address
from dci_downloader.options import Filter
from dci_downloader.settings import values
from dci_downloader.settings.values import SettingValue

Values = Mapping[str, SettingValue]
"""Settings by name, each with its origin."""


class Level(enum.Flag):
    """Where in a settings file a setting may stand."""

    OPTION_ONLY = 0
    FILE = enum.auto()
    TOPIC = enum.auto()
    FILTER = enum.auto()
    VARIANT = enum.auto()


ANY = Level.FILE | Level.TOPIC
ANY_VARIANT = ANY | Level.VARIANT


@dataclass(frozen=True)
class Scalar:
    """A plain value.

    Attributes:
        parse: makes the value of a text; a ValueError says what is expected.
        expected: what a settings file has to hold, for the message where it holds something of another type.
        yaml_types: the types of YAML that a settings file may hold.
        confidential: whether a wrong text may hold a login, so that messages do not repeat it.
        may_be_empty: whether an empty text in a settings file, which a template may leave, means none.
    """

    parse: Callable[[str], Any]
    expected: str = "a string"
    yaml_types: tuple[str, ...] = ("str",)
    confidential: bool = False
    may_be_empty: bool = False


@dataclass(frozen=True)
class Choice:
    """One of a few names; for options only."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """A mapping inside a list: a topic, a filter or a variant.

    Attributes:
        level: says which settings it may hold.
        build: makes the value of what it holds; a ValueError says what is missing.
        expected: as of :class:`Scalar`.
        parse: makes the value of the text of an option.
        text_in_files: whether a settings file may hold such a text instead of the mapping.
    """

    level: Level
    build: Callable[[Values], Any]
    expected: str
    parse: Callable[[str], Any] = str
    text_in_files: bool = False


@dataclass(frozen=True)
class ListOf:
    """Several values: a list in a settings file, an option that may be repeated.

    Attributes:
        plural: the items, for the message where a settings file holds no list.
    """

    item: Union[Scalar, Entry]
    plural: str = ""


ValueType = Union[Scalar, Choice, Entry, ListOf]


@dataclass(frozen=True)
class Setting:
    """A setting of settings files, an option of the command line, or both.

    Attributes:
        name: in settings files; the option's value has it too.
        value_type: how a text or a node becomes a value.
        option: with its metavar: ``--arch ARCH``.
        help: one line of ``--help``; an option without help is not shown there or in the pages.
        text: of the pages' tables, where ``help`` is too short.
        in_files: how it differs in settings files, for the pages.
        comment: of the example file, where ``help`` does not fit there.
        example: the value of the example file's top level; without one, the topics of that file show the setting.
        levels: where in a settings file it may stand.
        variable: the environment variable that sets it.
        fills: a class of options, and the attribute of it that the setting fills; the default is that of the attribute.
        short: the option in one letter.
    """

    name: str
    value_type: ValueType
    option: str = ""
    help: str = ""
    text: str = ""
    comment: str = ""
    example: str = ""
    in_files: str = ""
    levels: Level = Level.OPTION_ONLY
    variable: str = ""
    fills: Optional[tuple[type, str]] = None
    short: str = ""

    @property
    def default(self) -> Any:
        """The value where no option, variable or file gives one; None where there is none."""
        return getattr(*self.fills) if self.fills else None

    @property
    def default_text(self) -> str:
        """The default for people; empty where the default is nothing, no limit or off."""
        if not self.default:
            return self.variable
        if isinstance(self.default, tuple):
            return ", ".join(self.default)
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)


def _filter(entry: Values) -> Filter:
    if "type" not in entry:
        raise ValueError("expected a type in this filter")
    tags = (_value(entry, "tag"), *(_value(entry, "tags") or ()))
    return Filter(entry["type"].value, tuple(filter(None, tags)), _value(entry, "name") or "")


def _variant(entry: Values) -> Variant:
    if "name" not in entry:
        raise ValueError("expected a name in this variant")
    debug, src, iso = (_value(entry, name) for name in ("with_debug", "with_source", "with_iso"))
    return Variant(entry["name"].value, debug, src, iso)


def _topic(entry: Values) -> Values:
    """A topic as its settings; its name may be called ``name`` too, as in the previous downloader."""
    settings = dict(entry)
    name = settings.pop("name", None)
    if name is not None:
        settings.setdefault("topic", name)
    if not settings.keys() & {"topic", "component_id"}:
        raise ValueError("expected a topic (or name, or component_id) in this mapping")
    return settings


def _value(entry: Values, name: str) -> Optional[Any]:
    return entry[name].value if name in entry else None


PLAIN = Scalar(str)
TEXT = Scalar(values.filled)
WORD = Scalar(str, may_be_empty=True)
TAG = Scalar(str, may_be_empty=True)
PATH = Scalar(values.path)
OUTPUT = Scalar(values.output)
FLAG = Scalar(values.boolean, "true or false", ("bool",))
COUNT = Scalar(values.not_negative, "a whole number", ("int",))
POSITIVE = Scalar(values.at_least_one, "a whole number", ("int",))
RATE = Scalar(values.rate, "bytes per second, like 50M", ("int", "float", "str"))
SIZE = Scalar(values.size, "bytes, like 20G", ("int", "float", "str"))
SECONDS = Scalar(values.seconds, "a number of seconds", ("int", "float"))
PATIENCE = Scalar(values.patience, "a number of seconds", ("int", "float"))
VERSION = Scalar(str, 'a version like "2"', ("str", "int", "float"), may_be_empty=True)
REGISTRY = Scalar(registry_address, confidential=True, may_be_empty=True)
PEER = Scalar(mirror_url, "the URL of a mirror", confidential=True)
MIRROR = Scalar(values.mirror, "the URL or the folder of a mirror", confidential=True, may_be_empty=True)
FILTER = Entry(Level.FILTER, _filter, "a mapping with type and tag", parse_filter)
VARIANT = Entry(
    Level.VARIANT,
    _variant,
    "a name, or a mapping with name, with_debug, with_source, with_iso",
    lambda text: Variant(values.filled(text)),
    text_in_files=True,
)
TOPICS = ListOf(Entry(Level.TOPIC, _topic, "a mapping with topic"), "mappings with topic")
