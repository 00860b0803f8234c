"""The embedded site, small components to put into it, and what every test runs under."""

import os
import signal
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import hypothesis
import pytest

from dci_downloader import Credentials
from dci_downloader.content.manifest import MANIFEST_NAME
from dci_downloader.control.client import ControlServer
from dci_downloader.demo.catalog import Catalog
from dci_downloader.demo.site import DemoSite
from dci_downloader.mirror.removal import remove_tree
from dci_downloader.settings import discovery

FIRST = datetime(2026, 11, 1, tzinfo=timezone.utc)


SLOW_TEST_SECONDS = 600

# A machine that is busy with something else is no reason for a property to fail.
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.load_profile("default")


def pytest_configure():
    # Under nohup, and behind a shell's "&", these are ignored, and programs that tests start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items):
    """Slow tests, and properties, which are many runs in one, get a longer time limit, unless they name their own."""
    for item in items:
        long = item.get_closest_marker("slow") or "property" in item.path.parts
        if long and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_TEST_SECONDS))


@pytest.fixture(autouse=True)
def ordinary_buffering(monkeypatch):
    """Programs that tests start buffer their output as they do for everybody."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)


@pytest.fixture(autouse=True)
def ordinary_looks(monkeypatch):
    """What is printed looks as it does for most people, whatever the locale of who runs the tests."""
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    for name in ("NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def no_job_of_a_pipeline(monkeypatch):
    """The pipeline that runs the tests has a job of its own."""
    monkeypatch.delenv("DCI_JOB_ID", raising=False)


@pytest.fixture(autouse=True)
def no_settings_of_the_machine(monkeypatch, tmp_path_factory):
    """The machine that runs the tests may have settings and credentials that are found."""
    nowhere = tmp_path_factory.getbasetemp() / "no settings"
    monkeypatch.setattr(discovery, "SYSTEM_FOLDER", str(nowhere / "system"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(nowhere / "home"))
    monkeypatch.delenv("DCI_LOCAL_REPO", raising=False)


@pytest.fixture(autouse=True)
def same_signals():
    """A program that ran to its end within a test ignores signals from then on; the next test must not."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Lab:
    """An embedded site with one topic, and a client of it."""

    def __init__(self, site, server):
        self.site = site
        self.server = server
        self.catalog = site.catalog
        self.topic = site.catalog.add_topic("RHEL-9.2", component_types=("compose",))

    def build(self, files, *, name=None, number=0, **more):
        """Attach a component; the higher its number, the newer.

        ``manifest`` takes the place of the right one, and ``without_files`` leaves not even that.
        """
        manifest, without_files = more.pop("manifest", None), more.pop("without_files", False)
        component = self.catalog.add_component(
            more.pop("topic", self.topic),
            name=name or f"RHEL-9.2.0-{number}",
            files=files,
            created_at=FIRST + timedelta(days=number),
            **more,
        )
        if manifest is not None:
            self.catalog.put(component, MANIFEST_NAME, manifest)
        if without_files:
            self.catalog.drop(component, MANIFEST_NAME)
        return component

    def fetched(self):
        """The paths of files, not of manifests and image lists, that the store was asked for."""
        listed = [request.path.split("/", 2)[-1] for request in self.site.store.requests]
        return [path for path in listed if not path.endswith(("dci_files_list.json", "images_list.yaml"))]


@pytest.fixture
def public_path():
    """A temporary folder that other users can reach; pytest closes its own to them."""
    folder = Path(tempfile.mkdtemp(prefix="public-"))
    os.chmod(folder, 0o755)
    yield folder
    remove_tree(folder)


@pytest.fixture
def lab():
    with DemoSite(Catalog()) as site:
        credentials = Credentials(site.client_id, site.api_secret, site.url)
        with ControlServer(credentials, patience=2) as server:
            yield Lab(site, server)


COMPOSE = {
    ".composeinfo": b"{}",
    "metadata/rpms.json": b'{"payload": {}}',
    "BaseOS/x86_64/os/Packages/b/bash-5.1-1.x86_64.rpm": b"bash" * 100,
    "BaseOS/x86_64/os/repodata/repomd.xml": b"<repomd/>",
    "AppStream/x86_64/os/Packages/v/vim-9-1.x86_64.rpm": b"vim" * 200,
    "BaseOS/aarch64/os/Packages/b/bash-5.1-1.aarch64.rpm": b"arm" * 100,
}


@pytest.fixture
def compose():
    """The files of a tiny compose."""
    return dict(COMPOSE)
