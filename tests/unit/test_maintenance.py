"""Status, verify, repair, rollback and prune, on a mirror that a sync made."""

import pytest

from dci_downloader import Mirror, NotFoundError, Selection, TransferError, sync_topic
from dci_downloader.cli import maintenance
from dci_downloader.hooks import NeverStop, NullProgress


@pytest.fixture
def mirror(lab, tmp_path):
    """A mirror with two versions."""
    mirror = Mirror(tmp_path / "dci")
    for number, text in ((1, b"old"), (2, b"new")):
        lab.build({".composeinfo": text, "metadata/same": b"same" * 100}, number=number, tags=("nightly",))
        sync_topic(lab.server, mirror, "RHEL-9.2", Selection(all=True))
    return mirror


def rot(mirror, path):
    """Change a file of the published version in place, as a failing disk does."""
    place = mirror.root / "RHEL-9.2/compose" / path
    place.chmod(0o644)
    place.write_bytes(b"x" * place.stat().st_size)


def verify(mirror, repair=None):
    return maintenance.verify(mirror, NullProgress(), NeverStop(), repair)


def test_status_lists_versions_and_what_links_save(mirror):
    told = maintenance.status(mirror)
    header, row, total = told.lines
    assert header.split() == ["TOPIC", "TYPE", "VERSION", "TAGS", "FILES", "SIZE", "PUBLISHED", "VERIFIED", "KEPT"]
    assert row.split()[:7] == ["RHEL-9.2", "compose", "RHEL-9.2.0-2", "nightly", "2", "403", "bytes"]
    assert row.endswith("never     RHEL-9.2.0-1")
    assert total == "806 bytes in all versions, of which hard links save 400 bytes"
    (version,) = told.document["versions"]
    assert (version["version"], version["kept"], version["last_verified"]) == ("RHEL-9.2.0-2", ["RHEL-9.2.0-1"], None)
    assert version["published_at"].endswith("+00:00")
    assert (told.document["size"], told.document["saved"], told.exit_code) == (806, 400, 0)


def test_a_whole_mirror_is_verified_and_says_when(mirror):
    told = verify(mirror)
    assert (told.exit_code, told.document["repaired"]) == (0, False)
    assert list(told.lines) == ["RHEL-9.2 compose RHEL-9.2.0-2: whole (2 files, 403 bytes)"]
    assert maintenance.status(mirror).document["versions"][0]["last_verified"] is not None


def test_damage_is_named_with_what_was_expected_and_found(mirror):
    rot(mirror, ".composeinfo")
    told = verify(mirror)
    assert told.exit_code == 7
    assert told.lines[0].endswith("DAMAGED in 1 place")
    assert told.lines[1].startswith(f"{mirror.root}/RHEL-9.2/compose/.composeinfo: expected sha256 ")
    (damage,) = told.document["versions"][0]["damages"]
    assert damage["path"] == ".composeinfo"
    assert damage["expected"] != damage["found"]


def test_repair_fetches_only_what_is_damaged(mirror, lab):
    rot(mirror, "metadata/same")
    lab.site.store.forget()
    told = verify(mirror, lambda: lab.server)
    assert (told.exit_code, told.document["repaired"]) == (0, True)
    assert lab.fetched() == ["metadata/same"]
    assert (mirror.root / "RHEL-9.2/compose/metadata/same").read_bytes() == b"same" * 100
    assert (mirror.root / "RHEL-9.2/.versions/compose/RHEL-9.2.0-1/metadata/same").exists()


def test_nothing_is_asked_of_the_server_where_nothing_is_damaged(mirror):
    def never():
        raise AssertionError("a server was asked for")

    assert verify(mirror, never).exit_code == 0


def test_a_repair_that_fails_says_so_and_can_be_run_again(mirror, lab):
    rot(mirror, ".composeinfo")
    newest = max(lab.catalog.components.values(), key=lambda component: component.created_at)
    lab.catalog.drop(newest, ".composeinfo")
    with pytest.raises(TransferError, match=r"\.composeinfo"):
        verify(mirror, lambda: lab.server)
    lab.catalog.put(newest, ".composeinfo", b"new")
    assert verify(mirror, lambda: lab.server).document["repaired"]


def test_rollback_publishes_the_version_before(mirror):
    told = maintenance.rollback(mirror, "RHEL-9.2", "compose", 0, NullProgress())
    assert told.lines[0] == f"{mirror.root}/RHEL-9.2/compose is RHEL-9.2.0-1 again"
    assert "the next sync publishes the newest again" in told.lines[1]
    assert (mirror.root / "RHEL-9.2/compose/.composeinfo").read_bytes() == b"old"
    for component_type in ("compose", ""):
        with pytest.raises(NotFoundError, match="no version older"):
            maintenance.rollback(mirror, "RHEL-9.2", component_type, 0, NullProgress())


def test_rollback_without_a_type_takes_all_that_have_something_older(mirror):
    told = maintenance.rollback(mirror, "RHEL-9.2", "", 0, NullProgress())
    assert [done["version"] for done in told.document["rolled_back"]] == ["RHEL-9.2.0-1"]


def test_rollback_of_what_is_not_here(mirror):
    with pytest.raises(NotFoundError, match="nothing of type hwcert"):
        maintenance.rollback(mirror, "RHEL-9.2", "hwcert", 0, NullProgress())
    with pytest.raises(NotFoundError, match="nothing of this topic"):
        maintenance.rollback(mirror, "RHEL-1", "", 0, NullProgress())
    assert not (mirror.root / "RHEL-1").exists()


def test_prune_removes_versions_beyond_keep(mirror):
    told = maintenance.prune(mirror, 0, 0, NullProgress())
    assert told.document == {"versions": ["RHEL-9.2.0-1"], "files": 1, "size": 3}
    assert list(told.lines) == ["removed RHEL-9.2.0-1; 1 file, 3 bytes freed"]
    assert maintenance.prune(mirror, 0, 0, NullProgress()).lines == ("removed no version; 0 files, 0 bytes freed",)


@pytest.mark.parametrize(
    "command",
    [
        maintenance.status,
        verify,
        lambda mirror: maintenance.rollback(mirror, "RHEL-9.2", "", 0, NullProgress()),
        lambda mirror: maintenance.prune(mirror, 1, 0, NullProgress()),
    ],
)
def test_where_there_is_no_mirror_there_is_nothing_to_do(tmp_path, command):
    with pytest.raises(NotFoundError, match="there is no mirror here"):
        command(Mirror(tmp_path / "nothing"))
    assert not (tmp_path / "nothing").exists()
