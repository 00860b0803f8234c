"""Another mirror reads while this one publishes: what it sees is whole at every moment."""

import os
import threading

import pytest

from dci_downloader.mirror.prune import prune
from dci_downloader.mirror.retention import retire
from dci_downloader.upstream.mirror import UpstreamMirror
from tests.unit.samples import Sample, entry_of

PUBLICATIONS = 40


def build(number):
    """A build whose every file names it."""
    return {"same": b"same", **{f"file-{index}": b"%d of build %d" % (index, number) for index in range(5)}}


def contents(sample, number):
    return {entry_of(path, content) for path, content in build(number).items()}


def read_index(sample):
    """The build that the index names, all of whose objects are there; None where it was replaced meanwhile."""
    upstream = UpstreamMirror(sample.root)
    (topic,) = upstream.topics()
    component = next(iter(upstream.components(topic)))
    number = int(component.name[1:])
    try:
        manifest = upstream.manifest(component)
    except Exception:
        assert upstream.outdated(), "a record was missing, or was another, although nothing had changed"
        return None
    assert set(manifest.files) == contents(sample, number)
    lost = [entry for entry in manifest.files if not os.path.exists(sample.store.object_path(entry.sha256))]
    assert not lost or upstream.outdated(), "an object was missing although nothing had changed"
    return None if lost else number


def read_link(sample):
    """The build that the link leads to, read through one folder that stays open."""
    fd = os.open(sample.link, os.O_RDONLY | os.O_DIRECTORY)
    try:
        found = {}
        for name in os.listdir(fd):
            file = os.open(name, os.O_RDONLY, dir_fd=fd)
            found[name] = os.read(file, 1000)
            os.close(file)
    except FileNotFoundError:  # it was replaced, and removed
        return None
    finally:
        os.close(fd)
    if set(found) != set(build(0)):  # likewise
        return None
    numbers = {content.rpartition(b" ")[2] for name, content in found.items() if name != "same"}
    assert len(numbers) == 1, "files of two builds under one link"
    return int(numbers.pop())


@pytest.mark.slow
def test_a_reader_of_index_and_link_sees_whole_versions_through_40_publications(tmp_path):
    sample = Sample(tmp_path / "mirror")
    sample.publish("c0", build(0), links=())
    errors = []

    def publish():
        try:
            for number in range(1, PUBLICATIONS + 1):
                sample.publish(f"c{number}", build(number), links=())
                with sample.topic.lock():
                    retire(sample.topic, "compose", 0)
                if number % 5 == 0:
                    prune(sample.mirror, 0)
        except BaseException as error:
            errors.append(error)

    publisher = threading.Thread(target=publish)
    publisher.start()
    by_index, by_link = [], []
    while publisher.is_alive():
        by_index.append(read_index(sample))
        by_link.append(read_link(sample))
    publisher.join()
    assert errors == []
    assert (read_index(sample), read_link(sample)) == (PUBLICATIONS, PUBLICATIONS)
    for numbers in (by_index, by_link):
        seen = [number for number in numbers if number is not None]
        assert seen == sorted(seen), "it went back"
