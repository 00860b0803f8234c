from __future__ import annotations

import json
import time
import tracemalloc
from typing import Any

import pytest

from dci_downloader.content.manifest import MAX_SIZE, parse_manifest
from dci_downloader.errors import ManifestError
from dci_downloader.models import FileEntry, Manifest, SymlinkEntry

A, B = "a" * 64, "b" * 64


def file(path: object = "", name: object = "f", sha256: object = A, size: object = 1) -> dict[str, object]:
    return {"path": path, "name": name, "sha256": sha256, "size": size}


def link(path: object = "", name: object = "l", destination: object = "f") -> dict[str, object]:
    return {"path": path, "name": name, "destination": destination}


def parse(*files: object, symlinks: Any = (), **keys: Any) -> Manifest:
    return parse_manifest(json.dumps({"files": list(files), "symlinks": list(symlinks), **keys}).encode(), "compose")


def refused(*files: object, symlinks: Any = ()) -> ManifestError:
    with pytest.raises(ManifestError) as caught:
        parse(*files, symlinks=symlinks)
    assert caught.value.hint
    assert str(caught.value).isprintable()
    return caught.value


def test_files_and_symlinks_come_out_sorted_with_type_and_etag() -> None:
    document = json.dumps(
        {
            "directories": [],
            "files": [file("b/c", "z", B, 2), file()],
            "symlinks": [link("b", "m", "c"), link("b", "k", "../f")],
        }
    )
    manifest = parse_manifest(document.encode(), "hwcert", etag='"1"')
    assert manifest.files == (FileEntry("b/c/z", B, 2), FileEntry("f", A, 1))
    assert manifest.symlinks == (SymlinkEntry("b/k", "../f"), SymlinkEntry("b/m", "c"))
    assert (manifest.component_type, manifest.etag, manifest.warnings) == ("hwcert", '"1"', ())


def test_unknown_keys_are_ignored() -> None:
    assert parse({**file(), "mode": 420, "nested": [[{}]]}, version=7).files == (FileEntry("f", A, 1),)


def test_no_files_is_a_manifest_too() -> None:
    assert parse().files == ()


@pytest.mark.parametrize("keys", [{}, {"symlinks": None}])
def test_symlinks_may_be_absent(keys: dict[str, object]) -> None:
    assert parse_manifest(json.dumps({"files": [file()], **keys}).encode(), "compose").symlinks == ()


def test_byte_order_mark_is_no_matter() -> None:
    assert parse_manifest(b"\xef\xbb\xbf" + json.dumps({"files": [file()]}).encode(), "compose").files


@pytest.mark.parametrize(
    "name",
    [
        "kernel+x~1^2.rpm",
        "a b#c?d&e%41",
        "größe-日本.rpm",
        ".treeinfo",
        "...",
        "-rf",
        "a\\b",
        "'\"",
        "x" * 255,
        "é" * 127,
    ],
)
def test_names_of_the_real_world_are_kept_as_they_are(name: str) -> None:
    assert parse(file("Base OS/x86_64", name)).files[0].path == f"Base OS/x86_64/{name}"


def test_one_slash_at_the_end_of_a_folder_is_dropped() -> None:
    assert [entry.path for entry in parse(file("a/b/", "x"), file("a/b", "y")).files] == ["a/b/x", "a/b/y"]


def test_upper_case_digest_is_lowered() -> None:
    assert parse(file(sha256=A.upper())).files[0].sha256 == A


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/etc", "absolute"),
        ("/", "absolute"),
        ("//", "absolute"),
        ("..", "'..'"),
        ("a/../b", "'..'"),
        ("../../etc", "'..'"),
        (".", "'.'"),
        ("./a", "'.'"),
        ("a//b", "empty"),
        ("a//", "empty"),
        ("a/\x00", "control"),
        ("a\nb", "control"),
        ("x" * 256, "255"),
        ("/".join("a" * 65), "64 folders"),
        ("\ud800", "Unicode"),
        (None, "text"),
        (["a"], "text"),
        (7, "text"),
    ],
)
def test_folder_that_no_mirror_may_hold_is_refused(path: object, reason: str) -> None:
    assert reason in str(refused(file(path)))
    assert reason in str(refused(symlinks=[link(path)]))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        (".", "'.'"),
        ("..", "'..'"),
        ("a/b", "slash"),
        ("/etc/passwd", "slash"),
        ("../x", "slash"),
        ("a\x00b", "control"),
        ("a\x1b[31m", "control"),
        ("a\x85b", "control"),
        ("a\n", "control"),
        ("x" * 256, "255"),
        ("é" * 128, "255"),
        ("\udcff", "Unicode"),
        (None, "text"),
        (1, "text"),
    ],
)
def test_name_that_no_mirror_may_hold_is_refused(name: object, reason: str) -> None:
    assert reason in str(refused(file("a", name)))
    assert reason in str(refused(symlinks=[link("a", name)]))


