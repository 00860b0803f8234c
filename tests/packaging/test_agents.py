"""What agents run, by Ansible, where they have it: on a machine with their files, of which nothing stays."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from dci_downloader.demo.compose import NIGHTLIES, TOPIC, sample_site
from tests.packaging.conftest import ROOT

PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PLAYBOOK.exists(), reason="ansible-core is not installed: pip install -e '.[dev]'"),
]

SETTINGS = f"""
# one file for the agent, its hooks and the downloader
local_repo: /somewhere/else
local_repo_ip: 192.168.1.1
dci_rhel_agent_cert: false
topic: {TOPIC}
variants: [AppStream]
archs: [x86_64]
with_debug: false
beaker_lab:
  dns_server: 192.168.1.1
jobs:
  - topic: {TOPIC}
    dci_tags: [debug]
    systems: [SUT1]
"""
PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Mirror what the job needs
      ansible.builtin.command: /bin/dci-downloader --settings /etc/dci-rhel-agent/settings.yml --local-repo /data
      register: mirror
    - name: Which compose is it
      ansible.builtin.slurp:
        src: /data/RHEL-9.2/compose/.composeinfo
      register: info
    - name: The same as a unit of an older agent has it
      ansible.builtin.command:
        argv: ["{{ ansible_playbook_python }}", -m, dci_downloader.main, --settings, /etc/dci-rhel-agent/settings.yml,
               --local-repo, /data, --json]
      register: again
    - name: Tell
      ansible.builtin.debug:
        msg: "compose {{ (info.content | b64decode | from_json).payload.compose.id }}, then
              {{ (again.stdout | from_json).topics[0].components[0].outcome }}"
"""
SCRIPT = """
mkdir -p /etc/dci-rhel-agent /data
cp "$FILES/settings.yml" /etc/dci-rhel-agent/settings.yml
printf '#!/bin/sh\\nexec "%s" -m dci_downloader "$@"\\n' "$PYTHON" > /bin/dci-downloader
chmod +x /bin/dci-downloader
"$PYTHON" -m ansible.cli.playbook -i localhost, -e ansible_python_interpreter="$PYTHON" "$FILES/play.yml"
ls /data/RHEL-9.2/compose/
"""


@pytest.mark.parametrize("job", [False, True], ids=["without DCI_JOB_ID", "with DCI_JOB_ID"])
def test_agents_mirror_with_their_settings_file_and_read_the_compose(own_root, tmp_path, job):
    (tmp_path / "settings.yml").write_text(SETTINGS)
    (tmp_path / "play.yml").write_text(PLAY)
    with sample_site() as site:
        environ = {**site.environment(), "FILES": str(tmp_path), "PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
        environ["ANSIBLE_LOCAL_TEMP"] = environ["ANSIBLE_REMOTE_TEMP"] = str(tmp_path / "ansible")
        if job:
            (topic,) = (topic for topic in site.catalog.topics.values() if topic.name == TOPIC)
            older = [component for component in site.catalog.components.values() if component.name == NIGHTLIES[0]]
            environ["DCI_JOB_ID"] = site.catalog.add_job(topic, older).id
        done = own_root(SCRIPT, **environ)
    assert f"compose {NIGHTLIES[0] if job else NIGHTLIES[-1]}, then unchanged" in done
    assert "AppStream" in done
    assert not Path("/etc/dci-rhel-agent").exists() or not shutil.which("dci-downloader", path="/bin")
