"""Fixtures of the control wing."""

from __future__ import annotations

import pytest

from dci_downloader.control.client import ControlServer
from dci_downloader.options import Credentials
from tests.unit.control_site import CLIENT, SECRET, Site, Time


@pytest.fixture
def site():
    server = Site()
    yield server
    server.close()


@pytest.fixture
def store():
    server = Site()
    yield server
    server.close()


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def connect(site, time):
    opened = []

    def connect(url="", **options):
        options = {"clock": time.clock(), **options}
        opened.append(ControlServer(Credentials(CLIENT, SECRET, url or site.url), **options))
        return opened[-1]

    yield connect
    for server in opened:
        server.close()
