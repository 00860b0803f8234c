"""Entries of a record and entries of a manifest follow the same rules, though each is read in its own way."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from dci_downloader.content.entries import read_entries
from dci_downloader.content.manifest import parse_manifest
from dci_downloader.content.names import EntryError
from dci_downloader.errors import ManifestError

SEGMENTS = st.sampled_from(["a", "b", ".c", "é", "..", ".", "", "x" * 255, "x" * 256, "d e", "~", "\n", "\x85"])
NAMES = st.one_of(SEGMENTS, st.text("ab/.\x00\n\x85\udc80é ~", max_size=4))
FOLDERS = st.lists(SEGMENTS, max_size=3).map("/".join).filter(lambda folder: not folder.endswith("/"))
DIGESTS = st.sampled_from(["a" * 64, "0" * 64, "g" * 64, "a" * 63, "", "a" * 65, "\u0661" * 64])
SIZES = st.one_of(st.integers(-1, 2), st.sampled_from([2**63 - 1, 2**63, True, "1", None, 1.0]))
FILES = st.lists(st.tuples(FOLDERS, NAMES, DIGESTS, SIZES), max_size=4, unique_by=lambda file: file[:2])
LINKS = st.lists(
    st.tuples(FOLDERS, NAMES, st.lists(SEGMENTS, max_size=3).map("/".join)),
    max_size=3,
    unique_by=lambda link: link[:2],
)


def joined(folder, name):
    return f"{folder}/{name}" if folder else name


@given(FILES, LINKS)
@settings(deadline=None, max_examples=300)
def test_what_a_manifest_may_hold_a_record_may_and_nothing_else(files, links):
    document = {
        "files": [
            {"path": folder, "name": name, "sha256": sha256, "size": size} for folder, name, sha256, size in files
        ],
        "symlinks": [{"path": folder, "name": name, "destination": to} for folder, name, to in links],
    }
    try:
        manifest = parse_manifest(json.dumps(document).encode(), "compose")
    except ManifestError:
        manifest = None
    try:
        entries, symlinks = read_entries(
            [[joined(folder, name), sha256, size] for folder, name, sha256, size in files],
            [[joined(folder, name), to] for folder, name, to in links],
        )
    except EntryError:
        # a name with a slash in it is refused where it is a name, and read as a path where it is one
        assert manifest is None
    else:
        if not any("/" in name for _, name, *_ in (*files, *links)):
            assert manifest is not None
            assert set(manifest.files) == set(entries)
            assert set(manifest.symlinks) <= set(symlinks), "those that lead nowhere are left out of a manifest"
