"""Signatures of many requests, checked by dciauth's own server code; those of API calls are in test_client."""

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import dciauth.signature
import pytest
from dciauth.signature import FlaskHmacSignature

from dci_downloader.control import signing
from dci_downloader.control.signing import ComponentFiles, Signer
from dci_downloader.options import Credentials

SECRET = "s" * 64


@pytest.fixture
def days(monkeypatch):
    """Dciauth's clock, and how many days it is ahead."""
    ahead = [0]

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(2022, 11, 21, 12, tzinfo=timezone.utc) + timedelta(days=ahead[0])

    monkeypatch.setattr(dciauth.signature, "datetime", Clock)
    return ahead


def valid(request, secret=SECRET):
    parts = urlsplit(request.url)
    seen = SimpleNamespace(headers=request.headers, method="GET", path=unquote(parts.path), args={}, data=b"")
    return FlaskHmacSignature(signing._SERVICE).add_request(seen).is_valid(secret)


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
    signing._derived.cache_clear()
    files = files_of()
    for number in range(5):
        files.request(f"{number}.rpm")
    assert signing._derived.cache_info().misses == 4
