"""The pre-run step of an agent, from Python and from a shell."""

import json

import pytest

from dci_downloader import DownloaderError, Mirror, NotFoundError, Selection, SyncOptions, pre_run
from dci_downloader.cli.main import main
from dci_downloader.hooks import NullProgress
from tests.interception import intercept


class Notes(NullProgress):
    def __init__(self):
        self.messages = []

    def message(self, text):
        self.messages.append(text)


@pytest.fixture
def build(lab, compose):
    return lab.build(compose)


@pytest.fixture
def job(lab, build):
    return lab.catalog.add_job(lab.topic, [build])


@pytest.fixture
def mirror(tmp_path):
    return Mirror(tmp_path / "dci")


@pytest.fixture
def states(job):
    return lambda: [(state["status"], state["comment"]) for state in job.states]


def test_the_step_mirrors_attaches_the_composeinfo_and_goes_on_to_running(lab, job, mirror, states, tmp_path):
    with pre_run(lab.server, mirror, job.id, Selection(variants=("BaseOS",))) as step:
        assert job.status == "pre-run"
        assert step.paths == {"compose": f"{tmp_path}/dci/RHEL-9.2/compose"}
        assert (step.job.status, step.report.exit_code) == ("pre-run", 0)
    assert states() == [("pre-run", "mirroring RHEL-9.2.0-0"), ("running", "")]
    assert [(file.name, file.mime, file.content) for file in job.files] == [(".composeinfo", "application/json", b"{}")]


def test_a_job_that_was_read_is_not_read_again(lab, job, mirror):
    read = lab.server.job(job.id)
    with pre_run(lab.server, mirror, read, options=SyncOptions(keep=0)) as step:
        assert step.report.components[0].name == "RHEL-9.2.0-0"
    assert job.status == "running"


def test_what_cannot_be_mirrored_ends_the_step_in_error_with_the_reason(lab, build, job, mirror, states):
    lab.catalog.drop(build, ".composeinfo")
    with pytest.raises(DownloaderError, match=r"\.composeinfo") as caught, pre_run(lab.server, mirror, job.id):
        pytest.fail("the body runs")
    assert caught.value.exit_code == 5
    (_, (status, reason)) = states()
    assert status == "error"
    assert ".composeinfo" in reason
    assert job.files == []


class SpeechlessError(Exception):
    def __str__(self):
        raise ValueError("nothing to say")


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (ValueError("no disk in slot 3"), "no disk in slot 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (SystemExit(3), "3"),
        (GeneratorExit(), "GeneratorExit"),
        (SpeechlessError(), "SpeechlessError"),
        (NotFoundError("no such disk"), "no such disk"),
        (ValueError("disk\0 \ud800 \x1b[2J\nslot 3"), "disk\\x00 \\ud800 \\x1b[2J\nslot 3"),
        (ValueError(" \n"), "ValueError"),
        (ValueError("x" * 10**6), "x" * 4000),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, BaseException) else each[:20],
)
def test_a_body_that_raises_ends_the_step_in_error(lab, job, mirror, states, raised, reason):
    with pytest.raises(type(raised)), pre_run(lab.server, mirror, job.id):
        raise raised
    assert states()[-1] == ("error", reason)


def test_a_job_that_is_not_there_raises_and_mirrors_nothing(lab, mirror):
    with pytest.raises(NotFoundError), pre_run(lab.server, mirror, "5b5cbb32-4a79-4a39-9c0c-e6bb1bf7e0d5"):
        pytest.fail("the body runs")


def test_the_first_error_is_what_is_raised_where_the_state_cannot_be_said_either(lab, job, mirror):
    notes, troubled = Notes(), []
    intercept(lab.site.control, lambda exchange: bool(troubled) and (exchange.answer(500) or True))
    with pytest.raises(ValueError, match="first"), pre_run(lab.server, mirror, job.id, progress=notes):
        raise ValueError("first" if troubled.append(1) is None else "")
    assert any("could not be set to error" in message for message in notes.messages)


