"""The three kinds of credentials against the embedded control server."""

import pickle

import pytest

from dci_downloader import ControlServer, LoginCredentials, Mirror, RemoteciCredentials, SsoCredentials, sync_topic
from dci_downloader.control.authorization import BearerAuthorization, authorization_for
from dci_downloader.control.session import Clock
from dci_downloader.demo.authentication import make_token
from dci_downloader.demo.http_server import utc_now
from dci_downloader.errors import AccessError, SettingsError
from dci_downloader.options import Credentials, Network

KINDS = ["remoteci", "feeder", "login", "sso", "token"]


def credentials_of(kind, site):
    user, catalog = site.catalog.user, site.catalog
    if kind == "login":
        return LoginCredentials(user.login, user.password, site.url)
    if kind == "sso":
        return SsoCredentials(site.url, site.sso.url, user.login, user.password)
    if kind == "token":
        end = utc_now().replace(year=2100)
        return SsoCredentials(site.url, token=make_token(catalog.signing_key, user.login, end))
    account = catalog.remoteci if kind == "remoteci" else catalog.add_remoteci("fed", kind="feeder")
    return RemoteciCredentials(account.client_id, account.api_secret, site.url)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_mirrors_a_topic(lab, compose, tmp_path, kind):
    lab.build(compose)
    with ControlServer(credentials_of(kind, lab.site), patience=2) as server:
        report = sync_topic(server, Mirror(tmp_path), "RHEL-9.2")
    assert (report.exit_code, report.components[0].files_downloaded) == (0, 5)
    assert not any("authorization" in request.headers for request in lab.site.store.requests)
    assert len(lab.site.sso.requests) == (kind == "sso")


@pytest.mark.parametrize(
    ("credentials", "error"),
    [
        (lambda url: LoginCredentials("demo-user", "wrong", url), AccessError),
        (lambda url: LoginCredentials("nobody", "x", url), AccessError),
        (lambda url: SsoCredentials(url, token="wrong"), AccessError),
    ],
)
def test_wrong_ones_are_refused_by_the_server(lab, credentials, error):
    with ControlServer(credentials(lab.site.url), patience=2) as server, pytest.raises(error, match="credentials"):
        next(server.topics())


@pytest.mark.parametrize(
    ("credentials", "text"),
    [
        (LoginCredentials("", "x", "http://x"), "DCI_LOGIN is empty"),
        (LoginCredentials("a:b", "x", "http://x"), "colon"),
        (LoginCredentials("a", "s3cret\r\n", "http://x"), "DCI_PASSWORD"),
        (SsoCredentials("http://x"), "neither"),
    ],
)
def test_what_cannot_be_right_is_refused_before_anything_is_sent(credentials, text):
    with pytest.raises(AccessError, match=text) as caught:
        ControlServer(credentials)
    assert "s3cret" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    "address",
    [
        "ftp://x",
        "",
        "http://x:0",
        "http://x/\0",
        "http://x\0/",
        "http://x/a\nb",
        "http://x/\ud800",
        "http://x/\x7f",
        "http://.",
    ],
)
def test_every_kind_needs_the_address_of_a_server(address):
    kinds = (RemoteciCredentials("a", "b", address), LoginCredentials("a", "b", address))
    for credentials in (*kinds, SsoCredentials(address, token="t")):
        with pytest.raises(SettingsError, match="address of the control server") as caught:
            ControlServer(credentials)
        assert "DCI_CS_URL" in caught.value.hint
    if address:
        with pytest.raises(SettingsError, match="address of the SSO") as caught:
            ControlServer(SsoCredentials("http://x", address, "user", "password"))
        assert "SSO_URL" in caught.value.hint


def test_an_ended_token_that_the_clock_here_takes_for_good_is_replaced(lab):
    user = lab.site.catalog.user
    ended = make_token(lab.catalog.signing_key, user.login, utc_now().replace(year=2001))
    credentials = SsoCredentials(lab.site.url, lab.site.sso.url, user.login, user.password, ended)
    with ControlServer(credentials, patience=2, clock=Clock(wall=lambda: 0.0)) as server:
        assert [topic.name for topic in server.topics()] == ["RHEL-9.2"]
    assert [request.status for request in lab.site.control.requests] == [401, 200]
    assert len(lab.site.sso.requests) == 1


def test_what_another_user_may_not_see_does_not_cost_token_after_token(lab):
    hidden = lab.catalog.add_topic("hidden", teams=["others"])
    with ControlServer(credentials_of("sso", lab.site), patience=2) as server:
        for _ in range(5):
            with pytest.raises(AccessError, match="no access"):
                server.topic(hidden.id)
    assert len(lab.site.sso.requests) == 1


def test_another_process_gets_the_token_and_no_password(lab):
    credentials = credentials_of("sso", lab.site)
    here = authorization_for(credentials, Network(), 2.0, Clock())
    sent = pickle.dumps(here)
    assert credentials.password.encode() not in sent
    there = pickle.loads(sent)
    assert isinstance(there, BearerAuthorization)
    assert there.headers_for_path("/x") == here.headers_for_path("/x")
    assert not there.renew(here.headers_for_path("/x"))
    there.take(here.token._replace(text="next"))
    assert there.headers("/x") == {"authorization": "Bearer next"}
    renew_at = here.token.renew_at
    assert (there.awaits_token(renew_at - 1), there.awaits_token(renew_at)) == (False, True)
    assert not here.awaits_token(renew_at)


def test_no_kind_shows_its_secret():
    for credentials in (
        Credentials("remoteci/1", "s3cret", "http://x"),
        RemoteciCredentials("remoteci/1", "s3cret", "http://x"),
        LoginCredentials("me", "s3cret", "http://x"),
        SsoCredentials("http://x", "http://sso", "me", "s3cret", "s3cret"),
    ):
        assert "s3cret" not in repr(credentials)
