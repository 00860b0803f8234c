"""DEST: where it comes from when it is left out."""

from pathlib import Path

import pytest

from dci_downloader.errors import SettingsError
from dci_downloader.settings import discovery
from dci_downloader.settings.destination import destination, mirror_settings, split_destination


@pytest.fixture
def found(tmp_path, monkeypatch):
    """Write the settings that are found; gives their path."""
    folder = tmp_path / "etc"
    folder.mkdir()
    monkeypatch.setattr(discovery, "SYSTEM_FOLDER", str(folder))

    def found(text):
        (folder / "settings.yml").write_text(text)
        return f"{folder}/settings.yml"

    return found


def test_what_is_given_comes_before_the_environment_and_that_before_settings(found):
    path = found("topic: a\nlocal_repo: /settings\nkeep: 3\n")
    assert destination("/given", {"DCI_LOCAL_REPO": "/env"}) == ("/given", "DEST", ())
    assert destination("", {"DCI_LOCAL_REPO": "/env"}) == ("/env", "DCI_LOCAL_REPO", ())
    assert destination("", {}) == ("/settings", f"{path}:2:1", (path,))


def test_settings_that_are_named_come_in_place_of_those_that_are_found(found, tmp_path):
    found("topic: a\nlocal_repo: /found\n")
    (tmp_path / "own.yml").write_text("topic: a\nlocal_repo: /named\n")
    assert destination("", {}, [f"{tmp_path}/own.yml"]).path == "/named"


def test_settings_keep_the_most_that_any_topic_keeps_whatever_job_runs(found):
    found("local_repo: /d\nkeep: 2\ntopics: [{topic: a, keep: 5}, {topic: b}]\n")
    assert mirror_settings(Path("/d"), {"DCI_JOB_ID": "7"}).keep == 5


@pytest.mark.parametrize(
    ("text", "environ", "root", "page"),
    [
        ("local_repo: {0}/dci\nstatus_page: /p.html\n", {}, "dci", "/p.html"),
        ("local_repo: {0}/dci\nstatus_page: /p.html\n", {}, "link", "/p.html"),
        ("local_repo: {0}/dci\nstatus_page: /p.html\n", {}, "other", None),
        ("local_repo: {0}/dci\nstatus_page: /p.html\n", {"DCI_LOCAL_REPO": "{0}/other"}, "other", "/p.html"),
        ("local_repo: {0}/dci\nstatus_page: /p.html\n", {"DCI_LOCAL_REPO": "{0}/other"}, "dci", None),
        ("status_page: /p.html\n", {}, "dci", None),
        ("local_repo: {0}/dci\nstatus_page: p.html\n", {}, "dci", None),
        ("local_repo: {0}/dci\n", {}, "dci", None),
    ],
)
def test_settings_say_something_of_their_own_mirror_whoever_names_it(found, tmp_path, text, environ, root, page):
    (tmp_path / "dci").mkdir()
    (tmp_path / "link").symlink_to("dci")
    found("topic: a\nkeep: 4\n" + text.format(tmp_path))
    said = mirror_settings(tmp_path / root, {name: value.format(tmp_path) for name, value in environ.items()})
    assert said.status_page == (page and Path(page))
    is_own = page or (root == "dci" and not environ and "local_repo" in text)
    assert said.keep == (4 if is_own else 1)


def test_a_tilde_is_the_home_folder_and_one_of_nobody_is_an_error(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert destination("~/dci", {}).path == "/home/me/dci"
    with pytest.raises(SettingsError, match="DCI_LOCAL_REPO: expected a path"):
        destination("", {"DCI_LOCAL_REPO": "~no-such-user/dci"})


def test_nothing_that_names_it_is_an_error_that_says_what_can(found):
    found("topic: a\n")
    with pytest.raises(SettingsError, match="no destination") as raised:
        destination("", {})
    assert "DCI_LOCAL_REPO" in raised.value.hint


def test_settings_with_mistakes_matter_only_where_they_are_needed(found):
    path = found("topik: a\n")
    assert destination("", {"DCI_LOCAL_REPO": "/env"}).path == "/env"
    with pytest.raises(SettingsError, match=f"{path}:1:1: topik"):
        destination("", {})


@pytest.mark.parametrize(
    ("words", "root", "rest"),
    [
        ("/srv/dci RHEL-9.2", "/srv/dci", ["RHEL-9.2"]),
        ("/srv/dci RHEL-9.2 compose", "/srv/dci", ["RHEL-9.2", "compose"]),
        ("dci RHEL-9.2 compose", "dci", ["RHEL-9.2", "compose"]),
        ("RHEL-9.2", "/env", ["RHEL-9.2"]),
        ("RHEL-9.2 compose", "/env", ["RHEL-9.2", "compose"]),
        (". RHEL-9.2", ".", ["RHEL-9.2"]),
        ("./dci RHEL-9.2", "./dci", ["RHEL-9.2"]),
        ("mirror RHEL-9.2", "mirror", ["RHEL-9.2"]),
        ("/srv/dci", "/srv/dci", []),
    ],
)
def test_the_first_of_the_names_is_dest_where_it_can_only_be_that(words, root, rest, tmp_path, monkeypatch):
    (tmp_path / "mirror/.dci-downloader").mkdir(parents=True)
    (tmp_path / "RHEL-9.2").mkdir()
    monkeypatch.chdir(tmp_path)
    found, left = split_destination(words.split(), {"DCI_LOCAL_REPO": "/env"})
    assert (found.path, list(left)) == (root, rest)


def test_where_nothing_names_the_mirror_the_first_of_two_is_it():
    assert split_destination(["dci", "RHEL-9.2"], {})[0].path == "dci"
    with pytest.raises(SettingsError, match="no destination"):
        split_destination(["RHEL-9.2"], {})


def test_a_name_that_no_file_system_can_have_is_no_mirror():
    assert split_destination(["a\0b", "c"], {"DCI_LOCAL_REPO": "/env"})[1] == ("a\0b", "c")
