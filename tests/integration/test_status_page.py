"""The status page in a real browser, from disk and behind nginx; and dnf with the lines that it shows."""

import json
import subprocess

import pytest

from dci_downloader.changes import Changes, PackageChange, PackageChangeKind
from dci_downloader.hooks import NullProgress
from dci_downloader.mirror.fetching import recorded_fetching
from dci_downloader.mirror.history import record_run
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.publish import publish
from dci_downloader.page.page import write_page
from dci_downloader.results import ComponentReport, Failure, Outcome, Report
from tests.chromium import CONTRAST, PROGRAM, Chromium
from tests.integration.conftest import needs, nginx
from tests.integration.test_real_compose import build_packages, tree_info
from tests.unit.samples import Clock, component_of, entry_of, manifest_of, plan_of

LONG = "RHEL-9.2.0-" + "updates-testing-with-a-long-name-" * 5 + "20221121.2"
LONE = "X" * 250


def history(mirror, builds, kinds):
    """Runs that published, found nothing new, and failed."""
    packages = tuple(
        PackageChange(f"package-{number}", kind, ("1-1.el9",), ("2-1.module+el9",), ("BaseOS/x86_64",), False)
        for number, kind in enumerate(kinds)
    )
    for number in range(builds):
        done = ComponentReport(
            *(f"i{number}", LONG, "compose", (), "/p", Outcome.PUBLISHED),
            files=5,
            size=7_000_000_000 + number * 10**8,
            changes=Changes("c0", packages=packages),
        )
        record_run(mirror, [Report("RHEL 9.2", "t", (done,), 1.0)], 250.0)
    record_run(mirror, [Report("RHEL 9.2", "t", (), 1.0)], 0.5)
    reason = f"https://me:secret@peer.example.com/{LONE}: the object store did not answer"
    record_run(mirror, [Report("RHEL 9.2", "t", (), 1.0, Failure("", reason, 5))], 30.0)


def fill(root):
    """A mirror with all that a page can show, long names included."""
    mirror = Mirror(root, clock=Clock())
    mirror.prepare()
    files = {
        f"{variant}/{arch}/os/{path}": b"x"
        for variant in ("BaseOS", "AppStream", LONE[:60])
        for arch in ("x86_64", "aarch64")
        for path in ("repodata/repomd.xml", ".treeinfo")
    }
    for topic_name in ("RHEL 9.2", "RHEL-9.3 <Beta> & more"):
        topic = mirror.topic(topic_name)
        for path, content in files.items():
            mirror.store.add(entry_of(path, content), [content])
        with topic.lock():
            for name in ("c1", LONG):
                tags = ("nightly", "kernel:5.14.0-284.11.1.el9_2", LONE)
                publish(topic, component_of(name, tags=tags), None, manifest_of(files))
            other = component_of("h1", type="hwcert")
            publish(topic, other, None, manifest_of(files))
            mirror.store.damage.add([topic.published("hwcert").identity])
    history(mirror, 12, [*PackageChangeKind] * 4)
    with recorded_fetching(
        mirror.topic("RHEL 9.2"), component_of(LONG), plan_of(10, 4_000_000_000), NullProgress()
    ) as progress:
        progress.begin("c3", 10, 4_000_000_000)
    return mirror


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Chromium(tmp_path_factory.mktemp("chromium")) as chromium:
        yield chromium


needs_browser = pytest.mark.skipif(PROGRAM is None, reason="not installed here: chromium")


