"""The page about Python: each step runs as it stands, against what ``demo --serve`` serves, and prints what it says."""

import re
import subprocess
import sys

import pytest

from dci_downloader.demo.compose import sample_site
from tests.pages import PAGES, section

PART = section(PAGES["python"], "## The DCI API, step by step")
STEPS = re.findall(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", PART, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def environ(monkeypatch):
    for name in ("SSO_TOKEN", "SSO_URL", "DCI_LOGIN"):
        monkeypatch.delenv(name, raising=False)
    with sample_site() as site:
        for name, value in site.environment().items():
            monkeypatch.setenv(name, value)
        yield site


def test_each_step_prints_what_the_page_says(environ, tmp_path, capsys):
    names = {"__name__": "page"}
    assert len(STEPS) >= 12
    for number, (code, expected) in enumerate(STEPS):
        exec(compile(code.replace("/srv/dci", str(tmp_path)), f"step {number}", "exec"), names)
        printed = capsys.readouterr().out.replace(str(tmp_path), "/srv/dci")
        assert printed == expected, code
    assert (tmp_path / "RHEL-9.2/compose/.composeinfo").is_file()


@pytest.mark.slow
def test_the_page_is_an_agent_that_is_typed(tmp_path):
    pytest.importorskip("mypy")
    agent = tmp_path / "agent.py"
    agent.write_text("".join(code for code, _ in STEPS), encoding="utf-8")
    options = ["--strict", "--ignore-missing-imports", "--disable-error-code=import-untyped", "--config-file="]
    command = [sys.executable, "-m", "mypy", *options, "--cache-dir", str(tmp_path), str(agent)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert checked.returncode == 0, checked.stdout
