"""What is linked from a folder takes no room; what has to be copied does."""

import os

import pytest

from dci_downloader import Outcome
from dci_downloader.errors import DiskFullError
from dci_downloader.transfer import linking
from dci_downloader.upstream.mirror import UpstreamMirror
from tests.unit.samples import FIRST, Sample
from tests.unit.test_upstream_mirror import publish, second, sync  # noqa: F401  a fixture


@pytest.fixture
def first(tmp_path):
    sample = Sample(tmp_path / "first")
    publish(sample, "c1", FIRST)
    return sample


@pytest.fixture
def full(monkeypatch):
    """A disk on which nothing is free."""
    monkeypatch.setattr("dci_downloader.mirror.mirror.free_bytes", lambda _: 0)


def test_a_full_disk_is_enough_for_what_is_linked(first, second, full):  # noqa: F811
    upstream = UpstreamMirror(first.root)
    (planned,) = sync(upstream, second, dry_run=True)
    assert (planned.outcome, planned.files_downloaded) == (Outcome.PLANNED, 2)
    (done,) = sync(upstream, second, make_room=True)
    assert (done.outcome, done.failures) == (Outcome.PUBLISHED, ())


def test_and_not_for_what_others_may_write_to(first, second, full):  # noqa: F811
    for path in first.store.objects.rglob("*"):
        if path.is_file():
            os.chmod(path, 0o464)
    (done,) = sync(UpstreamMirror(first.root), second)
    assert [failure.exit_code for failure in done.failures] == [DiskFullError.exit_code]


@pytest.mark.parametrize("place", ["_mount", "_links_lead"])
def test_and_not_where_links_do_not_lead(first, second, full, monkeypatch, place):  # noqa: F811
    if place == "_mount":
        monkeypatch.setattr(linking, "_mount", lambda folder: folder)
    else:
        monkeypatch.setattr(linking, "_links_lead", lambda *_: False)
    (done,) = sync(UpstreamMirror(first.root), second)
    assert [failure.exit_code for failure in done.failures] == [DiskFullError.exit_code]


def test_the_mount_of_a_folder_is_known(tmp_path):
    assert linking._mount(tmp_path).isdigit()
    assert linking._mount(tmp_path) != linking._mount("/proc")
