"""Files that a user names: regular ones, within a bound, and none that somebody else led us to."""

from __future__ import annotations

import os
import socket
import stat

import pytest

from dci_downloader import user_files
from dci_downloader.cli.main import main
from dci_downloader.errors import SettingsError
from tests.other_user import OTHER, as_other, needs_root, open_folder


def odd_places(folder):
    """What stands where a file is due, by its name."""
    os.mkfifo(folder / "pipe")
    (folder / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
    (folder / "link").symlink_to("pipe")
    (folder / "loop").symlink_to("loop")
    return {
        str(folder / "pipe"): "a named pipe",
        str(folder / "link"): "a named pipe",
        str(folder / "folder"): "Is a directory",
        str(folder / "socket"): "a socket",
        str(folder / "loop"): "symbolic links",
        "/dev/zero": "a device",
        "/dev/null": "a device",
        "/dev/tty": "a device",
    }


def test_what_is_no_file_is_refused_at_once_and_by_its_name(tmp_path):
    for path, what in odd_places(tmp_path).items():
        for work in (lambda path=path: user_files.read(path, 10), lambda path=path: user_files.open_to_append(path)):
            with pytest.raises(SettingsError, match=what) as caught:
                work()
            assert str(caught.value).startswith(f"{path}: ")


def test_a_file_is_read_up_to_its_bound(tmp_path):
    (tmp_path / "f").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("f")
    assert user_files.read(str(tmp_path / "f"), 5) == user_files.read(str(tmp_path / "link"), 5) == b"12345"
    with pytest.raises(SettingsError, match="larger than 4 bytes") as caught:
        user_files.read(str(tmp_path / "f"), 4, hint="do this")
    assert caught.value.hint == "do this"


@pytest.mark.parametrize("name", ["", "no/such", "a\0b", "f/below"])
def test_a_path_that_leads_nowhere_is_a_settings_error(tmp_path, name):
    (tmp_path / "f").touch()
    for work in (user_files.open_to_append, lambda path: user_files.read(path, 9)):
        with pytest.raises(SettingsError):
            work(f"{tmp_path}/{name}" if name else "")


def test_what_is_appended_comes_after_what_is_there(tmp_path):
    for words in ("one\n", "two\udce9\n"):
        with user_files.open_to_append(str(tmp_path / "log")) as file:
            file.write(words)
    assert (tmp_path / "log").read_text() == "one\ntwo\\udce9\n"


def test_links_of_ones_own_are_followed_whatever_they_look_like(tmp_path):
    (tmp_path / "real" / "sub").mkdir(parents=True)
    (tmp_path / "a").symlink_to("real/sub")
    (tmp_path / "b").symlink_to(f"{tmp_path}/a/../sub")
    (tmp_path / "log").symlink_to("b/../there")
    with user_files.open_to_append(str(tmp_path / "log")) as file:
        file.write("x")
    assert (tmp_path / "real" / "there").read_text() == "x"


def test_what_others_may_is_a_matter_of_the_mode(tmp_path):
    path = tmp_path / "dcirc.sh"
    path.touch()
    for mode, answer in ((0o660, ""), (0o640, ""), (0o644, "read"), (0o602, "change"), (0o666, "read and change")):
        path.chmod(mode)
        assert user_files.what_others_may(str(path)) == answer
    assert user_files.what_others_may(str(tmp_path / "none")) == ""
    assert user_files.what_others_may("a\0") == ""


@needs_root
@pytest.mark.parametrize("what", ["a link", "a link to a folder", "a link to nothing", "a file", "a hard link"])
def test_nobody_else_leads_what_is_written_astray_in_a_sticky_folder(what):
    with open_folder(0o1777) as sticky, open_folder() as mine:
        target = mine / "target"
        target.write_text("mine")
        path = sticky / "log"
        if what == "a link":
            path.symlink_to(target)
        elif what == "a link to nothing":
            path.symlink_to(mine / "new")
        elif what == "a link to a folder":
            (sticky / "folder").symlink_to(mine)
            os.lchown(sticky / "folder", OTHER, OTHER)
            path = sticky / "folder" / "target"
        elif what == "a file":
            path.write_text("theirs")
        else:
            os.link(target, path)
        if what != "a hard link" and path.parent == sticky:
            os.lchown(path, OTHER, OTHER)
        os.chown(sticky, OTHER + 1, OTHER + 1)
        with pytest.raises(SettingsError, match="somebody else"):
            user_files.open_to_append(str(path))
        assert sorted(os.listdir(mine)) == ["target"]
        assert target.read_text() == "mine"
        assert "somebody else" in as_other(lambda: user_files.open_to_append(str(path)), OTHER + 2)


@needs_root
def test_in_a_sticky_folder_ones_own_files_and_those_of_its_owner_are_taken():
    with open_folder(0o1777) as sticky:
        for name, owner in (("own", 0), ("owners", OTHER)):
            (sticky / name).touch()
            (sticky / f"{name}.link").symlink_to(name)
            os.chown(sticky / name, owner, owner)
            os.lchown(sticky / f"{name}.link", owner, owner)
        os.chown(sticky, OTHER, OTHER)
        for name in ("own", "owners", "own.link", "owners.link", "new"):
            user_files.open_to_append(str(sticky / name)).close()
        assert stat.S_ISREG(os.lstat(sticky / "new").st_mode)


OPTIONS = {
    "--log-file": ["T", "{dest}", "--log-file", "{path}"],
    "--metrics-file": ["T", "{dest}", "--metrics-file", "{path}"],
    "--dcirc": ["T", "{dest}", "--dcirc", "{path}"],
    "--settings": ["--settings", "{path}"],
    "topics --dcirc": ["topics", "--dcirc", "{path}"],
    "settings check": ["settings", "check", "{path}"],
}


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_that_names_a_file_refuses_what_is_none(option, tmp_path, monkeypatch, capsys):
    pytest.importorskip("prometheus_client")
    for name, value in (("CLIENT_ID", "remoteci/x"), ("API_SECRET", "y"), ("CS_URL", "http://127.0.0.1:1")):
        monkeypatch.setenv(f"DCI_{name}", value)
    for path in odd_places(tmp_path):
        before = os.lstat(path)
        words = [word.format(path=path, dest=tmp_path / "dci") for word in OPTIONS[option]]
        assert main(words) == 2
        assert path in capsys.readouterr().err
        assert os.lstat(path)[:6] == before[:6]
    assert not (tmp_path / "dci").exists()


def test_credentials_that_all_can_read_are_told_once(lab, compose, tmp_path, capsys):
    lab.build(compose)
    dcirc = tmp_path / "dcirc.sh"
    dcirc.write_text("".join(f"export {name}='{value}'\n" for name, value in lab.site.environment().items()))
    for mode, said in ((0o644, "read"), (0o606, "read and change"), (0o640, ""), (0o600, "")):
        dcirc.chmod(mode)
        for words in (["RHEL-9.2", str(tmp_path / "dci"), "--all"], ["topics"]):
            assert main([*words, "--dcirc", str(dcirc)]) == 0
            err = capsys.readouterr().err
            assert err.count("every user of this machine can") == bool(said)
            assert not said or f"every user of this machine can {said} the secret" in err
            assert lab.site.api_secret not in err


@needs_root
def test_metrics_take_neither_the_place_nor_the_content_of_what_somebody_else_put_there(
    lab, compose, monkeypatch, capsys
):
    pytest.importorskip("prometheus_client")
    lab.build(compose)
    for name, value in lab.site.environment().items():
        monkeypatch.setenv(name, value)
    with open_folder(0o1777) as sticky:
        secret = sticky / "secret"
        secret.write_text("mine")
        (sticky / "m.prom").symlink_to(secret)
        os.lchown(sticky / "m.prom", OTHER, OTHER)
        os.chown(sticky, OTHER + 1, OTHER + 1)
        assert main(["RHEL-9.2", f"{sticky}/dci", "--all", "--metrics-file", f"{sticky}/m.prom"]) == 2
        assert "somebody else" in capsys.readouterr().err
        assert secret.read_text() == "mine"
        assert os.path.islink(sticky / "m.prom")
