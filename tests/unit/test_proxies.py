"""Proxies and certificates: the rules of requests, for API calls and file bytes alike."""

import pytest
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from dci_downloader.errors import SettingsError
from dci_downloader.network.proxies import ca_bundle, proxy_for
from dci_downloader.options import Network

PROXIES = {"http": "http://plain:3128", "https": "http://secure:3128"}


@pytest.mark.parametrize(
    ("url", "proxies", "no_proxy", "expected"),
    [
        ("https://api.example/x", {}, "", ""),
        ("https://api.example/x", PROXIES, "", "http://secure:3128"),
        ("http://api.example/x", PROXIES, "", "http://plain:3128"),
        ("HTTP://api.example/x", PROXIES, "", "http://plain:3128"),
        ("http://api.example/x", {"all": "socks5://last:1080"}, "", "socks5://last:1080"),
        ("http://api.example/x", {"http": "bare:3128"}, "", "http://bare:3128"),
        ("http://api.example/x", PROXIES, "example", ""),
        ("http://api.example/x", PROXIES, ".example", ""),
        ("http://api.example/x", PROXIES, "other.test, api.example", ""),
        ("http://api.example/x", PROXIES, "other.test", "http://plain:3128"),
        ("http://10.1.2.3/x", PROXIES, "10.0.0.0/8", ""),
        ("http://api.example:8080/x", PROXIES, "api.example:8080", ""),
        ("http://api.example/x", {"https": "http://secure:3128"}, "", ""),
        ("http://api.example/x", {"https": "http://secure:3128", "all": "http://last:1080"}, "", "http://last:1080"),
        ("https://api.example/x", PROXIES, "*", ""),
    ],
)
@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_a_proxy_is_chosen_by_scheme_and_host_whatever_the_environment_says(
    url, proxies, no_proxy, expected, name, monkeypatch
):
    for variable in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv(name, "api.example,10.1.2.3")
    assert proxy_for(url, Network(proxies=proxies, no_proxy=no_proxy)) == expected


def test_trusted_certificates_are_those_set_or_the_default(tmp_path):
    assert ca_bundle(Network()) == DEFAULT_CA_BUNDLE_PATH
    assert ca_bundle(Network(ca_bundle=str(tmp_path))) == str(tmp_path)


def test_certificates_that_do_not_exist_are_a_settings_error(tmp_path):
    with pytest.raises(SettingsError) as caught:
        ca_bundle(Network(ca_bundle=str(tmp_path / "no.pem")))
    assert "no.pem" in str(caught.value)
    assert "SSL_CERT_FILE" in caught.value.hint
