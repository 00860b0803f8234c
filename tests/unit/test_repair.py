"""Repair, from the embedded servers."""

import pytest

from dci_downloader import CancelledError, Mirror, NeverStop, Selection, TransferError, repair, sync_topic, verify

FILES = {".composeinfo": b"one", "metadata/same": b"same" * 100}


@pytest.fixture
def mirror(lab, tmp_path):
    mirror = Mirror(tmp_path / "dci")
    lab.build(FILES)
    sync_topic(lab.server, mirror, "RHEL-9.2", Selection(all=True))
    lab.site.store.forget()
    return mirror


def rot(mirror, path):
    place = mirror.root / "RHEL-9.2/compose" / path
    place.chmod(0o644)
    place.write_bytes(b"x" * place.stat().st_size)


def test_only_what_is_damaged_is_fetched(lab, mirror):
    rot(mirror, "metadata/same")
    checks = verify(mirror)
    assert [check.damages[0].path for check in checks] == ["metadata/same"]
    repair(lab.server, mirror, checks)
    assert lab.fetched() == ["metadata/same"]
    assert [check.damages for check in verify(mirror)] == [()]
    assert (mirror.root / "RHEL-9.2/compose/metadata/same").read_bytes() == FILES["metadata/same"]


def test_where_nothing_is_damaged_nobody_is_asked(mirror):
    repair(None, mirror, verify(mirror))


def test_what_cannot_be_fetched_is_named_and_the_rest_stays(lab, mirror):
    rot(mirror, ".composeinfo")
    (component,) = lab.catalog.components.values()
    lab.catalog.drop(component, ".composeinfo")
    with pytest.raises(TransferError, match=r"\.composeinfo"):
        repair(lab.server, mirror, verify(mirror))
    assert (mirror.root / "RHEL-9.2/compose/metadata/same").read_bytes() == FILES["metadata/same"]


def test_a_version_that_was_removed_since_it_was_verified_is_left_alone(lab, mirror):
    rot(mirror, ".composeinfo")
    checks = verify(mirror)
    (check,) = checks
    (mirror.root / "RHEL-9.2/.versions/compose" / f"{check.version}.json").unlink()
    repair(lab.server, mirror, checks)
    assert lab.fetched() == []


def test_a_repair_can_be_interrupted(lab, mirror):
    class Always(NeverStop):
        def requested(self):
            return True

    rot(mirror, ".composeinfo")
    with pytest.raises(CancelledError):
        repair(lab.server, mirror, verify(mirror), stop=Always())
