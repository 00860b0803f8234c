import io
import json
from contextlib import closing

import pytest

from dci_downloader.cli.run_output import RunOutput, has_news
from dci_downloader.errors import DiskFullError
from dci_downloader.results import ComponentReport, ContainerImage, ContainerImageOutcome, Failure, Outcome, Report
from dci_downloader.settings.command_line import CommandLine

CRON = {"settings": ("settings.yml",)}
FOUND = {"settings": ()}
BY_HAND = {"positional": ("RHEL-9.2", "/srv/dci")}


class Terminal(io.StringIO):
    def isatty(self):
        return True


def report(outcome=Outcome.UNCHANGED, *images, failures=()):
    copies = tuple(ContainerImage("source", "copy", image) for image in images)
    component = ComponentReport(
        "i", "RHEL-9.2.0-1", "compose", (), "/p", outcome, files_downloaded=1, images=copies, failures=failures
    )
    return Report("RHEL-9.2", "t", (component,), 1.0)


def finish(capsys, *reports, stream=None, **options):
    """End a run; gives its exit code, standard output and standard error."""
    with closing(RunOutput(CommandLine(**options), stream or io.StringIO())) as output:
        code = output.finish(reports)
    return (code, *capsys.readouterr())


@pytest.mark.parametrize(
    ("news", "found"),
    [
        (False, report()),
        (False, report(Outcome.UNCHANGED, ContainerImageOutcome.PRESENT)),
        (True, report(Outcome.UNCHANGED, ContainerImageOutcome.PRESENT, ContainerImageOutcome.COPIED)),
        (True, report(Outcome.UNCHANGED, ContainerImageOutcome.FAILED)),
        (True, report(Outcome.PUBLISHED)),
        (True, report(Outcome.PLANNED)),
        (True, report(Outcome.FAILED, failures=(Failure("", "broken", 5),))),
        (True, Report("RHEL-9.2", "t", (), 1.0, Failure("", "no such topic", 4))),
    ],
)
def test_a_cron_mail_is_sent_where_something_changed_or_failed_and_only_then(capsys, news, found):
    assert has_news(found) == news
    code, out, err = finish(capsys, found, **CRON)
    assert (code, out, bool(err)) == (found.exit_code, "", news)


def test_a_terminal_and_a_run_without_settings_files_say_that_nothing_is_new(capsys):
    assert "nothing new" in finish(capsys, report(), stream=Terminal(), **CRON)[2]
    assert "nothing new" in finish(capsys, report(), **BY_HAND)[2]


def test_settings_that_are_found_send_no_mail_either(capsys):
    assert finish(capsys, report(), **FOUND)[2] == ""
    assert "nothing new" in finish(capsys, report(), verbose=True, **CRON)[2]


def test_quiet_says_nothing_but_failures(capsys):
    assert finish(capsys, report(Outcome.PUBLISHED), quiet=True) == (0, "", "")
    failed = report(Outcome.FAILED, failures=(Failure("a", "gone", 5),))
    code, _, err = finish(capsys, failed, quiet=True)
    assert (code, "a: gone" in err) == (5, True)


def test_the_result_of_a_dry_run_goes_to_standard_output(capsys):
    _, out, err = finish(capsys, report(Outcome.PLANNED), dry_run=True)
    assert ("would fetch" in out, err) == (True, "")
    _, out, err = finish(capsys, report(Outcome.PLANNED), dry_run=True, json=True)
    assert ("would fetch" in err, json.loads(out)["exit_code"]) == (True, 0)


def test_messages_wait_for_news(capsys):
    stream = io.StringIO()
    with closing(RunOutput(CommandLine(**CRON), stream)) as output:
        output.progress.message("RHEL-9.* means RHEL-9.2")
        output.finish([report()])
        assert stream.getvalue() == ""
        output.finish([report(Outcome.UNCHANGED, ContainerImageOutcome.COPIED)])
    assert stream.getvalue() == "RHEL-9.* means RHEL-9.2\n"


def test_an_error_is_written_to_the_log(capsys, tmp_path):
    log = tmp_path / "log"
    command_line = CommandLine(json=True, log_file=str(log), log_format="json", **CRON)
    stream = io.StringIO()
    with closing(RunOutput(command_line, stream)) as output:
        output.progress.message("first")
        output.fail(DiskFullError("full", hint="make room"))
    assert capsys.readouterr().out == ""  # the program prints its one object where errors end
    assert stream.getvalue() == "first\n"
    (_, event) = [json.loads(line) for line in log.read_text().splitlines()]
    assert (event["event"], event["text"], event["hint"], event["exit_code"]) == (
        "error",
        "error: full",
        "make room",
        6,
    )