@pytest.mark.parametrize("number", [1, 2])
def test_a_state_after_which_the_job_cannot_be_read_ends_it_in_error(lab, job, mirror, states, number):
    """The state ``pre-run`` or ``running`` is set, and nobody would go on with the job."""

    def answer(exchange):
        lost = len(job.states) == number and exchange.request.path == f"/api/v1/jobs/{job.id}"
        return lost and (exchange.answer(400, b"{}") or True)

    read = lab.server.job(job.id)
    intercept(lab.site.control, answer)
    with pytest.raises(DownloaderError, match="HTTP 400") as caught, pre_run(lab.server, mirror, read):
        pass
    assert states()[-1] == ("error", str(caught.value))
    assert len(job.states) == number + 1


def test_a_composeinfo_that_cannot_be_attached_is_no_reason_to_fail(lab, job, mirror):
    def answer(exchange):
        return exchange.request.path == "/api/v1/files" and (exchange.answer(400, b"{}") or True)

    intercept(lab.site.control, answer)
    notes = Notes()
    with pre_run(lab.server, mirror, job.id, progress=notes):
        pass
    assert job.status == "running"
    assert any(".composeinfo is not attached" in message for message in notes.messages)


@pytest.fixture
def shell(lab, tmp_path, monkeypatch, capsys):
    """Run the command line in the environment of the embedded site; gives exit code and streams."""
    for name, value in lab.site.environment().items():
        monkeypatch.setenv(name, value)

    def run(*arguments):
        exit_code = main([*arguments, "--local-repo", str(tmp_path / "dci"), "--patience", "1"])
        return exit_code, *capsys.readouterr()

    return run


def test_a_shell_does_the_same_by_one_option(shell, job, states, tmp_path):
    assert shell("--job-id", job.id, "--set-state")[0] == 0
    assert states() == [("pre-run", "mirroring RHEL-9.2.0-0"), ("running", "")]
    assert [file.name for file in job.files] == [".composeinfo"]
    assert (tmp_path / "dci/RHEL-9.2/compose/.composeinfo").is_file()


def test_the_job_of_the_environment_does_as_well_and_other_topics_do_not_count(
    shell, lab, job, states, monkeypatch, tmp_path
):
    lab.build({}, topic=lab.catalog.add_topic("EMPTY", component_types=("compose",)), without_files=True)
    settings = tmp_path / "s.yml"
    settings.write_text("topics: [{topic: EMPTY}, {topic: RHEL-9.2}]")
    monkeypatch.setenv("DCI_JOB_ID", job.id)
    assert shell("--settings", str(settings), "--set-state")[0] == 4
    assert [status for status, _ in states()] == ["pre-run", "running"]


def test_the_job_of_the_environment_is_left_alone_where_it_is_not_used(shell, lab, job, states, monkeypatch):
    lab.build({"a": b"a"}, topic=lab.catalog.add_topic("OTHER", component_types=("compose",)))
    monkeypatch.setenv("DCI_JOB_ID", job.id)
    code, _, err = shell("OTHER", "--set-state")
    assert (code, "DCI_JOB_ID is not used" in err, states()) == (0, True, [])


def test_a_component_without_files_is_no_place_to_read(lab, mirror, build):
    commit = lab.build({}, type="git", without_files=True)
    with pre_run(lab.server, mirror, lab.catalog.add_job(lab.topic, [commit, build]).id) as step:
        assert list(step.paths) == ["compose"]


def test_without_the_option_the_job_is_left_alone(shell, job, states):
    assert shell("--job-id", job.id)[0] == 0
    assert (states(), job.files) == ([], [])


def test_a_run_that_fails_says_so_in_its_report_and_in_the_job(shell, lab, build, job, states):
    lab.catalog.drop(build, ".composeinfo")
    exit_code, out, _ = shell("--job-id", job.id, "--set-state", "--json")
    assert exit_code == 5
    assert json.loads(out)["exit_code"] == 5
    assert [status for status, _ in states()] == ["pre-run", "error"]
    assert ".composeinfo" in states()[-1][1]


@pytest.mark.parametrize("more", [[], ["--job-id", "x", "--dry-run"]])
def test_the_option_needs_a_job_that_is_really_mirrored(shell, more):
    exit_code, _, err = shell("RHEL-9.2", "--set-state", *more)
    assert exit_code == 2
    assert "--set-state is about the job" in err
