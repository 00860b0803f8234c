"""Pages on a terminal: nothing is wider than it, nothing gets lost."""

import re

import pytest

from dci_downloader.cli import pages
from dci_downloader.cli.markdown import columns, wrapped

PAGE = """\
# Title

A paragraph that is
wrapped anew, with `--an-option` and [a page](settings.md#section).

* an item that
  goes on
* another, see [this](#title) and [that](https://example.com/x)

1. first
2. second

<!-- mark -->
| name | | meaning |
| --- | --- | --- |
| `a` | | of a long text that is wrapped |
<!-- /mark -->

```console
run --this   # however long the line may be, it stays as it is
```
"""


def test_a_page_is_wrapped_by_its_parts():
    assert wrapped(PAGE, 34) == (
        "# Title\n\n"
        "A paragraph that is wrapped anew,\n"
        "with `--an-option` and a page\n"
        "(help settings).\n\n"
        "* an item that goes on\n"
        "* another, see this and that\n"
        "  (https://example.com/x)\n\n"
        "1. first\n"
        "2. second\n\n"
        "name    meaning\n"
        "`a`     of a long text that is\n"
        "        wrapped\n\n"
        "    run --this   # however long the line may be, it stays as it is\n"
    )


def test_a_table_that_fits_is_not_wrapped():
    assert list(columns([("a", "b c"), ("d e", "f")], 80)) == ["a    b c", "d e  f"]


def test_columns_keep_some_width_on_a_terminal_that_is_too_narrow():
    assert list(columns([("abcdefghij", "klmnopqrst")], 5)) == ["abcdef  klmnop", "ghij    qrst"]


def words(text):
    """The letters and digits of a text, without marks, targets of links and ends of lines."""
    text = re.sub(r"^<!--.*|^```.*|^\|[ |-]+$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return re.sub(r"\W|_", "", text)


@pytest.mark.parametrize("width", [20, 40, 80, 10_000])
@pytest.mark.parametrize("name", pages.names())
def test_every_page_fits_and_loses_nothing(name, width):
    text = pages.read(name)
    shown = wrapped(text, width)
    long = [line for line in shown.splitlines() if len(line) > width and not line.startswith("    ")]
    assert [line for line in long if len(line.split()) > 2 and width >= 80] == []
    if width == 10_000:  # where nothing is wrapped, cells are in their order
        without_targets = re.sub(r" \((help [a-z-]+|https?://[^)]*)\)", "", shown)
        assert sorted(words(without_targets)) == sorted(words(text))
