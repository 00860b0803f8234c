import pytest

from dci_downloader.network.addresses import mirror_url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://lab1.example.com/dci/", "http://lab1.example.com/dci"),
        ("https://lab1", "https://lab1"),
        ("http://[::1]:8080/a//", "http://[::1]:8080/a"),
    ],
)
def test_the_url_of_a_peer_is_taken_without_its_last_slash(text, url):
    assert mirror_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        *("", "lab1", "lab1:80", "ftp://lab1/", "http://", "http:///dci", "http://lab1:x/", "http://lab1:99999/"),
        *("http://u:p@lab1/", "http://u@lab1/", "http://lab1/?a", "http://lab1/#a", "http://lab1/a\nb", "http://[::1/"),
        "http://läb1/",
    ],
)
def test_what_is_no_url_of_a_peer_is_refused_and_not_shown(text):
    with pytest.raises(ValueError, match=r"^expected the URL of a mirror, like .*, without a login$"):
        mirror_url(text)
