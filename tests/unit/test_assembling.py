"""Which images are put together, and what is expected of that; the steps are tested in tests/faults/test_images.py."""

from __future__ import annotations

import pytest

from dci_downloader.mirror.store import Store
from dci_downloader.models import FileEntry
from dci_downloader.results import Assembled
from dci_downloader.transfer.assembling import Parts
from dci_downloader.transfer.tuning import Tuning

MIB = 1 << 20
DVD = FileEntry("BaseOS/x86_64/iso/dvd.iso", "d" * 64, 640 * MIB)
BOOT = FileEntry("BaseOS/x86_64/os/images/boot.iso", "b" * 64, 64 * MIB)
PACKAGE = FileEntry("AppStream/x86_64/os/Packages/a.rpm", "a" * 64, 10 * MIB)


@pytest.fixture
def parts(tmp_path):
    """Makes parts of these files, none of which the store holds."""
    return lambda *entries: Parts(entries, Store(tmp_path), Tuning())


def test_images_of_64_mebibytes_are_put_together_where_there_is_something_to_do_it_from(parts):
    small = BOOT._replace(size=BOOT.size - 1)
    assert parts(DVD, BOOT, PACKAGE).images([DVD, BOOT, small, PACKAGE]) == (DVD, BOOT)
    assert parts(DVD, BOOT).images([DVD, BOOT]) == ()


def test_what_is_expected_is_only_of_images_that_are_worth_it(parts):
    assert parts(DVD, BOOT, PACKAGE).expected([DVD, BOOT, PACKAGE]) == Assembled(1, PACKAGE.size)
    tiny = PACKAGE._replace(size=MIB)
    assert parts(DVD, tiny).expected([DVD]) == Assembled(0, 0)


def test_an_image_is_not_looked_into_where_nothing_of_it_is_here(parts, tmp_path):
    store = Store(tmp_path)
    store.prepare()
    partial = store.open_partial(BOOT)
    try:
        assert parts(DVD, BOOT, PACKAGE).begin(partial) is None
    finally:
        partial.discard()
