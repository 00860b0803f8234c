"""What a command line that failed was probably meant to be: rules without I/O, but for whether a folder is there.

Only the words before the first option are looked at: they are commands, topics and folders, and never secrets.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from itertools import takewhile

from dci_downloader.content.similarity import similar_name
from dci_downloader.errors import SettingsError

_NAMES_ELSEWHERE = {
    "builds": "components",
    "clean": "prune",
    "clean-up": "prune",
    "cleanup": "prune",
    "delete": "remove",
    "diff": "changes",
    "doctor": "check",
    "fsck": "verify",
    "gc": "prune",
    "info": "status",
    "list": "topics",
    "ls": "topics",
    "pin": "hold",
    "purge": "prune",
    "repair": "verify",
    "rm": "remove",
    "search": "topics",
    "show": "status",
    "undo": "rollback",
    "unpin": "release",
}
"""What other programs call these commands."""

_SYNC_ELSEWHERE = ("clone", "copy", "download", "fetch", "get", "mirror", "pull", "run", "start", "sync", "update")
_DEST_FIRST = ("changes", "hold", "release", "remove", "rollback")
_TOPIC_FIRST = (*_DEST_FIRST, "check", "components", "topics")
"""Commands whose first word may be a topic; of those before, DEST may be left out."""
_TOPIC = re.compile(r"[A-Za-z]+[- ]?\d[\w.*-]*")
_CUTOFF = 0.75  # how similar two words have to be, from 0 to 1


def correction(arguments: Sequence[str], commands: Collection[str]) -> str:
    """A hint with the command line that was probably meant; empty where that cannot be told.

    Args:
        arguments: those of the program, which led to an error of usage or to nothing.
        commands: that there are.
    """
    words = list(takewhile(lambda word: not word.startswith("-"), arguments))
    if not words:
        return ""
    first, *others = words
    if first in commands:
        return _of_command(first, others)
    if first == "version":
        return _meant("--version")
    if first in _SYNC_ELSEWHERE and others:
        others = others[::-1] if is_swapped(others) else others
        return f"a sync has no name of its own: {_line(*others)}"
    command = _NAMES_ELSEWHERE.get(first.lower()) or _similar(first, commands)
    if command == "topics" and others and _path_likeness(others[0]) == 2:
        command = "status"  # of the server there are topics, of a folder its versions
    if command in commands:
        return _meant(command, *others)
    if _is_misplaced(words, commands):
        return _command_first(words)
    if len(others) == 1 and _path_likeness(first) > _path_likeness(others[0]):
        return f"TOPIC comes before DEST: {_line(others[0], first)}"
    return ""


def is_swapped(words: Sequence[str]) -> bool:
    """Whether TOPIC and DEST of a sync are certainly in each other's place: no topic has a slash in its name."""
    return len(words) == 2 and "/" in words[0] and "/" not in words[1]


def check_no_command(words: Sequence[str], commands: Collection[str]) -> None:
    """Make sure that DEST of a sync is not a command that should have come first.

    Args:
        words: TOPIC and DEST.
        commands: that there are.

    Raises:
        SettingsError: it is; the hint is the line that was probably meant.
    """
    if _is_misplaced(words, commands):
        raise SettingsError(f"{words[1]} is a command, which comes first", hint=_command_first(words))


def _is_misplaced(words: Sequence[str], commands: Collection[str]) -> bool:
    """Whether the second word is a command, and no folder that is there."""
    return len(words) > 1 and words[1] in commands and not os.path.isdir(words[1])


def check_order(words: Sequence[str], *command: str) -> None:
    """Make sure that TOPIC and DEST are not certainly in each other's place.

    Raises:
        SettingsError: they are; the hint is the right line.
    """
    if is_swapped(words):
        destination, topic = words
        hint = f"TOPIC comes before DEST: {_line(*command, topic, destination)}"
        raise SettingsError(f"{destination} is a folder, and no topic", hint=hint)


def _command_first(words: Sequence[str]) -> str:
    """The hint for a command in the second place."""
    first, command, *others = words
    if command in _TOPIC_FIRST or _path_likeness(first):
        others = [first, *others]
    if command in _DEST_FIRST and len(others) > 1 and _path_likeness(others[1]) == 2 > _path_likeness(others[0]):
        others[:2] = others[1::-1]
    return f"{_meant(command, *others)} A folder of that name is ./{command}"


def _of_command(command: str, words: Sequence[str]) -> str:
    if command in _DEST_FIRST and len(words) > 1 and _path_likeness(words[1]) == 2 > _path_likeness(words[0]):
        return f"DEST comes before TOPIC: {_line(command, words[1], words[0], *words[2:])}"
    if command == "settings" and words and words[0].endswith((".yml", ".yaml")):
        return _meant(command, "check", *words)
    return ""


def _similar(word: str, commands: Collection[str]) -> str:
    return "" if _TOPIC.fullmatch(word) else similar_name(word, commands, _CUTOFF) or ""


def _path_likeness(word: str) -> int:
    """How much a word looks like a folder, rather than like a topic: 0 to 2."""
    if "/" in word or word.startswith(("~", ".")):
        return 2
    return 0 if _TOPIC.fullmatch(word) else 1


def _meant(*words: str) -> str:
    return f"did you mean `{_line(*words)}`?"


def _line(*words: str) -> str:
    return " ".join(["dci-downloader", *(f"'{word}'" if re.search(r"[\s*]", word) else word for word in words)])
