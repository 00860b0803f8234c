"""Signatures and the address they are for, checked by dciauth's own server code."""

import time
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from urllib.parse import quote, unquote, urlsplit

import dciauth.signature
import pytest
import requests
from dciauth.signature import FlaskHmacSignature

from dci_downloader.control import signing
from dci_downloader.control.signing import ComponentFiles, Signer
from dci_downloader.errors import AccessError, SettingsError
from dci_downloader.models import Component
from dci_downloader.options import Credentials
from tests.unit.control_site import CLIENT, COMPONENT, SECRET, as_json, refused, signed, topic

SERVICE = {
    "service_name": "api",
    "service_key": "dci2_request",
    "region_name": "BHS3",
    "algorithm": "DCI2-HMAC-SHA256",
}


@pytest.fixture
def days(monkeypatch):
    """The clock here and that of dciauth, and how many days they are ahead."""
    ahead = [0]

    def moment():
        return datetime(2022, 11, 21, 12, tzinfo=timezone.utc) + timedelta(days=ahead[0])

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return moment()

    monkeypatch.setattr(dciauth.signature, "datetime", Clock)
    monkeypatch.setattr(
        signing, "time", SimpleNamespace(strftime=time.strftime, gmtime=lambda: moment().utctimetuple())
    )
    return ahead


def valid(request, secret=SECRET):
    parts = urlsplit(request.url)
    seen = SimpleNamespace(headers=request.headers, method="GET", path=unquote(parts.path), args={}, data=b"")
    return FlaskHmacSignature(SERVICE).add_request(seen).is_valid(secret)


def files_of(secret=SECRET):
    return ComponentFiles(
        Signer(Credentials("remoteci/1", secret, "https://dci.example/")), "/api/v1/components/1/files"
    )


@pytest.mark.parametrize("path", ["a.rpm", "Packages/a b;c?d#e&f=g.rpm", "ü/é.rpm"])
def test_the_server_finds_the_signature_of_every_file_valid(days, path):
    assert valid(files_of().request(path))


def test_a_run_that_goes_on_past_midnight_signs_for_the_new_day(days):
    files = files_of()
    assert valid(files.request("a.rpm"))
    days[0] = 1
    assert valid(files.request("a.rpm"))


def test_each_secret_has_signatures_of_its_own(days):
    assert valid(files_of("one").request("a.rpm"), "one")
    assert valid(files_of("two").request("a.rpm"), "two")
    assert not valid(files_of("one").request("a.rpm"), "two")


def test_the_key_of_a_day_is_derived_once(days):
    signing._derive_key.cache_clear()
    files = files_of()
    for number in range(5):
        files.request(f"{number}.rpm")
    assert signing._derive_key.cache_info().misses == 1


def test_files_are_signed_as_dciauth_signs_them(days):
    signer = Signer(Credentials("feeder/1", SECRET, "http://dci.example:8080"))
    assert signer.headers_for_path("/api/a b/ü.rpm") == signer.headers("http://dci.example:8080/api/a%20b/%C3%BC.rpm")


@pytest.mark.parametrize("suffix", ["", "/", "/prefix", "/pre%20fix//"])
def test_signatures_are_valid_below_any_address(site, connect, suffix):
    site.answer = lambda asked: as_json({"topic": topic()}) if signed(asked)[0] else refused(signed(asked)[1], 400)
    assert connect(site.url + suffix).topic("t 1%41").name == "RHEL-9.2"
    assert site.paths() == [suffix.rstrip("/") + "/api/v1/topics/t%201%2541"]


NAMES = ["plain.rpm", "a%41.txt", "a%2541", "a+b~c^d", "50% #1?&=;,.rpm", "ü/é ñ", "dir/x%zz", "a%25.txt"]


@pytest.mark.parametrize("prefix", ["", "/pre%20fix"])
def test_requests_for_files_are_signed_whatever_their_names(site, connect, prefix):
    site.answer = lambda asked: (204, {}, b"")
    files = connect(site.url + prefix).files(Component("c 1", "n", "compose", "t1"))
    for name in NAMES:
        request = files.request(name)
        assert sorted(request.headers) == ["authorization", "host", "x-dci-date"]
        requests.get(request.url, headers=request.headers, timeout=5).close()
    for asked, name in zip(site.requests, NAMES):
        assert unquote(asked.path) == unquote(prefix) + "/api/v1/components/c 1/files/" + name
        assert signed(asked) == (True, ""), name


def test_redirects_on_the_control_server_are_signed_and_others_are_not(site, connect):
    site.answer = lambda asked: (204, {}, b"")
    files = connect().files(COMPONENT)
    moved = files.follow(f"{site.url}/api/v2/components/c1/files/a%2541 ü?x=1")
    requests.get(moved.url, headers=moved.headers, timeout=5).close()
    assert signed(site.requests[0]) == (True, "")
    for elsewhere in ("http://127.0.0.1:1/x", f"https{site.url[4:]}/x", "file:///etc/passwd", "http://[bad/"):
        assert files.follow(elsewhere) is None


@pytest.mark.parametrize(
    ("url", "base", "host"),
    [
        ("https://API.example.com:443/", "https://api.example.com", "api.example.com"),
        (" http://api.example.com:80 ", "http://api.example.com", "api.example.com"),
        ("http://api.example.com:443/x/", "http://api.example.com:443/x", "api.example.com:443"),
        ("https://[::1]:443", "https://[::1]", "[::1]"),
        ("https://bücher.example", "https://xn--bcher-kva.example", "xn--bcher-kva.example"),
    ],
)
def test_the_host_is_signed_and_sent_without_a_default_port(url, base, host):
    signer = Signer(Credentials(CLIENT, SECRET, url))
    assert signer.base == base
    assert signer.headers(f"{base}/api")["host"] == host


@pytest.mark.parametrize(
    "url", ["", "api.example.com", "ftp://x", "http://", "http://x:port", "http://u:pw@x", "http://x?q", "http://*x"]
)
def test_an_address_that_cannot_be_used_is_a_settings_error_without_secrets(url):
    with pytest.raises(SettingsError) as caught:
        Signer(Credentials(CLIENT, SECRET, url))
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("client_id", "secret", "what"),
    [
        ("", SECRET, "DCI_CLIENT_ID"),
        ("/66194b70", SECRET, "DCI_CLIENT_ID"),
        ("remoteci/", SECRET, "DCI_CLIENT_ID"),
        ("66194b70\r", SECRET, "DCI_CLIENT_ID"),
        (CLIENT, "", "DCI_API_SECRET"),
        (CLIENT, "s\r", "DCI_API_SECRET"),
    ],
)
def test_credentials_that_cannot_be_right_are_refused_before_anything_is_sent(client_id, secret, what):
    with pytest.raises(AccessError, match=what):
        Signer(Credentials(client_id, secret, "http://x"))


def test_an_id_alone_is_that_of_a_remoteci():
    signed = [
        Signer(Credentials(given, SECRET, "http://x")) for given in ("66194b70", "remoteci/66194b70", "feeder/66194b70")
    ]
    first, second, other = (signer.headers("http://x/api")["authorization"].split(",")[0] for signer in signed)
    assert first == second
    assert "remoteci/66194b70" in first
    assert "feeder/66194b70" in other
    assert "remoteci/66194b70" in signed[0].headers_for_path("/api")["authorization"]


def test_credentials_do_not_show_their_secret():
    assert SECRET not in repr(Credentials(CLIENT, SECRET, "http://x"))


def test_quoting_keeps_slashes_between_segments(connect):
    assert connect().files(COMPONENT).request("a/b c").url.endswith("/files/" + quote("a/b c"))
