"""What ``import dci_downloader`` offers."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import dci_downloader

SOURCE = Path(dci_downloader.__file__).read_text(encoding="utf-8")


def typed_names():
    """The names that the imports for type checkers bring."""
    for node in ast.walk(ast.parse(SOURCE)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dci_downloader."):
            yield from (alias.name for alias in node.names if alias.asname == alias.name)


def test_the_exported_names_are_these():
    assert dci_downloader.__all__ == sorted(typed_names())
    assert {"ControlServer", "Mirror", "Selection", "sync_topic", "sync_topics"} <= set(dci_downloader.__all__)
    assert {"hold", "prune", "release", "remove", "repair", "rollback", "status", "verify"} <= set(
        dci_downloader.__all__
    )


@pytest.mark.parametrize("name", dci_downloader.__all__)
def test_every_exported_name_is_there_and_documented(name):
    exported = getattr(dci_downloader, name)
    assert exported.__name__ == name
    assert exported.__doc__


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        dci_downloader.nothing  # noqa: B018


def test_the_version_costs_no_heavy_import():
    program = (
        "import sys; from dci_downloader.cli.main import main\n"
        "main(['--version'])\n"
        "print(sorted({'argparse', 'dataclasses', 'requests', 'pycurl', 'yaml', 'dciauth'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines() == [f"dci-downloader {dci_downloader.__version__}", "[]"]
