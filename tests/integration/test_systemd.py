"""The units for systemd, judged by systemd itself where it is installed."""

import configparser
import getpass
import os
import pwd
import subprocess

import pytest

from dci_downloader.cli.main import main
from tests.integration.conftest import needs


def read(text):
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read_string(text)
    return {name: dict(parser[name]) for name in parser.sections()}


@pytest.fixture
def printed(tmp_path, capsys, monkeypatch):
    """What the command prints, for settings with this destination."""

    def printed(destination, *arguments):
        settings = tmp_path / "my settings.yml"
        settings.write_text(f"local_repo: '{destination}'\ntopic: RHEL-9.2\n")
        monkeypatch.chdir(tmp_path)
        code = main(["systemd-units", *arguments, "--settings", settings.name])
        out, err = capsys.readouterr()
        assert code == 0
        printed.notes = err.splitlines()
        return out

    return printed


def test_both_units_are_printed_with_the_names_of_their_files(printed):
    out = printed("/srv/dci")
    service, timer = out.split("# /etc/systemd/system/dci-downloader.timer\n")
    assert service == "# /etc/systemd/system/dci-downloader.service\n" + printed("/srv/dci", "service") + "\n"
    assert timer == printed("/srv/dci", "timer") + "\n"


def test_the_service_runs_as_this_user_may_write_to_the_mirror_alone_and_leaves_when_another_runs(printed, tmp_path):
    service = read(printed("/srv/dci", "service", "--dcirc", "rc.sh"))["Service"]
    assert service["User"] == getpass.getuser()
    assert service["ReadWritePaths"] == "/srv/dci"
    assert (service["ProtectSystem"], service["NoNewPrivileges"]) == ("strict", "yes")
    program, _, options = service["ExecStart"].partition(" ")
    assert os.access(program, os.X_OK)
    rest = f"--dcirc {tmp_path}/rc.sh --lock-timeout 0"
    assert options.removeprefix("-m dci_downloader ") == f'--settings "{tmp_path}/my settings.yml" {rest}'
    assert service["SuccessExitStatus"] == "75"


def test_the_timer_spreads_the_starts_and_makes_up_for_lost_ones(printed):
    timer = read(printed("/srv/dci", "timer"))
    assert (timer["Timer"]["RandomizedDelaySec"], timer["Timer"]["Persistent"]) == ("1h", "true")
    assert timer["Install"]["WantedBy"] == "timers.target"


@needs("systemd-analyze")
@pytest.mark.parametrize("name", ["dci", "my dci", '100% "$HOME" of\\it'])
def test_systemd_accepts_them(printed, tmp_path, name):
    destination = tmp_path / name
    destination.mkdir()
    paths = []
    for unit in ("service", "timer"):
        paths.append(tmp_path / f"dci-downloader.{unit}")
        paths[-1].write_text(printed(destination, unit))
    done = subprocess.run(["systemd-analyze", "verify", *paths], capture_output=True, text=True, timeout=60)
    ours = [line for line in done.stderr.splitlines() if "dci-downloader" in line]
    assert (done.returncode, ours) == (0, [])


@needs("systemd-analyze")
def test_systemd_finds_the_service_well_protected(printed, tmp_path):
    path = tmp_path / "dci-downloader.service"
    path.write_text(printed("/srv/dci", "service"))
    command = ["systemd-analyze", "security", "--offline=yes", "--threshold=25", "--no-pager", path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze does not judge files")
    assert done.returncode == 0, done.stdout.splitlines()[-1:]


@pytest.mark.skipif(os.geteuid() != 0, reason="is about root")
def test_root_is_not_made_the_user_in_silence(printed, tmp_path, monkeypatch, capsys):
    assert read(printed("/nowhere/dci", "service"))["Service"]["User"] == "root"
    assert any("runs as root" in note and "--user" in note for note in printed.notes)
    mirror = tmp_path / "dci"
    mirror.mkdir()
    owner = pwd.getpwnam("nobody")
    os.chown(mirror, owner.pw_uid, owner.pw_gid)
    assert read(printed(mirror, "service"))["Service"]["User"] == "nobody"
    assert any(f"runs as nobody, who owns {mirror}" in note for note in printed.notes)
    assert read(printed("/nowhere/dci", "service", "--user", "nobody"))["Service"]["User"] == "nobody"
    assert not any("runs as" in note for note in printed.notes)


def test_a_user_that_there_is_not_is_an_error(printed, tmp_path, capsys):
    (tmp_path / "s.yml").write_text("local_repo: /srv/dci\n")
    assert main(["systemd-units", "--user", "no-such-user", "--settings", f"{tmp_path}/s.yml"]) == 2
    assert "useradd -r no-such-user" in capsys.readouterr().err


def test_paths_below_tmp_are_warned_of_for_the_service_has_its_own(printed):
    printed("/tmp/dci", "service", "--dcirc", "/var/tmp/dcirc.sh")
    hidden = [note for note in printed.notes if "PrivateTmp" in note]
    assert any("/tmp/dci" in note for note in hidden)
    assert any("/var/tmp/dcirc.sh" in note for note in hidden)
    printed("/srv/tmp/dci", "service")
    assert not any("/srv" in note for note in printed.notes if "PrivateTmp" in note)


def test_the_service_may_write_the_page_about_the_mirror_too(tmp_path, capsys):
    settings = tmp_path / "s.yml"
    for page, paths in (("/srv/www/dci.html", "/srv/dci -/srv/www"), ("/srv/dci/index.html", "/srv/dci")):
        settings.write_text(f"topic: a\nlocal_repo: /srv/dci\nstatus_page: {page}\n")
        assert main(["systemd-units", "service", "--settings", str(settings)]) == 0
        assert read(capsys.readouterr().out)["Service"]["ReadWritePaths"] == paths


def test_without_settings_it_is_those_of_the_machine(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("dci_downloader.cli.systemd.SYSTEM_FOLDER", str(tmp_path))
    (tmp_path / "settings.yml").write_text("topic: a\nlocal_repo: /srv/dci\n")
    assert main(["systemd-units", "service"]) == 0
    assert f"--settings {tmp_path}/settings.yml" in read(capsys.readouterr().out)["Service"]["ExecStart"]


def test_settings_without_a_destination_or_with_mistakes_make_no_unit(tmp_path, capsys):
    settings = tmp_path / "s.yml"
    settings.write_text("topic: RHEL-9.2\n")
    assert main(["systemd-units", "--settings", str(settings)]) == 2
    settings.write_text("local_repo: /srv/dci\ntopik: RHEL-9.2\n")
    assert main(["systemd-units", "--settings", str(settings)]) == 2
    settings.write_text('local_repo: "/srv/a\\nExecStart=evil"\n')
    assert main(["systemd-units", "--settings", str(settings)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "local_repo" in err
    assert "topic?" in err
    assert "printable" in err


def test_odd_paths_are_quoted_as_systemd_reads_them(printed):
    service = read(printed('/srv/%h "$HOME" \\n', "service", "--dcirc", "/etc/$dci%"))["Service"]
    assert service["ReadWritePaths"] == '"/srv/%%h \\"$HOME\\" \\\\n"'
    assert " --dcirc /etc/$$dci%% " in service["ExecStart"]
