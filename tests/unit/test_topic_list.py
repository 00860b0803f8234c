import json
import threading
from datetime import datetime, timezone

import pytest

from dci_downloader.errors import ManifestError
from dci_downloader.mirror.topic_list import ListedTopic, list_topic, parse_topics
from tests.unit.samples import FIRST, Sample

MOMENT = datetime(2026, 1, 2, tzinfo=timezone.utc)


def listed(sample):
    return parse_topics((sample.store.root / "topics.json").read_bytes())


def test_runs_of_several_topics_side_by_side_lose_no_entry(tmp_path):
    sample = Sample(tmp_path / "m")
    topics = [sample.mirror.topic(f"RHEL-9.{number}") for number in range(12)]
    sample.mirror.prepare()
    for topic in topics:
        (topic.path / ".versions").mkdir(parents=True)
    threads = [
        threading.Thread(target=list_topic, args=(topic, ListedTopic(topic.name, "", None, ("compose",))))
        for topic in topics
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [topic.name for topic in listed(sample)] == sorted(topic.name for topic in topics)


def test_what_is_not_known_any_more_stays_and_a_topic_that_is_gone_goes(sample):
    sample.publish("c1", FIRST)
    sample.publish("c2", FIRST)
    list_topic(sample.topic, ListedTopic("RHEL 9.2", "t1", MOMENT, ("compose",)))
    list_topic(sample.topic, ListedTopic("RHEL 9.2", "", None, ("hwcert",)))
    assert listed(sample) == (ListedTopic("RHEL 9.2", "t1", MOMENT, ("compose", "hwcert")),)
    sample.topic.path.rename(sample.root.parent / "elsewhere")
    other = sample.mirror.topic("RHEL-8")
    (other.path / ".versions").mkdir(parents=True)
    list_topic(other, ListedTopic("RHEL-8", "t2", None, ("compose",)))
    assert [topic.name for topic in listed(sample)] == ["RHEL-8"]


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../x"},
        {"name": ""},
        {"name": ".hidden"},
        {"name": "a/b"},
        {"name": 1},
        {"types": ["../x"]},
        {"types": "compose"},
        {"types": [1]},
        {"created_at": "soon"},
        {"id": None},
        {"types": ["compose", "compose"]},
        {"types": ["a b", "a_b"]},
    ],
    ids=str,
)
def test_a_hostile_list_is_refused(change):
    topic = {"name": "RHEL-9.2", "id": "t1", "created_at": None, "types": ["compose"]}
    assert parse_topics(json.dumps({"format": 1, "topics": [topic], "more": 1}).encode())
    with pytest.raises(ManifestError):
        parse_topics(json.dumps({"format": 1, "topics": [{**topic, **change}]}).encode())


def test_a_topic_that_is_listed_twice_is_refused():
    topics = [{"name": name, "id": name, "created_at": None, "types": []} for name in ("RHEL 9", "RHEL_9")]
    with pytest.raises(ManifestError, match="twice"):
        parse_topics(json.dumps({"format": 1, "topics": topics}).encode())


def test_a_list_that_would_take_for_ever_to_look_through_is_refused():
    topics = [{"name": f"t{number}", "id": "", "created_at": None, "types": ["a", "b"]} for number in range(2501)]
    with pytest.raises(ManifestError, match="more than 5,000 types"):
        parse_topics(json.dumps({"format": 1, "topics": topics}).encode())


@pytest.mark.parametrize(
    "document", [b"", b"[]", b"{}", b"<html>", b"\xff\xfe{", b'{"format": 2, "topics": []}', b'{"format": 1']
)
def test_what_is_no_list_is_refused(document):
    with pytest.raises(ManifestError, match="the list of topics cannot be used"):
        parse_topics(document)


def test_a_list_of_another_format_is_told_from_a_damaged_one():
    with pytest.raises(ManifestError, match="it is of format 2, which this release does not know"):
        parse_topics(b'{"format": 2}')
