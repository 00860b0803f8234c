"""What links save, by lists of digests and sizes where there are any, else by records: the same figures."""

import pytest

from dci_downloader.mirror.digest_list import list_path, read_digest_list, read_sizes, write_digest_list
from dci_downloader.mirror.head import head_path
from dci_downloader.mirror.record import load_record
from dci_downloader.mirror.status import status
from tests.unit.samples import FIRST, SECOND, refuse_links


def figures(sample):
    found = status(sample.mirror)
    return found.size, found.saved


@pytest.fixture
def sample(sample):
    sample.publish("c1", FIRST)
    sample.publish("c2", SECOND)
    sample.publish("h1", FIRST, type="hwcert")
    return sample


def stored(sample):
    return sum(sample.store.path(sha256).stat().st_size for sha256 in sample.objects())


def test_status_reads_no_record_where_heads_and_lists_are_there(sample, monkeypatch):
    def refuse(path, limit):
        raise AssertionError(path)

    expected = 805 + 809 + 805
    monkeypatch.setattr("dci_downloader.mirror.record.read_file", refuse)
    assert figures(sample) == (expected, expected - 414)


HARM = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-40]),
    "a bit": lambda path: path.write_bytes(path.read_bytes()[:-40] + b"\1" * 40),
    "of another version": lambda path: path.write_bytes(list_path(path.with_name("c2")).read_bytes()),
}


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM)
def test_a_list_that_is_not_right_is_none_and_the_record_counts(sample, harm):
    before = figures(sample)
    harm(list_path(sample.folder / "c1"))
    assert read_sizes(sample.folder / "c1", load_record(sample.folder / "c1").identity) is None
    assert figures(sample) == before == (2419, 2419 - stored(sample))


def test_copies_save_nothing_with_and_without_lists(sample, monkeypatch):
    refuse_links(monkeypatch)
    sample.publish("c3", FIRST, selection={"copied": True})
    assert figures(sample) == (2419 + 805, 2419 - stored(sample))
    for name in ("c1", "c2", "c3"):
        list_path(sample.folder / name).unlink()
        head_path(sample.folder / name).unlink()
    assert figures(sample) == (2419 + 805, 2419 - stored(sample))


def test_sizes_beyond_four_gigabytes_are_counted(sample):
    version = load_record(sample.folder / "c1")
    files = [entry._replace(size=2**40 + entry.size) for entry in version.manifest.files]
    write_digest_list(sample.folder / "c1", version.identity, files)
    sizes = read_sizes(sample.folder / "c1", version.identity)
    assert sorted(sizes.values()) == sorted({entry.size for entry in files})
    assert len(read_digest_list(sample.folder / "c1")) == 32 * 2
