"""Whatever a server sends: either it is refused, or every path of it stays inside its root."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any, Optional
from urllib.parse import unquote

from hypothesis import example, given, settings
from hypothesis import strategies as st

from dci_downloader.content.manifest import parse_manifest
from dci_downloader.content.names import check_name, version_folder
from dci_downloader.content.selection import Selection
from dci_downloader.errors import ManifestError, NotFoundError
from dci_downloader.models import Manifest

QUICK = settings(deadline=None, max_examples=60)

TEXT = st.text("ab/.\x00\n\x85\udc80é\u0301 ~", max_size=4)
SEGMENTS = st.sampled_from(["a", "b", "A", "..", ".", "", "é", "x86_64", "os", "l"])
PATHS = st.one_of(
    st.lists(SEGMENTS, max_size=4).map("/".join),
    st.sampled_from(["", "/", "a", "a/b", "/etc", "a\x00"]),
    TEXT,
)
NAMES = st.one_of(st.sampled_from(["f", "g", "l", "a", "b", "..", "dci_files_list.json"]), TEXT)
GOOD_PATHS = st.sampled_from(["", "a", "a/b", "a/b/c", "b", "x86_64/os", "BaseOS/x86_64/os"])
UPWARDS = st.builds(
    lambda up, down: "../" * up + "/".join(down) or ".",
    st.integers(0, 3),
    st.lists(st.sampled_from(["a", "b", "f", "l", "m", "a/b", "..", "BaseOS"]), max_size=2),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=8,
)
DIGESTS = st.sampled_from(["a" * 64, "B" * 64, "0" * 64])


def listing(paths: Any, names: Any, link_names: Any, destinations: Any) -> Any:
    files = st.fixed_dictionaries({"path": paths, "name": names, "sha256": DIGESTS, "size": st.just(1)})
    links = st.fixed_dictionaries({"path": paths, "name": link_names, "destination": destinations})
    return st.fixed_dictionaries(
        {
            "files": st.lists(files, max_size=4, unique_by=lambda entry: (entry["path"], entry["name"])),
            "symlinks": st.lists(links, max_size=4, unique_by=lambda entry: (entry["path"], entry["name"])),
        }
    )


HOSTILE = listing(PATHS, NAMES, NAMES, st.one_of(UPWARDS, PATHS))
PLAUSIBLE = listing(GOOD_PATHS, st.sampled_from("fgha"), st.sampled_from("lmn"), UPWARDS)


def read(form: Any) -> Optional[Manifest]:
    try:
        return parse_manifest(json.dumps(form).encode(), "compose")
    except ManifestError as error:
        text = str(error)
    assert text.isprintable()
    assert len(text) < 1000
    return None


def build(manifest: Manifest, root: Path) -> None:
    """Lay the tree out without any check of our own, symlinks first: the worst order."""
    for path, destination in manifest.symlinks:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).symlink_to(destination)
    for entry in manifest.files:
        (root / entry.path).parent.mkdir(parents=True, exist_ok=True)
        (root / entry.path).write_bytes(b"")


def assert_stays_inside(manifest: Manifest) -> None:
    paths = [entry.path for entry in (*manifest.files, *manifest.symlinks)]
    assert len(set(paths)) == len(paths)
    for path in paths:
        assert path == os.path.normpath(path)
        assert not path.startswith(("/", ".."))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "1" / "2" / "root"
        root.mkdir(parents=True)
        build(manifest, root)
        for path in paths:
            assert (root / path).exists(), "every file is there, every symlink leads to something"
            assert (root / path).resolve().is_relative_to(root)
        assert [entry.name for entry in (root.parent).iterdir()] == ["root"]
        assert [entry.name for entry in (root.parent.parent).iterdir()] == ["2"]


@QUICK
@given(HOSTILE)
def test_hostile_manifest_never_leaves_its_root(form: Any) -> None:
    manifest = read(form)
    if manifest is not None:
        assert_stays_inside(manifest)


@QUICK
@given(PLAUSIBLE)
@example(
    {
        "files": [{"path": "a/b", "name": "f", "sha256": "a" * 64, "size": 1}],
        "symlinks": [
            {"path": "a/b", "name": "l", "destination": "../.."},
            {"path": "a/b", "name": "m", "destination": "l/a"},
            {"path": "a/b", "name": "n", "destination": "m/../.."},
        ],
    }
)
def test_plausible_manifest_never_leaves_its_root(form: Any) -> None:
    manifest = read(form)
    if manifest is not None:
        assert_stays_inside(manifest)


@QUICK
@given(
    PLAUSIBLE,
    st.builds(Selection, all=st.booleans(), exclude=st.sampled_from([(), ("f",), ("*/a/*",), ("l",)])),
)
def test_selected_part_never_holds_a_broken_symlink(form: Any, selection: Selection) -> None:
    manifest = read(form)
    try:
        selected = selection.apply(manifest) if manifest else None
    except NotFoundError:
        return
    if selected is not None:
        assert set(selected.files) <= set(manifest.files if manifest else ())
        assert_stays_inside(selected)


@QUICK
@given(st.one_of(JSON, st.fixed_dictionaries({"files": st.one_of(JSON, st.lists(JSON, max_size=3)), "symlinks": JSON})))
def test_any_json_is_read_or_refused(form: Any) -> None:
    read(form)


@QUICK
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(document: bytes) -> None:
    with contextlib.suppress(ManifestError):
        parse_manifest(document, "compose")


@QUICK
@given(st.one_of(TEXT, st.lists(SEGMENTS, max_size=3).map("/".join)))
def test_checked_name_is_one_visible_folder(name: str) -> None:
    try:
        checked = check_name(name, "topic")
    except ManifestError:
        return
    assert checked == name
    assert Path("/mirror", name).parent == Path("/mirror")
    assert os.path.normpath(name) == name
    assert not name.startswith(".")
    assert 0 < len(name.encode()) <= 255


NAMES = st.one_of(TEXT, st.text("./%2F~e\x00\ud800\u0301a", max_size=300), st.text(max_size=300))


@QUICK
@given(NAMES, NAMES)
def test_every_name_has_a_folder_of_its_own(name: str, other: str) -> None:
    folder = version_folder(name)
    assert check_name(folder, "version") == folder
    assert len(folder.encode()) <= 200
    assert (folder == version_folder(other)) == (name == other)
    if "%~" not in folder:
        assert unquote(folder, errors="surrogatepass") == name
