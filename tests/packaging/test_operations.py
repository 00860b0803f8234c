"""The operations page, the constraints of CI and the units say what is so."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys

import pytest
import yaml

from dci_downloader.cli.arguments import parse_sync
from dci_downloader.cli.units import TIMER, service_unit
from dci_downloader.demo.compose import sample_site
from tests.packaging.conftest import ROOT

PAGE = (ROOT / "dci_downloader/docs/operations.md").read_text(encoding="utf-8")
SPEC = (ROOT / ".packaging/dci-downloader.spec").read_text(encoding="utf-8")
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def lowest():
    """The lowest version of each library, by pyproject.toml."""
    block = re.search(r"^dependencies = \[\n(.*?)^\]", PROJECT, re.MULTILINE | re.DOTALL)[1]
    return dict(re.findall(r'"([\w-]+)>=([\d.]+)"', block))


def test_the_lowest_versions_are_the_same_everywhere():
    page = {name.lower(): version for name, version in re.findall(r"^\| (\w+) \| ([\d.]+\d)", PAGE, re.MULTILINE)}
    assert page == lowest()
    for name, version in lowest().items():
        assert f"\nRequires:       python3-{name} >= {version}\n" in SPEC
    if not (ROOT / ".ci").exists():
        pytest.skip("an sdist has no .ci")
    constraints = (ROOT / ".ci/lowest.txt").read_text(encoding="utf-8")
    for name, version in lowest().items():
        assert re.search(rf"^{name}=={re.escape(version)}(\.0|\.post\d+)?$", constraints, re.MULTILINE)


def test_the_cron_job_is_right():
    (text,) = re.findall(r"```yaml\n(apiVersion:.*?)```", PAGE, re.DOTALL)
    job = yaml.safe_load(text)
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "CronJob")
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert parse_sync(container["args"]).lock_timeout == 0
    volumes = {volume["name"] for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    assert "\nVOLUME /dci\n" in (ROOT / ".packaging/Containerfile").read_text(encoding="utf-8")
    assert container["volumeMounts"][0]["mountPath"] == "/dci"


def test_the_units_of_the_package_are_those_of_the_page():
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read_string(service_unit("dci-downloader", ["/usr/bin/dci-downloader"], "/srv/dci"))
    service = parser["Service"]
    assert (service["User"], service["ReadWritePaths"]) == ("dci-downloader", "/srv/dci")
    assert "OnCalendar=" in TIMER
    for name in (".service", ".timer"):
        assert f"%{{_unitdir}}/%{{name}}{name}\n" in SPEC
    assert "d /srv/dci 0755 dci-downloader dci-downloader -\n" in (
        ROOT / ".packaging/dci-downloader.tmpfiles"
    ).read_text(encoding="utf-8")


@pytest.mark.parametrize("module", ["dci_downloader", "dci_downloader.main"])
def test_the_module_starts_the_program(module):
    done = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout[:15]) == (0, "dci-downloader ")


def test_the_way_back_leaves_an_ordinary_folder_that_holds_the_same(tmp_path):
    (line,) = re.findall(r"^cd /srv/dci/RHEL-9.2 && .*$", PAGE, re.MULTILINE)
    with sample_site() as site:
        environ = {**os.environ, **site.environment()}
        command = [sys.executable, "-m", "dci_downloader", "RHEL-9.2", tmp_path, "--variant", "AppStream", "--quiet"]
        subprocess.run(command, env=environ, cwd=ROOT, check=True)
    compose = tmp_path / "RHEL-9.2/compose"
    before = {path.relative_to(compose): path.read_bytes() for path in compose.rglob("*") if path.is_file()}
    subprocess.run(["bash", "-euc", line.replace("/srv/dci", str(tmp_path))], check=True)
    assert compose.is_dir()
    assert not compose.is_symlink()
    assert before == {path.relative_to(compose): path.read_bytes() for path in compose.rglob("*") if path.is_file()}


def test_what_the_lowest_versions_are_known_to_do_wrong_is_not_used():
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "dci_downloader").rglob("*.py"))
    safe = {"safe_load", "SafeLoader", "CSafeLoader", "BaseLoader", "CBaseLoader"}
    assert set(re.findall(r"\byaml\.(\w*load\w*|\w*Loader)\b", sources)) <= safe
    assert not re.search(r"verify=False|SSL_VERIFY(PEER|HOST)", sources)
    assert set(re.findall(r"allow_redirects=(\w+)|FOLLOWLOCATION, (\w+)", sources)) == {("False", ""), ("", "0")}
