import hashlib
import json
import os
import shutil
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from dci_downloader import Filter, Mirror, Outcome, Selection, SyncOptions, TransferOptions, sync_topic
from dci_downloader.control.session import Clock
from dci_downloader.errors import (
    AccessError,
    IntegrityError,
    ManifestError,
    NotFoundError,
    SettingsError,
    TransferError,
)
from dci_downloader.mirror.rollback import rollback
from dci_downloader.upstream.mirror import UpstreamMirror
from tests.integration.test_hostile_server import REFUSED
from tests.unit.mirror_server import serve  # noqa: F401  a fixture
from tests.unit.samples import FIRST, LINKS, SECOND, Sample

ALL = Selection(all=True)
TOPIC = "RHEL 9.2"
OPENED = ExitStack()


def opened(*address, **options):
    """A mirror to take from, which is closed when the test is over."""
    return OPENED.enter_context(UpstreamMirror(*address, **options))


@pytest.fixture(autouse=True)
def closing():
    yield
    OPENED.close()


@pytest.fixture
def first(tmp_path):
    """A mirror that others take from."""
    return Sample(tmp_path / "first")


@pytest.fixture(params=["folder", "web"])
def upstream(request, first, serve):  # noqa: F811
    """That mirror, as a folder and behind a web server."""
    if request.param == "folder":
        return opened(first.root)
    return opened(serve(first.root).url + "/", patience=1)


@pytest.fixture
def second(tmp_path):
    return Mirror(tmp_path / "second")


def publish(sample, name, files, **more):
    day = int(name[1:])
    selection = {"rules": 1, **ALL.to_json()}
    return sample.publish(name, files, selection, created_at=sample.topic.clock().replace(day=day), **more)


def sync(upstream, mirror, topic=TOPIC, selection=ALL, **options):
    report = sync_topic(upstream, mirror, topic, selection, options=SyncOptions(**options))
    return report.components


def read(mirror):
    link = mirror.root / "RHEL_9.2" / "compose"
    return {str(path.relative_to(link)): path.read_bytes() for path in link.rglob("*") if path.is_file()}


def test_what_is_published_there_is_published_here_and_nothing_is_fetched_twice(first, upstream, second):
    publish(first, "c1", FIRST)
    (done,) = sync(upstream, second)
    assert (done.outcome, done.name, done.files) == (Outcome.PUBLISHED, "c1", len(FIRST))
    assert [source.name for source in done.received] == [upstream.mirror]
    assert read(second) == FIRST
    (again,) = sync(upstream, second)
    assert (again.outcome, again.bytes_downloaded) == (Outcome.UNCHANGED, 0)
    publish(first, "c2", SECOND)
    (newer,) = sync(upstream, second)
    assert (newer.name, newer.files_downloaded, newer.changes.changed, newer.changes.added) == ("c2", 2, 1, 1)
    third = Mirror(second.root.parent / "third")
    assert [done.name for done in sync(opened(second.root), third)] == ["c2"]
    assert read(third) == read(second)


def test_topics_and_components_are_those_that_are_there(first, upstream):
    publish(first, "c1", FIRST)
    publish(first, "c2", SECOND, tags=("milestone",), team_id="team")
    publish(first, "h1", {"a": b"a"}, type="hwcert", links=())
    (topic,) = upstream.topics()
    assert (topic.name, topic.id, topic.component_types) == (TOPIC, "t1", ("compose", "hwcert"))
    names = [component.name for component in upstream.components(topic)]
    assert names == ["c2", "c1", "h1"]
    assert [each.name for each in upstream.components("t1", type="COMPOSE", tags=["nightly"])] == ["c1"]
    assert [each.name for each in upstream.components(name="h1")] == ["h1"]
    assert [each.team_id for each in upstream.components(name="c2")] == [None], "whoever may read it may have it"
    assert [each.name for each in upstream.components(type="compose", created_after="2026-11-02")] == ["c2"]
    assert upstream.topic("t1") == topic
    assert upstream.component("id-c1").tags == ("nightly",)
    with pytest.raises(NotFoundError):
        upstream.topic("t9")
    with pytest.raises(NotFoundError, match="has no component with the id id-c9"):
        upstream.component("id-c9")
    with pytest.raises(SettingsError, match="a query is for the control server"):
        list(upstream.components(query="eq(name,c1)"))


def test_types_that_differ_by_case_alone_are_two(first, upstream, second):
    publish(first, "c1", FIRST)
    publish(first, "c2", SECOND, type="Compose")
    published = {done.type: done.name for done in sync(upstream, second) if done.outcome is Outcome.PUBLISHED}
    assert published == {"compose": "c1", "Compose": "c2"}
    assert [done.name for done in sync(upstream, second, filters=(Filter("Compose"),))] == ["c2"]


