"""DEST, the root of the mirror, for every command: from the command line, else from environment or settings."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Optional

from dci_downloader.errors import SettingsError
from dci_downloader.mirror.mirror import STORE
from dci_downloader.settings import discovery
from dci_downloader.settings.command_line import CommandLine
from dci_downloader.settings.discovery import FoundFiles
from dci_downloader.settings.precedence import merge
from dci_downloader.settings.table import SETTINGS
from dci_downloader.settings.values import SettingValue, path


class Destination(NamedTuple):
    """The root of the mirror.

    Attributes:
        path: of the folder.
        origin: where it is named: ``DEST``, ``DCI_LOCAL_REPO``, or file, line and column.
        files: the settings that name it; none where no settings do.
    """

    path: str
    origin: str
    files: tuple[str, ...] = ()


def no_destination(found: FoundFiles) -> SettingsError:
    """The error where nothing names the mirror."""
    hint = "name DEST, or set local_repo in a settings file or DCI_LOCAL_REPO"
    return SettingsError("there is no destination", hint=found.explain(hint))


def destination(given: str, environ: Mapping[str, str], files: Sequence[str] = ()) -> Destination:
    """The mirror that a command is about. Reads settings files where nothing else names it.

    Args:
        given: DEST of the command line; empty for none.
        environ: as ``os.environ``.
        files: paths of settings files that the command line names; without any, those that are found count.

    Raises:
        SettingsError: nothing names it, or a settings file cannot be used.
    """
    if given:
        return Destination(*_named(given, "DEST"))
    variable = SETTINGS["local_repo"].variable
    if environ.get(variable):
        return Destination(*_named(environ[variable], variable))
    found = FoundFiles() if files else discovery.find(environ)
    # without the environment: a job there would leave out the topics of the files
    merged = merge(CommandLine(settings=tuple(files)), {}, found.settings)
    if merged.destination is None:
        raise no_destination(found)
    return Destination(*merged.destination, tuple(files) or found.settings)


class MirrorSettings(NamedTuple):
    """What settings say of a mirror as a whole; of another mirror than theirs, nothing.

    Attributes:
        keep: how many older builds stay of the topic of which most do.
        status_page: path of the page about it; None for none.
    """

    keep: int = SETTINGS["keep"].default
    status_page: Optional[Path] = None


def mirror_settings(root: Path, environ: Mapping[str, str], files: Sequence[str] = ()) -> MirrorSettings:
    """The settings of a mirror, however it is named: those that would mirror into it.

    Args:
        root: of the mirror.
        environ: as ``os.environ``.
        files: paths of settings files that the command line names; without any, those that are found count.

    Raises:
        SettingsError: a settings file cannot be used.
    """
    found = FoundFiles() if files else discovery.find(environ)
    # without the environment: a job there would leave out the topics of the files
    merged = merge(CommandLine(settings=tuple(files)), {}, found.settings)
    own = environ.get(SETTINGS["local_repo"].variable) or (merged.destination and merged.destination.value)
    if not own or os.path.realpath(os.path.expanduser(own)) != os.path.realpath(root):
        return MirrorSettings()
    keep = max((topic["keep"].value for topic in merged.topics), default=SETTINGS["keep"].default)
    page = merged.status_page and Path(merged.status_page.value)
    return MirrorSettings(keep, page if page and page.is_absolute() else None)


def _named(text: str, origin: str) -> SettingValue:
    try:
        return SettingValue(path(text), origin)
    except ValueError as error:
        raise SettingsError(f"{origin}: {error}") from None


def split_destination(names: Sequence[str], environ: Mapping[str, str]) -> tuple[Destination, tuple[str, ...]]:
    """DEST and what follows it, of a command whose DEST may be left out: ``[DEST] TOPIC [TYPE]``.

    The first name is DEST where it has a slash, is a mirror, or where nothing else names the mirror.

    Args:
        names: the positional arguments, at least one.
        environ: as ``os.environ``.

    Raises:
        SettingsError: nothing names the mirror, or a settings file cannot be used.
    """
    first = names[0]
    if len(names) > 2 or "/" in first or first in (".", "..") or first.startswith("~") or _is_mirror(first):
        return destination(first, environ), tuple(names[1:])
    try:
        return destination("", environ), tuple(names)
    except SettingsError:
        if len(names) < 2:
            raise
    return destination(first, environ), tuple(names[1:])


def _is_mirror(name: str) -> bool:
    try:
        return os.path.isdir(os.path.join(name, STORE))
    except ValueError:
        return False
