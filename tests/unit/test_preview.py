"""A dry run: what it says of a place that this user may read and not write to."""

import os

import pytest

from dci_downloader import Mirror, Outcome, SettingsError, SyncOptions, sync_topic
from tests.unit.ordinary_user import OTHER, as_user

DRY = SyncOptions(dry_run=True)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_user_who_may_not_write_to_the_mirror_reads_what_a_run_would_do(lab, public_path, compose, is_there):
    lab.build(compose, number=1)
    root = public_path / "dci"
    if is_there:
        sync_topic(lab.server, Mirror(root), "RHEL-9.2")
        lab.build({**compose, ".composeinfo": b"changed"}, number=2)
    (public_path / "dci" if is_there else public_path).chmod(0o755)
    before = sorted(public_path.rglob("*"))

    def look():
        report = sync_topic(lab.server, Mirror(root), "RHEL-9.2", options=DRY)
        (planned,) = report.components
        assert (planned.outcome, report.exit_code) == (Outcome.PLANNED, 0)
        assert planned.files_downloaded == (1 if is_there else planned.files)
        (note,) = planned.notes
        assert note.startswith(f"the run itself would fail: {root}: Permission denied; choose another destination")

    as_user(look, user=OTHER, group=OTHER)
    assert sorted(public_path.rglob("*")) == before


def test_one_who_may_write_to_it_hears_nothing_of_that(lab, public_path, compose):
    lab.build(compose)
    (planned,) = sync_topic(lab.server, Mirror(public_path / "dci"), "RHEL-9.2", options=DRY).components
    assert planned.notes == ()


def test_what_may_not_be_read_is_an_error(lab, public_path, compose):
    lab.build(compose)
    root = public_path / "dci"
    sync_topic(lab.server, Mirror(root), "RHEL-9.2")
    os.chmod(root, 0o700)

    def look():
        with pytest.raises(SettingsError, match="Permission denied"):
            sync_topic(lab.server, Mirror(root), "RHEL-9.2", options=DRY)

    as_user(look, user=OTHER, group=OTHER)