@pytest.mark.parametrize("character", ["x", "é"])
def test_path_has_a_limit_in_bytes(character: str) -> None:
    folder = "/".join(["x" * 251] * 12)  # 3,023 bytes
    name = character * (48 // len(character.encode()))
    assert parse(file(folder, name)).files
    assert "3072 bytes" in str(refused(file(folder, name + "x")))


@pytest.mark.parametrize(
    "sha256", [None, "", "a" * 63, "a" * 65, "g" * 64, 7, ["a"], A + "\n", "é" * 64, " " + A[1:], "İ" + "a" * 62]
)
def test_odd_digest_is_refused(sha256: object) -> None:
    assert "sha256" in str(refused(file(sha256=sha256)))


@pytest.mark.parametrize("size", [-1, 1.0, True, False, None, "1", MAX_SIZE + 1, 10**400, float("nan"), float("inf")])
def test_odd_size_is_refused(size: object) -> None:
    assert "size" in str(refused(file(size=size)))


@pytest.mark.parametrize("size", [0, MAX_SIZE])
def test_sizes_from_nothing_to_the_limit_are_taken(size: int) -> None:
    assert parse(file(size=size)).files[0].size == size


@pytest.mark.parametrize("entry", [None, [], "f", 1, {}, {"path": ""}])
def test_entry_that_is_no_file_is_refused(entry: object) -> None:
    assert refused(entry).entry
    assert refused(symlinks=[entry]).entry


def test_missing_digest_and_size_are_refused() -> None:
    assert "no sha256" in str(refused({"path": "", "name": "f", "size": 1}))
    assert "size" in str(refused({"path": "", "name": "f", "sha256": A}))


def test_one_digest_with_two_sizes_is_refused() -> None:
    assert "another entry says 1" in str(refused(file(), file(name="g", size=2)))


def test_path_twice_alike_is_kept_once_with_a_warning() -> None:
    manifest = parse(file("a"), file("a/"), file("a"), symlinks=[link("a"), link("a")])
    assert (len(manifest.files), len(manifest.symlinks)) == (1, 1)
    assert manifest.warnings == ("dci_files_list.json: listed more than once: 'a/f', 'a/f', 'a/l'",)


@pytest.mark.parametrize("second", [file(sha256=B), file(sha256=B, size=2)])
def test_path_twice_with_other_content_is_refused(second: object) -> None:
    assert "listed twice" in str(refused(file(), second))


def test_symlink_twice_with_another_destination_is_refused() -> None:
    assert "listed twice" in str(refused(file(), symlinks=[link(), link(destination="./f")]))


def test_file_that_is_a_folder_is_refused() -> None:
    error = refused(file("a", "b"), file("a/b/c", "d"))
    assert error.entry == "'a/b'"
    assert "it is a file, but other entries lie below it" in str(error)
    assert refused(file("", "a"), symlinks=[link("a", "l", "f")]).entry == "'a'"


def test_path_below_a_symlink_is_refused() -> None:
    assert "it is a symlink, but" in str(refused(file("l", "x"), symlinks=[link(destination="l2")]))
    assert "it is a symlink, but" in str(
        refused(file("t", "x"), symlinks=[link(destination="t"), link("l/u", "v", "w")])
    )


def test_file_that_is_a_symlink_is_refused() -> None:
    assert "both a file and a symlink" in str(refused(file(), symlinks=[link(name="f", destination="g")]))


@pytest.mark.parametrize(
    ("destination", "reason"),
    [
        (None, "no destination"),
        ("", "no destination"),
        (3, "no destination"),
        ("/etc/passwd", "absolute"),
        ("../../..", "outside"),
        ("../../../etc", "outside"),
        (".././../../a/b", "outside"),
        ("x/../../../..", "after a name"),
        ("x/..", "after a name"),
        ("l", "itself"),
        ("./l/", "itself"),
        ("../b/l", "itself"),
        ("../../a/b/l", "itself"),
        ("x\x00", "control"),
        ("\ud800", "Unicode"),
        ("y" * 256, "255"),
        ("/".join(["y" * 200] * 20)[1:], "too long"),
        ("./" * 64 + "f", "too long"),
    ],
)
def test_symlink_that_no_mirror_may_hold_is_refused(destination: object, reason: str) -> None:
    error = refused(file(), symlinks=[link("a/b", "l", destination)])
    assert reason in str(error)
    assert error.entry == "'a/b/l'"


@pytest.mark.parametrize("destination", ["../f", "./../f", "../b/g", "../b//g", "..", "../b", "../b/", "m", "g"])
def test_symlinks_inside_the_component_are_kept_as_written(destination: str) -> None:
    manifest = parse(file(), file("b", "g"), symlinks=[link("b", "l", destination), link("b", "m", "g")])
    assert SymlinkEntry("b/l", destination) in manifest.symlinks
    assert manifest.warnings == ()


def test_symlinks_that_lead_nowhere_are_left_out_with_one_warning() -> None:
    circle = [link(name="c1", destination="c2"), link(name="c2", destination="c1")]
    manifest = parse(file(), symlinks=[link(), link(name="gone", destination="nowhere/x"), *circle])
    assert manifest.symlinks == (SymlinkEntry("l", "f"),)
    assert manifest.warnings == (
        "dci_files_list.json: symlinks that lead to nothing in this component, left out: 'c1', 'c2', 'gone'",
    )


def test_a_list_that_lists_itself_loses_that_entry_with_a_warning() -> None:
    manifest = parse(file(), file(name="dci_files_list.json", sha256=B), file("a", "dci_files_list.json"))
    assert [entry.path for entry in manifest.files] == ["a/dci_files_list.json", "f"]
    assert manifest.warnings == ("dci_files_list.json: the list lists itself, left out: 'dci_files_list.json'",)


def test_image_list_is_a_file_like_any() -> None:
    assert parse(file(name="images_list.yaml")).files[0].path == "images_list.yaml"


def test_names_equal_but_for_case_or_unicode_form_are_kept_with_one_warning() -> None:
    manifest = parse(
        *(file("a", name) for name in ("README", "readme", "caf\u00e9", "cafe\u0301", "x1", "X1", "y1", "Y1")),
        file("A/b", "c"),
    )
    assert len(manifest.files) == 9
    (warning,) = manifest.warnings
    assert "case or Unicode form: 'a', 'a/readme'" in warning
    assert "and 2 more" in warning


def test_first_bad_entry_is_named_and_the_others_counted() -> None:
    error = refused(file(), file("..", "evil\n"), file(size=-1), file("/"))
    assert error.entry == "'../evil\\n'"
    assert "entry '../evil\\n': a step of its path is '..' (and 2 more bad entries)" in str(error)


def test_bad_entry_is_shown_short() -> None:
    error = refused(file("a", "x" * 100_000))
    assert len(str(error)) < 300
    assert "…" in error.entry


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"<!DOCTYPE html>\n<HTML><body>Log in</body></HTML>", "HTML page"),
        (b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>', "XML"),
        (b"\xff\xfe{", "not UTF-8 text (byte 0)"),
        (b"service unavailable", "not JSON (Expecting value, line 1, column 1)"),
        (b'{"files": nothing}', "not JSON"),
        (b'{"files": []} {}', "not JSON"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"{}", "no list of files"),
        (b'{"files": {}}', "no list of files"),
        (b'{"files": null}', "no list of files"),
        (b'{"files": [], "symlinks": {"a": 1}}', "symlinks are not a list"),
        (b'{"files": ' + b"[" * 1_000_000, "beyond all reason"),
        (b'{"files": [' + b"9" * 10_000 + b"]}", "beyond all reason"),
    ],
)
def test_document_that_is_no_manifest_is_refused_for_what_it_is(document: bytes, reason: str) -> None:
    with pytest.raises(ManifestError, match=r"^dci_files_list\.json cannot be read: ") as caught:
        parse_manifest(document, "compose")
    assert reason in str(caught.value)
    assert caught.value.hint
    assert caught.value.entry == ""


