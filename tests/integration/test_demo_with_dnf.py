"""What the demo leaves, and what its last lines say of it."""

import re
import shlex
import subprocess

import pytest

from dci_downloader.demo import walkthrough
from tests.integration.conftest import needs


@pytest.mark.slow
@needs("dnf")
def test_dnf_lists_and_fetches_what_the_demo_published_and_the_demo_says_how_to_remove_it(tmp_path):
    lines = []
    assert walkthrough.run(str(tmp_path / "a demo"), lines.append) == 0
    text = "\n".join(lines)
    shown = shlex.split(re.search(r"^ +(dnf .*)$", text, flags=re.MULTILINE)[1])
    own = [f"--setopt=cachedir={tmp_path}/cache", "--setopt=reposdir=/dev/null", f"--installroot={tmp_path}/root"]
    dnf = [*shown[:-1], *own, "--releasever=9", "--forcearch=x86_64", "--quiet"]
    listed = subprocess.run([*dnf, "repoquery"], check=True, capture_output=True, text=True, timeout=50).stdout.split()
    published = tmp_path / "a demo/RHEL-9.2/compose/BaseOS/x86_64/os/Packages"
    names = {path.name for path in published.rglob("*.rpm")}
    assert {re.sub(r"-\d+:", "-", package) + ".rpm" for package in listed} == names
    fetch = ["install", "--assumeyes", "--nogpgcheck", "--downloadonly", f"--downloaddir={tmp_path}/here", "bash"]
    subprocess.run([*dnf, *fetch], check=True, capture_output=True, timeout=50)
    (fetched,) = (tmp_path / "here").iterdir()
    assert fetched.read_bytes() == (published / "b" / fetched.name).read_bytes()

    remove = re.search(r"^Remove them: +(.*)$", text, flags=re.MULTILINE)[1]
    subprocess.run(["bash", "-euc", remove], check=True, cwd=tmp_path, stdin=subprocess.DEVNULL)
    assert not (tmp_path / "a demo").exists()
