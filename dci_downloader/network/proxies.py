"""Which proxy and which certificates a request uses: one rule for API calls (requests) and file bytes (libcurl).

* The rules are those of ``requests``: a proxy is chosen by the URL's scheme, ``all`` being the last resort, and one
  without a scheme speaks http. ``no_proxy`` is a list of host suffixes, addresses, CIDR blocks, or ``*``.
* libcurl has rules of its own, so it is never left to choose: it is told the proxy, or that there is none.
* Trusted certificates are those of the user, else those of the package ``certifi``, as for ``requests``.
"""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH, should_bypass_proxies

from dci_downloader.errors import SettingsError
from dci_downloader.network.proxy_urls import HINT, proxy_url
from dci_downloader.options import Network


def proxy_for(url: str, network: Network) -> str:
    """URL of the proxy through which ``url`` is asked for; empty for a direct connection.

    It depends on scheme, host and port only, so callers with many URLs of one server may ask once.

    Raises:
        SettingsError: what is set for the URL's scheme is no proxy.
    """
    proxy = _configured(urlsplit(url).scheme.lower(), network)
    return "" if not proxy or should_bypass_proxies(url, no_proxy=network.no_proxy) else proxy


def check_proxies(network: Network) -> None:
    """Make sure, before anything is asked for, that each proxy that may be used can be one.

    Raises:
        SettingsError: one cannot.
    """
    for scheme in ("http", "https"):
        _configured(scheme, network)


def _configured(scheme: str, network: Network) -> str:
    """URL of the proxy that is set for a scheme, whatever the host; empty for none."""
    key = scheme if network.proxies.get(scheme) else "all"
    address = network.proxies.get(key, "")
    try:
        return proxy_url(address) if address.strip() else ""
    except ValueError as error:
        raise SettingsError(f"{key.upper()}_PROXY is not the address of a proxy: {error}", hint=HINT) from None


def ca_bundle(network: Network) -> str:
    """Path of the trusted certificates: a file in PEM form, or a folder as ``openssl rehash`` makes it.

    Raises:
        SettingsError: the path that was set does not exist.
    """
    if network.ca_bundle and not os.path.exists(network.ca_bundle):
        raise SettingsError(
            f"{network.ca_bundle}: there are no trusted certificates at this path",
            hint="correct REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE or SSL_CERT_FILE, or unset it for the default",
        )
    return network.ca_bundle or DEFAULT_CA_BUNDLE_PATH
