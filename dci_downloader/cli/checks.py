"""``settings check``: the values that settings files and environment give, each with its origin."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dci_downloader import environment, formatting
from dci_downloader.cli.output import CommandResult
from dci_downloader.cli.subject_documents import MASK
from dci_downloader.content.selection import Variant
from dci_downloader.options import Filter
from dci_downloader.settings.command_line import CommandLine
from dci_downloader.settings.discovery import with_credentials
from dci_downloader.settings.precedence import MergedSettings, merge
from dci_downloader.settings.table import DEFAULTS

_Row = tuple[str, str, str]


def check_settings(files: Sequence[str], environ: Mapping[str, str]) -> CommandResult:
    """Check settings files, and list each setting with its value and origin.

    No secret is among them. A missing topic, destination or credential is no error: the command line may add it.

    Args:
        files: paths of settings files, later over earlier.
        environ: as ``os.environ``.

    Raises:
        SettingsError: a file cannot be used, or two topics would be published in one folder.
    """
    merged = merge(CommandLine(settings=tuple(files)), environ)
    lines = [*merged.notes, *formatting.table([*_run_rows(merged), *_credentials_rows(merged, environ)])]
    for topic in merged.topics:
        rows = [(name, _value_text(topic[name].value), topic[name].origin) for name in ("topic", *DEFAULTS)]
        lines += ["", *formatting.table(rows)]
    if not merged.topics:
        lines += ["", "no topic: TOPIC on the command line must name it"]
    return CommandResult(lines)


def _run_rows(merged: MergedSettings) -> Iterator[_Row]:
    destination = merged.destination
    if destination:
        yield "local_repo", destination.value, destination.origin
    else:
        yield "local_repo", "-", "not set: DEST must name it"
    if merged.status_page:
        yield "status_page", merged.status_page.value, merged.status_page.origin
    if merged.job:
        yield "job_id", merged.job.id, "DCI_JOB_ID"
    if merged.upstream:
        yield "from", merged.upstream.value, merged.upstream.origin


def _credentials_rows(merged: MergedSettings, environ: Mapping[str, str]) -> Iterator[_Row]:
    """The credentials of a run, from the environment or the file that is found; none where a mirror is asked."""
    if merged.upstream:
        return
    variables = with_credentials(environ, None, None)
    kind = environment.credentials_kind(variables.environ)
    yield "credentials", kind or "-", "the first kind that is complete" if kind else "no kind is complete"
    for name in environment.credentials_variables(variables.environ):
        value = variables.environ.get(name, "")
        shown = MASK if value and name in environment.SECRETS else _without_login(value)
        origin = "environment" if environ.get(name) else variables.found.dcirc
        yield name, shown or "-", origin if value else "not set"


def _without_login(address: str) -> str:
    """An address without the user and password before its ``@``."""
    return re.sub(r"(^|//)[^/]*@", rf"\1{MASK}@", address)


def _value_text(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_value_text, value)) or "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Filter):
        return ":".join([value.type, *value.tags, *([f"name={value.name}"] if value.name else [])])
    if isinstance(value, Variant):
        own = {"with_debug": value.debug, "with_source": value.src, "with_iso": value.iso}
        flags = [f"{name}: {_value_text(flag)}" for name, flag in own.items() if flag is not None]
        return f"{value.name} ({', '.join(flags)})" if flags else value.name
    return "-" if value in ("", None) else str(value)
