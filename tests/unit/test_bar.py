"""The bar on the screen of a terminal, at several widths, with time in the test's hands."""

import io
import re

import pytest

from dci_downloader.cli import bar
from dci_downloader.cli.bar import BarProgress, bar_line
from dci_downloader.cli.style import Style
from dci_downloader.cli.work import Work

pyte = pytest.importorskip("pyte")  # an emulator of terminals

NAME = "RHEL-9.2.0-20221121.2"
GB = 10**9


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


class Screen(io.StringIO):
    """A terminal: what is written to it is on its screen."""

    def __init__(self, columns, monkeypatch):
        super().__init__()
        self.columns = columns
        self._screen = pyte.Screen(columns, 24)
        self._terminal = pyte.Stream(self._screen)
        monkeypatch.setattr(bar, "width_of", lambda stream: stream.columns)

    def write(self, text):
        self._terminal.feed(text.replace("\n", "\r\n"))
        return len(text)

    def isatty(self):
        return True

    def resize(self, columns):
        self.columns = columns
        self._screen.resize(24, columns)

    @property
    def lines(self):
        return [line.rstrip() for line in self._screen.display if line.strip()]


@pytest.fixture
def shown(monkeypatch):
    """A bar, its clock and its screen."""

    def shown(columns=80, **options):
        screen, clock = Screen(columns, monkeypatch), Clock()
        style = options.pop("style", Style(ascii=False, redraws=True))
        return BarProgress(screen, clock=clock, style=style, ticks=False, **options), clock, screen

    return shown


def half_way(progress, clock, label=NAME):
    progress.begin(label, 12_345, 4 * GB)
    for _ in range(20):
        clock.now += 1
        progress.advance(300, 10**8)
    progress.tick()


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (12, "0:20 left"),
        (24, " 100 MB/s  0:20 left"),
        (40, " 50%  2.0/4.0 GB   100 MB/s  0:20 left"),
        (60, "RHEL-9.…   50% █████░░░░░  2.0/4.0 GB   100 MB/s  0:20 left"),
        (80, "RHEL-9.2.0-20221121.2   50% ████████░░░░░░░░░  2.0/4.0 GB   100 MB/s  0:20 left"),
        (
            120,
            "RHEL-9.2.0-20221121.2   50% ██████████████████░░░░░░░░░░░░░░░░░░   6,000/12,345 files  "
            "2.0/4.0 GB   100 MB/s  0:20 left",
        ),
    ],
)
def test_the_bar_uses_the_columns_there_are(shown, columns, line):
    progress, clock, screen = shown(columns)
    half_way(progress, clock)
    assert screen.lines == [line]
    progress.end()
    assert screen.lines == []