def test_patterns_filters_and_ids_are_as_with_the_control_server(first, upstream, second):
    publish(first, "c1", FIRST)
    publish(first, "c2", SECOND)
    publish(first, "h1", {"a": b"a"}, type="hwcert", links=())
    (hwcert,) = sync(upstream, second, "RHEL*", filters=(Filter("hwcert"),))
    assert hwcert.name == "h1"
    (older,) = sync(upstream, second, "", component_id="id-c1")
    assert (older.name, older.outcome) == ("c1", Outcome.PUBLISHED)
    (newest,) = sync(upstream, second, filters=(Filter("compose"),))
    assert newest.name == "c2"
    with pytest.raises(NotFoundError, match="no active component of type rpm"):
        sync(upstream, second, filters=(Filter("rpm"),))
    with pytest.raises(NotFoundError, match=r"there is no topic RHEL-9.3") as caught:
        sync(upstream, second, "RHEL-9.3")
    assert upstream.mirror in caught.value.hint


def test_a_dry_run_writes_nothing_and_says_the_same(first, upstream, second):
    publish(first, "c1", FIRST)
    (planned,) = sync(upstream, second, dry_run=True)
    assert (planned.outcome, planned.files_downloaded) == (Outcome.PLANNED, 2)
    assert not second.root.exists()


def test_a_narrower_selection_is_a_version_of_its_own_and_a_wider_one_names_what_lacks(first, upstream, second):
    selection = {"rules": 1, **Selection().to_json()}
    first.publish("c1", FIRST, selection)
    (narrow,) = sync(upstream, second, selection=Selection(include=("*.rpm",)))
    assert (narrow.files, narrow.outcome) == (1, Outcome.PUBLISHED)
    (wide,) = sync(upstream, second, selection=Selection(debug=True))
    (failure,) = wide.failures
    assert (failure.exit_code, "debug packages" in failure.reason) == (4, True)


def test_an_upstream_that_was_rolled_back_is_followed_and_that_is_said(first, upstream, second):
    publish(first, "c1", FIRST)
    publish(first, "c2", SECOND)
    sync(upstream, second)
    rollback(first.mirror, TOPIC)
    (planned,) = sync(upstream, second, dry_run=True)
    (done,) = sync(upstream, second)
    said = f"{upstream.mirror} went back from c2 to c1: this mirror follows"
    assert (done.name, done.notes, planned.notes) == ("c1", (said,), (said,))
    assert read(second)[".composeinfo"] == b"first"


def test_what_is_published_counts_whatever_the_clocks_of_both_mirrors_say(first, upstream, second):
    clocks = {"first": first.mirror.clock(), "second": first.mirror.clock() - timedelta(days=400)}
    first.mirror.clock = lambda: clocks["first"]
    second.clock = lambda: clocks["second"]
    for number, days in enumerate((0, -30, 4 * 365, -1), 1):  # as clocks that are put right now and then
        clocks["first"] += timedelta(days=days)
        first.topic = first.mirror.topic(TOPIC)
        publish(first, f"c{number}", {**FIRST, "number": b"%d" % number})
        (done,) = sync(upstream, second)
        assert (done.name, done.outcome) == (f"c{number}", Outcome.PUBLISHED)
        clocks["second"] -= timedelta(days=2)
    assert read(second)["number"] == b"4"
    assert [version.component.name for version in second.topic(TOPIC).versions("compose")] == ["c4", "c3"]


def test_the_mirror_itself_is_no_upstream(first):
    publish(first, "c1", FIRST)
    (first.root.parent / "link").symlink_to(first.root)
    with pytest.raises(SettingsError, match="is the mirror itself"):
        sync(opened(first.root.parent / "link"), first.mirror)


def test_two_mirrors_that_take_from_each_other_come_to_rest(first, serve, second):  # noqa: F811
    publish(first, "c1", FIRST)
    one = opened(serve(first.root).url)
    sync(one, second)
    other = opened(serve(second.root).url)
    for _ in range(3):
        for upstream, mirror in ((other, first.mirror), (one, second)):
            (done,) = sync(upstream, mirror)
            assert (done.outcome, done.bytes_downloaded) == (Outcome.UNCHANGED, 0)
    (itself,) = sync(one, first.mirror)
    assert itself.outcome is Outcome.UNCHANGED


