"""The page of found settings is written anew by every command that changes what it says, and by no other."""

import os

import pytest

from dci_downloader.cli.main import main
from dci_downloader.settings import discovery
from tests.unit.ordinary_user import OTHER, as_user
from tests.unit.samples import Sample

BUILDS = ("c1", "c2", "c3")


@pytest.fixture
def settings(public_path, monkeypatch):
    """The settings that are found, of the mirror in ``dci``; gives their path."""
    folder = public_path / "etc"
    folder.mkdir(mode=0o755)
    monkeypatch.setattr(discovery, "SYSTEM_FOLDER", str(folder))
    path = folder / "settings.yml"
    path.write_text(f"topic: RHEL 9.2\nkeep: 2\nlocal_repo: {public_path}/dci\nstatus_page: {public_path}/page.html\n")
    return path


@pytest.fixture
def mirror(settings, public_path):
    """A mirror with three versions; gives its path."""
    sample = Sample(public_path / "dci")
    for name in BUILDS:
        sample.publish(name, {"a": name.encode()})
    os.chmod(public_path / "dci", 0o755)
    return public_path / "dci"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["rollback", "{}", "RHEL 9.2"], '<p class="version">c2</p>'),
        (["hold", "RHEL 9.2", "compose"], ">held</span>"),
        (["release", "{}", "RHEL 9.2"], ">whole</span>"),
        (["prune", "{}", "--keep", "1"], "<dt>older versions</dt><dd>c2</dd>"),
        (["remove", "{}", "RHEL 9.2"], "Nothing is here yet."),
        (["verify"], "<dt>verified</dt><dd><time"),
    ],
)
def test_commands_that_change_a_mirror_write_its_page_anew(mirror, public_path, capsys, command, said):
    assert main([word.format(mirror) for word in command]) == 0
    assert said in (public_path / "page.html").read_text()
    said = capsys.readouterr().err
    assert "note" not in said
    assert ("DEST is " in said) == ("{}" not in command)


def test_a_run_with_topic_and_dest_does_too(lab, settings, public_path, monkeypatch):
    lab.build({"a": b"1"})
    for name, value in lab.site.environment().items():
        monkeypatch.setenv(name, value)
    assert main(["RHEL-9.2", str(public_path / "dci"), "--all", "--quiet"]) == 0
    assert "RHEL-9.2.0-0" in (public_path / "page.html").read_text()


def test_damage_that_is_found_is_on_it(mirror, public_path):
    content = mirror / "RHEL_9.2/compose/a"
    content.chmod(0o644)
    content.write_bytes(b"XX")
    assert main(["verify", str(mirror)]) == 7
    assert ">1 damaged</span>" in (public_path / "page.html").read_text()


@pytest.mark.parametrize("command", [["status"], ["prune", "--dry-run"], ["changes", "RHEL 9.2"]])
def test_commands_that_change_nothing_write_no_page(mirror, public_path, command):
    assert main(command) == 0
    assert not (public_path / "page.html").exists()


def test_the_page_of_another_mirror_is_left_alone(mirror, settings, public_path):
    settings.write_text(settings.read_text().replace(str(mirror), "/elsewhere"))
    assert main(["rollback", str(mirror), "RHEL 9.2"]) == 0
    assert not (public_path / "page.html").exists()


@pytest.mark.parametrize(("text", "noted"), [("status_page: {}/missing/page.html\n", True), ("topik: x\n", False)])
def test_a_page_that_cannot_be_written_is_a_note_for_what_was_done_is_done(
    mirror, settings, public_path, capsys, text, noted
):
    settings.write_text(f"topic: RHEL 9.2\nlocal_repo: {mirror}\n" + text.format(public_path))
    assert main(["rollback", str(mirror), "RHEL 9.2"]) == 0
    assert ("note: the status page is not written: " in capsys.readouterr().err) == noted


def test_whoever_may_only_read_verifies_all_the_same(mirror, public_path):
    public_path.chmod(0o755)
    as_user(lambda: main(["verify", str(mirror)]) == 0 or pytest.fail("verify failed"), user=OTHER, group=OTHER)
    assert not (public_path / "page.html").exists()


def test_prune_keeps_what_the_settings_of_the_mirror_say_however_it_is_named(mirror, capsys):
    assert main(["prune", str(mirror)]) == 0
    assert "removed no version" in capsys.readouterr().out
