"""RPM packages by their file names, and the order of their versions: rules without I/O.

* A file name is ``NAME-VERSION-RELEASE.ARCH.rpm``; neither version nor release holds a ``-``, no architecture a ``.``
  (rpm's own naming). The epoch is not in it: two versions are compared without.
* Versions are compared as rpm does (rpm-version(7)): runs of digits as numbers, runs of letters as text; digits are
  newer than letters, what is longer is newer, but ``~`` is older than the end and ``^`` is newer than it.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Optional

SOURCE_ARCHS = ("src", "nosrc")

_NAME = re.compile(r"(.+)-([^-]+-[^-]+)\.([^-.]+)\.rpm", re.DOTALL)
_PART = re.compile(r"[0-9]+|[A-Za-z]+|[~^]")
_TILDE, _END, _CARET, _LETTERS, _DIGITS = range(5)


class Package(NamedTuple):
    """A package as its file name tells it.

    Attributes:
        version: with its release: ``5.14.0-284.11.1.el9_2``.
        arch: ``src`` for a source package.
    """

    name: str
    version: str
    arch: str


def parse_package(file_name: str) -> Optional[Package]:
    """The package that a file name tells of; None where it is no name of a package."""
    match = _NAME.fullmatch(file_name)
    return Package(*match.groups()) if match else None


def version_order(version: str) -> tuple[tuple[tuple[int, int, str], ...], ...]:
    """The key by which versions, each with or without its release, are sorted from old to new."""
    return tuple((*map(_part_order, _PART.findall(part)), (_END, 0, "")) for part in version.split("-"))


def _part_order(part: str) -> tuple[int, int, str]:
    if part == "~":
        return _TILDE, 0, ""
    if part == "^":
        return _CARET, 0, ""
    if part.isdigit():
        number = part.lstrip("0")
        return _DIGITS, len(number), number  # as numbers, without int(), which refuses thousands of digits
    return _LETTERS, 0, part
