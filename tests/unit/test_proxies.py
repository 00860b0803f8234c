"""Proxies and certificates: the same rules for API calls and file bytes."""

import pytest
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from dci_downloader.errors import SettingsError
from dci_downloader.network.proxies import ca_bundle, proxy_for, proxy_variable
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
        ("http://user@api.example:81/x", PROXIES, "api.example", ""),
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


@pytest.mark.parametrize(
    ("host", "no_proxy"),
    [
        ("api.example", "a.b api.example"),
        ("api.example", " a.b ,\tapi.example\t,"),
        ("api.example", "a.b,\n api.example"),
        ("api.example", "a, *"),
        ("api.example", " * "),
        ("api.example", ".example"),
        ("api.example", "API.Example."),
        ("api.example.", "api.example"),
        ("api.example", "api.example:80"),
        ("api.example:8080", "api.example:8080"),
        ("[::1]", "::1"),
        ("[::1]", "[::1]"),
        ("[::1]:99", "[::1]"),
        ("[::1]:99", "[::1]:99"),
        ("[0:0::1]", "::1"),
        ("[FD00::1]", "fd00::/8"),
        ("[fd00::1]", "[FD00::]/8"),
        ("[fd00::1]", "[fd00::/8]"),
        ("[::1]", "[::/64]"),
        ("[fd00::1]", "[fd00::/8]:80"),
        ("[fd00::1]", "10.0.0.0/8, fd00::5/8"),
        ("[fe80::1%25eth0]", "fe80::/10"),
        ("127.0.0.1", "127.0.0.0/8"),
        ("127.0.0.1", "127.9.9.9/8"),
        ("127.0.0.1", "127.0.0.1/32"),
        ("127.0.0.1", "127.0.0.1/0"),
        ("127.0.0.1:99", "127.0.0.1:99"),
        ("127.0.0.1", ",,127.0.0.1"),
    ],
)
def test_hosts_that_no_proxy_names_are_reached_directly(host, no_proxy):
    assert proxy_for(f"http://{host}/x", Network(proxies=PROXIES, no_proxy=no_proxy)) == ""


@pytest.mark.parametrize(
    ("host", "no_proxy"),
    [
        ("api.example", ""),
        ("api.example", " ,. , .. ,:80"),
        ("api.example", "*.example"),
        ("api.example", "..example"),
        ("nonapi.example", "api.example"),
        ("api.example", "api.example:8080"),
        ("api.example", "api.example;b"),
        ("api.example", "pi.example"),
        ("[::1]", "[fd00::/8]"),
        ("[::1]", "[::/64]/64"),
        ("[::1]", "fe80::/10"),
        ("[::1]", "::1/129"),
        ("[::1]:99", "[::1]:98"),
        ("[::1]", "::/0"),
        ("[::1]", "1"),
        ("[::ffff:127.0.0.1]", "127.0.0.1"),
        ("127.0.0.1", "0.0.0.0/0"),
        ("127.0.0.1", "127.0.0.0/33"),
        ("127.0.0.1", "127.0.0.1/"),
        ("127.0.0.1", "127.0.0.1/x"),
        ("127.0.0.1", ".0.0.1"),
        ("127.0.0.1", "127.0.0"),
        ("127.0.0.1", "127.0.0.1:99"),
        ("127.0.0.1", "::/64"),
    ],
)
def test_other_hosts_are_reached_through_the_proxy(host, no_proxy):
    assert proxy_for(f"http://{host}/x", Network(proxies=PROXIES, no_proxy=no_proxy)) == "http://plain:3128"


def test_trusted_certificates_are_those_set_or_the_default(tmp_path):
    assert ca_bundle(Network()) == DEFAULT_CA_BUNDLE_PATH
    assert ca_bundle(Network(ca_bundle=str(tmp_path))) == str(tmp_path)


def test_certificates_that_do_not_exist_are_a_settings_error(tmp_path):
    with pytest.raises(SettingsError) as caught:
        ca_bundle(Network(ca_bundle=str(tmp_path / "no.pem")))
    assert "no.pem" in str(caught.value)
    assert "SSL_CERT_FILE" in caught.value.hint


@pytest.mark.parametrize(
    ("scheme", "proxies", "expected"),
    [
        ("http", {"http": "http://p:1", "all": "http://a:1"}, "HTTP_PROXY"),
        ("https", {"http": "http://p:1", "https": "http://s:1"}, "HTTPS_PROXY"),
        ("HTTPS", {"http": "http://p:1", "all": "http://a:1"}, "ALL_PROXY"),
        ("http", {"https": "http://s:1"}, "HTTP_PROXY"),
        ("https", {}, "HTTPS_PROXY"),
    ],
)
def test_the_variable_that_counts_is_that_of_the_scheme_or_else_of_all(scheme, proxies, expected):
    assert proxy_variable(f"{scheme}://h/x", Network(proxies=proxies)) == expected
