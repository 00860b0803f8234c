import pytest

from dci_downloader.cli.corrections import correction, is_swapped
from dci_downloader.cli.main import main

COMMANDS = ("topics", "components", "status", "verify", "rollback", "prune", "settings", "completion", "demo", "help")


@pytest.fixture(autouse=True)
def _nothing_is_here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("list", "did you mean `dci-downloader topics`?"),
        ("ls RHEL-9.*", "did you mean `dci-downloader topics 'RHEL-9.*'`?"),
        ("list /srv/dci", "did you mean `dci-downloader status /srv/dci`?"),
        ("ls ./dci", "did you mean `dci-downloader status ./dci`?"),
        ("sync /srv/dci RHEL-9.2", "a sync has no name of its own: dci-downloader RHEL-9.2 /srv/dci"),
        ("statsu /srv/dci", "did you mean `dci-downloader status /srv/dci`?"),
        ("Status /srv/dci --json", "did you mean `dci-downloader status /srv/dci`?"),
        ("repair /srv/dci", "did you mean `dci-downloader verify /srv/dci`?"),
        ("gc /srv/dci", "did you mean `dci-downloader prune /srv/dci`?"),
        ("hlep status", "did you mean `dci-downloader help status`?"),
        ("version", "did you mean `dci-downloader --version`?"),
        ("sync RHEL-9.2 /srv/dci", "a sync has no name of its own: dci-downloader RHEL-9.2 /srv/dci"),
        ("mirror RHEL-9.2 --local-repo x", "a sync has no name of its own: dci-downloader RHEL-9.2"),
        ("/srv/dci RHEL-9.2", "TOPIC comes before DEST: dci-downloader RHEL-9.2 /srv/dci"),
        ("./dci mine", "TOPIC comes before DEST: dci-downloader mine ./dci"),
        ("dci RHEL-9.2", "TOPIC comes before DEST: dci-downloader RHEL-9.2 dci"),
        ("rollback RHEL-9.2 /srv/dci", "DEST comes before TOPIC: dci-downloader rollback /srv/dci RHEL-9.2"),
        (
            "rollback RHEL-9.2 /srv/dci compose",
            "DEST comes before TOPIC: dci-downloader rollback /srv/dci RHEL-9.2 compose",
        ),
        ("settings a.yml b.yml", "did you mean `dci-downloader settings check a.yml b.yml`?"),
        ("RHEL-9.2 status", "did you mean `dci-downloader status`? A folder of that name is ./status"),
        (
            "RHEL-9.2 verify /srv/dci",
            "did you mean `dci-downloader verify /srv/dci`? A folder of that name is ./verify",
        ),
        ("/srv/dci status", "did you mean `dci-downloader status /srv/dci`? A folder of that name is ./status"),
        ("mine prune", "did you mean `dci-downloader prune mine`? A folder of that name is ./prune"),
        ("RHEL-9.* topics", "did you mean `dci-downloader topics 'RHEL-9.*'`? A folder of that name is ./topics"),
        (
            "RHEL-9.2 rollback /srv/dci",
            "did you mean `dci-downloader rollback /srv/dci RHEL-9.2`? A folder of that name is ./rollback",
        ),
        (
            "/srv/dci rollback RHEL-9.2 compose",
            "did you mean `dci-downloader rollback /srv/dci RHEL-9.2 compose`? A folder of that name is ./rollback",
        ),
        ("RHEL-9.2 ./status", ""),
        ("changes /srv/dci", ""),
        ("rollback RHEL-9.2 compose", ""),
        ("diff /srv/dci", ""),
        ("hold /srv/dci", ""),
        ("rollback /srv/dci RHEL-9.2", ""),
        ("status RHEL-9.2", ""),
        ("RHEL-9.2 /srv/dci", ""),
        ("RHEL-9.2", ""),
        ("RHEL-99 dci", ""),
        ("OSP17.1 dci", ""),
        ("sync", ""),
        ("", ""),
        ("--settings topic", ""),
        ("mine yours", ""),
    ],
)
def test_the_line_that_was_meant(line, hint):
    assert correction(line.split(), COMMANDS) == hint


@pytest.mark.parametrize("more", [[], ["--utc"]])
def test_a_command_in_the_second_place_is_no_folder_unless_there_is_one(tmp_path, capsys, more):
    assert main(["RHEL-9.2", "status", *more]) == 2
    assert "hint: did you mean `dci-downloader status`? A folder of that name is ./status\n" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_meant_whatever_its_name(monkeypatch, tmp_path, capsys):
    for name in ("DCI_CLIENT_ID", "DCI_API_SECRET"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "status").mkdir()
    assert main(["RHEL-9.2", "status"]) == 3
    assert "did you mean" not in capsys.readouterr().err


def test_what_comes_after_options_is_never_repeated():
    assert "s3cret" not in correction(["list", "--registry", "u:s3cret@r", "s3cret"], COMMANDS)


@pytest.mark.parametrize(
    ("words", "swapped"),
    [
        (("/srv/dci", "RHEL-9.2"), True),
        (("a/b", "c"), True),
        (("RHEL-9.2", "/srv/dci"), False),
        (("/a", "/b"), False),
        (("a", "b"), False),
        (("/a",), False),
        ((), False),
    ],
)
def test_no_topic_has_a_slash_in_its_name(words, swapped):
    assert is_swapped(words) == swapped


@pytest.mark.parametrize("command", [(), ("check",)])
def test_swapped_names_are_refused_before_anything_is_asked(command, capsys):
    assert main([*command, "/srv/dci", "RHEL-9.2"]) == 2
    line = " ".join(["dci-downloader", *command, "RHEL-9.2", "/srv/dci"])
    assert f"hint: TOPIC comes before DEST: {line}\n" in capsys.readouterr().err
