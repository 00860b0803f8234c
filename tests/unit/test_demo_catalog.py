import hashlib
import json
from datetime import datetime, timezone

import pytest

from dci_downloader.content.manifest import IMAGE_LIST_NAME, MANIFEST_NAME
from dci_downloader.demo.catalog import Catalog, manifest_document, object_key
from dci_downloader.demo.payloads import Blob, Pattern

KILO = bytes(range(256)) * 4


def body(content, start=0, end=None):
    return b"".join(content.chunks(start, content.size if end is None else end))


@pytest.fixture
def catalog():
    return Catalog()


@pytest.fixture
def topic(catalog):
    return catalog.add_topic("RHEL-9.2")


def test_a_payload_gives_any_part_of_itself():
    content = Blob(KILO * 1000)  # more than one chunk
    assert content.size == 1024_000
    assert content.sha256 == hashlib.sha256(KILO * 1000).hexdigest()
    assert body(content) == KILO * 1000
    assert body(content, 300_001, 700_003) == (KILO * 1000)[300_001:700_003]
    assert body(content, 5, 5) == b""


def test_a_pattern_repeats_to_the_byte():
    content = Pattern(b"abcdefg", 1_000_000)
    whole = (b"abcdefg" * 142_858)[:1_000_000]
    assert body(content) == whole
    assert content.sha256 == hashlib.sha256(whole).hexdigest()
    assert body(content, 300_001, 900_002) == whole[300_001:900_002]


def test_the_manifest_lists_files_and_symlinks_as_the_real_one():
    document = json.loads(manifest_document({".composeinfo": Blob(b"{}"), "a/b/c d": Blob(b"")}, {"a/latest": "b"}))
    assert document == {
        "directories": [],
        "files": [
            {"path": "", "name": ".composeinfo", "sha256": hashlib.sha256(b"{}").hexdigest(), "size": 2},
            {"path": "a/b", "name": "c d", "sha256": hashlib.sha256(b"").hexdigest(), "size": 0},
        ],
        "symlinks": [{"path": "a", "name": "latest", "destination": "b"}],
    }


def test_a_component_brings_its_objects_and_its_manifest(catalog, topic):
    component = catalog.add_component(
        topic, name="c", files={"a+b": b"x", "d": Pattern(b"z", 3)}, images_list=b"images: []"
    )
    found = {name.split("/", 1)[1]: body(content) for name, content in catalog.objects.items()}
    listed = json.loads(found.pop(MANIFEST_NAME))["files"]
    assert found == {"a+b": b"x", "d": b"zzz", IMAGE_LIST_NAME: b"images: []"}
    assert [entry["name"] for entry in listed] == ["a+b", "d"]
    assert catalog.components == {component.id: component}


def test_an_object_can_change_or_vanish_under_its_manifest(catalog, topic):
    component = catalog.add_component(topic, name="c", files={"a": b"x", "b": b"y"})
    before = body(catalog.objects[object_key(component, MANIFEST_NAME)])
    catalog.put(component, "a", b"corrupt")
    catalog.drop(component, "b")
    assert body(catalog.objects[object_key(component, "a")]) == b"corrupt"
    assert object_key(component, "b") not in catalog.objects
    assert body(catalog.objects[object_key(component, MANIFEST_NAME)]) == before


def test_what_is_added_later_is_newer_and_has_its_own_id(catalog, topic):
    first, second = (catalog.add_component(topic, name="same") for _ in range(2))
    assert first.created_at < second.created_at
    assert first.id != second.id
    assert catalog.add_topic("RHEL-9.2").id != topic.id


def test_instants_are_written_without_a_zone(catalog, topic):
    moment = datetime(2022, 11, 21, 4, 12, tzinfo=timezone.utc)
    component = catalog.add_component(topic, name="c", created_at=moment)
    assert component.document()["created_at"] == "2022-11-21T04:12:00.000000"
    assert component.document()["released_at"] == "2022-11-21T04:12:00.000000"


def test_secrets_do_not_show_in_representations(catalog):
    assert catalog.remoteci.api_secret not in repr(catalog.remoteci)