def test_manifest_cut_off_anywhere_is_called_truncated() -> None:
    document = json.dumps({"files": [file(), file("a")], "symlinks": [link()]}).encode()
    for end in range(1, len(document)):
        with pytest.raises(ManifestError, match=f"truncated after {end} bytes"):
            parse_manifest(document[:end], "compose")


def test_a_hundred_thousand_entries_are_read_quickly() -> None:
    files = [file(f"BaseOS/x86_64/os/{n % 36}", f"package-{n}.rpm", f"{n:064x}", n) for n in range(100_000)]
    document = json.dumps({"files": files}).encode()
    del files
    started = time.process_time()
    manifest = parse_manifest(document, "compose")
    assert len(manifest.files) == 100_000
    assert time.process_time() - started < 3  # CPU seconds, with room for a slow machine and for coverage


def test_hostile_pile_of_faults_and_links_is_refused_quickly() -> None:
    started = time.process_time()
    files = [entry for n in range(5_000) for entry in (file("", f"d{n}"), file(f"d{n}", "f"))]
    assert "4999 more" in str(refused(*files))
    links = [link("", f"l{n}", f"l{n + 1}") for n in range(5_000)]
    assert len(parse(file(), symlinks=links).symlinks) == 0
    assert time.process_time() - started < 3


