import re

from dci_downloader.cli import main as cli
from dci_downloader.cli.checks import check_settings
from dci_downloader.settings.table import DEFAULTS

ENVIRONMENT = {"DCI_CLIENT_ID": "remoteci/1", "DCI_API_SECRET": "s3cret", "DCI_CS_URL": "http://u:pass@cs"}


def checked(tmp_path, text, environ=ENVIRONMENT):
    (tmp_path / "s.yml").write_text(text)
    return [re.split(r"  +", line) for line in check_settings([str(tmp_path / "s.yml")], environ).lines]


def test_check_shows_every_value_with_its_origin_and_no_secret(tmp_path):
    text = "topic: a\nlocal_repo: /1\nvariants: [A, {name: B, with_iso: on}]\n"
    text += "filters: [{type: c, tag: d}, {type: e, name: f}]"
    rows = checked(tmp_path, f"{text}\nregistry: host:5000\nwith_debug: on")
    file = f"{tmp_path}/s.yml"
    for row in (
        ["local_repo", "/1", f"{file}:2:1"],
        ["DCI_CLIENT_ID", "remoteci/1", "environment"],
        ["DCI_API_SECRET", "********", "environment"],
        ["DCI_CS_URL", "http://********@cs", "environment"],
        ["topic", "a", f"{file}:1:1"],
        ["variants", "A, B (with_iso: true)", f"{file}:3:1"],
        ["filters", "c:d, e:name=f", f"{file}:4:1"],
        ["registry", "host:5000", f"{file}:5:1"],
        ["with_debug", "true", f"{file}:6:1"],
        ["with_iso", "false", "default"],
        ["limit_rate", "-", "default"],
        ["patience", "30", "default"],
    ):
        assert row in rows
    assert {row[0] for row in rows} >= set(DEFAULTS)


def test_check_says_which_kind_of_credentials_counts(tmp_path):
    others = {"SSO_URL": "https://sso", "SSO_USERNAME": "me", "SSO_PASSWORD": "s3cret", "SSO_TOKEN": "s3cret"}
    rows = checked(tmp_path, "topic: a", {**ENVIRONMENT, **others})
    assert ["credentials", "sso", "the first kind that is complete"] in rows
    for row in (["SSO_USERNAME", "me", "environment"], ["SSO_TOKEN", "********", "environment"]):
        assert row in rows
    assert "s3cret" not in str(rows)
    rows = checked(tmp_path, "topic: a", {"DCI_LOGIN": "me"})
    assert ["credentials", "-", "no kind is complete"] in rows
    assert ["DCI_PASSWORD", "-", "not set"] in rows


def test_check_names_the_file_with_credentials_that_a_run_would_find(tmp_path):
    folder = tmp_path / "config" / "dci-downloader"
    folder.mkdir(parents=True)
    (folder / "dcirc.sh").write_text(
        "export DCI_CLIENT_ID=remoteci/2\nexport DCI_API_SECRET=s3cret\nexport DCI_CS_URL=http://cs\n"
    )
    found = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    rows = checked(tmp_path, "topic: a", {**found, "DCI_CS_URL": "http://other"})
    assert ["credentials", "remoteci", "the first kind that is complete"] in rows
    assert ["DCI_CLIENT_ID", "remoteci/2", f"{folder}/dcirc.sh"] in rows
    assert ["DCI_API_SECRET", "********", f"{folder}/dcirc.sh"] in rows
    assert ["DCI_CS_URL", "http://other", "environment"] in rows
    rows = checked(tmp_path, "topic: a", {**found, **ENVIRONMENT})
    assert ["DCI_CLIENT_ID", "remoteci/1", "environment"] in rows


def test_check_tells_what_the_command_line_must_add(tmp_path):
    rows = checked(tmp_path, "keep: 2", {})
    assert ["local_repo", "-", "not set: DEST must name it"] in rows
    assert ["DCI_API_SECRET", "-", "not set"] in rows
    assert rows[-1] == ["no topic: TOPIC on the command line must name it"]


def test_check_says_so_too(tmp_path):
    rows = checked(tmp_path, "topic: a\nfilters: [{type: t}]\ncomponent_id: '7'")
    assert "filters" in rows[0][0]
    assert "are not used, because component_id" in rows[0][0]


def test_the_environment_is_an_origin(tmp_path):
    rows = checked(tmp_path, "topic: a", {"DCI_LOCAL_REPO": "/env", "DCI_REGISTRY": "r:5000"})
    assert ["local_repo", "/env", "DCI_LOCAL_REPO"] in rows
    assert ["registry", "r:5000", "DCI_REGISTRY"] in rows


def test_settings_check_is_a_command(tmp_path, capsys):
    (tmp_path / "s.yml").write_text("topic: a")
    assert cli.main(["settings", "check", f"{tmp_path}/s.yml"]) == 0
    assert "topic" in capsys.readouterr().out
    assert cli.main(["settings", "check", str(tmp_path)]) == 2
    assert "Is a directory" in capsys.readouterr().err


def test_check_shows_the_job_of_the_environment(tmp_path):
    rows = checked(tmp_path, "keep: 2", {**ENVIRONMENT, "DCI_JOB_ID": "j1"})
    assert ["job_id", "j1", "DCI_JOB_ID"] in rows
    assert ["topic", "-", "the job"] in rows
    rows = checked(tmp_path, "component_id: c", {**ENVIRONMENT, "DCI_JOB_ID": "j1"})
    assert "job_id" not in [row[0] for row in rows]
    assert ["topic", "-", "component_id"] in rows
