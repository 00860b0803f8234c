"""Fixtures that several modules of unit tests share."""

from __future__ import annotations

import pytest

from dci_downloader.control.client import ControlServer
from dci_downloader.options import Credentials
from tests.unit.control_site import CLIENT, SECRET, Site, Time
from tests.unit.samples import Sample, open_store


@pytest.fixture
def site():
    server = Site()
    yield server
    server.close()


@pytest.fixture
def object_store():
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


@pytest.fixture
def sample(tmp_path):
    return Sample(tmp_path / "mirror")


@pytest.fixture
def store(tmp_path):
    return open_store(tmp_path)