def test_more_entries_than_any_compose_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dci_downloader.content.manifest.MOST_ENTRIES", 3)
    files = [file(name=str(number)) for number in range(3)]
    assert len(parse(*files).files) == 3
    assert "lists 4 entries, and at most 3 are read" in str(refused(*files, symlinks=[link("", "l")]))


@pytest.mark.parametrize("item", ["{}", "[]", "0", '"a"', '{"path":""}'])
def test_a_manifest_of_nothing_but_small_values_takes_no_memory(item: str) -> None:
    document = ('{"files": [], "x": [' + ",".join([item] * 8_000_001) + "]}").encode()
    tracemalloc.start()
    try:
        with pytest.raises(ManifestError, match="more than 8,000,000 values"):
            parse_manifest(document, "compose")
        assert tracemalloc.get_traced_memory()[1] < len(document) + 2**20
    finally:
        tracemalloc.stop()


def test_the_order_of_keys_and_more_of_them_change_nothing() -> None:
    entry = file("a", "b")
    backwards = dict(reversed(list(entry.items())))
    for other in (backwards, {**backwards, "files": []}, {"x": dict(entry), **entry}):
        assert parse(other) == parse(entry)


def test_a_file_in_place_of_the_list_is_no_list() -> None:
    with pytest.raises(ManifestError, match="it has no list of files"):
        parse_manifest(json.dumps(file("a", "b")).encode(), "compose")


def test_a_manifest_may_be_given_as_text() -> None:
    document = json.dumps({"files": [file("\u00e9", "b")]}, ensure_ascii=False)
    assert parse_manifest(document, "compose") == parse_manifest(document.encode(), "compose")
    with pytest.raises(ManifestError, match="truncated after 18 bytes"):
        parse_manifest('{"files": [{"\u00e9": ', "compose")


def test_reading_a_manifest_takes_little_memory_beside_what_comes_out() -> None:
    names = [f"a{number:05}-library-devel-1.0-1.el9.x86_64.rpm" for number in range(20_000)]
    files = [file("AppStream/x86_64/os/Packages/a", name, f"{number:064x}") for number, name in enumerate(names)]
    document = json.dumps({"files": files})
    del files, names
    tracemalloc.start()
    try:
        manifest = parse_manifest(document, "compose")
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(manifest.files) == 20_000
    assert peak < 1.8 * after  # 2.0 and more where each file is a dict with a folder of its own


def test_unknown_keys_change_nothing() -> None:
    odd = {"mode": "4755", "n": 10**30, "deep": [[{}]] * 9, "path2": "../.."}
    assert parse({**file("a", "b"), **odd}, x=[odd] * 9, directories=[odd]) == parse(file("a", "b"))
