"""URLs: their origin, the form in which they are sent, and what of them may be shown."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dci_downloader.network.urls import Origin, normalize_url, origin, redact_url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://a.example/x?y#z", Origin("http", "a.example", 80)),
        ("https://a.example", Origin("https", "a.example", 443)),
        ("HTTPS://A.Example:8443/", Origin("https", "a.example", 8443)),
        ("https://user:pw@a.example/", Origin("https", "a.example", 443)),
        ("http://[::1]:8080/", Origin("http", "::1", 8080)),
    ],
)
def test_the_origin_is_scheme_host_and_port(url, expected):
    assert origin(url) == expected


IMPOSSIBLE = ["", "a.example", "ftp://a/b", "file:///etc/passwd", "http://", "http://:80/", "http://a:port/"]
IMPOSSIBLE += ["http://a:99999/", "http://a:0/", "http://[::1"]


@pytest.mark.parametrize("url", IMPOSSIBLE)
def test_what_is_no_url_of_a_server_has_no_origin(url):
    for function in (origin, normalize_url):
        with pytest.raises(ValueError):
            function(url)


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://bücher.example/é ü", "https://xn--bcher-kva.example/%C3%A9%20%C3%BC"),
        ("http://a.example/c++%2B%41?x=1&y=a b", "http://a.example/c++%2BA?x=1&y=a%20b"),
        ("http://a.example", "http://a.example/"),
    ],
)
def test_a_url_is_sent_in_ascii(url, sent):
    assert normalize_url(url) == sent
    assert normalize_url(sent) == sent


def test_what_may_be_shown_of_a_url():
    url = "https://user:pass@store.example/bucket/a.rpm?X-Amz-Signature=abc#fragment"
    assert redact_url(url) == "https://store.example/bucket/a.rpm"
    assert redact_url("http://user@[::1]:80/") == "http://[::1]:80/"


@settings(deadline=None)
@given(st.text("ab@:?#/&=", max_size=20), st.text("ab@:?&=/", max_size=20))
def test_no_password_and_no_query_is_ever_shown(password, query):
    url = f"https://user:{password.replace('/', '').replace('?', '').replace('#', '')}SECRET@a.example/x?SECRET{query}"
    assert "SECRET" not in redact_url(url)


def test_rules_about_urls_and_addresses_do_not_wait_for_requests():
    modules = ", ".join(f"dci_downloader.network.{name}" for name in ("addresses", "headers", "retries", "urls"))
    code = f"import sys, {modules}; sys.exit('requests' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
