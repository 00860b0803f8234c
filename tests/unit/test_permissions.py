import os
import stat

import pytest

from dci_downloader.mirror.permissions import make_readable, open_up, shared_mode
from tests.unit.ordinary_user import as_user, give


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_that_was_closed_to_its_owner_is_opened_up(public_path):
    (public_path / "file").write_text("mine")
    give(public_path)
    os.chmod(public_path / "file", 0)
    as_user(open_up, public_path / "file")
    assert mode(public_path / "file") == 0o644


def test_a_file_that_has_another_name_is_not_opened_up(tmp_path):
    (tmp_path / "secret").write_text("secret")
    os.chmod(tmp_path / "secret", 0o600)
    os.link(tmp_path / "secret", tmp_path / "record")
    (tmp_path / "link").symlink_to("secret")
    for name in ("record", "link", "gone"):
        open_up(tmp_path / name)
    assert mode(tmp_path / "secret") == 0o600


@pytest.mark.parametrize("kind", ["link", "file"])
def test_only_a_folder_is_made_readable(tmp_path, kind):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "place").symlink_to("elsewhere") if kind == "link" else (tmp_path / "place").touch(mode=0o600)
    with pytest.raises(NotADirectoryError):
        make_readable(tmp_path / "place")
    assert mode(tmp_path / "elsewhere") == 0o700


def test_a_group_has_a_part_in_files_of_its_own_folder_only(tmp_path):
    os.chmod(tmp_path, 0o755)
    assert shared_mode(tmp_path, 0o100664, 0o644) == 0o644
    os.chmod(tmp_path, 0o2775)
    assert shared_mode(tmp_path, 0o100664, 0o644) == 0o664
    assert shared_mode(tmp_path, 0o100644, 0o644) == 0o644
