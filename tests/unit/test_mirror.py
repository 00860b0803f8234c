from collections import namedtuple

import pytest

from dci_downloader.errors import (
    DiskFullError,
    ManifestError,
    NotFoundError,
)
from dci_downloader.mirror import files
from dci_downloader.mirror.retention import expired
from dci_downloader.mirror.status import status
from dci_downloader.models import Plan
from tests.unit.samples import FIRST, component_of, entry_of, manifest_of


def test_a_mirror_that_does_not_exist_is_empty_and_asking_creates_nothing(sample):
    wanted = manifest_of(FIRST)
    plan = sample.mirror.plan(component_of("c1"), wanted)
    assert (plan.missing_files, plan.missing_bytes) == (2, 405)
    sample.mirror.check_space([plan])
    assert sample.mirror.topics() == ()
    with pytest.raises(NotFoundError):
        status(sample.mirror)
    assert sample.topic.types() == ()
    assert sample.topic.versions("compose") == ()
    assert sample.topic.published("compose") is None
    assert expired(sample.topic, "compose", 1) == ()
    assert not sample.root.exists()


@pytest.mark.parametrize("name", ["..", "a/b", "", ".hidden", "a\0b"])
def test_names_that_are_no_folder_are_refused(sample, name):
    with pytest.raises(ManifestError):
        sample.mirror.topic(name)
    with pytest.raises(ManifestError):
        sample.topic.versions(name)
    with pytest.raises(ManifestError):
        sample.publish("c1", FIRST, type=name)


def test_room_is_checked_before_the_first_byte_less_what_partials_occupy(sample, monkeypatch):
    entry = entry_of("big.iso", b"x" * 1_000_000)
    plan = Plan(manifest_of({}), (entry,))
    sample.mirror.prepare()
    Statvfs = namedtuple("Statvfs", "f_bavail f_frsize f_blocks")
    monkeypatch.setattr(files.os, "statvfs", lambda _: Statvfs(100, 4096, 1000))
    with pytest.raises(DiskFullError) as caught:
        sample.mirror.check_space([plan, plan])
    assert (caught.value.needed, caught.value.free) == (1_004_096, 409_600)
    with pytest.raises(DiskFullError) as caught:
        sample.mirror.check_space([plan], reserve=-4096)  # that much will be freed before
    assert "reserve" not in str(caught.value)
    partial = sample.store.open_partial(entry)
    sample.mirror.check_space([plan])
    partial.discard()
    monkeypatch.setattr(files.os, "statvfs", lambda _: Statvfs(0, 4096, 0))  # it does not say how large it is
    sample.mirror.check_space([plan], reserve=10**12)
