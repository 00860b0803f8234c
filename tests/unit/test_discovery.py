"""Settings and credentials that nobody names: where they are looked for, and whose they may be."""

import os

import pytest

from dci_downloader.errors import AccessError, SettingsError
from dci_downloader.settings import discovery
from tests.other_user import OTHER, as_other, needs_root, open_folder

DCIRC = "export DCI_CLIENT_ID=remoteci/{0}\nexport DCI_API_SECRET=s3cret\nexport DCI_CS_URL=https://{0}.example.com\n"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """The folders of machine and user, and the environment that leads to them."""
    folders = {name: tmp_path / name / "dci-downloader" for name in ("etc", "config")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    monkeypatch.setattr(discovery, "SYSTEM_FOLDER", str(folders["etc"]))
    return folders["etc"], folders["config"], {"XDG_CONFIG_HOME": str(tmp_path / "config")}


def write(folder, name="settings.yml", text="topic: a\n", mode=0o644):
    path = folder / name
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_settings_of_the_user_come_after_those_of_the_machine(machine):
    etc, config, environ = machine
    assert discovery.find(environ) == discovery.FoundFiles()
    first, second = write(etc), write(config)
    assert discovery.find(environ).settings == (first, second)


def test_credentials_of_the_user_come_in_place_of_those_of_the_machine(machine):
    etc, config, environ = machine
    system = write(etc, "dcirc.sh", DCIRC.format("etc"), 0o600)
    assert discovery.find(environ).dcirc == system
    own = write(config, "dcirc.sh", DCIRC.format("own"), 0o600)
    assert discovery.find(environ).dcirc == own
    variables = discovery.with_credentials(environ, "", "")
    assert variables.credentials().url == "https://own.example.com"
    assert variables.details == (f"credentials found: {own}",)


@pytest.mark.parametrize("value", ["", "relative/path"])
def test_without_a_config_home_it_is_the_users_own(value, tmp_path):
    environ = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": value}
    assert discovery.folders(environ)[1] == f"{tmp_path}/.config/dci-downloader"


def test_a_machine_without_a_home_has_that_of_the_users_entry():
    assert os.path.isabs(discovery.folders({})[1])


@pytest.mark.parametrize("made", ["file", "folder"])
def test_what_every_user_may_write_is_not_used(machine, made):
    etc, _, environ = machine
    path = write(etc, mode=0o666 if made == "file" else 0o644)
    etc.chmod(0o777 if made == "folder" else 0o755)
    found = discovery.find(environ)
    assert found.settings == ()
    assert found.ignored[0].startswith(f"{path} is not used: every user of this machine may write to ")


@pytest.mark.parametrize("made", ["folder", "pipe", "loop"])
def test_what_is_no_file_is_named_and_not_used(machine, made):
    etc, _, environ = machine
    path = etc / "settings.yml"
    {"folder": path.mkdir, "pipe": lambda: os.mkfifo(path), "loop": lambda: path.symlink_to(path)}[made]()
    found = discovery.find(environ)
    assert (found.settings, len(found.ignored)) == ((), 1)


def test_a_file_in_the_place_of_the_folder_is_no_settings(machine):
    etc, _, environ = machine
    etc.rmdir()
    etc.write_text("")
    assert discovery.find(environ) == discovery.FoundFiles()


@needs_root
def test_root_does_not_follow_the_settings_of_a_user_it_stands_in_for(machine):
    _, config, environ = machine
    path = write(config)
    os.chown(path, OTHER, OTHER)
    found = discovery.find(environ)
    assert found.settings == ()
    assert f"{path} belongs to user {OTHER}" in found.ignored[0]
    assert "--settings" in found.ignored[0]


@needs_root
def test_what_a_user_may_not_read_is_passed_by_and_named_where_credentials_lack():
    with open_folder() as folder:
        write(folder, "dcirc.sh", DCIRC.format("etc"), 0o600)
        write(folder)

        def ask():
            discovery.SYSTEM_FOLDER = str(folder)
            environ = {"XDG_CONFIG_HOME": str(folder / "none")}
            found = discovery.find(environ)
            try:
                discovery.with_credentials(environ, "", "").credentials()
            except AccessError as error:
                return f"{found.settings} {found.dcirc!r} {error.hint}"

        said = as_other(ask)
    assert said.startswith(f"('{folder}/settings.yml',) '' ")
    assert f"{folder}/dcirc.sh is not used: this user may not read it" in said


@needs_root
def test_a_folder_that_a_user_may_not_enter_is_passed_by():
    with open_folder() as folder:
        (folder / "etc").mkdir(mode=0o750)
        write(folder / "etc")

        def ask():
            discovery.SYSTEM_FOLDER = str(folder / "etc")
            return discovery.find({"XDG_CONFIG_HOME": str(folder)})

        said = as_other(ask)
    assert "settings=()" in said
    assert "Permission denied" in said


def test_credentials_of_the_environment_come_first_as_a_whole(machine):
    etc, _, environ = machine
    write(etc, "dcirc.sh", DCIRC.format("etc"), 0o600)
    with pytest.raises(AccessError, match="DCI_API_SECRET"):
        discovery.with_credentials({**environ, "DCI_CLIENT_ID": "remoteci/1"}, "", "").credentials()


def test_what_else_the_environment_sets_counts_over_the_file_that_is_found(machine):
    etc, _, environ = machine
    write(etc, "dcirc.sh", DCIRC.format("etc") + "HTTPS_PROXY=http://file:1\nNO_PROXY=x\n", 0o600)
    environ = {**environ, "DCI_CS_URL": "https://staging", "HTTPS_PROXY": "http://own:1", "NO_PROXY": ""}
    variables = discovery.with_credentials(environ, "", "")
    assert variables.credentials().url == "https://staging"
    assert (variables.environ["HTTPS_PROXY"], variables.environ["NO_PROXY"]) == ("http://own:1", "x")
    assert discovery.with_credentials(environ, "", "https://given").credentials().url == "https://given"


def test_a_file_that_is_named_comes_before_those_that_are_found(machine, tmp_path):
    etc, _, environ = machine
    write(etc, "dcirc.sh", DCIRC.format("etc"), 0o600)
    named = write(tmp_path, "rc.sh", DCIRC.format("named"), 0o600)
    assert discovery.with_credentials(environ, named, "").credentials().url == "https://named.example.com"


def test_a_secret_that_everybody_may_read_is_told_of_wherever_it_is(machine):
    etc, _, environ = machine
    path = write(etc, "dcirc.sh", DCIRC.format("etc"))
    (note,) = discovery.with_credentials(environ, "", "").notes
    assert note.startswith(f"{path}: every user of this machine can read the secret")


def test_a_mistake_in_what_is_found_names_the_line(machine):
    etc, _, environ = machine
    path = write(etc, "dcirc.sh", "DCI_CLIENT_ID=$(id)\n", 0o600)
    with pytest.raises(SettingsError, match=f"{path}:1: "):
        discovery.with_credentials(environ, "", "")
