"""Addresses of proxies: those that can be used, and those that are none, of which nothing is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dci_downloader.network.proxy_urls import proxy_url


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("http://proxy.example.com:3128", "http://proxy.example.com:3128"),
        ("proxy.example.com:3128", "http://proxy.example.com:3128"),
        ("localhost:3128", "http://localhost:3128"),
        (" http://proxy/ ", "http://proxy"),
        ("HTTPS://proxy:443/ignored?x", "https://proxy:443"),
        ("user:pw@proxy:3128", "http://user:pw@proxy:3128"),
        ("http://user:p%2Fw@proxy:3128", "http://user:p%2Fw@proxy:3128"),
        ("http://user:p@w@proxy:3128", "http://user:p@w@proxy:3128"),
        ("http://my_proxy.example.com.:8080", "http://my_proxy.example.com.:8080"),
        ("socks5h://127.0.0.1:1080", "socks5h://127.0.0.1:1080"),
        ("http:3128/", "http://http:3128"),
        ("http://[::1]:3128", "http://[::1]:3128"),
        ("http://[fe80::1%25eth0]:3128", "http://[fe80::1%25eth0]:3128"),
    ],
)
def test_a_proxy_is_a_host_with_scheme_login_and_port_or_without(address, url):
    assert proxy_url(address) == url


@pytest.mark.parametrize(
    "address",
    [
        *("http://[bad", "http://[::1", "http://]", "http://[nonsense]:3128", "http://[1.2.3.4]:1", "http://::1"),
        *("http://", "://proxy", "http://:3128", "http:///proxy", "", "http://user:pw@", "http://user:pw@:3128"),
        *("http://user:pa/ss@proxy:3128", "http://user:pa?ss@proxy:3128", "http://user:pa#ss@proxy:3128"),
        *("user:pa/ss@proxy:3128", "http://proxy:0", "http://proxy:99999", "http://proxy:port", "http://proxy:²"),
        *("http://pro xy:3128", "http://pro\nxy:3128", "http://prøxy:3128", "ftp://proxy:3128"),
        *("http://user:pässword@proxy:3128", "http://-proxy", "http://proxy:31\x0028", "file:///etc/passwd"),
        *("http//proxy:3128", "https:/proxy:3128", "HTTP:/proxy", "socks5//proxy:1080"),
    ],
)
def test_what_is_no_proxy_is_refused_and_not_shown(address):
    with pytest.raises(ValueError) as caught:
        proxy_url(address)
    for secret in ("pa/ss", "pa?ss", "ss@", "pässword", "pw", address or "never"):
        assert secret not in str(caught.value)


@given(st.text("http://[]:@#?%.123abé \t²", max_size=40))
def test_any_text_is_a_proxy_or_an_error(text):
    try:
        url = proxy_url(text)
    except ValueError:
        return
    assert url.isascii()
    assert url.isprintable()
    assert url.count("/") == 2
