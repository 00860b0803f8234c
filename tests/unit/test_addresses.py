"""Addresses in settings: of registries and of mirrors."""

import pytest

from dci_downloader.network.addresses import mirror_url, registry_address


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://lab1.example.com/dci/", "http://lab1.example.com/dci"),
        ("https://lab1", "https://lab1"),
        ("http://[::1]:8080/a//", "http://[::1]:8080/a"),
        ("http://lab1/my mirror/", "http://lab1/my%20mirror"),
        ("http://lab1/my%20mirror/~a+b", "http://lab1/my%20mirror/~a+b"),
    ],
)
def test_the_url_of_a_peer_is_taken_without_its_last_slash(text, url):
    assert mirror_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "lab1",
            "lab1:80",
            "ftp://lab1/",
            "http://",
            "http:///dci",
            "http://lab1:0/",
            "http://lab1:x/",
            "http://lab1:99999/",
        ),
        *("http://u:p@lab1/", "http://u@lab1/", "http://lab1/?a", "http://lab1/#a", "http://lab1/a\nb", "http://[::1/"),
        *("http://läb1/", "http://lab 1/", "http://lab1 /", 'http://lab"1/', "http://lab1\\x/", "http://{lab}/"),
    ],
)
def test_what_is_no_url_of_a_peer_is_refused_and_not_shown(text):
    with pytest.raises(ValueError, match=r"^expected the URL of a mirror, like .*, without a login$"):
        mirror_url(text)


@pytest.mark.parametrize(
    "text", ["localhost:5000", "registry.example.com", "Registry-1.example:65535", "10.0.0.1:5000", "[::1]:5000", "a"]
)
def test_the_address_of_a_registry_is_a_host_with_or_without_a_port(text):
    assert registry_address(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", ":5000", "localhost:", "localhost:0", "localhost:65536", "localhost:x", "localhost:٥", "läb:5000"),
        *("http://localhost:5000", "user:pw@localhost", "localhost:5000/path", "-a", "a-", "::1", "a b", "a\n"),
    ],
)
def test_what_is_no_address_of_a_registry_is_refused_and_not_shown(text):
    with pytest.raises(ValueError, match=r"^expected HOST:PORT, like localhost:5000, without scheme and login$"):
        registry_address(text)
