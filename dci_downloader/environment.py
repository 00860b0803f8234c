"""What the environment says: credentials, proxies, certificates. Nothing else in the package reads it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from dci_downloader.control.signing import Credentials
from dci_downloader.errors import AccessError
from dci_downloader.models import Network

_CREDENTIALS = ("DCI_CLIENT_ID", "DCI_API_SECRET", "DCI_CS_URL")
_CA_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def of_process() -> Mapping[str, str]:
    """The environment of this process."""
    return os.environ


def credentials(environ: Mapping[str, str]) -> Credentials:
    """The credentials of a remoteci.

    Args:
        environ: as ``os.environ``.

    Raises:
        AccessError: a variable is missing or empty; all that are get named.
    """
    missing = [name for name in _CREDENTIALS if not environ.get(name)]
    if missing:
        raise AccessError(
            f"no credentials: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set",
            hint="run `source dcirc.sh` first; the file is on the page of your remoteci at distributed-ci.io",
        )
    client_id, api_secret, url = (environ[name] for name in _CREDENTIALS)
    return Credentials(client_id, api_secret, url)


def network(environ: Mapping[str, str]) -> Network:
    """Proxies and certificates, by the variables that ``requests`` and curl know.

    A proxy variable may be written in lower or upper case; lower case wins, as in curl. ``HTTP_PROXY`` in upper case
    is left alone where ``REQUEST_METHOD`` is set: there a web client could set it (httpoxy).

    Args:
        environ: as ``os.environ``.
    """
    proxies = {}
    for scheme in ("http", "https", "all"):
        upper = "" if scheme == "http" and "REQUEST_METHOD" in environ else environ.get(f"{scheme.upper()}_PROXY", "")
        proxy = environ.get(f"{scheme}_proxy", upper)
        if proxy:
            proxies[scheme] = proxy
    return Network(
        ca_bundle=next((environ[name] for name in _CA_BUNDLES if environ.get(name)), ""),
        proxies=proxies,
        no_proxy=environ.get("no_proxy", environ.get("NO_PROXY", "")),
    )
