"""Records: what is written is read, and whatever else stands in a record's place is none."""

import hashlib
import json
import os
import tempfile
import tracemalloc
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from dci_downloader.errors import IntegrityError, SettingsError
from dci_downloader.mirror import record as record_module
from dci_downloader.mirror.head import head_path
from dci_downloader.mirror.prune import prune
from dci_downloader.mirror.record import RecordState, Unreadable, load_record, read_record, write_record
from dci_downloader.mirror.record_fields import MAX_NUMBER
from dci_downloader.mirror.status import status
from dci_downloader.mirror.verify import verify
from dci_downloader.mirror.version import Version, identity, record_path
from dci_downloader.models import FileEntry, Manifest, SymlinkEntry
from tests.unit.ordinary_user import USER, as_user, give
from tests.unit.samples import FIRST, LINKS, SECOND, Sample, component_of

DIGEST = "a" * 64


@pytest.fixture
def place(sample):
    return sample.topic.tree(sample.publish("c1", FIRST).version)


def change(place, **fields):
    record = json.loads(record_path(place).read_text())
    record_path(place).write_text(json.dumps({**record, **fields}))


def change_component(place, **fields):
    record = json.loads(record_path(place).read_text())
    change(place, component={**record["component"], **fields})


def reason(place):
    record = load_record(place)
    assert isinstance(record, Unreadable), record
    return record.reason


BAD_ENTRIES = {
    "a digest that climbs": [["f", "../" * 20 + "etc/passwd", 1]],
    "a short digest": [["f", "abc", 1]],
    "a digest with a line end": [["f", "a" * 63 + "\n", 1]],
    "an upper-case digest": [["f", "A" * 64, 1]],
    "a digest of wide digits": [["f", "\uff11" * 64, 1]],
    "a number for a digest": [["f", 7, 1]],
    "no digest": [["f", None, 1]],
    "a size in quotes": [["f", DIGEST, "1"]],
    "a negative size": [["f", DIGEST, -1]],
    "a size beyond off_t": [["f", DIGEST, 2**63]],
    "true for a size": [["f", DIGEST, True]],
    "half a byte": [["f", DIGEST, 1.5]],
    "two sizes of one digest": [["f", DIGEST, 1], ["g", DIGEST, 2]],
    "a path that climbs": [["../f", DIGEST, 1]],
    "a path that climbs later": [["a/../../f", DIGEST, 1]],
    "an absolute path": [["/etc/passwd", DIGEST, 1]],
    "an empty path": [["", DIGEST, 1]],
    "a dot": [["./f", DIGEST, 1]],
    "two slashes": [["a//f", DIGEST, 1]],
    "a slash at the end": [["a/", DIGEST, 1]],
    "a line end": [["a\na", DIGEST, 1]],
    "a control character": [["a\x1b[2J", DIGEST, 1]],
    "NUL": [["a\0b", DIGEST, 1]],
    "a long name": [["a" * 256, DIGEST, 1]],
    "a long path": [["/".join(["a" * 200] * 20), DIGEST, 1]],
    "a deep path": [["/".join(["a"] * 66), DIGEST, 1]],
    "half a surrogate pair": [["a\udc80", DIGEST, 1]],
    "a number for a path": [[7, DIGEST, 1]],
    "a path twice": [["f", DIGEST, 1], ["f", DIGEST, 1]],
    "a file above a file": [["f", DIGEST, 1], ["f/g", DIGEST, 1]],
    "two fields": [["f", DIGEST]],
    "four fields": [["f", DIGEST, 1, 1]],
    "an object": [{"path": "f"}],
}


@pytest.mark.parametrize("files", BAD_ENTRIES.values(), ids=BAD_ENTRIES)
def test_entries_that_no_manifest_may_hold_make_it_no_record(place, files):
    change(place, files=files, symlinks=[], copies=[])
    assert reason(place).startswith(("holds what no mirror may hold", "has fields"))


