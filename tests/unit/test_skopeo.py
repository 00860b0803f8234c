"""The login of a topic: for which registries it is."""

import pytest

from dci_downloader.skopeo import Login, topic_login

LOGIN = {"login": "lab", "password": "pw"}


@pytest.mark.parametrize(
    ("named", "others", "asked", "answer"),
    [
        ({}, (), "r.example.com", False),
        ({"url": "https://r.example.com/v2/"}, (), "r.example.com", True),
        ({"host": "r.example.com"}, (), "R.Example.com:443", True),
        ({"registry": "r.example.com:5000/rhosp17"}, (), "r.example.com:5000", True),
        ({"registry": "r.example.com:5000"}, (), "r.example.com", False),
        ({"registry": "r.example.com"}, (), "r.example.com:5000", False),
        ({"registry": "r.example.com"}, (), "r.example.com.evil.com", False),
        ({"registry": "r.example.com"}, (), "evil.com", False),
        ({"email": "me@evil.com"}, (), "evil.com", False),
        ({"namespace": "evil"}, (), "evil", False),
        ({"namespace": ""}, (), "", False),
        ({"a": "127.0.0.1:5000", "b": "localhost"}, (), "127.0.0.1:5000", True),
        ({"a": "127.0.0.1:5000"}, (), "localhost:5000", False),
        ({"a": "[::1]:5000"}, (), "[::1]:5000", True),
        ({}, ("s.example.com",), "s.example.com", True),
        ({"url": "r.example.com"}, ("s.example.com",), "r.example.com", True),
    ],
)
def test_a_login_is_for_what_topic_or_settings_name(named, others, asked, answer):
    assert topic_login({**LOGIN, **named}, others).is_for(asked) is answer


@pytest.mark.parametrize("registry", [{}, {"login": "lab"}, {"password": "pw"}, {"login": "", "password": "pw"}])
def test_half_a_login_is_none(registry):
    assert not topic_login({**registry, "url": "r.example.com"}, ()).is_for("r.example.com")
    assert not Login().is_for("")


def test_login_and_password_are_no_addresses():
    login = topic_login({"login": "evil.com", "password": "r.evil.com"}, ())
    assert not login.is_for("evil.com")
    assert not login.is_for("r.evil.com")