@pytest.mark.parametrize("name", ["x", NAME, "a" * 200, "構成" * 30, "e\u0301" * 60, ""])
@pytest.mark.parametrize("size", [0, 1, 999, 999_999, 4 * GB, 5 * 10**15])
def test_no_line_is_wider_than_the_terminal_and_from_60_columns_on_a_bar_has_ten_cells(name, size):
    work, now = Work(name, 7, size, 0.0), 40.0
    work.advance(3, size // 3, now)
    for columns in range(8, 200):
        for moment in (now, now + 10):
            line = bar_line(work, columns - 1, moment)
            wide = sum(char in "構成" for char in line) - line.count("\u0301")
            assert len(line) + wide < columns
            cells = len(re.findall("[█░]", line))
            assert cells >= 10 if columns >= 60 and size < 10**15 else cells == 0 or cells >= 10


def test_names_go_before_numbers():
    work = Work(NAME, 7, 4 * GB, 0.0)
    work.advance(1, GB, 10.0)
    seen = [bar_line(work, columns, 10.0) for columns in range(100, 8, -1)]
    signs = [NAME, "RHEL", "%", "░", "/4.0 GB", "MB/s", "left"]
    gone = [next((number for number, line in enumerate(seen) if sign not in line), 999) for sign in signs]
    assert gone[:2] == sorted(gone[:2])
    assert gone[1] < gone[4] < gone[5] < gone[6]
    assert gone[3] < gone[4]


def test_the_clock_ticks_while_nothing_arrives(shown):
    progress, clock, screen = shown()
    half_way(progress, clock)
    for idle in range(1, 9):
        clock.now += 1
        progress.waiting(idle, 30.0)
        progress.tick()
        assert ("no data" in screen.lines[0]) == (idle >= 5)
    assert screen.lines[0].endswith("2.0/4.0 GB  no data for 8 s (gives up at 30)")
    progress.advance(0, 1000)
    clock.now += 1
    progress.tick()
    assert "no data" not in screen.lines[0]


def test_what_does_not_arrive_fits_a_narrow_terminal(shown):
    progress, clock, screen = shown(40)
    half_way(progress, clock)
    progress.waiting(8, 30)
    progress.tick()
    assert screen.lines == [" 50%  no data for 8 s (gives up at 30)"]


def test_a_phase_without_bytes_is_named_with_its_time(shown):
    progress, clock, screen = shown(60)
    progress.phase("RHEL-9.2: reading the file lists")
    assert screen.lines == []
    progress.tick()
    assert screen.lines == ["RHEL-9.2: reading the file lists …"]
    clock.now += 65
    progress.tick()
    assert screen.lines == ["RHEL-9.2: reading the file lists … 1:05"]
    progress.begin("x", 1, 1000)  # taking over a folder, say, within the phase
    assert "0.0/1.0 kB" in screen.lines[0]
    progress.end()
    assert "reading" in screen.lines[0]
    progress.phase("")
    assert screen.lines == []


def test_lines_are_written_above_the_bar(shown):
    progress, clock, screen = shown(verbose=True)
    progress.message("before")
    half_way(progress, clock)
    progress.message("! careful")
    progress.detail("soft")
    assert screen.lines[:3] == ["before", "! careful", "soft"]
    assert NAME in screen.lines[3]
    progress.end()
    assert screen.lines == ["before", "! careful", "soft"]


@pytest.mark.parametrize("columns", [40, 60, 79, 81, 120, 200])
def test_a_new_size_of_the_terminal_leaves_nothing_behind(shown, columns):
    progress, clock, screen = shown(80)
    progress.message("before")
    half_way(progress, clock)
    screen.resize(columns)
    progress.tick()
    assert (screen.lines[0], len(screen.lines)) == ("before", 2)
    assert screen.lines[1].endswith("0:20 left")
    progress.end()
    assert screen.lines == ["before"]


def test_a_line_that_was_written_for_a_wider_terminal_leaves_nothing_behind(shown):
    progress, clock, screen = shown(120)
    progress.message("before")
    screen._screen.resize(24, 50)  # it has just become narrower, which the program does not know yet
    half_way(progress, clock)
    assert len(screen.lines) == 2
    screen.columns = 50
    progress.tick()
    assert (screen.lines[0], len(screen.lines)) == ("before", 2)
    assert screen.lines[1].endswith("0:20 left")


def test_the_echo_of_an_interruption_is_written_over(shown):
    progress, clock, screen = shown()
    half_way(progress, clock)
    screen.write("^C")
    progress.end()
    assert screen.lines == []


def test_where_the_locale_has_no_such_characters_ascii_takes_their_place(shown):
    progress, clock, screen = shown(60, style=Style(ascii=True, redraws=True))
    half_way(progress, clock)
    assert screen.lines[0].isascii()
    assert len(screen.lines[0]) < 60
    progress.end()
    progress.phase("a" * 100)
    progress.tick()
    assert (screen.lines[0].isascii(), len(screen.lines)) == (True, 1)


def test_bytes_that_were_discarded_move_the_bar_back(shown):
    progress, clock, screen = shown()
    half_way(progress, clock)
    clock.now += 1
    progress.advance(0, -2 * GB)
    progress.advance(0, -5)
    assert "  0% " in screen.lines[0]


def test_the_clock_ticks_by_itself(monkeypatch):
    import threading

    class Ticks(Screen):
        drawn = threading.Event()
        parts: tuple = ()

        def write(self, text):
            self.parts += (text,)
            if any("0:01" in part for part in self.parts):
                self.drawn.set()
            return super().write(text)

    clock = Clock()
    progress = BarProgress(Ticks(80, monkeypatch), clock=clock, style=Style(ascii=False, redraws=True))
    progress.phase("hashing")
    clock.now += 1
    assert Ticks.drawn.wait(30)
    progress.phase("")
