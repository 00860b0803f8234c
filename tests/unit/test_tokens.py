"""Tokens of the SSO: when they are renewed, how often, and what is said when they are not."""

import base64
import json
import threading

import pytest

from dci_downloader.control.session import Clock
from dci_downloader.control.tokens import TokenSource, given_token
from dci_downloader.demo.catalog import Catalog
from dci_downloader.demo.site import DemoSite
from dci_downloader.errors import AccessError, SettingsError, TransferError
from dci_downloader.options import Network, SsoCredentials
from tests.interception import cut, intercept
from tests.unit.control_site import closed_port

BEGIN = 1_800_000_000.0


class Moving:
    """A clock that a test sets; sleeping moves it."""

    def __init__(self):
        self.wall, self.steady, self.pauses = BEGIN, 0.0, []

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.steady += seconds

    def clock(self):
        return Clock(lambda: self.steady, lambda: self.wall, self.sleep, lambda: 0.0)


@pytest.fixture
def moving():
    return Moving()


@pytest.fixture
def site():
    with DemoSite(Catalog()) as site:
        yield site


@pytest.fixture
def source(site, moving):
    return lambda **fields: TokenSource(credentials(site, **fields), Network(), 5.0, moving.clock())


def credentials(site, **fields):
    user = site.catalog.user
    given = {"sso_url": site.sso.url, "username": user.login, "password": user.password, **fields}
    return SsoCredentials(site.url, **given)


def settled():
    """Wait until no renewal is under way."""
    for thread in threading.enumerate():
        if thread.name == "sso-token":
            thread.join(10)


def jwt(**claims):
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{payload}.c2lnbmF0dXJl"


def test_a_token_is_obtained_when_it_is_first_needed_and_kept(site, source):
    tokens = source()
    assert site.sso.requests == []
    assert len({tokens.current() for _ in range(100)}) == 1
    (request,) = site.sso.requests
    assert request.path == "/auth/realms/redhat-external/protocol/openid-connect/token"
    assert "authorization" not in request.headers


def test_it_is_renewed_ahead_of_its_end_while_requests_go_on_with_the_old_one(source, site, moving):
    tokens = source()
    first = tokens.current()
    assert (first.renew_at, first.ends) == (BEGIN + 270, BEGIN + 300)
    moving.wall += 269
    assert tokens.current() is first
    moving.wall += 2
    assert tokens.current() is first
    assert tokens.current().ends in (first.ends, BEGIN + 571)
    settled()
    second = tokens.current()
    assert second.ends == BEGIN + 271 + 300
    assert len(site.sso.requests) == 2


def test_a_short_life_is_used_for_nine_tenths(source, site):
    site.sso.token_seconds = 10
    token = source().current()
    assert (token.renew_at, token.ends) == (BEGIN + 9, BEGIN + 10)


def test_many_threads_that_find_it_ended_obtain_one(source, site, moving):
    tokens = source()
    tokens.current()
    moving.wall += 301
    begin, seen = threading.Barrier(20), []

    def ask():
        begin.wait(10)
        seen.append(tokens.current())

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len({*seen}) == 1
    assert len(site.sso.requests) == 2


def test_a_renewal_that_fails_is_tried_again_before_the_end_and_not_at_once(source, site, moving):
    tokens = source()
    first = tokens.current()
    answers = [None]
    intercept(site.sso, lambda exchange: bool(answers) and (exchange.answer(401, b"{}") or True))
    moving.wall += 280
    for _ in range(3):
        assert tokens.current() is first
        settled()
    assert len(site.sso.requests) == 2
    answers.clear()
    moving.wall += 6
    assert tokens.current() is first
    settled()
    assert tokens.current() is not first


def test_the_sso_may_stumble(source, site, moving):
    troubles = iter([lambda exchange: exchange.answer(503), cut])
    intercept(site.sso, lambda exchange: next(troubles, lambda _: None)(exchange) or len(site.sso.requests) < 3)
    assert source().current()
    assert (len(site.sso.requests), len(moving.pauses)) == (3, 2)


