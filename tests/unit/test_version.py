import hashlib
import json
from dataclasses import replace

import pytest

from dci_downloader.mirror.record import read_record
from dci_downloader.mirror.version import identity, record_path
from tests.unit.samples import FIRST, LINKS, component_of, manifest_of


def test_record_tells_all_there_is_to_know(sample):
    version = sample.publish("c1", FIRST, {"archs": ["x86_64"]}).version
    assert sample.topic.published("compose") == version
    assert version.component == component_of("c1")
    assert version.selection == {"archs": ["x86_64"]}
    assert version.manifest == manifest_of(FIRST, LINKS)
    assert version.topic == "RHEL 9.2"
    assert version.last_verified is None
    assert sample.topic.types() == ("compose",)


def test_an_identity_is_that_of_the_lines_in_order_however_many_there_are():
    files = {f"{'aA-/.é~'[number % 7]}x{number}": b"%d" % number for number in range(10_000)}
    files = {path.replace("/x", "d/x"): content for path, content in files.items()} | {"d": b"1", "d0": b"2"}
    manifest = manifest_of(files, [("l", "d"), ("k/l", "../d")])
    lines = ["id-c1", '{"b": 1, "c": []}']
    lines += sorted(f"{path}\0{sha256}\0{size}" for path, sha256, size in manifest.files)
    lines += sorted(f"{path}\0{destination}" for path, destination in manifest.symlinks)
    expected = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    shuffled = replace(manifest, files=manifest.files[::-1], symlinks=manifest.symlinks[::-1])
    for each in (manifest, shuffled):
        assert identity(component_of("c1"), {"c": [], "b": 1}, each) == expected


@pytest.mark.parametrize(
    "change", [b"", b"[]", {"format": 99}, {"files": 7}, {"component": {"id": 1}}, {"published_at": "soon"}]
)
def test_a_record_that_cannot_be_read_is_no_version(sample, change):
    place = sample.topic.tree(sample.publish("c1", FIRST).version)
    if isinstance(change, dict):
        change = json.dumps({**json.loads(record_path(place).read_text()), **change}).encode()
    record_path(place).write_bytes(change)
    assert read_record(place) is None
    assert sample.topic.versions("compose") == ()
    assert sample.topic.published("compose") is None
