from datetime import datetime, timedelta, timezone

import pytest

from dci_downloader import formatting


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (99_949, "99.9 kB"),
        (99_950, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (1_400_000_000, "1.4 GB"),
        (12_345_678_901_234, "12.3 TB"),
        (5 * 10**18, "5,000 PB"),
        (-1500, "-1.5 kB"),
    ],
)
def test_sizes_are_said_in_decimal_units(count, said):
    assert formatting.size(count) == said


@pytest.mark.parametrize(("number", "said"), [(0, "0 files"), (1, "1 file"), (5000, "5,000 files")])
def test_counts_agree_with_their_noun(number, said):
    assert formatting.count(number, "file") == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (7500, "2 h 5 min"),
    ],
)
def test_durations_are_said_in_two_units_at_most(seconds, said):
    assert formatting.duration(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-119, "just now"),
        (-3600, "2026-11-27 13:00Z"),
        (0, "just now"),
        (59, "just now"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (7200, "2 h ago"),
        (172_799, "47 h ago"),
        (172_800, "2 d ago"),
        (400 * 86_400, "400 d ago"),
    ],
)
def test_how_long_ago_an_instant_was(seconds, said):
    now = datetime(2026, 11, 27, 12, tzinfo=timezone.utc)
    assert formatting.age(now - timedelta(seconds=seconds), now) == said


def test_what_a_terminal_would_obey_is_shown_instead():
    assert formatting.printable("a\x1b[31mred\u202e\n – é") == "a\\x1b[31mred\\u202e\n – é"


@pytest.mark.parametrize(
    "text",
    [
        "\x1b]0;title\x07",
        "\x9b2J",
        "\x7f",
        "\x00",
        "\r",
        "\x85",
        "\u2028",
        "\u202e\u2066",
        "\udce9",
        "\ue000",
        "\U000e0001",
    ],
)  # C0 and C1, DEL, ends of lines of Unicode, directions, half a character, private use, tags
def test_nothing_that_a_terminal_obeys_or_cannot_show_stays(text):
    shown = formatting.printable(f"a{text}b\n\tc")
    assert shown == formatting.printable(shown)
    assert shown.replace("\n", "").replace("\t", "").isprintable()
    assert (shown[0], shown[-4:]) == ("a", "b\n\tc")


def test_a_name_of_several_lines_is_shown_on_one():
    assert formatting.printable_line("a\nb: whole") == "a\\nb: whole"
    assert formatting.table([("a\nb", "c\td"), ("e", "f")]) == ["a\\nb  c\\td", "e     f"]


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("a short line", 40, ["a short line"]),
        ("a line without a terminal, however long it is", None, ["a line without a terminal, however long it is"]),
        ("! one two three four five six", 20, ["! one two three four", "  five six"]),
        ("    below is indented by two more", 20, ["    below is", "      indented by", "      two more"]),
        ("    name  1.0-1.el9 → 1.0-2.el9", 20, ["    name  1.0-1.el9", "      → 1.0-2.el9"]),
        (
            "see /srv/dci/a-long-path-that-stays-whole now",
            20,
            ["see", "  /srv/dci/a-long-path-that-stays-whole", "  now"],
        ),
        ("  hint: dci-downloader status /srv/dci --utc", 20, ["  hint: dci-downloader status /srv/dci --utc"]),
    ],
)
def test_a_line_is_broken_between_words_and_hints_not_at_all(text, width, lines):
    assert formatting.wrapped(text, width) == lines