@pytest.mark.parametrize(
    ("fields", "error", "text"),
    [
        ({"password": "wrong"}, AccessError, "the SSO does not accept user and password"),
        ({"username": "nobody"}, AccessError, "the SSO does not accept user and password"),
        ({"sso_url": f"http://127.0.0.1:{closed_port()}"}, TransferError, "connection refused"),
    ],
)
def test_what_is_wrong_is_said_without_the_password(site, source, fields, error, text):
    with pytest.raises(error, match=text) as caught:
        source(**fields).current()
    for secret in ("wrong", site.catalog.user.password):
        assert secret not in f"{caught.value} {caught.value.hint}"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (404, b"nothing here", {}),
        (302, b"", {"Location": "https://login.example.com/"}),
        (200, b"<html>Log in", {"Content-Type": "text/html"}),
        (200, b'{"access_token": 1, "expires_in": 5}', {}),
        (200, b'{"access_token": "a b", "expires_in": 5}', {}),
        (200, b'{"access_token": "ab", "expires_in": 0}', {}),
        (200, b'{"access_token": "ab", "expires_in": "soon"}', {}),
        (200, b'{"expires_in": 5}', {}),
        (500, b"{}", {}),
    ],
)
def test_an_answer_without_a_usable_token_is_an_error(source, site, status, body, headers):
    intercept(site.sso, lambda exchange: exchange.answer(status, body, headers) or True)
    with pytest.raises(TransferError):
        source().current()


def test_a_token_may_last_for_ever(source, site):
    body = b'{"access_token": "ab", "expires_in": 1' + b"0" * 15 + b"}"
    intercept(site.sso, lambda exchange: exchange.answer(200, body) or True)
    assert source().current().text == "ab"


@pytest.mark.parametrize(("text", "end"), [("opaque", float("inf")), (jwt(exp=BEGIN + 50), BEGIN + 50)])
def test_an_answer_need_not_say_when_the_token_ends(source, site, text, end):
    body = json.dumps({"access_token": text, "expires_in": None}).encode()
    intercept(site.sso, lambda exchange: exchange.answer(200, body) or True)
    assert source().current().ends == end


@pytest.mark.parametrize("url", ["sso.example.com", "ftp://x", "https://user:pw@sso", "https://sso?x"])
def test_an_address_that_is_none_is_named_by_its_variable(source, url):
    with pytest.raises(SettingsError, match="address of the SSO") as caught:
        source(sso_url=url)
    assert "SSO_URL" in caught.value.hint
    assert "pw" not in str(caught.value)


def test_a_given_token_is_used_until_it_ends(source, site, moving):
    tokens = source(token=jwt(exp=BEGIN + 100))
    assert (tokens.current().text, tokens.current().ends) == (jwt(exp=BEGIN + 100), BEGIN + 100)
    moving.wall += 101
    assert tokens.current().ends == BEGIN + 401
    assert len(site.sso.requests) == 1


def test_a_given_token_alone_cannot_be_renewed(source, moving):
    tokens = source(token=jwt(exp=BEGIN + 100), password="")
    moving.wall += 99
    assert tokens.current()
    moving.wall += 2
    with pytest.raises(AccessError, match="has ended") as caught:
        tokens.current()
    assert "SSO_TOKEN" in caught.value.hint
    assert not tokens.replace(jwt(exp=BEGIN + 100))


def test_neither_a_token_nor_a_password_is_refused_at_once(source):
    with pytest.raises(AccessError, match="neither"):
        source(password="")


@pytest.mark.parametrize("text", ["opaque", "a.b.c", "a.!.c", jwt(exp="soon"), jwt(exp=True), jwt(exp=10**400), jwt()])
def test_a_token_that_does_not_say_when_it_ends_is_used_for_ever(text):
    if "!" in text:
        with pytest.raises(AccessError):
            given_token(text, BEGIN)
        return
    assert given_token(text, BEGIN).renew_at == float("inf")


@pytest.mark.parametrize("text", ["a b", "a\nb", "é", " ", "Bearer x"])
def test_a_token_that_no_header_can_carry_is_refused_and_not_shown(text):
    with pytest.raises(AccessError, match="SSO_TOKEN is no bearer token"):
        given_token(text, BEGIN)


def test_tokens_do_not_show_themselves():
    assert jwt(exp=BEGIN) not in f"{given_token(jwt(exp=BEGIN), BEGIN)} {SsoCredentials('http://x', token=jwt(exp=1))}"


def test_a_refused_token_is_replaced_once(source, site, moving):
    tokens = source(token="opaque")
    assert tokens.replace("opaque")
    new = tokens.current()
    assert tokens.replace("opaque")  # a request that was under way with the old one
    assert not tokens.replace(new.text)  # obtained just now: the server means what the user may not see
    assert len(site.sso.requests) == 1
    moving.wall += 61
    assert tokens.replace(new.text)
    assert len(site.sso.requests) == 2