BAD_LINKS = {
    "an absolute link": [["l", "/etc"]],
    "a link outside": [["l", "../x"]],
    "a link up after a name": [["l", "a/../.."]],
    "a link to itself": [["l", "l"]],
    "an empty link": [["l", ""]],
    "a number for a destination": [["l", 7]],
    "a link above a file": [["BaseOS", "x"]],
    "a link that is a file": [["same", "x"]],
    "a link outside by its path": [["../l", "x"]],
    "three fields": [["l", "x", 1]],
}


@pytest.mark.parametrize("symlinks", BAD_LINKS.values(), ids=BAD_LINKS)
def test_links_that_no_manifest_may_hold_make_it_no_record(place, symlinks):
    change(place, symlinks=symlinks)
    assert reason(place).startswith("holds what no mirror may hold")


FIELDS = {
    "published_at": ["soon", 7, None, "2026-11-01T00:00:00", "2026-11-01", "9999-12-31T23:59:59-14:00", "², "],
    "last_verified": ["never", 0, False, "2026-11-01T00:00:00", ["2026"]],
    "number": [-1, True, "1", 1.0, 2**60, None, [1]],
    "copies": [7, ["elsewhere"], [7], ["../x"], {"same": 1}, None],
    "topic": [7, "", None, "\udc80", ["x"]],
    "identity": [7, "", None, "b" * 64],
    "etag": [7, None, ["e"], "x" * 70_000],
    "selection": [["another"], {"archs": 1}, "a" * 100],
    "files": [7, None, {}, "files"],
    "symlinks": [7, None, {}],
    "component": [7, None, [], {"id": 1}],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in FIELDS for value in FIELDS[name]])
def test_a_field_of_another_kind_makes_it_no_record(place, name, value):
    change(place, **{name: value})
    assert reason(place)
    assert read_record(place) is None


@pytest.mark.parametrize(
    "fields",
    [
        *({name: value} for name in ("id", "name", "type") for value in (7, "", None, "a\udc80", ["x"])),
        *({"type": value} for value in ("../..", "/etc", "a/b", "..", ".hidden", "a\0")),
        *({"tags": value} for value in (7, [7], "nightly", [[]], {"a": 1})),
        *({"created_at": value} for value in (7, "soon", "2026-11-01T00:00:00")),
        {"team_id": 7},
        {"state": []},
        {"version": 4.18},
    ],
)
def test_a_component_of_another_kind_makes_it_no_record(place, fields):
    change_component(place, **fields)
    assert reason(place)


def test_whoever_forges_the_identity_too_gains_nothing(place):
    version = read_record(place)
    files = (FileEntry("f", "../" * 30 + "etc/passwd", 1),)
    forged = identity(version.component, version.selection, replace(version.manifest, files=files))
    change(place, files=files, identity=forged)
    assert "a sha256 is not 64 hexadecimal digits" in reason(place)


def test_an_entry_that_is_fine_by_itself_but_was_changed_does_not_fit_the_identity(place):
    record = json.loads(record_path(place).read_text())
    files = [[path, sha256, size + 1] for path, sha256, size in record["files"]]
    change(place, files=files)
    assert "identity" in reason(place)


DOCUMENTS = {
    "empty": (b"", "is empty"),
    "zeros": (b"\0" * 5000, "holds only zeros"),
    "no JSON": (b"hello", "is not JSON"),
    "a list": (b"[]", "is not a JSON object"),
    "a number": (b"1e999", "is not a JSON object"),
    "brackets": (b"[" * 200_000, "is no list of files"),
    "another encoding": ('{"format": 1}'.encode("utf-16"), "is not JSON"),
    "a deep nest": (b'{"a":' * 20_000 + b"1" + b"}" * 20_000, "is not JSON"),
    "a bomb": (b'{"format": 1, "files": [' + b"[],".ljust(3) * 200_000 + b"[]]}", "is no list of files"),
    "a long number": (b'{"format": ' + b"9" * 5000 + b"}", "JSON|format"),
    "Latin-1": (b'{"format": 1, "topic": "\xe9"}', "is not JSON"),
    "an object without anything": (b"{}", "of a format"),
    "an HTML page": (b"<html>", "is not JSON"),
}