def test_spaces_in_an_address_are_quoted_for_documents_and_objects_alike(tmp_path, serve, second):  # noqa: F811
    publish(Sample(tmp_path / "a mirror"), "c1", FIRST)
    server = serve(tmp_path)
    (done,) = sync(opened(f"{server.url}/a mirror/"), second)
    assert (done.outcome, read(second)) == (Outcome.PUBLISHED, FIRST)


@pytest.mark.parametrize(
    ("location", "shown"),
    [("/elsewhere/", "/elsewhere/"), ("topics.json?key=secret", "/.dci-downloader/topics.json"), ("http://[", "not a")],
)
def test_where_a_redirect_leads_is_shown_whole_and_without_secrets(first, serve, location, shown):  # noqa: F811
    server = serve(first.root)
    server.answers["/*"] = (302, {"Location": location}, b"")
    with pytest.raises(TransferError) as caught:
        list(opened(server.url).topics())
    where = f"{server.url}{shown}" if shown.startswith("/") else f"({shown} URL)"
    assert f"redirected to {where}, and no other" in str(caught.value)


# The other mirror changes meanwhile


def test_an_object_that_went_has_the_index_read_again_once(first, serve, second):  # noqa: F811
    publish(first, "c1", FIRST)
    server = serve(first.root)

    def update():
        server.answers.clear()
        publish(first, "c2", {"new": b"new"}, links=())
        shutil.rmtree(first.store.objects / hashlib.sha256(b"first").hexdigest()[:2], ignore_errors=True)
        return 404, {}, b""

    server.answers["/.dci-downloader/objects/*"] = update
    (done,) = sync(opened(server.url, patience=1), second)
    assert (done.name, done.outcome, done.failures) == ("c2", Outcome.PUBLISHED, ())


def test_a_record_that_went_likewise(first, serve, second):  # noqa: F811
    publish(first, "c1", FIRST)
    server = serve(first.root)

    def update():
        server.answers.clear()
        publish(first, "c2", SECOND)
        return 404, {}, b""

    server.answers["/RHEL_9.2/.versions/*"] = update
    (done,) = sync(opened(server.url, patience=1), second)
    assert (done.name, done.outcome) == ("c2", Outcome.PUBLISHED)


def test_an_object_that_is_gone_for_good_is_asked_for_once_more_at_the_most(first, upstream, second):
    publish(first, "c1", FIRST)
    first.store.remove(hashlib.sha256(b"first").hexdigest())
    (done,) = sync(upstream, second, transfer=TransferOptions(patience=1))
    assert (done.outcome, {failure.exit_code for failure in done.failures}) == (Outcome.FAILED, {5})
    assert not second.topic(TOPIC).published("compose")


# Hostile and broken mirrors


def test_where_there_is_no_mirror_that_is_said(tmp_path, serve, second):  # noqa: F811
    for upstream in (opened(tmp_path), opened(serve(tmp_path).url)):
        with pytest.raises(NotFoundError, match="there is no mirror here, or one that does not say yet"):
            sync(upstream, second)
    with pytest.raises(SettingsError, match="No such file"):
        sync(opened(tmp_path / "absent"), second)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((403, {}, b"<Error/>"), AccessError),
        ((401, {"WWW-Authenticate": "Basic"}, b""), AccessError),
        ((302, {"Location": "http://127.0.0.1:1/elsewhere"}, b""), TransferError),
        ((301, {}, b""), TransferError),
        ((200, {}, b"<html>sign in</html>"), TransferError),
        ((200, {"Content-Type": "text/html"}, b"\n<!DOCTYPE html>"), TransferError),
        ((200, {}, b""), ManifestError),
        ((200, {}, b'{"format": 1, "topics": ['), ManifestError),
        ((200, {}, b"\0" * 5000), ManifestError),
        ((200, {"Content-Length": 5000}, b"{}"), TransferError),
        ((500, {}, b""), TransferError),
        ((418, {}, b""), TransferError),
        ((204, {}, b""), TransferError),
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/.dci-downloader/topics.json", "/RHEL_9.2/.compose.json"])
def test_a_broken_web_server_is_an_error_with_a_hint(first, serve, second, path, answer, error):  # noqa: F811
    publish(first, "c1", FIRST)
    server = serve(first.root)
    server.answers[path] = answer
    upstream = opened(server.url, patience=0.2, clock=Clock(sleep=lambda _: None))
    with pytest.raises(error) as caught:
        sync(upstream, second)
    assert caught.value.hint
    assert "DCI_CS_URL" not in caught.value.hint
    assert not second.root.exists()


