"""README, CONTRIBUTING and the pages of ``help``, for the tests that hold them against the program."""

import re
import shlex
from pathlib import Path

from dci_downloader.cli import pages

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {name: pages.read(name) for name in pages.names()}
PATHS = [ROOT / "README.md", ROOT / ".github/CONTRIBUTING.md", *(pages.FOLDER / f"{name}.md" for name in PAGES)]

PROGRAMS = ("dci-downloader", "download-topic")


def section(text, heading):
    """A section of a page, its subsections included."""
    level = len(heading) - len(heading.lstrip("#"))
    found = text.partition(f"\n{heading}\n")[2]
    assert found, f"no {heading}"
    parts = re.split(r"^(```)", found, flags=re.MULTILINE)  # a comment in code is no heading
    for number in range(0, len(parts), 4):
        above = re.search(rf"^#{{1,{level}}} ", parts[number], flags=re.MULTILINE)
        if above:
            return "".join(parts[:number]) + parts[number][: above.start()]
    return found


def blocks(text, language):
    """The blocks of code of a language, without what marks them."""
    found = re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    assert found, f"no {language}"
    return found


def commands_in_sentences(text):
    """The command lines of the program that stand in sentences and tables, without those that stand for others."""
    for line in re.findall(r"`((?:sudo -u \S+ )?dci-downloader [^`]*)`", text):
        if not {"COMMAND", "SHELL"} & set(line.split()):
            yield from _own(shlex.split(line))


def commands(text):
    """The command lines of the program in the blocks of a text: the words after its name, of each."""
    for block in re.findall(r"^```(?:console|text)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            command = []
            for word in [*_words(line), ";"]:
                if set(word) <= set("&|;<>"):
                    yield from _own(command)
                    command = []
                else:
                    command.append(word)


def _words(line):
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;<>")
    lexer.whitespace_split = True
    try:
        return list(lexer)
    except ValueError:  # an apostrophe: no command
        return []


def _own(command):
    """The words after the program's name, where a command is one of the program."""
    if command[:1] == ["sudo"]:
        command = command[3:] if command[1:2] == ["-u"] else command[1:]
    if command and Path(command[0]).name in PROGRAMS and len(command) > 1:
        yield command[1:]
