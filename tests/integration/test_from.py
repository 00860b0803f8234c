"""``--from`` on the command line, in settings files and in the environment, and what it makes without effect."""

import json
import os

import pytest

from dci_downloader.cli.main import main

SECRET = "s3cr3t"


@pytest.fixture
def run(lab, monkeypatch, capsys, tmp_path):
    """The program without credentials."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("DCI_CLIENT_ID", "DCI_API_SECRET", "DCI_CS_URL", "DCI_FROM"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments, code=0):
        ended = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        assert SECRET not in out + err
        assert ended == code, out + err
        return out + err

    return run


@pytest.fixture
def first(run, lab, monkeypatch, tmp_path):
    """A mirror with two builds."""
    with monkeypatch.context() as patch:
        for name, value in lab.site.environment().items():
            patch.setenv(name, value)
        for number in (1, 2):
            lab.build({"same": b"same", "a": b"%d" % number}, number=number, tags=["nightly"])
            run("RHEL-9.2", tmp_path / "first", "--all")
    return tmp_path / "first"


def test_option_variable_and_setting_name_the_mirror(run, first, tmp_path, monkeypatch):
    assert "✓ compose RHEL-9.2.0-2" in run("RHEL-9.2", tmp_path / "a", "--all", "--from", first)
    monkeypatch.setenv("DCI_FROM", str(first))
    assert "✓ compose RHEL-9.2.0-2" in run("RHEL-9.2", tmp_path / "b", "--all")
    monkeypatch.delenv("DCI_FROM")
    settings = tmp_path / "settings.yml"
    settings.write_text(f"from: {first}\nlocal_repo: {tmp_path / 'c'}\ntopic: RHEL-9.2\ndownload_everything: true\n")
    assert "✓ compose RHEL-9.2.0-2" in run("--settings", settings)
    shown = run("settings", "check", settings)
    assert str(first) in shown
    assert "credentials" not in shown
    monkeypatch.setenv("DCI_FROM", "")
    settings.write_text(f"from: ''\nlocal_repo: {tmp_path / 'c'}\ntopic: RHEL-9.2\n")
    assert "no credentials" in run("--settings", settings, code=3)


def test_lists_and_comparisons_are_over_what_is_there(run, first):
    assert run("topics", "--from", first).startswith("RHEL-9.2\t")
    listed = run("components", "RHEL-9.2", "--from", first, "--sizes").splitlines()
    assert [line.split("\t")[1] for line in listed] == ["RHEL-9.2.0-2", "RHEL-9.2.0-1"]
    assert [line.split("\t")[3] for line in listed] == ["5", "5"]
    document = json.loads(run("components", "RHEL-9.2", "--from", first, "--json", "--filter", "compose:nightly"))
    ids = [component["id"] for component in document["components"]]
    pairs = [word for each in reversed(ids) for word in ("--component-id", each)]
    assert "1 changed" in run("changes", *pairs, "--from", first)
    assert "jobs are known to the control server alone" in run(
        "changes", "--job-id", ids[0], "--job-id", ids[1], "--from", first, code=2
    )


def test_older_versions_that_are_kept_there_come_by_their_ids(run, first, tmp_path):
    document = json.loads(run("components", "RHEL-9.2", "--from", first, "--json"))
    older = document["components"][1]["id"]
    assert "✓ compose RHEL-9.2.0-1" in run("--component-id", older, tmp_path / "a", "--all", "--from", first)
    assert "has no component with the id" in run("--component-id", "x", tmp_path / "a", "--from", first, code=4)


def test_what_only_a_control_server_knows_is_refused_or_said_to_be_without_effect(run, first, tmp_path, monkeypatch):
    job = "5b5cbb32-4a79-4a39-9c0c-e6bb1bf7e0d5"
    said = run("RHEL-9.2", tmp_path / "a", "--from", first, "--job-id", job, code=2)
    assert "--job-id asks the control server" in said
    said = run("RHEL-9.2", tmp_path / "a", "--from", first, "--registry", "localhost:5000", code=2)
    assert "copies container images from other servers" in said
    monkeypatch.setenv("DCI_JOB_ID", job)
    monkeypatch.setenv("DCI_REGISTRY", "localhost:5000")
    monkeypatch.setenv("DCI_API_SECRET", SECRET)
    said = run(
        *("RHEL-9.2", tmp_path / "a", "--all", "--from", first),
        *("--dcirc", tmp_path / "absent", "--dci-cs-url", "http://127.0.0.1:1"),
    )
    for name in ("DCI_JOB_ID", "--dcirc", "--dci-cs-url", "registry (DCI_REGISTRY)"):
        assert f"note: {name} is not used, because from (--from) names another mirror" in said
    assert (tmp_path / "a/RHEL-9.2/compose/a").read_bytes() == b"2"


def test_what_is_damaged_is_repaired_from_another_mirror_without_credentials(run, first, tmp_path):
    dest = tmp_path / "a"
    run("RHEL-9.2", dest, "--all", "--from", first)
    for path in (dest / ".dci-downloader/objects").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            path.unlink()  # it is one file in both mirrors
            path.write_bytes(b"x" * len(content))
    run("verify", dest, code=7)
    run("verify", dest, "--repair", "--from", first)
    run("verify", dest)


@pytest.mark.parametrize("address", ["ftp://x/y", f"http://me:{SECRET}@x/y", "http://x/?y"])
def test_an_address_that_cannot_be_used_is_2(run, tmp_path, address):
    assert "expected the URL of a mirror" in run("RHEL-9.2", tmp_path / "a", "--from", address, code=2)


def test_a_mirror_that_cannot_be_reached_is_5_with_a_hint(run, tmp_path):
    said = run("RHEL-9.2", tmp_path / "a", "--from", "http://127.0.0.1:1/dci", "--patience", "1", code=5)
    assert "hint: " in said
    assert "DCI_CS_URL" not in said
    assert not os.path.exists(tmp_path / "a")


def test_check_looks_at_the_mirror_and_not_at_credentials(run, first, tmp_path, monkeypatch):
    monkeypatch.setattr("dci_downloader.check.schedule.schedule", list)
    said = run("check", "RHEL-9.2", tmp_path / "a", "--from", first)
    assert f"✓ mirror: {first} has 1 topic" in said
    assert f"✓ {first}: gave " in said
    assert "credentials" not in said
    assert not os.path.exists(tmp_path / "a")
    said = run("check", "RHEL-9.2", tmp_path / "a", "--from", tmp_path, code=4)
    assert "there is no mirror here" in said
