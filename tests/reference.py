"""What the pages and ``downloader.yml.example`` say of the settings, written from their table.

``python -m tests.reference`` brings them up to date; ``tests/unit/test_table.py`` fails where they are not.
"""

import re
from pathlib import Path

from dci_downloader.cli.pages import FOLDER
from dci_downloader.settings.table import SETTINGS
from dci_downloader.settings.types import Level, ListOf

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "downloader.yml.example"

DESTINATION = "| `DEST` | root of the mirror |"
OTHER_OPTIONS = ["| `-V`, `--version` | the version |", "| `-h`, `--help` | this, shorter |"]

HEAD = """\
# Settings of dci-downloader. Copy, keep what you need, then:
#
#   dci-downloader settings check downloader.yml
#   dci-downloader --settings downloader.yml
#
# Every setting is optional; a topic and a destination may also come from the command line.
"""
TOPICS = """\
topics:
  - topic: RHEL-9.2
    filters:
      - type: compose
        tag: nightly
        tags: [kernel:5.14.0-284]
      - type: hwcert
        name: hwcert-1679572343
    variants:
      - AppStream
      - name: BaseOS
        with_debug: true
        with_source: false
        with_iso: false
    with_debug: false
    package_filters: [kernel, glibc]

  - topic: RHEL-8.*
    archs: [x86_64, ppc64le]
    download_everything: true
    include: ["BaseOS/*"]
    exclude: ["*.iso"]
    keep: 0

  - component_id: 5b5cbb32-4a79-4a39-9c0c-e6bb1bf7e0d5
"""
"""A setting without an example for the top level is shown here."""


def options_table():
    """The rows of the table of options."""
    for setting in SETTINGS.values():
        if setting.option and setting.help:
            default = setting.default_text
            if default:
                default = f" (default: {default if default.isdecimal() else f'`{default}`'})"
            repeat = "; repeat for more" if isinstance(setting.value_type, ListOf) else ""
            short = f"`{setting.short}`, " if setting.short else ""
            yield f"| {short}`{setting.option}` | {setting.text or setting.help}{default}{repeat} |"
            if setting.name == "topic":
                yield DESTINATION
    yield from OTHER_OPTIONS


def settings_table():
    """The rows of the table of settings."""
    for setting in SETTINGS.values():
        if setting.levels:
            option = f"`{setting.option.split()[0]}` " if setting.option else ""
            texts = [setting.text or setting.help, setting.in_files]
            yield f"| `{setting.name}` | {option}| {'; '.join(filter(None, texts))} |"


TABLES = {"options": options_table, "settings": settings_table}
"""The tables, each in the page of its name."""


def page(name, text):
    """The text of a page with its table as the table of settings has it."""
    rows = "".join(f"{row}\n" for row in TABLES[name]())
    place = rf"(<!-- {name} -->\n\|.*\n\|.*\n)(?:\|.*\n)*(?=<!-- /{name} -->\n)"
    text, count = re.subn(place, lambda match: match[1] + rows, text)
    assert count == 1, f"the page {name} has no place for its table"
    return text


def example():
    """The whole example file."""
    shown = [setting for setting in SETTINGS.values() if setting.example]
    run = [f"{setting.name}: {setting.example}\n" for setting in shown if Level.TOPIC not in setting.levels]
    topic = [f"{setting.name}: {setting.example}\n" for setting in shown if Level.TOPIC in setting.levels]
    heading = "\n# For every topic that does not say otherwise:\n"
    return commented("".join([HEAD, "\n", *run, heading, *topic, "\n", TOPICS]))


def commented(text):
    """The text with the comment of each setting on the first line that sets it."""
    names = set()
    lines = []
    for line in text.splitlines():
        match = re.match(r"[ -]*(\w+):", line)
        if match and match[1] in SETTINGS and match[1] not in names:
            names.add(match[1])
            setting = SETTINGS[match[1]]
            line = f"{line:31} # {setting.comment or setting.help}"
        lines.append(f"{line}\n")
    return "".join(lines)


if __name__ == "__main__":
    for name in TABLES:
        path = FOLDER / f"{name}.md"
        path.write_text(page(name, path.read_text(encoding="utf-8")), encoding="utf-8")
    EXAMPLE.write_text(example(), encoding="utf-8")
