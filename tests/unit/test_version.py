import json

import pytest

from dci_downloader.mirror.record import read_record
from dci_downloader.mirror.version import record_path
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
