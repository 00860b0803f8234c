"""The README's steps for every night, followed as they are printed, under the real cron of Debian."""

from __future__ import annotations

import os
import re
import shutil
import sys

import pytest

from dci_downloader.demo.compose import sample_site
from tests.packaging.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
SETTINGS = "local_repo: /srv/dci\ntopics: [{topic: RHEL-9.2, variants: [AppStream]}]\n"

pytestmark = [
    pytest.mark.slow,  # cron looks at its tables once a minute
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can have a file system and a cron of its own"),
    pytest.mark.skipif(shutil.which("cron") is None, reason="not installed here: cron"),
]

PREPARE = """
rm -rf /etc/cron.d/* /etc/crontab /var/spool/cron/crontabs/* /etc/dci-downloader /srv/dci /usr/local/bin/dci-downloader
for folder in "$BASE" "$(dirname "$PYTHON")" "$SOURCE"; do
    while [ "$folder" != / ]; do
        [ "$(stat -f -c %T "$folder")" != overlayfs ] || chmod a+rx "$folder"
        folder=$(dirname "$folder")
    done
done
printf '#!/bin/sh\\nexec %s -m dci_downloader "$@"\\n' "$PYTHON" > /usr/local/bin/dci-downloader
chmod 755 /usr/local/bin/dci-downloader
cd / && runuser -u nobody -- dci-downloader --version || { echo "the tests cannot be reached"; exit 0; }
"""
"""Stands for the installation, which other tests follow: every user may run what the tests run with."""

RUN = """
cp "$FOLDER/table" /etc/cron.d/dci-downloader
env -i timeout 150 /usr/sbin/cron -f & trap "kill $!" EXIT
for half_second in $(seq 280); do
    [ -e /srv/dci/RHEL-9.2/compose/.composeinfo ] && break
    sleep 0.5
done
stat -c '%U %F' /srv/dci/RHEL-9.2/compose/.composeinfo
"""


def steps(title):
    """The lines for a shell below a heading of the README; the test is root and has no sudo."""
    section = README.partition(f"## {title}\n")[2].partition("\n## ")[0]
    lines = "\n".join(re.findall(r"```console\n(.*?)```", section, re.DOTALL)).splitlines()
    return [
        re.sub(r"^sudo (-u (\S+) )?", lambda user: f"runuser -u {user[2]} -- " if user[1] else "", each)
        for each in lines
    ]


def every_minute():
    """The table that the README prints, with a line that comes every minute."""
    (text,) = re.findall(r"```text\n(# /etc/cron\.d/dci-downloader\n.*?)```", README, re.DOTALL)
    table, lines = re.subn(r"^\d+ \d+ \* \* \*", "* * * * *", text, flags=re.MULTILINE)
    assert lines == 1
    return table


def test_the_lines_of_the_readme_mirror_at_night(tmp_path, own_root):
    made = [line for line in steps("Everywhere else") if line.startswith(("useradd", "install -d"))]
    night = [*steps("The first day"), *steps("Every night")]
    placed = [line for line in night if "dcirc.sh" in line or line.endswith(" check")]
    assert (len(made), len(placed)) == (3, 2)
    with sample_site() as site:
        dcirc = "".join(f"export {name}={value}\n" for name, value in site.environment().items())
        for name, text in (("dcirc.sh", dcirc), ("table", every_minute()), ("settings.yml", SETTINGS)):
            (tmp_path / name).write_text(text)
        write = 'cp "$FOLDER/settings.yml" /etc/dci-downloader/settings.yml'
        script = "\n".join([PREPARE, *made, write, 'cd "$FOLDER"', *placed, RUN])
        paths = {"BASE": os.path.realpath(sys.base_prefix), "PYTHON": sys.executable, "SOURCE": str(ROOT)}
        said = own_root(script, FOLDER=str(tmp_path), **paths)
    if "cannot be reached" in said:
        pytest.skip("the service's user cannot run the interpreter of the tests")
    assert "a run would work" in said
    assert said.splitlines()[-1] == "dci-downloader regular file"
