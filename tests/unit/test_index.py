import hashlib
import json
import os
import stat

import pytest

from dci_downloader.errors import ManifestError
from dci_downloader.mirror import retention
from dci_downloader.mirror.index import index_path, parse_index, read_index, refresh_index, write_index
from dci_downloader.mirror.remove import remove
from dci_downloader.mirror.retention import retire
from dci_downloader.mirror.rollback import rollback
from dci_downloader.mirror.topic_list import ListedTopic, parse_topics
from dci_downloader.mirror.version import record_path
from tests.unit.samples import FIRST, SECOND


def index_of(sample):
    return parse_index(index_path(sample.topic, "compose").read_bytes())


def topics_of(sample):
    return parse_topics((sample.root / ".dci-downloader/topics.json").read_bytes())


def folders(index):
    return [version.folder for version in index.versions]


def test_a_publication_writes_the_index_beside_the_link_and_lists_the_topic(sample):
    version = sample.publish("c1", FIRST).version
    assert index_path(sample.topic, "compose") == sample.root / "RHEL_9.2/.compose.json"
    index = index_of(sample)
    content = record_path(sample.topic.tree(version)).read_bytes()
    assert (index.topic, index.topic_id, index.type, index.published, index.number) == (
        "RHEL 9.2",
        "t1",
        "compose",
        "c1",
        1,
    )
    (only,) = index.versions
    assert (only.record, only.size) == (hashlib.sha256(content).hexdigest(), len(content))
    assert (only.component.id, only.component.tags) == ("id-c1", ("nightly",))
    assert topics_of(sample) == (ListedTopic("RHEL 9.2", "t1", None, ("compose",)),)
    for path in (index_path(sample.topic, "compose"), sample.root / ".dci-downloader/topics.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_the_published_version_comes_first_and_what_is_kept_after_it(sample):
    for name, files in (("c1", FIRST), ("c2", SECOND), ("c3", FIRST)):
        sample.publish(name, files)
    before = index_of(sample)
    assert (before.published, folders(before)) == ("c3", ["c3", "c2", "c1"])
    rollback(sample.mirror, "RHEL 9.2")
    index = index_of(sample)
    assert (index.published, folders(index)) == ("c2", ["c2", "c3", "c1"])
    assert index.number == before.number + 1
    assert index.since > before.since


def test_the_index_forgets_versions_before_they_are_removed(sample, monkeypatch):
    for name, files in (("c1", FIRST), ("c2", SECOND)):
        sample.publish(name, files)
    seen = []
    real = retention.move_aside

    def move_aside(path, old):
        seen.append(folders(index_of(sample)))
        return real(path, old)

    monkeypatch.setattr(retention, "move_aside", move_aside)
    with sample.topic.lock():
        retire(sample.topic, "compose", 0)
    assert seen == [["c2"]]
    assert folders(index_of(sample)) == ["c2"]


def test_what_was_published_before_there_were_indexes_gets_one_and_what_is_right_is_not_written_again(sample):
    sample.publish("c1", FIRST)
    path, listed = index_path(sample.topic, "compose"), sample.root / ".dci-downloader/topics.json"
    before = index_of(sample)
    path.unlink()
    listed.unlink()
    with sample.topic.lock():
        assert refresh_index(sample.topic, "compose") == ()
        assert folders(index_of(sample)) == folders(before)
        times = path.stat().st_mtime_ns, path.stat().st_ino, listed.stat().st_ino
        refresh_index(sample.topic, "compose")
        write_index(sample.topic, "compose")
        assert times == (path.stat().st_mtime_ns, path.stat().st_ino, listed.stat().st_ino)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\0" * 100, b'{"format": 99}', b"<html>"])
def test_an_index_that_is_damaged_is_made_anew(sample, content):
    sample.publish("c1", FIRST)
    path, listed = index_path(sample.topic, "compose"), sample.root / ".dci-downloader/topics.json"
    path.write_bytes(content)
    listed.write_bytes(content)
    assert read_index(sample.topic, "compose") is None
    with sample.topic.lock():
        refresh_index(sample.topic, "compose")
    assert index_of(sample).published == "c1"
    assert topics_of(sample)[0].types == ("compose",)


def test_where_nothing_is_published_any_more_there_is_no_index(sample):
    sample.publish("c1", FIRST)
    sample.publish("h1", {"a": b"a"}, type="hwcert", links=())
    assert topics_of(sample)[0].types == ("compose", "hwcert")
    os.unlink(sample.link)
    with sample.topic.lock():
        write_index(sample.topic, "compose")
        assert not index_path(sample.topic, "compose").exists()
        assert topics_of(sample)[0].types == ("hwcert",)
        os.unlink(sample.topic.link("hwcert"))
        write_index(sample.topic, "hwcert")
    assert topics_of(sample) == ()


def test_what_is_removed_is_told_to_other_mirrors(sample):
    for name, files in (("c1", FIRST), ("c2", SECOND)):
        sample.publish(name, files)
    with sample.topic.lock():
        retention.remove(sample.topic, sample.topic.heads("compose")[1])
    assert folders(index_of(sample)) == ["c2"]
    remove(sample.mirror, "RHEL 9.2")
    assert topics_of(sample) == ()
    assert not sample.topic.path.exists()


def test_when_a_topic_was_created_stays_known(sample):
    sample.topic.created_at = sample.topic.clock()
    sample.publish("c1", FIRST)
    assert topics_of(sample)[0].created_at == sample.topic.created_at
    again = sample.mirror.topic("RHEL_9.2")  # as maintenance opens it, by its folder
    with again.lock():
        write_index(again, "compose")
    (listed,) = topics_of(sample)
    assert (listed.name, listed.created_at) == ("RHEL 9.2", sample.topic.created_at)


def test_an_index_that_cannot_be_written_is_told_and_the_publication_stands(sample):
    path = sample.topic.path / ".compose.json"
    path.mkdir(parents=True)
    done = sample.publish("c1", FIRST)
    assert os.readlink(sample.link) == ".versions/compose/c1"
    (note,) = done.notes
    assert note.startswith("it is published, but mirrors that take from here are not told yet: ")


HOSTILE = {
    "a folder above": lambda index: index["versions"][0].update(folder=".."),
    "a hidden folder": lambda index: index["versions"][0].update(folder=".lock"),
    "a path": lambda index: index["versions"][0].update(folder="a/b"),
    "a line end": lambda index: index["versions"][0].update(folder="a\nb"),
    "published elsewhere": lambda index: index.update(published="c9"),
    "a version twice": lambda index: index["versions"].append(index["versions"][0]),
    "no versions": lambda index: index.update(versions=[]),
    "a topic above": lambda index: index.update(topic="../x"),
    "a type above": lambda index: index["versions"][0]["component"].update(type=".."),
    "another type": lambda index: index.update(type="hwcert"),
    "no digest": lambda index: index["versions"][0].update(record="x" * 64),
    "a number of text": lambda index: index.update(number="1"),
    "a negative size": lambda index: index["versions"][0].update(size=-1),
    "an endless size": lambda index: index["versions"][0].update(size=2**63),
    "no instant": lambda index: index.update(since="yesterday"),
    "a list in its place": lambda index: index.update(versions={"a": 1}),
    "a newer format": lambda index: index.update(format=2),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_index_is_refused(sample, change):
    sample.publish("c1", FIRST)
    document = json.loads(index_path(sample.topic, "compose").read_bytes())
    parse_index(json.dumps({**document, "more": 1}).encode())  # what a later release adds
    change(document)
    with pytest.raises(ManifestError, match=r"the index cannot be used|cannot be a folder"):
        parse_index(json.dumps(document).encode())


def test_an_index_of_another_format_is_told_from_a_damaged_one():
    with pytest.raises(ManifestError, match="it is of format 2, which this release does not know"):
        parse_index(b'{"format": 2}')
