from dci_downloader.mirror.status import status
from dci_downloader.mirror.version import record_path
from tests.unit.samples import FIRST, SECOND


def test_status_tells_versions_and_what_links_save(sample):
    sample.publish("c1", FIRST)
    version = sample.publish("c2", SECOND).version
    sample.publish("h1", FIRST, type="hwcert")
    sample.link.with_name("hwcert").unlink()
    found = status(sample.mirror)
    compose, hwcert = found.rows
    assert (compose.topic, compose.type, compose.version, compose.kept) == ("RHEL 9.2", "compose", "c2", ("c1",))
    assert (compose.tags, compose.files, compose.size) == (("nightly",), 4, 809)
    assert (compose.published_at, compose.last_verified) == (version.published_at, None)
    assert (hwcert.version, hwcert.kept) == ("", ("h1",))
    assert found.size == 805 + 809 + 805
    stored = sum(found.st_size for _, found in sample.store.iter_objects())
    assert found.saved == found.size - stored


def test_types_without_readable_versions_are_left_out_of_the_status(sample):
    version = sample.publish("c1", FIRST).version
    record_path(sample.topic.tree(version)).unlink()
    assert status(sample.mirror).rows == ()
