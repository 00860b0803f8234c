import json

from dci_downloader.cli.output import CommandResult, complain, print_error_document, print_result, say
from dci_downloader.errors import NotFoundError

RESULT = CommandResult(["one", "two"], {"é": 1})
FAILED = CommandResult(["damage"], exit_code=7)


def test_a_result_is_lines_for_people_or_an_object_for_programs(capsys):
    assert print_result(RESULT) == 0
    assert capsys.readouterr() == ("one\ntwo\n", "")
    assert print_result(RESULT, as_json=True, quiet=True) == 0
    assert capsys.readouterr() == ('{\n  "é": 1\n}\n', "")


def test_an_object_for_programs_cannot_drive_a_terminal_either(capsys):
    document = {"name\x9b2J\u202e": "a\x85b\u2028c\U000e0001\x7f\n"}
    print_result(CommandResult([], document), as_json=True)
    out = capsys.readouterr().out
    assert json.loads(out) == document
    assert all(char.isprintable() for char in out.replace("\n", ""))


def test_quiet_prints_only_what_failed(capsys):
    assert (print_result(RESULT, quiet=True), print_result(FAILED, quiet=True)) == (0, 7)
    assert capsys.readouterr().out == "damage\n"


def test_an_error_is_an_object_too(capsys):
    print_error_document(NotFoundError("no such topic", hint="look"))
    assert json.loads(capsys.readouterr().out) == {
        "topics": [],
        "error": "no such topic",
        "hint": "look",
        "exit_code": 4,
    }


def test_a_complaint_names_error_and_hint_and_cannot_drive_the_terminal(capsys):
    complain(NotFoundError("no topic \x1b[2J", hint="look"))
    complain(NotFoundError("two problems\n  one"))
    lines = ["dci-downloader: error: no topic \\x1b[2J", "  hint: look", "dci-downloader: error: two problems", "  one"]
    assert capsys.readouterr().err.splitlines() == lines


def test_a_closed_standard_error_is_no_reason_to_fail(monkeypatch):
    monkeypatch.setattr("sys.stderr", None)
    say("nobody reads this")