def test_a_web_page_in_place_of_a_record_is_told_as_one(first, serve, second):  # noqa: F811
    publish(first, "c1", FIRST)
    server = serve(first.root)
    server.answers["/RHEL_9.2/.versions/*"] = (200, {}, b"<html>sign in</html>")
    (done,) = sync(opened(server.url), second)
    assert [failure.exit_code for failure in done.failures] == [5]
    assert "a web page came in its place" in done.failures[0].reason


def test_a_server_that_was_given_up_is_not_waited_for_again(first, serve):  # noqa: F811
    publish(first, "c1", FIRST)
    server = serve(first.root)
    server.answers["/*"] = (503, {}, b"")
    upstream = opened(server.url, patience=30, clock=Ticking())
    for most in (20, 1):
        before = len(server.requests)
        with pytest.raises(TransferError):
            list(upstream.topics())
        assert len(server.requests) - before <= most
    server.answers.clear()
    assert list(upstream.topics())


class Ticking(Clock):
    """Time that passes by sleeping alone."""

    def __init__(self):
        super().__init__(monotonic=lambda: self.now, sleep=self.pass_by)
        object.__setattr__(self, "now", 0.0)

    def pass_by(self, seconds):
        object.__setattr__(self, "now", self.now + seconds)


def test_nothing_that_identifies_is_sent_and_no_other_address_is_asked(first, serve, second, monkeypatch, tmp_path):  # noqa: F811
    publish(first, "c1", FIRST)
    server, other = serve(first.root), serve(first.root)
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    server.answers["/.dci-downloader/objects/*"] = (302, {"Location": f"{other.url}/x"}, b"")
    (done,) = sync(opened(server.url), second, transfer=TransferOptions(patience=1))
    assert {failure.exit_code for failure in done.failures} == {5}
    assert "no other address is asked" in done.failures[0].reason
    server.answers.clear()
    (done,) = sync(opened(server.url), second)
    assert done.outcome is Outcome.PUBLISHED
    assert other.requests == []
    sent = {name.lower() for _, headers in server.requests for name in headers}
    assert sent <= {"host", "user-agent", "accept", "accept-encoding", "connection", "range"}


def change_index(sample, change):
    path = sample.root / "RHEL_9.2" / ".compose.json"
    index = json.loads(path.read_bytes())
    change(index)
    path.write_text(json.dumps(index))


def change_record(sample, change, *, told=True, name="c1"):
    """Change the record of what is published, and the digest in the index with it unless that is to lie."""
    path = sample.folder / f"{name}.json"
    record = json.loads(path.read_bytes())
    change(record)
    content = json.dumps(record).encode()
    path.write_bytes(content)
    if told:
        digest = hashlib.sha256(content).hexdigest()
        change_index(sample, lambda index: index["versions"][0].update(record=digest, size=len(content)))


@pytest.mark.parametrize("told", [True, False], ids=["index fits", "index lies"])
@pytest.mark.parametrize(
    "change",
    [
        lambda record: record["files"][0].__setitem__(0, "../evil"),
        lambda record: record["files"][0].__setitem__(2, -1),
        lambda record: record.update(topic="RHEL-8"),
        lambda record: record["component"].update(id="another"),
        lambda record: record.update(files=[]),
        lambda record: record.pop("identity"),
    ],
)
def test_a_record_that_is_not_what_it_should_be_is_7_and_publishes_nothing(first, upstream, second, change, told):
    publish(first, "c1", FIRST)
    change_record(first, change, told=told)
    (done,) = sync(upstream, second)
    (failure,) = done.failures
    assert (failure.exit_code, bool(failure.hint)) == (7, True)
    assert not second.topic(TOPIC).published("compose")
    assert not (second.root.parent / "evil").exists()


def as_record(record, files, symlinks):
    """A record with these entries of a manifest in place of its own; its identity fits them."""
    rows = [[f"{item['path']}/{item['name']}", item.get("sha256"), item.get("size")] for item in files]
    links = [[f"{item['path']}/{item['name']}", item["destination"]] for item in symlinks]
    lines = [record["component"]["id"], json.dumps(record["selection"], sort_keys=True)]
    lines += sorted(f"{path}\0{sha256}\0{size}" for path, sha256, size in rows)
    lines += sorted(f"{path}\0{destination}" for path, destination in links)
    identity = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    record.update(files=rows, symlinks=links, copies=[], identity=identity)


