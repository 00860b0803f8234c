"""Credentials, proxies and certificates from environment variables; no other module reads the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from shlex import quote
from typing import Optional

from dci_downloader import user_files
from dci_downloader.errors import AccessError, SettingsError
from dci_downloader.options import Credentials, Network

CREDENTIALS = ("DCI_CLIENT_ID", "DCI_API_SECRET", "DCI_CS_URL")
_LARGEST_DCIRC = 2**16  # bytes
_CA_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
# A shell expands $, ` and \\ in double quotes, and more without quotes: a line with such a value is refused.
_ASSIGNMENT = re.compile(
    r"""(?:export\s+)?([A-Za-z_]\w*)=(?:"([^"$`\\]*)"|'([^']*)'|((?!#)[^\s"'$`\\;&|<>()]*))\s*;?(?:\s+#.*)?$"""
)
_NO_ASSIGNMENT = re.compile(r"(?:export(?:\s+[A-Za-z_]\w*)+\s*;?\s*)?(?:#.*)?$")
"""An empty line, a comment, or ``export`` of names that were set before."""


def of_process() -> Mapping[str, str]:
    """The environment of this process."""
    return os.environ


def read_dcirc(path: str) -> dict[str, str]:
    """Read a ``dcirc.sh`` file without a shell.

    Args:
        path: of a file whose lines are comments, ``export NAME``, ``NAME=value`` or ``export NAME=value``, the value
            quoted or plain.

    Returns:
        The variables; of one that is set twice, the last value.

    Raises:
        SettingsError: the file cannot be read, or a line needs a shell. The message names the line and doesn't show it.
    """
    hint = "--dcirc takes the dcirc.sh of your remoteci"
    try:
        lines = user_files.read(path, _LARGEST_DCIRC, hint=hint).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: not UTF-8", hint=hint) from None
    variables = {}
    for number, line in enumerate(lines, 1):
        assignment = _ASSIGNMENT.match(line.strip())
        if assignment:
            name, *values = assignment.groups(default="")  # one group for each kind of quote, two of them empty
            variables[name] = "".join(values)
        elif not _NO_ASSIGNMENT.match(line.strip()):
            raise SettingsError(
                f"{path}:{number}: expected export NAME=value, and nothing that needs a shell",
                hint="run `source` on this file instead of --dcirc",
            )
    return variables


def dcirc_notes(path: Optional[str]) -> tuple[str, ...]:
    """What is to be said about a ``dcirc.sh`` file: that others can read the secret in it; None for no file."""
    if not path or not user_files.others_may_read(path):
        return ()
    return (f"{path}: every user of this machine can read the secret in it: chmod o= {quote(path)}",)


def with_options(environ: Mapping[str, str], dcirc_path: Optional[str], url: Optional[str]) -> Mapping[str, str]:
    """The environment, overridden by a ``dcirc.sh`` file, and that by the URL of a control server.

    Args:
        environ: as ``os.environ``.
        dcirc_path: of the file; None for no file.
        url: None for that of the file or of the environment.

    Raises:
        SettingsError: the file cannot be used.
    """
    return {**environ, **(read_dcirc(dcirc_path) if dcirc_path else {}), **({"DCI_CS_URL": url} if url else {})}


def credentials(environ: Mapping[str, str]) -> Credentials:
    """The credentials of a remoteci.

    Args:
        environ: as ``os.environ``.

    Raises:
        AccessError: a variable is missing or empty; all that are get named.
    """
    missing = [name for name in CREDENTIALS if not environ.get(name)]
    if missing:
        raise AccessError(
            f"no credentials: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set",
            hint="run `source dcirc.sh` first, or name it by --dcirc; your remoteci's page at distributed-ci.io has it",
        )
    client_id, api_secret, url = (environ[name] for name in CREDENTIALS)
    return Credentials(client_id, api_secret, url)


def network(environ: Mapping[str, str]) -> Network:
    """Proxies and certificates, by the variables that ``requests`` and curl know.

    A proxy variable may be written in lower or upper case; lower case wins, as in curl. ``HTTP_PROXY`` in upper case
    is ignored where ``REQUEST_METHOD`` is set: a CGI program's client could set it (httpoxy, CVE-2016-5385).

    Args:
        environ: as ``os.environ``.
    """
    proxies = {}
    for scheme in ("http", "https", "all"):
        upper = "" if scheme == "http" and "REQUEST_METHOD" in environ else environ.get(f"{scheme.upper()}_PROXY", "")
        proxy = environ.get(f"{scheme}_proxy", upper)  # empty in lower case: no proxy, whatever upper case says
        if proxy:
            proxies[scheme] = proxy
    return Network(
        ca_bundle=next((environ[name] for name in _CA_BUNDLES if environ.get(name)), ""),
        proxies=proxies,
        no_proxy=environ.get("no_proxy", environ.get("NO_PROXY", "")),
    )
