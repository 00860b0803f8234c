import io

import pytest

from dci_downloader.cli.style import Style, style_of, width_of

XTERM = {"TERM": "xterm", "LANG": "en_US.UTF-8"}


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "environ", "colours"),
    [
        (Terminal(), {}, True),
        (io.StringIO(), {}, False),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"TERM": "dumb"}, False),
        (Terminal(), {"CLICOLOR": "0"}, False),
        (io.StringIO(), {"CLICOLOR_FORCE": "1"}, True),
        (io.StringIO(), {"CLICOLOR_FORCE": "1", "TERM": "dumb"}, True),
        (io.StringIO(), {"CLICOLOR_FORCE": "0"}, False),
        (io.StringIO(), {"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, False),
        (None, {}, False),
    ],
)
def test_colours_are_for_terminals_and_for_those_who_ask(stream, environ, colours):
    assert style_of(stream, {**XTERM, **environ}).colours == colours


@pytest.mark.parametrize(
    ("environ", "is_ascii"),
    [
        ({"LANG": "de_DE.UTF-8"}, False),
        ({"LANG": "C.UTF-8"}, False),
        ({"LC_ALL": "C", "LANG": "de_DE.UTF-8"}, True),
        ({"LC_ALL": "POSIX"}, True),
        ({"LC_CTYPE": "C", "LANG": "de_DE.UTF-8"}, True),
        ({"LC_CTYPE": "de_DE.UTF-8", "LANG": "C"}, False),
        ({"LC_CTYPE": "C.UTF-8", "LANG": "C"}, True),
        ({"LC_CTYPE": "C.UTF-8"}, True),
        ({}, True),
    ],
)
def test_a_locale_without_such_letters_gets_ascii(environ, is_ascii):
    assert style_of(io.StringIO(), environ).ascii == is_ascii


def test_an_encoding_without_such_letters_gets_ascii():
    latin = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    assert style_of(latin, XTERM).ascii
    assert not style_of(io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), XTERM).ascii


def test_a_stream_that_is_closed_is_no_terminal():
    stream = io.StringIO()
    stream.close()
    assert not style_of(stream, XTERM).redraws
    assert width_of(stream) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("✓ compose x", "\x1b[32m✓\x1b[0m compose x"),
        ("✗ compose x", "\x1b[31m✗\x1b[0m compose x"),
        ("    ! careful", "\x1b[33m    ! careful\x1b[0m"),
        ("dci-downloader: error: no", "\x1b[31mdci-downloader: error:\x1b[0m no"),
        ("  hint: do", "\x1b[1m  hint:\x1b[0m do"),
        ("plain ! ✓", "plain ! ✓"),
        ("! evil\x1b[2J", "\x1b[33m! evil\\x1b[2J\x1b[0m"),
    ],
)
def test_marks_are_coloured_and_what_would_drive_the_terminal_is_not(text, shown):
    assert Style(colours=True, ascii=False).show(text) == shown
    assert "\x1b" not in Style(colours=False, ascii=False).show(text)


def test_marks_have_their_form_in_ascii():
    assert Style(ascii=True).show("✓ a → b …\n✗ c\n· d") == "+ a -> b ...\nx c\n- d"
    assert Style(ascii=True, colours=True).show("✓ a").startswith("\x1b[32m+")


def test_a_terminal_of_unknown_size_has_80_columns():
    assert (width_of(Terminal()), width_of(io.StringIO()), width_of(None)) == (80, None, None)