@pytest.mark.parametrize(("content", "said"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_document_of_another_kind_is_no_record_and_says_why(place, content, said):
    record_path(place).write_bytes(content)
    assert any(part in reason(place) for part in said.split("|")), reason(place)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
def test_a_truncated_record_says_so(place, share):
    content = record_path(place).read_bytes()
    record_path(place).write_bytes(content[: int(len(content) * share)])
    assert "is truncated" in reason(place)


def put_fifo(path):
    os.mkfifo(path)


def put_link(path):
    (path.parent / "real").write_bytes(b"{}")
    path.symlink_to("real")


def put_endless(path):
    path.symlink_to("/dev/zero")


def put_hole(path):
    path.touch()
    os.truncate(path, 1 << 40)


PLACES = {"fifo": put_fifo, "link": put_link, "endless": put_endless, "folder": os.mkdir, "huge": put_hole}


@pytest.mark.parametrize("put", PLACES.values(), ids=PLACES)
def test_what_is_no_file_of_a_record_s_size_is_not_even_read_and_gives_way_to_the_next_sync(sample, place, put):
    record_path(place).unlink()
    put(record_path(place))
    assert "cannot be read" in reason(place)
    assert sample.publish("c1", FIRST).version.folder == "c1"
    assert isinstance(load_record(place), type(sample.topic.published("compose")))


def test_a_record_of_a_newer_program_is_told_apart(place):
    change(place, format=99)
    record = load_record(place)
    assert (record.state, record.exit_code) == (RecordState.NEWER, 2)
    assert "version of this program" in record.hint


def test_one_that_this_user_may_not_read_is_told_apart(place, monkeypatch):
    def refuse(path, limit):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(record_module, "read_file", refuse)
    record = load_record(place)
    assert (record.state, record.exit_code) == (RecordState.FORBIDDEN, 2)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be two users")
def test_a_record_that_only_another_user_may_read_is_told_and_replaced_by_the_next_sync():
    def told():
        (row,) = status(sample.mirror).rows
        assert (row.version, row.damaged) == ("c2", False)
        assert "Permission denied" in row.problems[0]
        (check,) = verify(sample.mirror)
        assert (check.version, check.exit_code) == ("c2", 2)
        with pytest.raises(SettingsError, match="nothing can leave the store"):
            prune(sample.mirror, 1)

    with tempfile.TemporaryDirectory() as folder:  # not pytest's, which only root may enter
        os.chmod(folder, 0o755)
        sample = Sample(Path(folder) / "mirror")
        for name, files in (("c1", FIRST), ("c2", SECOND)):
            sample.publish(name, files)
        give(Path(folder))
        record = sample.folder / "c2.json"
        os.chown(record, 0, 0)
        record.chmod(0o600)
        as_user(told)
        assert len(sample.objects()) == 4, "nothing was judged garbage"
        as_user(lambda: sample.publish("c2", SECOND))
        assert [version.folder for version in sample.topic.versions("compose")] == ["c2", "c1"]
        assert record.stat().st_uid == USER


def test_keys_that_are_not_known_do_no_harm(place):
    change(place, later=7)
    change_component(place, later=7)
    assert read_record(place) is not None


def test_records_without_what_came_later_are_read(place):
    record = json.loads(record_path(place).read_text())
    del record["number"], record["component"]["version"]
    record_path(place).write_text(json.dumps(record))
    head_path(place).unlink()
    assert read_record(place).number == 0


def test_times_with_another_offset_are_the_same_instants(place):
    version = read_record(place)
    moved = version.published_at.astimezone(timezone(timedelta(hours=5, minutes=30)))
    change(place, published_at=moved.isoformat())
    assert read_record(place) == version


def test_a_component_without_time_zones_can_be_recorded(sample):
    version = sample.publish("c1", FIRST, created_at=datetime(2026, 11, 1)).version
    assert read_record(sample.topic.tree(version)).component.created_at == datetime(2026, 11, 1, tzinfo=timezone.utc)


def test_a_record_that_could_not_be_read_again_is_not_written(sample, monkeypatch):
    monkeypatch.setattr(record_module, "MAX_SIZE", 100)
    with pytest.raises(IntegrityError, match="more files than a mirror can record"):
        sample.publish("c1", FIRST)
    assert not sample.link.is_symlink()


def test_what_a_manifest_may_hold_is_recorded_and_read(sample):
    files = {
        "a+b~c^d %#?&é/é": b"1",
        "-dash/.hidden": b"2",
        "..two": b"3",
        "x" * 255: b"4",
        "/".join(["d" * 100] * 30): b"5",
        "empty": b"",
    }
    version = sample.publish("c1", files, {"any": [None, True, 1.5, "é"]}, links=[("l", "-dash"), ("-dash/up", "..")])
    assert read_record(sample.topic.tree(version.version)) == version.version


def test_versions_are_ordered_by_number_whatever_the_clock_says(tmp_path):
    sample = Sample(tmp_path / "mirror")
    sample.publish("c1", FIRST)
    sample.mirror.topic("RHEL 9.2").clock.now -= timedelta(days=4 * 365)
    sample.publish("c2", SECOND)
    sample.mirror.topic("RHEL 9.2").clock.now += timedelta(days=8 * 365)
    sample.publish("c3", FIRST, links=())
    sample.mirror.topic("RHEL 9.2").clock.now -= timedelta(days=5 * 365)
    sample.publish("c4", SECOND, links=())
    assert [version.folder for version in sample.topic.versions("compose")] == ["c4", "c3", "c2", "c1"]
    assert [version.folder for version in sample.topic.older_versions("compose")] == ["c3", "c2", "c1"]


def test_records_without_numbers_are_older_than_those_with_and_ordered_by_time(sample):
    for name in ("c1", "c2"):
        place = sample.topic.tree(sample.publish(name, {"f": name.encode()}, links=()).version)
        record = json.loads(record_path(place).read_text())
        del record["number"]
        record_path(place).write_text(json.dumps(record))
        head_path(place).unlink()
    sample.topic.clock.now -= timedelta(days=1)
    sample.publish("c3", FIRST)
    assert [version.folder for version in sample.topic.versions("compose")] == ["c3", "c2", "c1"]


def test_the_highest_number_is_not_overrun(sample):
    place = sample.topic.tree(sample.publish("c1", FIRST).version)
    head_path(place).unlink()
    change(place, number=MAX_NUMBER)
    sample.publish("c2", SECOND)
    assert [version.folder for version in sample.topic.versions("compose")] == ["c2", "c1"]


def test_what_a_record_says_about_links_is_what_was_published(sample):
    version = sample.publish("c1", FIRST).version
    assert version.component == component_of("c1")
    assert [tuple(link) for link in version.manifest.symlinks] == LINKS


@pytest.mark.parametrize("number", [0, 1, 2047, 2048, 2049, 5000])
def test_a_record_is_the_same_however_many_parts_it_is_written_in(tmp_path, number):
    files = tuple(FileEntry(f"{n:05}-é", f"{n:064x}", n) for n in range(number))
    links = tuple(SymlinkEntry(f"l{n:05}", f"{n:05}-é") for n in range(number))
    version = version_of(Manifest("compose", files, links, etag='"e"'), copies=frozenset(path for path, _, _ in files))
    write_record(tmp_path / "v", version)
    content = (tmp_path / "v.json").read_bytes()
    assert content == json.dumps(json.loads(content)).encode()
    assert read_record(tmp_path / "v") == version


def test_writing_a_record_takes_little_memory_beside_the_list_of_files(tmp_path):
    paths = (f"Packages/a/a{n:05}-library-devel-1.0-1.el9.x86_64.rpm" for n in range(20_000))
    files = tuple(FileEntry(path, hashlib.sha256(path.encode()).hexdigest(), 1) for path in paths)
    version = version_of(Manifest("compose", files))
    tracemalloc.start()
    try:
        write_record(tmp_path / "v", version)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * (tmp_path / "v.json").stat().st_size  # 4 times as much where it is encoded as a whole
    assert read_record(tmp_path / "v") == version


def version_of(manifest, **more):
    component, selection = component_of("c1"), {"archs": ["x86_64"]}
    number = identity(component, selection, manifest)
    now = datetime(2026, 11, 1, tzinfo=timezone.utc)
    return Version("v", number, component, "RHEL 9.2", selection, manifest, now, number=1, **more)
