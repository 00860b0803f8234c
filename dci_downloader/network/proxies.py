"""Which proxy and which certificates a request uses: one rule for API calls (requests) and file bytes (libcurl).

* A proxy is chosen by the URL's scheme, ``all`` being the last resort, and one without a scheme speaks http.
* ``no_proxy`` is read as by curl since 7.86: names, which stand for the hosts below them, too, and may begin or end
  with a dot; addresses of both kinds, and blocks of them (``10.0.0.0/8``, ``fd00::/8``; ``/0`` is one address); ``*``.
  Beyond that, as other programs allow: items may be divided by spaces, IPv6 addresses may stand in brackets, and a
  port limits an item to that port.
* libcurl has rules of its own, so it is never left to choose: it is told the proxy, or that there is none.
* Trusted certificates are those of the user, else those of the package ``certifi``, as for ``requests``.
"""

from __future__ import annotations

import os
import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Optional, Union
from urllib.parse import urlsplit

from dci_downloader.errors import SettingsError
from dci_downloader.network.proxy_urls import HINT, proxy_url
from dci_downloader.network.urls import DEFAULT_PORTS
from dci_downloader.options import Network

_ADDRESS = re.compile(
    r"\[([0-9a-f:.]+(?:/[0-9]+)?)\](/[0-9]+)?(?::([0-9]+))?|([0-9a-f:.]+(?:/[0-9]+)?)", re.ASCII | re.IGNORECASE
)
"""An address in brackets, maybe with a block in or after them and a port after it; or one without."""


def proxy_for(url: str, network: Network) -> str:
    """URL of the proxy through which ``url`` is asked for; empty for a direct connection.

    It depends on scheme, host and port only, so callers with many URLs of one server may ask once.

    Raises:
        SettingsError: what is set for the URL's scheme is no proxy.
    """
    proxy = _configured(urlsplit(url).scheme.lower(), network)
    return "" if not proxy or _is_direct(url, network.no_proxy) else proxy


def proxy_variable(url: str, network: Network) -> str:
    """The environment variable that names the proxy for ``url``, or would name it if there were one."""
    return f"{_key(urlsplit(url).scheme.lower(), network).upper()}_PROXY"


def check_proxies(network: Network) -> None:
    """Make sure, before anything is asked for, that each proxy that may be used can be one.

    Raises:
        SettingsError: one cannot.
    """
    for scheme in ("http", "https"):
        _configured(scheme, network)


def _configured(scheme: str, network: Network) -> str:
    """URL of the proxy that is set for a scheme, whatever the host; empty for none."""
    key = _key(scheme, network)
    address = network.proxies.get(key, "")
    try:
        return proxy_url(address) if address.strip() else ""
    except ValueError as error:
        raise SettingsError(f"{key.upper()}_PROXY is not the address of a proxy: {error}", hint=HINT) from None


def _key(scheme: str, network: Network) -> str:
    """The scheme under which the proxy for a scheme is set; that scheme itself where there is none."""
    return "all" if network.proxies.get("all") and not network.proxies.get(scheme) else scheme


def _is_direct(url: str, no_proxy: str) -> bool:
    """Whether a URL's host is one of those that are reached without a proxy."""
    parts = urlsplit(url)
    host = (parts.hostname or "").partition("%")[0]  # the rest names a network interface
    port = parts.port or DEFAULT_PORTS.get(parts.scheme.lower(), 0)
    address = _address(host)
    for item in re.split(r"[\s,]+", no_proxy.lower()):
        if item == "*" or (_is_of_name(host, port, item) if address is None else _is_of_block(address, port, item)):
            return True
    return False


def _address(text: str) -> Optional[Union[IPv4Address, IPv6Address]]:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _is_of_name(host: str, port: int, item: str) -> bool:
    """Whether an item of ``no_proxy`` names this host, or a domain that it is in."""
    name, _, only = item.partition(":")
    name = name[:-1] if name.endswith(".") else name
    name = name[1:] if name.startswith(".") else name
    return bool(name) and f".{host.rstrip('.')}".endswith(f".{name}") and only in ("", str(port))


def _is_of_block(address: Union[IPv4Address, IPv6Address], port: int, item: str) -> bool:
    """Whether an item of ``no_proxy`` is this address, or a block that it is in."""
    if address.version == 4:
        item, _, only = item.partition(":")
    else:
        match = _ADDRESS.fullmatch(item)
        if match is None:
            return False
        item, only = match[4] or match[1] + (match[2] or ""), match[3] or ""
    if only not in ("", str(port)):
        return False
    if item.endswith("/0"):
        return _address(item[:-2]) == address
    try:
        return address in ip_network(item, strict=False)
    except ValueError:
        return False


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
    if network.ca_bundle:
        return network.ca_bundle
    from requests.utils import DEFAULT_CA_BUNDLE_PATH  # takes 60 ms, for which the second process is not to wait

    return DEFAULT_CA_BUNDLE_PATH
