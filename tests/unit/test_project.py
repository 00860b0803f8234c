"""What a newcomer meets: the top level, what gets installed, and the README's first line."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOP_LEVEL = {
    ".ci",
    ".github",
    ".gitignore",
    ".packaging",
    "LICENSE",
    "README.md",
    "dci_downloader",
    "downloader.yml.example",
    "pyproject.toml",
    "tests",
}


def test_the_top_level_is_small():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is not a git checkout")
    assert {line.split("/")[0] for line in listed.stdout.splitlines()} == TOP_LEVEL


def test_four_packages_are_needed_to_run():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.search(r"^dependencies = \[(.*?)\]$", project, flags=re.MULTILINE | re.DOTALL)[1]
    assert re.findall(r'"(\w+)[^"]*"', listed) == ["dciauth", "pycurl", "pyyaml", "requests"]


@pytest.mark.slow
def test_the_first_line_of_the_readme_runs(tmp_path):
    line = next(
        line
        for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("python3 -m venv")
    )
    clone = tmp_path / "clone"
    shutil.copytree(ROOT, clone, ignore=shutil.ignore_patterns(".venv", ".git", ".*_cache", "__pycache__"))
    done = subprocess.run(["bash", "-c", line], cwd=clone, capture_output=True, text=True, timeout=300)
    unreached = re.search(r"No matching distribution.*", done.stderr)
    if unreached:
        pytest.skip(f"the package index cannot be reached: {unreached[0]}")
    assert done.returncode == 0, done.stderr
    assert "0 damages" in done.stdout
