"""Which registries get the login of a topic."""

import pytest

from dci_downloader.network.registries import RegistryLogin, registry_login

LOGIN = {"login": "lab", "password": "s3cret"}


@pytest.mark.parametrize(
    "named",
    [
        "registry.example.com",
        "Registry.Example.COM",
        "registry.example.com:443",
        "https://registry.example.com",
        "https://registry.example.com/v2/",
        "registry.example.com/rhosp",
        " registry.example.com ",
    ],
)
@pytest.mark.parametrize("by", ["topic", "user"])
def test_a_registry_that_the_topic_or_the_user_names_gets_it(named, by):
    login = registry_login({**LOGIN, "url": named}) if by == "topic" else registry_login(LOGIN, [named])
    assert all(login.is_for(host) for host in ("registry.example.com", "REGISTRY.example.com:443"))
    assert login.hint("registry.example.com") == ""
    for other in (
        "example.com",
        "registry.example.com:5000",
        "registry.example.com.evil.example",
        "evil.registry.example.com",
        "registry.example.com:80",
        "localhost",
        "127.0.0.1:5000",
        "lab",
        "s3cret",
        "",
    ):
        assert not login.is_for(other)
        assert "login_registries" in login.hint(other)


def test_a_port_that_is_named_is_the_only_one():
    login = registry_login(LOGIN, ["r.example.com:5000", "[::1]:5000"])
    assert [login.is_for(host) for host in ("r.example.com:5000", "r.example.com", "[::1]:5000")] == [True, False, True]


@pytest.mark.parametrize("topic", [{}, {"login": "lab"}, {"password": "s3cret"}, {"login": "", "password": "x"}])
def test_without_a_whole_login_nobody_gets_it(topic):
    login = registry_login({**topic, "url": "r.example.com"}, ["s.example.com"])
    assert not any(login.is_for(host) for host in ("r.example.com", "s.example.com"))
    assert login.hint("evil.example") == ""


def test_a_login_does_not_show_its_password():
    assert "s3cret" not in repr(registry_login(LOGIN, ["r"]))
    assert RegistryLogin().is_for("") is False