@pytest.mark.parametrize("row", REFUSED)
def test_what_is_refused_of_a_manifest_is_refused_of_a_record(first, second, row):
    publish(first, "c1", FIRST)
    sync(opened(first.root), second)
    (first.root.parent / "evil").write_text("mine")
    publish(first, "c2", SECOND)
    change_record(first, lambda record: as_record(record, *REFUSED[row]), name="c2")
    before = sorted(path for path in first.root.parent.rglob("*") if not path.is_relative_to(second.root))
    for dry_run in (True, False):
        (done,) = sync(opened(first.root), second, dry_run=dry_run)
        (failure,) = done.failures
        assert failure.exit_code == 7
        assert "what no mirror may hold" in failure.reason or "of another kind" in failure.reason
    assert sorted(path for path in first.root.parent.rglob("*") if not path.is_relative_to(second.root)) == before
    assert (first.root.parent / "evil").read_text() == "mine"
    assert read(second) == FIRST


def test_an_index_of_something_else_is_refused(first, upstream, second):
    publish(first, "c1", FIRST)
    change_index(first, lambda index: index.update(topic="RHEL-8"))
    with pytest.raises(IntegrityError, match="it is the index of something else"):
        sync(upstream, second)


def test_content_that_lies_is_7_and_publishes_nothing(first, upstream, second):
    publish(first, "c1", FIRST)
    path = first.store.path(hashlib.sha256(b"first").hexdigest())
    os.chmod(path, 0o644)
    path.write_bytes(b"wrong")
    (done,) = sync(upstream, second, transfer=TransferOptions(patience=1))
    (failure,) = done.failures
    assert failure.exit_code == 7
    assert not second.topic(TOPIC).published("compose")


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_what_is_no_file_in_a_folder_is_not_read(first, second, kind):
    publish(first, "c1", FIRST)
    path = first.root / "RHEL_9.2" / ".compose.json"
    real = path.rename(path.with_name("real"))
    if kind == "link":
        path.symlink_to(real)
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(SettingsError) as caught:
        sync(opened(first.root), second)
    assert caught.value.hint


@pytest.mark.parametrize(
    "address",
    [
        *("ftp://x/y", "http://user:secret@x/y", "http://", "http://x/y?z", "http://x:0", "http://.", "http://[::1]x/"),
        *(" http://x", "http://x\0/", "http://x/\n", "http://x/\u202e", "/srv/\0", Path("/srv/\0")),
    ],
)
def test_an_address_that_cannot_be_used_is_not_shown(address):
    with pytest.raises(SettingsError) as caught:
        opened(address)
    assert "secret" not in str(caught.value)


def test_links_of_a_component_come_along(first, upstream, second):
    publish(first, "c1", FIRST, links=LINKS)
    sync(upstream, second)
    assert os.readlink(second.root / "RHEL_9.2" / "compose" / LINKS[0][0]) == LINKS[0][1]


@pytest.mark.parametrize(
    "answer",
    [
        (403, {}, b"<Error/>"),
        (404, {}, b""),
        (200, {}, b"<html>sign in</html>"),
        (200, {"Content-Length": 5000}, b"cut"),
        (200, {}, b""),
        (302, {"Location": "/elsewhere"}, b""),
        (206, {"Content-Range": "bytes 7-9/10"}, b"cut"),
        (503, {"Retry-After": "100000"}, b""),
    ],
    ids=str,
)
def test_objects_that_are_something_else_publish_nothing_and_are_worth_another_run(first, serve, second, answer):  # noqa: F811
    publish(first, "c1", FIRST)
    server = serve(first.root)
    server.answers["/.dci-downloader/objects/*"] = answer
    (done,) = sync(opened(server.url), second, transfer=TransferOptions(patience=0.5))
    assert done.outcome is Outcome.FAILED
    assert {failure.exit_code for failure in done.failures} <= {3, 5, 7}
    assert not any("object store" in failure.reason or "presigned" in failure.reason for failure in done.failures)
    assert not second.topic(TOPIC).published("compose")
    server.answers.clear()
    (again,) = sync(opened(server.url), second)
    assert (again.outcome, read(second)) == (Outcome.PUBLISHED, FIRST)


def test_a_web_server_without_ranges_gives_big_files_too(first, serve, second):  # noqa: F811
    files = {**FIRST, "big": os.urandom(9 << 20)}
    publish(first, "c1", files)
    (done,) = sync(opened(serve(first.root).url), second)
    assert (done.outcome, read(second)) == (Outcome.PUBLISHED, files)


def test_images_are_put_together_from_what_is_here_and_peers_are_asked_first(first, serve, second):  # noqa: F811
    publish(first, "c1", FIRST)
    peer, server = serve(first.root), serve(first.root)
    (done,) = sync(opened(server.url), second, transfer=TransferOptions(peers=(peer.url,)))
    given = {source.name: source.files for source in done.received}
    assert sum(given.values()) == 2
    assert set(given) <= {peer.url, server.url}
    assert peer.requests
