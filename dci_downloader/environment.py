"""What environment variables say: credentials, proxies, certificates, the terminal. No other module reads them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from shlex import quote
from typing import Optional

from dci_downloader import user_files
from dci_downloader.errors import AccessError, SettingsError
from dci_downloader.options import AnyCredentials, LoginCredentials, Network, RemoteciCredentials, SsoCredentials

_SERVER = "DCI_CS_URL"
_REMOTECI = ("DCI_CLIENT_ID", "DCI_API_SECRET")
_SSO = ("SSO_URL", "SSO_USERNAME", "SSO_PASSWORD")
_TOKEN = "SSO_TOKEN"  # noqa: S105  a name
_LOGIN = ("DCI_LOGIN", "DCI_PASSWORD")
KINDS: Mapping[str, tuple[str, ...]] = {"sso": (*_SSO, _TOKEN), "remoteci": _REMOTECI, "login": _LOGIN}
"""The variables of each kind of credentials. The first kind that is complete counts, as in dciclient."""

SECRETS = frozenset({"DCI_API_SECRET", "DCI_PASSWORD", "SSO_PASSWORD", _TOKEN})
LARGEST_DCIRC = 2**16  # bytes
_SECRET_NAME = re.compile("SECRET|PASSWORD|PASSWD|TOKEN|CREDENTIAL|API_?KEY|ACCESS_KEY|PRIVATE_KEY", re.IGNORECASE)
_LOGIN_IN_URL = re.compile(r"(://|^)[^/\s@]*:[^/\s@]*@")
_TELLING = 8  # characters; a shorter secret may stand in any text by chance
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
        lines = user_files.read(path, LARGEST_DCIRC, hint=hint).decode("utf-8-sig").splitlines()
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
    """A note for people where others can read or change the secret in a ``dcirc.sh`` file; none for no file."""
    allowed = user_files.what_others_may(path) if path else ""
    if not path or not allowed:
        return ()
    return (f"{path}: every user of this machine can {allowed} the secret in it: chmod o= {quote(path)}",)


def with_options(environ: Mapping[str, str], dcirc_path: Optional[str], url: Optional[str]) -> Mapping[str, str]:
    """The environment, overridden by a ``dcirc.sh`` file, and that by the URL of a control server.

    Args:
        environ: as ``os.environ``.
        dcirc_path: of the file; None for no file.
        url: None for that of the file or of the environment.

    Raises:
        SettingsError: the file cannot be used.
    """
    given = read_dcirc(dcirc_path) if dcirc_path else {}
    # credentials of another kind in the environment are left out: a token there, for example, would count first
    named = [names for names in KINDS.values() if given.keys() & {*names}]
    others = {name for names in KINDS.values() if named and names not in named for name in names}
    kept = {name: value for name, value in environ.items() if name not in others}
    return {**kept, **given, **({_SERVER: url} if url else {})}


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for a program that must not get the credentials.

    Left out are the variables of every kind of credentials, those whose name says that they hold a secret, those that
    hold one of ours under another name, and addresses with a login.

    Args:
        environ: as ``os.environ``.
    """
    ours = {*_SSO, _TOKEN, *_REMOTECI, *_LOGIN}
    secrets = {environ[name] for name in SECRETS if environ.get(name)}

    def is_harmless(name: str, value: str) -> bool:
        holds_ours = any(secret == value or (len(secret) >= _TELLING and secret in value) for secret in secrets)
        return name not in ours and not holds_ours and not _SECRET_NAME.search(name) and not _LOGIN_IN_URL.search(value)

    return {name: value for name, value in environ.items() if is_harmless(name, value)}


def complete_kinds(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The kinds of credentials that are complete, of ``KINDS``; the first counts, the others are passed over.

    Args:
        environ: as ``os.environ``.
    """
    needed = {"sso": (_TOKEN,) if environ.get(_TOKEN) else _SSO, "remoteci": _REMOTECI, "login": _LOGIN}
    return tuple(kind for kind, names in needed.items() if all(map(environ.get, names)))


def credentials_kind(environ: Mapping[str, str]) -> str:
    """The kind of credentials that counts, one of ``KINDS``; empty where none is complete.

    Args:
        environ: as ``os.environ``.
    """
    return next(iter(complete_kinds(environ)), "")


def credentials_variables(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The variables of the kind that counts, or, where none is complete, of the one that is most likely meant."""
    begun = (kind for kind in ("remoteci", "login", "sso") if any(map(environ.get, KINDS[kind])))
    return (*KINDS[credentials_kind(environ) or next(begun, "remoteci")], _SERVER)


def credentials(environ: Mapping[str, str]) -> AnyCredentials:
    """The credentials of the first kind that is complete: SSO, then remoteci or feeder, then login and password.

    Args:
        environ: as ``os.environ``.

    Raises:
        AccessError: variables are missing or empty; the message names all of them.
    """
    kind = credentials_kind(environ)
    needed = (_SERVER,) if kind else credentials_variables(environ)
    missing = [name for name in needed if name != _TOKEN and not environ.get(name)]
    if missing:
        raise AccessError(
            f"no credentials: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set",
            hint="run `source dcirc.sh` first, or name it by --dcirc; your remoteci's page at distributed-ci.io has it",
        )
    url = environ[_SERVER]
    if kind == "sso":
        return SsoCredentials(url, *(environ.get(name, "") for name in KINDS["sso"]))
    name, secret = (environ[name] for name in KINDS[kind])
    return RemoteciCredentials(name, secret, url) if kind == "remoteci" else LoginCredentials(name, secret, url)


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


def has_cursor(environ: Mapping[str, str]) -> bool:
    """Whether the terminal can move its cursor and erase, so that a line can be written over."""
    return environ.get("TERM", "dumb") not in ("", "dumb")


def wants_colour(environ: Mapping[str, str], *, is_terminal: bool) -> bool:
    """Whether text is to be coloured: by ``NO_COLOR``, then ``CLICOLOR_FORCE``, then what it is written to."""
    if environ.get("NO_COLOR"):
        return False
    if environ.get("CLICOLOR_FORCE", "0") not in ("", "0"):
        return True
    return is_terminal and has_cursor(environ) and environ.get("CLICOLOR") != "0"


def is_ascii(environ: Mapping[str, str]) -> bool:
    """Whether the user's locale is one without letters beyond ASCII: ``C`` or ``POSIX``, or none at all."""
    names = [environ.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG")]
    if names[:2] == ["", "C.UTF-8"]:  # by Python itself, in place of C (PEP 538)
        del names[1]
    return next(filter(None, names), "C") in ("C", "POSIX")
