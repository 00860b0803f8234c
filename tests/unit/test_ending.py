import pytest

from dci_downloader.models import FileEntry
from dci_downloader.transfer.ending import Ending
from dci_downloader.transfer.verdict import Action, Verdict

DENIED = Verdict(Action.GIVE_UP, "denied", exit_code=3, hint="ask")
UNTRUSTED = Verdict(Action.ABORT, "untrusted")
BUSY = Verdict(Action.RETRY, "busy")


@pytest.mark.parametrize(
    ("events", "verdict"),
    [
        ([BUSY] * 99, None),
        ([UNTRUSTED], UNTRUSTED),
        ([DENIED, DENIED], None),
        ([DENIED, DENIED, DENIED], DENIED),
        ([DENIED, BUSY, DENIED, BUSY, DENIED], DENIED),
        ([DENIED, DENIED, "located", DENIED, DENIED], None),
        ([UNTRUSTED, DENIED, DENIED, DENIED], UNTRUSTED),
    ],
)
def test_what_ends_a_run(events, verdict):
    ending = Ending(3)
    for event in events:
        ending.located() if event == "located" else ending.failed(event)
    assert ending.verdict == verdict


def test_patience_that_is_over_names_the_last_trouble_and_is_not_the_last_word():
    ending = Ending(3)
    ending.lose_patience(30.0)
    assert ending.verdict.reason == "nothing arrived for 30 s; last trouble: no answer"
    ending.failed(UNTRUSTED)
    assert ending.verdict.reason.startswith("nothing arrived")
    other = Ending(3)
    other.failed(BUSY)
    other.lose_patience(0.5)
    assert other.verdict.reason == "nothing arrived for 0.5 s; last trouble: busy"


def test_a_file_that_is_not_complete_fails_for_what_ends_the_run():
    ending = Ending(1)
    ending.failed(DENIED)
    failure = ending.failure(FileEntry("a.rpm", "a" * 64, 1))
    assert (failure.path, failure.reason, failure.exit_code, failure.hint) == ("a.rpm", "denied", 3, "ask")
