import base64
import hashlib
import os
import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from dci_downloader.changes import Changes, PackageChange, PackageChangeKind
from dci_downloader.cli.main import main
from dci_downloader.errors import NotFoundError, SettingsError
from dci_downloader.hooks import NullProgress
from dci_downloader.mirror.fetching import recorded_fetching
from dci_downloader.mirror.history import record_run
from dci_downloader.mirror.hold import hold
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.status import status
from dci_downloader.page.page import page, require_place, write_page
from dci_downloader.results import ComponentReport, Failure, Outcome, Report
from tests.unit.samples import component_of, manifest_of, plan_of

OS = "BaseOS/x86_64/os"
ONE = {f"{OS}/Packages/bash-5-1.x86_64.rpm": b"1", f"{OS}/repodata/repomd.xml": b"", f"{OS}/.treeinfo": b""}
TWO = {f"{OS}/Packages/bash-5-2.x86_64.rpm": b"2", f"{OS}/repodata/repomd.xml": b"", f"{OS}/.treeinfo": b""}
HOSTILE = "<script>alert(1)</script>&\"'\x1b[2J\u202e\ud800"


class Reader(HTMLParser):
    """The elements of a page, with their attributes, and the text of each."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self._open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self._open.append(tag)

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        if self._open and self._open[-1] not in ("style", "script"):
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def published(sample, name="c1", **more):
    done = ComponentReport(
        component_of(name).id, name, "compose", (), "/p", Outcome.PUBLISHED, files=3, size=900, **more
    )
    record_run(sample.mirror, [Report("RHEL 9.2", "t", (done,), 1.0)], 2.0)


@pytest.fixture
def two(sample):
    sample.publish("c1", ONE)
    published(sample)
    sample.publish("c2", TWO)
    upgrade = PackageChange("bash", PackageChangeKind.UPGRADED, ("5-1",), ("5-2",), ("BaseOS/x86_64",))
    published(sample, "c2", changes=Changes("c1", 1, 0, 1, (upgrade,)))
    return sample


def test_a_page_tells_all_of_it(two):
    shown = Reader(page(two.mirror, two.root / "index.html"))
    for part in (
        "RHEL 9.2 compose whole c2",
        "older versions c1",
        "verified on arrival",
        "Packages since c1: 1 upgraded",
        "bash 5-1 → 5-2",
        "sizes of the last 2 builds, 900 bytes to 900 bytes",
        "RHEL 9.2: published compose c2",
        "the last run succeeded",
    ):
        assert part in shown.text, part
    lines = "".join(shown.texts)
    assert f"\nbaseurl=file://{two.root}/RHEL_9.2/compose/{OS}\nenabled=1\ngpgcheck=0\n" in lines
    assert f"\nurl --url=file://{two.root}/RHEL_9.2/compose/{OS}\n" in lines


def test_nothing_is_taken_from_elsewhere_and_the_policy_permits_just_what_is_there(two):
    text = page(two.mirror, two.root / "index.html")
    shown = Reader(text)
    links = [value for _, attributes in shown.elements for name, value in attributes.items() if name in ("src", "href")]
    assert links == ["data:,"]
    (policy,) = (attributes["content"] for _, attributes in shown.elements if "http-equiv" in attributes)
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, flags=re.DOTALL)
        assert base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() in policy
    assert not any(name.startswith("on") or name == "style" for _, attributes in shown.elements for name in attributes)
    assert "url(" not in text
    assert "@import" not in text


def test_names_are_text_whatever_they_hold(sample):
    from dci_downloader.mirror.publish import publish

    files = {f"a&b/{'<b>'}/os/repodata/repomd.xml": b"", "c/x86_64/os/Packages/<i>-1-1.noarch.rpm": b""}
    with sample.topic.lock():
        sample.fill(files)
        publish(sample.topic, component_of("<script>x", tags=("<img src=x>",)), None, manifest_of(files))
    failed = Report(HOSTILE, "t", (), 1.0, Failure("", HOSTILE, 5))
    change = PackageChange(HOSTILE.replace("\ud800", ""), PackageChangeKind.ADDED, (), ("<b>",), ("<u>",), False)
    published(sample, changes=Changes("<old>", packages=(change,)))
    record_run(sample.mirror, [failed], 1.0)
    text = page(sample.mirror, sample.root / "index.html")
    text.encode()
    assert "\x1b" not in text
    assert "\u202e" not in text
    tags = {tag for tag, _ in Reader(text).elements}
    assert tags.isdisjoint({"b", "i", "u", "img"})
    assert text.count("<script>") == 1


def test_nothing_in_it_is_secret(two):
    failure = Failure("", "https://me:hunter2@peer.example.com/x: refused", 5)
    record_run(two.mirror, [Report("RHEL 9.2", "t", (), 1.0, failure)], 1.0)
    text = page(two.mirror, two.root / "index.html")
    assert "hunter2" not in text
    assert "https://peer.example.com/x: refused" in text
    assert "the last run failed (5)" in text


def test_what_runs_and_what_is_damaged_and_what_is_not_published_is_said(two):
    two.store.damage.add([two.topic.published("compose").identity])
    two.publish("h1", ONE, type="hwcert")
    for name in ("hwcert", ".hwcert.json"):  # the link, and the index, without which it never was published
        (two.topic.path / name).unlink()
    with recorded_fetching(two.topic, component_of("c3"), plan_of(10, 4000), NullProgress()) as progress:
        progress.begin("c3", 10, 4000)
        progress.advance(1, 1000)
        text = Reader(page(two.mirror, two.root / "index.html")).text
    assert "c3 is being fetched: 0 bytes of 4.0 kB" in text or "c3 is being fetched: 1.0 kB of 4.0 kB" in text
    assert "1 damaged" in text
    assert "compose damaged c2" in text
    assert "hwcert not published" in text
    text = Reader(page(two.mirror, two.root / "index.html")).text
    assert "c3 was not finished" in text


def test_without_a_history_the_records_tell_what_changed(sample):
    sample.publish("c1", ONE)
    sample.publish("c2", TWO)
    text = Reader(page(sample.mirror, sample.root / "index.html")).text
    assert "Packages since c1: 1 upgraded" in text
    assert "Last runs" not in text


def test_after_a_rollback_the_changes_are_those_of_what_is_published(two):
    two.link.unlink()
    two.link.symlink_to(".versions/compose/c1")
    text = Reader(page(two.mirror, two.root / "index.html")).text
    assert "compose whole c1" in text
    assert "Packages since" not in text


def test_the_chart_counts_builds_not_selections_of_one_nor_times_it_was_published(sample):
    for name, selection in (("c1", "x86_64"), ("c2", "x86_64"), ("c2", "all"), ("c1", "x86_64")):
        sample.publish(name, ONE if name == "c1" else TWO, selection=selection)
        published(sample, name)
    assert [row.version for row in status(sample.mirror).rows] == ["c1"]
    shown = Reader(page(sample.mirror, sample.root / "index.html"))
    assert "sizes of the last 2 builds" in shown.text
    assert [attributes["class"] for tag, attributes in shown.elements if tag == "rect"] == ["bar", "newest"]
    path = sample.mirror.store.root / "builds.json"
    path.unlink()
    published(sample, "c1")
    path.write_text(path.read_text().replace('"version":"c1"', '"version":"c1+1a2b3c4d"'))
    assert "sizes of the last" not in Reader(page(sample.mirror, sample.root / "index.html")).text


def test_what_is_held_is_said(two):
    hold(two.mirror, "RHEL 9.2", "compose")
    assert "compose whole held c2" in Reader(page(two.mirror, two.root / "index.html")).text


def test_an_empty_mirror_has_a_page(sample):
    sample.mirror.prepare()
    assert "Nothing is here yet." in page(sample.mirror, sample.root / "index.html")


@pytest.mark.parametrize(
    ("place", "way"),
    [
        ("index.html", "./"),
        ("RHEL_9.2/a.html", "../"),
        ("RHEL_9.2/x/a.html", "../../"),
        ("../index.html", "mirror/"),
        ("../other/index.html", ""),
        ("../../index.html", None),
    ],
)
def test_the_way_from_the_page_to_the_mirror(sample, place, way):
    sample.mirror.prepare()
    (_, attributes) = Reader(page(sample.mirror, sample.root / place)).elements[0]
    expected = way if way is not None else f"{sample.root.parent.name}/mirror/"
    assert attributes["data-up"] == expected


def test_a_page_is_replaced_at_once_and_readable_by_all(two, tmp_path):
    path = tmp_path / "page.html"
    old_mask = os.umask(0o077)
    try:
        write_page(two.mirror, path)
    finally:
        os.umask(old_mask)
    first = path.stat()
    assert first.st_mode & 0o777 == 0o644
    write_page(two.mirror, path)
    assert path.stat().st_ino != first.st_ino
    assert sorted(child.name for child in tmp_path.iterdir()) == ["mirror", "page.html"]


def test_a_dash_is_standard_output_and_no_file(two, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    root = str(two.root)
    assert main(["status", root, "--html", "-"]) == 0
    printed, said = capsys.readouterr()
    assert (Reader(printed).elements[0][0], said) == ("html", "")
    assert printed.isascii()
    assert "RHEL 9.2" in printed
    assert main(["status", root, "--html", "-", "--json"]) == 2
    assert "both print to standard output" in capsys.readouterr().err
    assert not (tmp_path / "-").exists()


def test_a_page_that_cannot_be_written_is_an_error_that_says_so(two, tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for place in ("no/page.html", "folder", "pipe"):
        with pytest.raises(SettingsError, match="status page"):
            require_place(two.mirror, tmp_path / place)
        with pytest.raises(SettingsError):
            write_page(two.mirror, tmp_path / place)
    missing = Mirror(tmp_path / "missing")
    require_place(missing, tmp_path / "missing" / "index.html")  # the run makes the folder
    with pytest.raises(NotFoundError):
        page(missing, tmp_path / "missing" / "index.html")


def test_times_are_in_utc_for_browsers_without_script(two):
    shown = Reader(page(two.mirror, two.root / "index.html"))
    times = [attributes["datetime"] for tag, attributes in shown.elements if tag == "time"]
    assert times
    assert all(time.endswith("+00:00") for time in times)
    now = two.mirror.clock() - timedelta(hours=1)
    assert f"{now:%Y-%m-%d %H}" in shown.text