@pytest.mark.slow
@needs_browser
def test_a_browser_shows_the_page_without_a_complaint_on_phones_and_screens_light_and_dark(browser, tmp_path):
    mirror = fill(tmp_path / "dci")
    path = tmp_path / "page.html"
    write_page(mirror, path)
    assert "secret" not in path.read_text()
    for scheme in ("light", "dark"):
        backgrounds = set()
        for width in (360, 1280):
            assert browser.open(path.as_uri(), width=width, scheme=scheme) == []
            assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
            wide = browser.evaluate(
                "[...document.querySelectorAll('body *')].filter(each => !each.closest('pre') && "
                "each.getBoundingClientRect().right > innerWidth + 0.5).map(each => each.outerHTML.slice(0, 80))"
            )
            assert wide == []
            contrast = browser.evaluate(CONTRAST)
            assert contrast["found"] == []
            assert contrast["seen"] > 100
            backgrounds.add(browser.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert len(backgrounds) == 1
    assert " d ago" in browser.evaluate("document.body.innerText")
    assert browser.evaluate("document.querySelector('.base').textContent") == f"file://{tmp_path}/dci"
    assert browser.evaluate("document.querySelectorAll('svg.chart rect').length") == 12


@pytest.mark.slow
@needs_browser
def test_what_a_name_would_inject_does_not_run_even_if_it_got_into_the_page(browser, tmp_path):
    path = tmp_path / "page.html"
    write_page(fill(tmp_path / "dci"), path)
    hostile = "<script>document.title='run'</script><img src=x onerror='document.title=1'></body>"
    path.write_text(path.read_text().replace("</body>", hostile))
    complaints = browser.open(path.as_uri())
    assert complaints, "the browser says what the page's policy forbids"
    assert browser.evaluate("document.title").startswith("Mirror ")


@pytest.mark.slow
@needs_browser
@needs("nginx", "rpmbuild", "createrepo_c", "dnf")
def test_dnf_reads_a_repository_through_the_lines_of_the_page_behind_a_web_server(real, browser, tmp_path):
    compose = tmp_path / "compose"
    tree = compose / "BaseOS/x86_64/os"
    build_packages(tree / "Packages", ["bash-like"])
    subprocess.run(["createrepo_c", "--quiet", tree], check=True)
    tree_info(tree / ".treeinfo", "BaseOS")
    topic = real.catalog.add_topic("RHEL 9.2", component_types=("compose",))
    real.publish(topic, "RHEL-9.2.0-20221121.2", compose)
    dci = tmp_path / "dci"
    (tmp_path / "settings.yml").write_text(f"local_repo: {dci}\ntopic: RHEL 9.2\nstatus_page: {dci}/index.html\n")
    done = real.run("--settings", tmp_path / "settings.yml")
    assert done.returncode == 0, done.stderr

    with nginx(dci, tmp_path / "web") as url:
        assert browser.open(f"{url}/index.html?x=1#y") == []
        lines = browser.evaluate("document.querySelector('pre.repo').textContent")
        kickstart = browser.evaluate("document.querySelector('pre.kickstart').textContent")
        assert f"url --url={url}/RHEL_9.2/compose/BaseOS/x86_64/os\n" in kickstart
        (tmp_path / "repos").mkdir()
        (tmp_path / "repos/mirror.repo").write_text(lines)
        dnf = ["dnf", "--quiet", f"--setopt=reposdir={tmp_path}/repos", f"--setopt=cachedir={tmp_path}/cache"]
        dnf += ["--releasever=9", f"--installroot={tmp_path}/root", "repoquery"]
        listed = subprocess.run(dnf, capture_output=True, text=True, timeout=100)
    assert "bash-like-0:1.0-1.noarch" in listed.stdout, listed.stderr
    assert "GET /RHEL_9.2/compose/BaseOS/x86_64/os/repodata/repomd.xml" in (tmp_path / "web/access.log").read_text()


@needs("nginx")
def test_each_run_writes_the_page_anew_and_a_failure_is_on_it(real, tmp_path):
    dci = tmp_path / "dci"
    page = dci / "index.html"
    source = tmp_path / "source"
    source.mkdir()
    topic = real.catalog.add_topic("RHEL-9.2", component_types=("compose",))
    settings = tmp_path / "settings.yml"
    settings.write_text(f"local_repo: {dci}\nstatus_page: {page}\n")

    def run(topic, *words):
        return real.run(topic, "--all", "--settings", settings, *words)

    for number in (1, 2):
        (source / "bash-5-1.noarch.rpm").unlink(missing_ok=True)
        (source / f"bash-5-{number}.noarch.rpm").write_text(str(number))
        real.publish(topic, f"c{number}", source)
        assert run("RHEL-9.2").returncode == 0
    text = page.read_text()
    assert "c2" in text
    assert "Packages since c1" in text
    before = page.stat().st_ino
    assert run("RHEL-9.2", "--dry-run").returncode == 0
    assert page.stat().st_ino == before
    assert run("RHEL-9.9").returncode == 4
    assert "there is no topic RHEL-9.9" in page.read_text()
    settings.write_text(f"local_repo: {dci}\nstatus_page: {tmp_path}/missing/page.html\n")
    done = run("RHEL-9.2")
    assert (done.returncode, "there is no such folder" in done.stderr) == (2, True)
    shown = real.run("status", dci, "--html", tmp_path / "page.html", "--json")
    assert json.loads(shown.stdout)["versions"][0]["version"] == "c2"
    assert "c2" in (tmp_path / "page.html").read_text()


def test_a_run_whose_page_cannot_be_written_reports_what_it_did_and_fails(lab, tmp_path, monkeypatch, capsys):
    from dci_downloader.cli import main as cli

    lab.build({"a": b"1"})
    for name, value in lab.site.environment().items():
        monkeypatch.setenv(name, value)
    page = tmp_path / "page.html"

    def full(*_, **__):
        raise OSError(28, "No space left on device", str(page))

    monkeypatch.setattr("dci_downloader.page.page.replace_atomically", full)
    settings = tmp_path / "settings.yml"
    settings.write_text(f"local_repo: {tmp_path}/dci\nstatus_page: {page}\n")
    code = cli.main(["RHEL-9.2", "--all", "--json", "--settings", str(settings)])
    out, err = capsys.readouterr()
    assert (code, json.loads(out)["exit_code"]) == (6, 0)
    assert "page.html" in err
