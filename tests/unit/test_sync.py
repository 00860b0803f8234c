"""One topic from end to end, in this process, against the embedded servers."""

import os
from contextlib import nullcontext

import pytest

from dci_downloader import (
    CancelledError,
    Changes,
    Filter,
    Mirror,
    NotFoundError,
    NullProgress,
    Outcome,
    PackageChange,
    PackageChangeKind,
    Selection,
    SettingsError,
    SyncOptions,
    planning,
    status,
    sync_topic,
)
from dci_downloader.hooks import NeverStop
from dci_downloader.mirror.fetching import recorded_fetching
from dci_downloader.mirror.store import Store
from dci_downloader.transfer import missing
from tests.unit.samples import component_of, plan_of


def tree(folder):
    """Content by path of everything that is visible below a folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


def sync(lab, root, **more):
    return sync_topic(
        lab.server, Mirror(root), more.pop("topic", "RHEL-9.2"), more.pop("selection", Selection()), **more
    )


@pytest.fixture
def root(tmp_path):
    return tmp_path / "dci"


def test_publishes_the_newest_build(lab, root, compose):
    lab.build({".composeinfo": b"old"}, number=1)
    newest = lab.build(compose, number=2, tags=("nightly",))
    report = sync(lab, root)
    (done,) = report.components
    wanted = {path: content for path, content in compose.items() if "aarch64" not in path}
    assert tree(root / "RHEL-9.2" / "compose") == wanted
    assert (done.id, done.name, done.tags, done.outcome) == (newest.id, newest.name, ("nightly",), Outcome.PUBLISHED)
    assert (done.path, done.files, done.size) == (
        str(root / "RHEL-9.2" / "compose"),
        len(wanted),
        sum(map(len, wanted.values())),
    )
    assert (report.topic, report.exit_code, done.failures) == ("RHEL-9.2", 0, ())


def test_a_second_run_fetches_no_file(lab, root, compose):
    lab.build(compose)
    sync(lab, root)
    lab.site.store.forget()
    (done,) = sync(lab, root).components
    assert done.outcome is Outcome.UNCHANGED
    assert lab.fetched() == []
    assert [request.status for request in lab.site.store.requests if "dci_files_list" in request.path] == [304]


def spaced(lab, component):
    """Have the server send the same manifest with other bytes, and so another ETag; gives the bytes."""
    key = f"{component.id}/dci_files_list.json"
    document = b"".join(lab.site.catalog.objects[key].chunks(0, lab.site.catalog.objects[key].size)) + b"\n"
    lab.site.catalog.put(component, "dci_files_list.json", document)
    return document


def manifest_statuses(lab):
    found = [request.status for request in lab.site.store.requests if "dci_files_list" in request.path]
    lab.site.store.forget()
    return found


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_manifest_that_is_sent_anew_with_nothing_new_in_it_is_sent_once(lab, root, compose, dry_run):
    component = lab.build(compose)
    sync(lab, root)
    spaced(lab, component)
    record = next((root / "RHEL-9.2" / ".versions" / "compose").glob("[!.]*.json"))
    written = record.read_bytes()
    lab.site.store.forget()
    statuses = []
    for _ in range(3):
        (done,) = sync(lab, root, options=SyncOptions(dry_run=dry_run)).components
        assert done.outcome is (Outcome.PLANNED if dry_run else Outcome.UNCHANGED)
        statuses += manifest_statuses(lab)
    assert statuses == ([200, 200, 200] if dry_run else [200, 304, 304])  # a dry run writes nothing
    assert record.read_bytes() == written


def test_the_next_build_fetches_what_changed(lab, root):
    files = {f"BaseOS/x86_64/os/Packages/p{number}.rpm": b"%d" % number * 1000 for number in range(100)}
    lab.build(files, number=1)
    sync(lab, root)
    lab.site.store.forget()
    changed = {f"BaseOS/x86_64/os/Packages/p{number}.rpm": b"new %d" % number * 1000 for number in range(5)}
    lab.build({**files, **changed}, number=2)
    (done,) = sync(lab, root).components
    assert sorted(lab.fetched()) == sorted(changed)
    assert (done.files_downloaded, done.files_reused) == (5, 95)
    assert tree(root / "RHEL-9.2" / "compose") == {**files, **changed}


def test_content_that_two_types_share_is_fetched_once(lab, root):
    lab.topic = lab.catalog.add_topic("OSP", component_types=("one", "two"))
    for kind in ("one", "two"):
        lab.build({"same": b"same" * 50, kind: kind.encode()}, name=kind, type=kind)
    sync(lab, root, topic="OSP")
    assert sorted(path.rpartition("/")[2] for path in lab.fetched()) == ["one", "same", "two"]
    assert os.stat(root / "OSP/one/same").st_ino == os.stat(root / "OSP/two/same").st_ino


def test_a_file_that_vanished_is_restored_without_network(lab, root, compose):
    lab.build(compose)
    sync(lab, root)
    (root / "RHEL-9.2/compose/.composeinfo").unlink()
    lab.site.store.forget()
    sync(lab, root)
    assert lab.fetched() == []
    assert (root / "RHEL-9.2/compose/.composeinfo").read_bytes() == compose[".composeinfo"]


def replaced(path):
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(b"x" * len(content))


def shortened(path):
    path.unlink()
    path.write_bytes(b"x")


def led_elsewhere(path):
    path.unlink()
    path.symlink_to("/etc/passwd")


@pytest.mark.parametrize("damage", [replaced, shortened, led_elsewhere])
def test_a_file_that_somebody_put_another_in_place_of_is_restored_without_network(lab, root, compose, damage):
    lab.build(compose)
    sync(lab, root)
    damage(root / "RHEL-9.2/compose/.composeinfo")
    lab.site.store.forget()
    sync(lab, root)
    assert lab.fetched() == []
    assert (root / "RHEL-9.2/compose/.composeinfo").read_bytes() == compose[".composeinfo"]
    assert [done.outcome for done in sync(lab, root).components] == [Outcome.UNCHANGED]


def test_a_file_that_was_truncated_in_place_is_fetched_again_for_its_content_is_lost(lab, root, compose):
    lab.build(compose)
    sync(lab, root)
    place = root / "RHEL-9.2/compose/.composeinfo"
    place.chmod(0o644)
    os.truncate(place, 1)
    lab.site.store.forget()
    sync(lab, root)
    assert lab.fetched() == [".composeinfo"]
    assert place.read_bytes() == compose[".composeinfo"]


def test_another_selection_is_another_version(lab, root, compose):
    lab.build(compose)
    sync(lab, root)
    sync(lab, root, selection=Selection(archs=("x86_64", "aarch64")))
    assert tree(root / "RHEL-9.2/compose") == compose
    first, second = sorted(path.name for path in (root / "RHEL-9.2/.versions/compose").iterdir() if path.is_dir())
    assert (first, second[: len(first) + 1]) == ("RHEL-9.2.0-0", "RHEL-9.2.0-0+")


def test_another_edition_of_the_rules_of_selections_is_another_version(lab, root, compose, monkeypatch):
    lab.build(compose)
    sync(lab, root)
    monkeypatch.setattr(planning, "RULES", 10_000)
    lab.site.store.forget()
    assert [done.outcome for done in sync(lab, root).components] == [Outcome.PUBLISHED]
    assert lab.fetched() == []
    assert [done.outcome for done in sync(lab, root).components] == [Outcome.UNCHANGED]


def test_older_versions_go_when_the_new_one_is_published(lab, root):
    for number in range(1, 4):
        lab.build({".composeinfo": b"%d" % number * 100}, number=number)
        (done,) = sync(lab, root).components
    assert done.versions_removed == ("RHEL-9.2.0-1",)
    assert done.bytes_removed == 100
    assert len([path for path in (root / ".dci-downloader/objects").rglob("*") if path.is_file()]) == 2


def test_keep_nothing_older(lab, root):
    for number in range(1, 3):
        lab.build({".composeinfo": b"%d" % number * 100}, number=number)
        (done,) = sync(lab, root, options=SyncOptions(keep=0)).components
    assert done.versions_removed == ("RHEL-9.2.0-1",)


def test_a_dry_run_tells_and_writes_nothing(lab, root, compose):
    lab.build(compose, number=1)
    (planned,) = sync(lab, root, options=SyncOptions(dry_run=True)).components
    assert not root.exists()
    (done,) = sync(lab, root).components
    assert planned.outcome is Outcome.PLANNED
    assert (planned.files_downloaded, planned.bytes_downloaded) == (done.files_downloaded, done.bytes_downloaded)
    before = sorted(root.rglob("*"))
    lab.build({**compose, ".composeinfo": b"changed"}, number=2)
    options = SyncOptions(dry_run=True, keep=0)
    (planned,) = sync(lab, root, options=options).components
    assert (planned.files_downloaded, planned.bytes_downloaded) == (1, 7)
    assert planned.versions_removed == ("RHEL-9.2.0-1",)
    assert sorted(root.rglob("*")) == before


def test_a_dry_run_with_nothing_new_plans_nothing(lab, root, compose):
    lab.build(compose)
    sync(lab, root)
    (planned,) = sync(lab, root, options=SyncOptions(dry_run=True, keep=0)).components
    assert (planned.files_downloaded, planned.versions_removed) == (0, ())


def test_the_image_list_is_part_of_the_version(lab, root):
    lab.build({"a": b"a"}, type="compose", images_list=b"- image: one\n", number=1)
    sync(lab, root, selection=Selection(all=True))
    assert (root / "RHEL-9.2/compose/images_list.yaml").read_bytes() == b"- image: one\n"
    (again,) = sync(lab, root, selection=Selection(all=True)).components
    assert again.outcome is Outcome.UNCHANGED
    component = next(iter(lab.catalog.components.values()))
    lab.catalog.put(component, "images_list.yaml", b"- image: two\n")
    (changed,) = sync(lab, root, selection=Selection(all=True)).components
    assert changed.outcome is Outcome.PUBLISHED
    assert (root / "RHEL-9.2/compose/images_list.yaml").read_bytes() == b"- image: two\n"


def test_a_component_id_finds_its_topic(lab, root, compose):
    older = lab.build(compose, number=1)
    lab.build({".composeinfo": b"newer"}, number=2)
    report = sync(lab, root, topic="", options=SyncOptions(component_id=older.id))
    assert (report.topic, report.components[0].id) == ("RHEL-9.2", older.id)


def test_one_component_that_fails_does_not_stop_the_others(lab, root):
    lab.topic = lab.catalog.add_topic("OCP-4.12", component_types=("ocp", "rhcos"))
    lab.build({}, type="ocp", name="OpenShift 4.12", manifest=b"{}")
    lab.build({"image": b"x"}, type="rhcos", name="rhcos")
    report = sync(lab, root, topic="OCP-4.12")
    failed, done = report.components
    assert (failed.outcome, done.outcome, report.exit_code) == (Outcome.FAILED, Outcome.PUBLISHED, 7)
    assert failed.failures[0].path == ""
    assert not os.path.lexists(root / "OCP-4.12/ocp")


def test_wrong_content_is_not_published(lab, root, compose):
    lab.build({".composeinfo": b"right"}, number=1)
    sync(lab, root)
    component = lab.build(compose, number=2)
    lab.catalog.put(component, "metadata/rpms.json", b'{"payload": []}')
    report = sync(lab, root)
    assert report.exit_code == 7
    (failure,) = report.failures
    assert failure.path == "metadata/rpms.json"
    assert len(failure.expected) == len(failure.actual) == 64
    assert failure.expected != failure.actual
    assert tree(root / "RHEL-9.2/compose") == {".composeinfo": b"right"}


def test_what_came_before_a_failure_is_not_fetched_again(lab, root, compose):
    component = lab.build(compose)
    lab.catalog.drop(component, ".composeinfo")
    report = sync(lab, root)
    assert (report.exit_code, [failure.path for failure in report.failures]) == (5, [".composeinfo"])
    lab.catalog.put(component, ".composeinfo", compose[".composeinfo"])
    lab.site.store.forget()
    assert sync(lab, root).exit_code == 0
    assert lab.fetched() == [".composeinfo"]


def test_an_unknown_topic_writes_nothing(lab, root):
    with pytest.raises(NotFoundError):
        sync(lab, root, topic="RHEL-99")
    assert not root.exists()


def test_two_components_for_one_folder_are_refused_before_anything_is_fetched(lab, root):
    lab.build({"a": b"a"}, type="my type", name="a")
    lab.build({"a": b"a"}, type="my_type", name="b")
    report = sync(lab, root, options=SyncOptions(filters=(Filter("my type"), Filter("my_type"))))
    assert [failure.reason for failure in report.failures] == ["a and b would both be published as my_type"] * 2
    assert (report.exit_code, lab.fetched()) == (2, [])
    assert not os.path.lexists(root / "RHEL-9.2/my_type")


def test_a_full_disk_is_found_before_the_first_byte(lab, root, compose, monkeypatch):
    lab.build(compose)
    monkeypatch.setattr("dci_downloader.mirror.mirror.free_bytes", lambda path: 10)
    report = sync(lab, root)
    assert (report.exit_code, lab.fetched()) == (6, [])


def test_a_request_to_stop_publishes_nothing_and_loses_nothing(lab, root, compose):
    class AtOnce:
        def requested(self):
            return True

        def deferred(self):
            return nullcontext()

    lab.build(compose)
    with pytest.raises(CancelledError):
        sync(lab, root, stop=AtOnce())
    assert not os.path.lexists(root / "RHEL-9.2/compose")
    assert sync(lab, root).exit_code == 0


def test_no_credential_reaches_the_object_store(lab, root, compose):
    lab.build(compose, images_list=b"- image\n")
    sync(lab, root)
    assert len(lab.site.store.requests) > 4
    for request in lab.site.store.requests:
        assert not {"authorization", "x-dci-date", "cookie"} & set(request.headers)
        assert request.headers["accept-encoding"] == "identity"


def test_objects_are_shared_by_hard_links(lab, root, compose):
    lab.build(compose)
    sync(lab, root)
    store = Store(root / ".dci-downloader")
    path = root / "RHEL-9.2/compose/BaseOS/x86_64/os/repodata/repomd.xml"
    found = [kept for kept in (store.root / "objects").rglob("*") if kept.is_file() and kept.samefile(path)]
    assert len(found) == 1
    assert path.stat().st_mode & 0o777 == 0o444


def test_a_folder_of_the_previous_downloader_is_taken_over(lab, root, compose):
    old = root / "RHEL-9.2/compose"
    for path, content in {**compose, ".composeinfo": b"xx", "stale": b"stale"}.items():
        (old / path).parent.mkdir(parents=True, exist_ok=True)
        (old / path).write_bytes(content)
    lab.build(compose)
    (planned,) = sync(lab, root, options=SyncOptions(dry_run=True)).components
    assert "up to 5 files" in planned.notes[0]
    assert planned.notes[1].startswith("2 files, ")
    (done,) = sync(lab, root).components
    assert done.notes == planned.notes[1:]
    assert (lab.fetched(), done.files_downloaded, done.files_reused) == ([".composeinfo"], 1, 4)
    wanted = {path: content for path, content in compose.items() if "aarch64" not in path}
    assert old.is_symlink()
    assert tree(old) == wanted


def test_a_variant_makes_no_other_version_of_what_has_none(lab, root):
    lab.topic = lab.catalog.add_topic("OSP", component_types=("hwcert",))
    lab.build({"a": b"a"}, type="hwcert", name="one")
    sync(lab, root, topic="OSP")
    (again,) = sync(lab, root, topic="OSP", selection=Selection(variants=("BaseOS",), archs=("s390x",))).components
    assert again.outcome is Outcome.UNCHANGED


LISTED = b"- image: listed\n"


@pytest.mark.parametrize("served", [b"- image: another\n", b"<html>", None])
def test_an_image_list_that_the_manifest_names_is_a_file_like_any_other(lab, root, served):
    component = lab.build({"a": b"a", "images_list.yaml": LISTED}, images_list=LISTED)
    assert sync(lab, root, selection=Selection(all=True)).exit_code == 0
    assert (root / "RHEL-9.2/compose/images_list.yaml").read_bytes() == LISTED
    assert sync(lab, root, selection=Selection(all=True)).components[0].outcome is Outcome.UNCHANGED
    if served is None:
        lab.catalog.drop(component, "images_list.yaml")
    else:
        lab.catalog.put(component, "images_list.yaml", served)
    again = root.parent / "again"
    report = sync(lab, again, selection=Selection(all=True))
    assert report.exit_code in (5, 7)
    assert not os.path.lexists(again / "RHEL-9.2/compose")


def test_an_image_list_that_the_manifest_does_not_name_obeys_the_globs(lab, root):
    lab.build({"a": b"a"}, images_list=LISTED)
    for _ in range(2):
        sync(lab, root, selection=Selection(all=True, exclude=("images_list.yaml",)))
        assert tree(root / "RHEL-9.2/compose") == {"a": b"a"}
    assert len([path for path in (root / ".dci-downloader/objects").rglob("*") if path.is_file()]) == 1


def test_a_web_page_is_no_image_list(lab, root):
    lab.build({"a": b"a"}, images_list=b" <html>log in</html>")
    report = sync(lab, root, selection=Selection(all=True))
    assert (report.exit_code, "web page" in report.failures[0].reason) == (5, True)


def test_a_request_to_stop_that_comes_as_the_transfer_ends_is_heard(lab, root, compose, monkeypatch):
    class Late:
        heard = False

        def requested(self):
            return self.heard

        def deferred(self):
            return nullcontext()

    def fetch(*arguments):
        done = real(*arguments)
        stop.heard = True
        return done

    stop = Late()
    real = missing.Engine.fetch
    monkeypatch.setattr(missing.Engine, "fetch", fetch)
    lab.build(compose)
    with pytest.raises(CancelledError):
        sync(lab, root, stop=stop)
    assert not os.path.lexists(root / "RHEL-9.2/compose")


def test_a_component_in_whose_place_a_file_stands_does_not_hide_the_others(lab, root):
    lab.topic = lab.catalog.add_topic("OSP", component_types=("one", "two"))
    for kind in ("one", "two"):
        lab.build({kind: kind.encode()}, name=kind, type=kind)
    (root / "OSP").mkdir(parents=True)
    (root / "OSP/two").write_text("mine")
    report = sync(lab, root, topic="OSP")
    assert [done.outcome for done in report.components] == [Outcome.PUBLISHED, Outcome.FAILED]
    assert (report.exit_code, (root / "OSP/two").read_text()) == (2, "mine")


def test_figures_add_up(lab, root):
    lab.build({"a": b"same", "b": b"same", "c": b"other"})
    (done,) = sync(lab, root, selection=Selection(all=True)).components
    assert (done.files, done.files_downloaded, done.files_reused) == (3, 2, 1)
    assert (done.size, done.bytes_downloaded, done.bytes_reused) == (13, 9, 4)


def test_the_report_says_what_changed_since_the_version_before(lab, root):
    lab.build({"a": b"1", "b": b"2", "c": b"3"}, number=1)
    (first,) = sync(lab, root).components
    assert first.changes == Changes("", added=3)
    (same,) = sync(lab, root).components
    assert same.changes == Changes("RHEL-9.2.0-1")
    lab.build({"a": b"1", "b": b"two", "d": b"4", "e": b"5"}, number=2)
    expected = Changes("RHEL-9.2.0-1", added=2, changed=1, removed=1)
    (planned,) = sync(lab, root, options=SyncOptions(dry_run=True)).components
    (done,) = sync(lab, root).components
    assert (planned.changes, done.changes, done.version) == (expected, expected, "RHEL-9.2.0-2")


def test_how_far_an_interrupted_run_came_is_known_until_the_component_is_published(lab, root):
    class Interruption(NullProgress):
        done = 0

        def advance(self, files, size):
            self.done += size

        def requested(self):
            return self.done > 0

        def deferred(self):
            return nullcontext()

    lab.build({"a": b"1" * 1000, "b": b"2" * 1000})
    stop = Interruption()
    with pytest.raises(CancelledError):
        sync(lab, root, selection=Selection(all=True), progress=stop, stop=stop)
    (left,) = status(Mirror(root)).fetching
    assert (left.type, left.name, left.running) == ("compose", "RHEL-9.2.0-0", False)
    assert (left.size, left.size_done > 0) == (2000, True)
    sync(lab, root, selection=Selection(all=True))
    assert status(Mirror(root)).fetching == ()


def test_after_each_of_several_interruptions_status_says_what_the_report_says(lab, root, monkeypatch):
    files = {"a": b"1" * 1000, "again": b"1" * 1000, "b": b"2" * 500, "c": b"3" * 3000}
    lab.build(files)
    came = [("b", 1000), ("a", 2500)]  # the file that each run completes, and how far it brings another one

    def interrupted(self, component, plan, progress):
        whole, end = came.pop(0)
        progress.begin(component.name, plan.missing_files, plan.missing_bytes)
        progress.advance(1, end + 100)  # of which something was under way, and is dropped
        for entry in plan.missing:
            if entry.path == whole:
                self.store.add(entry, [files[whole]])
            elif entry.path == "c":
                partial = self.store.open_partial(entry)
                partial.write(0, files["c"][:end])
                partial.close()
        progress.end()
        raise CancelledError("interrupted")

    for figures in ((1, 1500), (3, 5000)):
        with monkeypatch.context() as patch:
            patch.setattr(missing.MissingFiles, "fetch", interrupted)
            with pytest.raises(CancelledError) as caught:
                sync(lab, root, selection=Selection(all=True))
        (done,), (left,) = caught.value.report.components, status(Mirror(root)).fetching
        assert (left.files, left.size) == (done.files, done.size) == (4, 5500)
        assert (left.files_done, left.size_done) == figures
        assert done.bytes_kept == left.size_done
    sync(lab, root, selection=Selection(all=True))
    assert status(Mirror(root)).fetching == ()


def test_a_build_that_was_left_half_fetched_and_is_not_offered_any_more_is_forgotten(lab, root):
    lab.build({"a": b"1"})
    sync(lab, root, selection=Selection(all=True))
    topic, withdrawn = Mirror(root).topic("RHEL-9.2"), component_of("withdrawn")
    with recorded_fetching(topic, withdrawn, plan_of(1, 1), NullProgress()) as progress:
        progress.begin("withdrawn", 1, 1)
    assert len(status(Mirror(root)).fetching) == 1
    sync(lab, root, selection=Selection(all=True))
    assert status(Mirror(root)).fetching == ()


def test_the_report_says_which_packages_changed(lab, root):
    lab.build({"BaseOS/x86_64/os/a-1-1.noarch.rpm": b"1", "BaseOS/aarch64/os/b-1-1.noarch.rpm": b"1"}, number=1)
    (first,) = sync(lab, root).components
    assert first.changes.packages == (), "where nothing was before, all of them would be added"
    lab.build({"BaseOS/x86_64/os/a-2-1.noarch.rpm": b"2", "BaseOS/aarch64/os/b-2-1.noarch.rpm": b"2"}, number=2)
    expected = (PackageChange("a", PackageChangeKind.UPGRADED, ("1-1",), ("2-1",), ("BaseOS/x86_64",)),)
    (planned,) = sync(lab, root, options=SyncOptions(dry_run=True)).components
    (done,) = sync(lab, root).components
    assert (planned.changes.packages, done.changes.packages) == (expected, expected)


def test_a_dry_run_lists_the_files_that_it_would_fetch_as_details(lab, root):
    class Details(NullProgress):
        lines = ()

        def detail(self, text):
            self.lines += (text,)

    lab.build({"a": b"same", "b": b"same", "c": b"ccc"})
    details = Details()
    sync(lab, root, selection=Selection(all=True), options=SyncOptions(dry_run=True), progress=details)
    assert details.lines[-2:] == ("would fetch a (4 bytes)", "would fetch c (3 bytes)")


def test_what_is_published_is_reported_so_though_older_versions_could_not_be_removed(lab, root, monkeypatch):
    def fail(*_):
        raise SettingsError("/x: Permission denied")

    for number in (1, 2):
        lab.build({"f": b"%d" % number}, number=number)
        sync(lab, root, selection=Selection(all=True))
    lab.build({"f": b"3"}, number=3)
    monkeypatch.setattr("dci_downloader.sync.retire", fail)
    (component,) = sync(lab, root, selection=Selection(all=True)).components
    assert component.outcome is Outcome.PUBLISHED
    assert "older versions could not be removed: /x: Permission denied" in component.notes


def test_a_run_that_fails_changes_nothing(lab, root):
    lab.build({"a": b"1"}, number=1)
    sync(lab, root)
    lab.catalog.drop(lab.build({"a": b"2"}, number=2), "a")
    (failed,) = sync(lab, root).components
    assert (failed.outcome, failed.changes) == (Outcome.FAILED, Changes())


def test_work_without_bytes_is_named_and_each_phase_ends(lab, root, compose):
    class Phases(NullProgress):
        labels = ()

        def phase(self, label):
            self.labels = (*self.labels, label)

    lab.build(compose)
    phases = Phases()
    sync(lab, root, progress=phases)
    named = [label.partition(": ")[2] for label in phases.labels if label]
    assert named == [
        "asking which builds there are",
        "preparing the mirror",
        "reading the file lists",
        "looking for what is here already",
        "building the tree",
        "flushing to disk",
        "removing older versions",
    ]
    assert phases.labels[-1] == ""


def test_an_interruption_reports_what_was_done_and_what_is_kept(lab, root):
    class AfterFirst(NullProgress, NeverStop):
        done = False

        def end(self):
            self.done = True

        def requested(self):
            return self.done

    lab.topic.component_types = ("compose", "hwcert")
    lab.build({"a": b"12"})
    lab.build({"b": b"345"}, type="hwcert", name="hwcert-1")
    stop = AfterFirst()
    with pytest.raises(CancelledError) as caught:
        sync(lab, root, selection=Selection(all=True), progress=stop, stop=stop)
    first, second = caught.value.report.components
    assert (first.outcome, first.bytes_kept, first.published) == (Outcome.FAILED, 2, "")
    assert [failure.exit_code for failure in (*first.failures, *second.failures)] == [130, 130]
    done = sync(lab, root, selection=Selection(all=True)).components[0]
    assert (done.files_downloaded, done.files_reused, done.published) == (0, 1, done.name)
