"""What README and pages show runs as it stands there."""

import json
import re

import pytest
import yaml

from dci_downloader import Mirror, TransferError, sync_topic
from tests.pages import PAGES, README, blocks, section


@pytest.fixture
def play(lab, tmp_path, monkeypatch):
    """Run Python from a page in the environment of the embedded site; gives the names it leaves."""
    for name, value in lab.site.environment().items():
        monkeypatch.setenv(name, value)
    opened = []

    def play(*code, **names):
        names = {"__name__": "example", **names}
        try:
            for block in code:
                exec(compile(block.replace("/srv/dci", str(tmp_path / "dci")), "page", "exec"), names)
        finally:
            opened.extend(value for value in names.values() if type(value).__name__ == "ControlServer")
        return names

    yield play
    for server in opened:
        server.close()


PRE_RUN = blocks(section(PAGES["python"], "### A pre-run step"), "python")
PROGRESS = blocks(section(PAGES["python"], "### Progress, and a request to stop"), "python")


def test_the_first_steps_in_python_run(lab, play, compose, capsys, tmp_path):
    lab.build(compose)
    first, second, *_ = blocks(section(PAGES["python"], "## Mirroring"), "python")
    assert blocks(section(README, "## From Python"), "python") == [first]
    play(first, second)
    name, path, size, files, left = capsys.readouterr().out.split()
    assert (name, path, files, left) == ("RHEL-9.2.0-0", str(tmp_path / "dci/RHEL-9.2/compose"), "0", "0")
    assert int(size) > 0


def test_several_topics_are_mirrored_checked_and_looked_after(lab, play, compose, capsys, tmp_path):
    server, mirror = lab.server, Mirror(tmp_path / "dci")
    lab.build(compose)
    sync_topic(server, mirror, "RHEL-9.2")
    lab.build({**compose, "metadata/new": b"new"}, number=1)
    left = play(
        *blocks(section(PAGES["python"], "### Several topics, and what is here"), "python"),
        server=server,
        mirror=mirror,
    )
    assert [report.exit_code for report in left["reports"]] == [0, 4]
    assert left["damaged"] == []
    assert mirror.topic("RHEL-9.2").published("compose").component.name == "RHEL-9.2.0-0"
    saved, freed = map(int, capsys.readouterr().out.split())
    assert saved > 0
    assert freed == 0


def test_a_topic_is_held_released_and_forgotten(lab, play, compose, capsys, tmp_path):
    lab.build(compose)
    mirror = Mirror(tmp_path / "dci")
    for number, content in enumerate((b"new", b"newer"), 1):
        sync_topic(lab.server, mirror, "RHEL-9.2")
        lab.build({**compose, "metadata/new": content}, number=number)
    sync_topic(lab.server, mirror, "RHEL-9.2")
    play(*blocks(section(PAGES["python"], "### What stays, and what goes"), "python"), mirror=mirror)
    held, released, freed = capsys.readouterr().out.splitlines()
    assert (held, released) == ("['compose']", "['RHEL-9.2.0-1']")
    assert int(freed) > 0
    assert not (tmp_path / "dci/RHEL-9.2").exists()


def test_the_pre_run_step_mirrors_what_its_job_holds(lab, play, compose, tmp_path):
    lab.build(compose, tags=("nightly",))
    left = play(*PRE_RUN)
    (job,) = lab.catalog.jobs.values()
    assert (job.status, job.comment, left["paths"]) == ("running", "", {"compose": f"{tmp_path}/dci/RHEL-9.2/compose"})
    states = [json.loads(asked.body) for asked in lab.site.control.requests if asked.path.endswith("/jobstates")]
    assert [state["status"] for state in states] == ["pre-run", "running"]
    assert states[0]["comment"] == "mirroring RHEL-9.2.0-0"
    assert (tmp_path / "dci/RHEL-9.2/compose/.composeinfo").is_file()


def test_the_pre_run_step_is_about_ten_lines():
    (code,) = PRE_RUN
    assert len([line for line in code.splitlines() if line]) <= 14


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda lab, build, root: lab.catalog.drop(build, ".composeinfo"), ".composeinfo"),
        (lambda lab, build, root: root.write_text("in the way"), "dci"),
    ],
    ids=["a-file-is-gone", "no-folder-for-the-mirror"],
)
def test_a_pre_run_step_that_fails_tells_the_job_why(lab, play, compose, tmp_path, spoil, reason):
    spoil(lab, lab.build(compose, tags=("nightly",)), tmp_path / "dci")
    left = play(*PRE_RUN)
    (job,) = lab.catalog.jobs.values()
    assert (job.status, left["paths"]) == ("error", {})
    assert reason in job.comment


def test_progress_is_told_until_all_is_there(lab, play, compose, capsys):
    lab.build(compose, tags=("nightly",))
    lab.build({**compose, "metadata/new.json": b"x" * 1000}, number=1)
    play(*PRE_RUN, *PROGRESS)
    assert capsys.readouterr().out.splitlines()[-1] == "RHEL-9.2.0-1: 100 %"


def test_a_deadline_that_passes_ends_the_run(lab, play, compose, capsys, tmp_path):
    lab.build(compose, tags=("nightly",))
    lab.build({**compose, "metadata/new.json": b"x" * 1000}, number=1)
    play(*PRE_RUN, *(code.replace("Deadline(3600)", "Deadline(-1)") for code in PROGRESS))
    assert capsys.readouterr().out == "not today\n"
    assert not (tmp_path / "dci/RHEL-9.2/compose/metadata/new.json").exists()


def test_the_ansible_tasks_parse_and_know_exit_codes_and_keys_of_the_report():
    (text,) = blocks(section(PAGES["report"], "## From Ansible"), "yaml")
    mirror, *others = yaml.safe_load(text)
    assert mirror["ansible.builtin.command"]["argv"][0] == "dci-downloader"
    conditions = f"{mirror['until']} {mirror['failed_when']} {mirror['changed_when']}"
    codes = re.findall(r"\b\d+\b", re.sub(r"length > 0", "", conditions))
    assert {"0", "5", "75"} == set(codes)
    assert all(re.search(rf"^\| {code} \|", PAGES["report"], flags=re.MULTILINE) for code in codes)
    (shown,) = blocks(section(PAGES["report"], "## The report"), "text")
    expressions = " ".join([conditions, *re.findall(r"{{.*?}}", json.dumps(others))])
    keys = {*re.findall(r"\.(\w+)", expressions), *re.findall(r"attr(?:ibute=|\()'(\w+)'", expressions)}
    keys -= {"stdout", "rc"}
    assert {"components", "path", "changed", "outcome"} <= keys
    for key in keys:
        assert re.search(rf"\b{key}\b", shown), key


def test_the_first_example_raises_what_failed(lab, play, compose):
    lab.catalog.drop(lab.build(compose), ".composeinfo")
    with pytest.raises(TransferError, match=r"^RHEL-9\.2: \.composeinfo: "):
        play(*blocks(section(README, "## From Python"), "python"))
