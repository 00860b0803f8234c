"""The RPM, built from the sdist, installed into a file system of its own, and run from there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dci_downloader.cli import pages
from dci_downloader.cli.command_parsers import PARSERS
from dci_downloader.version_number import VERSION
from tests.integration.conftest import needs
from tests.packaging.conftest import ROOT, run

pytestmark = [pytest.mark.slow, needs("rpm", "rpmbuild", "systemd-sysusers", "systemd-tmpfiles")]

SPEC = ROOT / ".packaging/dci-downloader.spec"
SITELIB = f"/usr/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
MACROS = {  # of EL and Fedora, which rpm has not on other systems
    "__python3": sys.executable,
    "python3_sitelib": SITELIB,
    "_unitdir": "/usr/lib/systemd/system",
    "_sysusersdir": "/usr/lib/sysusers.d",
    "_tmpfilesdir": "/usr/lib/tmpfiles.d",
}
FILES = f"""
/etc/dci-downloader
/etc/dci-downloader/settings.yml.example
/usr/bin/dci-downloader
/usr/bin/download-topic
/usr/lib/systemd/system/dci-downloader.service
/usr/lib/systemd/system/dci-downloader.timer
/usr/lib/sysusers.d/dci-downloader.conf
/usr/lib/tmpfiles.d/dci-downloader.conf
/usr/share/bash-completion/completions/dci-downloader
/usr/share/doc/dci-downloader-{VERSION}
/usr/share/doc/dci-downloader-{VERSION}/README.md
/usr/share/fish/vendor_completions.d/dci-downloader.fish
/usr/share/licenses/dci-downloader-{VERSION}
/usr/share/licenses/dci-downloader-{VERSION}/LICENSE
/usr/share/man/man1/dci-downloader.1
/usr/share/man/man1/download-topic.1
/usr/share/zsh/site-functions/_dci-downloader
""".split()
FILES += [f"/usr/share/doc/dci-downloader-{VERSION}/{name}.md" for name in pages.names()]
FILES += [f"/usr/share/man/man1/dci-downloader-{command}.1" for command in PARSERS]
PREVIOUS = f"""
Name: dci-downloader
Version: 3.2.0
Release: 1.202405221722
Summary: The previous downloader
License: Apache-2.0
BuildArch: noarch
%description
Files where it had them.
%install
mkdir -p %{{buildroot}}{SITELIB}/dci_downloader %{{buildroot}}/usr/bin
echo 'raise SystemExit("3.2.0")' > %{{buildroot}}{SITELIB}/dci_downloader/downloader.py
echo exit 32 > %{{buildroot}}/usr/bin/dci-downloader
%files
{SITELIB}/dci_downloader
/usr/bin/dci-downloader
"""


def rpmbuild(top, spec, **macros):
    """Build source and binary packages; the paths of both."""
    defines = {"_topdir": str(top), **macros}
    words = [word for name, value in defines.items() for word in ("--define", f"{name} {value}")]
    run("rpmbuild", "-ba", "--nodeps", *words, spec)
    (source,), (package,) = (top / "SRPMS").iterdir(), (top / "RPMS/noarch").iterdir()
    return source, package


@pytest.fixture(scope="module")
def packages(sdist, tmp_path_factory):
    """The SRPM and the RPM."""
    top = tmp_path_factory.mktemp("rpmbuild")
    (top / "SOURCES").mkdir()
    for source in (sdist, SPEC.with_suffix(".sysusers")):
        shutil.copy(source, top / "SOURCES")
    return rpmbuild(top, SPEC, **MACROS)


@pytest.fixture(scope="module")
def package(packages):
    return packages[1]


def test_the_spec_is_that_of_this_release():
    assert f"\nVersion:        {VERSION}\n" in SPEC.read_text(encoding="utf-8")


@needs("rpmlint")
def test_rpmlint_finds_nothing(packages):
    done = subprocess.run(
        ["rpmlint", "-c", ROOT / ".packaging/rpmlint.toml", *packages, SPEC], capture_output=True, text=True
    )
    assert (done.returncode, "0 errors, 0 warnings" in done.stdout) == (0, True), done.stdout


def test_it_holds_these_files_and_no_others(package):
    listed = run("rpm", "-qlp", package).splitlines()
    assert sorted(path for path in listed if not path.startswith(f"{SITELIB}/dci_downloader")) == sorted(FILES)
    modules = {f"{SITELIB}/{path.relative_to(ROOT)}" for path in (ROOT / "dci_downloader").rglob("*.py")}
    assert modules <= set(listed)
    assert not [path for path in listed if path.endswith(("dcirc.sh", "RECORD"))]
    owners = {
        line.split()[0]: line.split()[4:7]
        for line in run("rpm", "-qp", "--dump", package).splitlines()
        if line.startswith("/etc")
    }
    assert owners == {
        "/etc/dci-downloader": ["040750", "root", "dci-downloader"],
        "/etc/dci-downloader/settings.yml.example": ["0100644", "root", "root"],
    }


def test_it_requires_what_rhel_9_has_and_recommends_what_agents_need(package):
    required = run("rpm", "-qp", "--requires", package)
    for line in (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("\ndependencies = [")[2].splitlines():
        if line == "]":
            break
        if line:
            name, _, lowest = line.strip(' ",').partition(">=")
            assert f"python3-{name} >= {lowest}\n" in required
    assert run("rpm", "-qp", "--recommends", package).split() == ["python3-dciclient", "skopeo"]
    assert f"python3-dci-downloader = {VERSION}-1" in run("rpm", "-qp", "--provides", package)


def test_it_takes_the_place_of_the_previous_one_runs_and_leaves_the_mirror_when_it_goes(package, tmp_path, own_root):
    spec = tmp_path / "previous.spec"
    spec.write_text(PREVIOUS)
    _, previous = rpmbuild(tmp_path / "previous", spec)
    script = """
    rpm --initdb --dbpath /var/lib/rpm-test
    rpm() { command rpm --dbpath /var/lib/rpm-test "$@"; }
    rpm -i --nodeps "$PREVIOUS"
    ! dci-downloader || exit 1
    systemd-sysusers "$SYSUSERS"  # which the scriptlet does on EL 9, and rpm itself on Fedora
    rpm -U --nodeps "$PACKAGE"
    rpm -q dci-downloader
    rpm -V --nodeps dci-downloader
    [ ! -e "$SITELIB/dci_downloader/downloader.py" ]
    systemd-tmpfiles --create /usr/lib/tmpfiles.d/dci-downloader.conf
    systemd-analyze verify /usr/lib/systemd/system/dci-downloader.service /usr/lib/systemd/system/dci-downloader.timer
    stat -c '%a %U:%G %n' /srv/dci /etc/dci-downloader

    # the file of secrets is the service's alone, and the service runs
    install -m 0600 -o dci-downloader -g dci-downloader /dev/null /etc/dci-downloader/dcirc.sh
    cp /etc/dci-downloader/settings.yml.example /etc/dci-downloader/settings.yml
    sed -i "1s|.*|#!$PYTHON|" /usr/bin/dci-downloader  # the interpreter that has the libraries
    export PYTHONPATH=$SITELIB
    cd /
    as_service() { setpriv --reuid dci-downloader --regid dci-downloader --clear-groups "$@"; }
    /bin/dci-downloader --version
    as_service /usr/bin/dci-downloader settings check /etc/dci-downloader/settings.yml | head -1
    as_service /usr/bin/dci-downloader demo /srv/dci | tail -1
    "$PYTHON" -c "import dci_downloader; print(dci_downloader.__file__)"
    [ "$(/usr/bin/dci-downloader completion fish)" = "$(cat /usr/share/fish/vendor_completions.d/dci-downloader.fish)" ]

    unset PYTHONPATH
    rpm -e --nodeps dci-downloader 2>&1
    ls -A /etc/dci-downloader
    [ -n "$(ls /srv/dci)" ] && [ ! -e "$SITELIB/dci_downloader" ] && [ ! -e /usr/bin/dci-downloader ]
    echo gone
    """
    done = own_root(
        script,
        PREVIOUS=str(previous),
        PACKAGE=str(package),
        SYSUSERS=str(SPEC.with_suffix(".sysusers")),
        SITELIB=SITELIB,
        PYTHON=sys.executable,
    )
    lines = done.splitlines()
    assert lines[0] == f"dci-downloader-{VERSION}-1.noarch"
    assert "755 dci-downloader:dci-downloader /srv/dci" in lines
    assert "750 root:dci-downloader /etc/dci-downloader" in lines
    assert f"dci-downloader {VERSION}" in lines
    assert f"{SITELIB}/dci_downloader/__init__.py" in lines
    assert {"dcirc.sh", "settings.yml"} <= set(lines)
    assert lines[-1] == "gone"
    assert not Path(SITELIB, "dci_downloader/main.py").exists()
