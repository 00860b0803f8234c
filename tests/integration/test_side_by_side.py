"""Runs of several topics on one mirror at the same time: none keeps another out."""

from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress

from dci_downloader import Credentials, SyncOptions
from dci_downloader.control.client import ControlServer
from dci_downloader.errors import LockedError
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.prune import prune
from dci_downloader.mirror.verify import verify
from dci_downloader.sync import sync_topic

RUNS = 42
NOT_AT_ALL = SyncOptions(keep=0, lock_timeout=0)


def files_of(name, number):
    """Most are the same in each build, and in both topics."""
    return {f"p{each}": f"{each}".encode() if each < 100 else f"{name} {number} {each}".encode() for each in range(160)}


def test_updates_and_prunes_lock_out_no_sync_of_another_topic_that_does_not_wait(lab, tmp_path):
    other = lab.catalog.add_topic("RHEL-9.3", component_types=("compose",))
    lab.build(files_of("9.2", 0), number=0)
    lab.build(files_of("9.3", 0), number=0, topic=other)
    credentials = Credentials(lab.site.client_id, lab.site.api_secret, lab.site.url)

    def sync(name):
        with ControlServer(credentials, patience=20) as server:
            return sync_topic(server, Mirror(tmp_path), name, options=NOT_AT_ALL).exit_code

    def update():
        codes = set()
        for number in range(1, 8):
            lab.build(files_of("9.2", number), number=number)
            codes.add(sync("RHEL-9.2"))
        return codes

    def prune_again_and_again():
        for _ in range(10):
            with suppress(LockedError):
                prune(Mirror(tmp_path), keep=0, timeout=0)

    assert [sync(name) for name in ("RHEL-9.2", "RHEL-9.3")] == [0, 0]
    with ThreadPoolExecutor(2) as beside:
        updated, pruned = beside.submit(update), beside.submit(prune_again_and_again)
        assert {sync("RHEL-9.3") for _ in range(RUNS)} == {0}
        wait([updated, pruned])
    assert updated.result() <= {0, LockedError.exit_code}, "a prune may have held its topic"
    pruned.result()
    assert [check.damages for check in verify(Mirror(tmp_path))] == [(), ()]
    prune(Mirror(tmp_path), keep=0)
    assert len(list(Mirror(tmp_path).store.object_names())) == 100 + 60 + 60
