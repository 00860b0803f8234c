"""Journals are written each time, and flushed as often as that takes little of the time."""

from types import SimpleNamespace

from dci_downloader.transfer.journal import Journal


class Partial:
    """Notes how it was saved, which takes some seconds."""

    def __init__(self, now, sha256, takes=0.0):
        self.entry = SimpleNamespace(sha256=sha256)
        self.now, self.takes = now, takes
        self.saved = []

    def save(self, *, flush):
        self.saved.append(flush)
        self.now.seconds += self.takes * flush


def test_a_partial_is_flushed_from_time_to_time():
    now = SimpleNamespace(seconds=0.0)
    journal = Journal(10.0, lambda: now.seconds)
    one, other = Partial(now, "1"), Partial(now, "2")
    for _ in range(25):
        journal.record(one)
        now.seconds += 1.0
    journal.record(other)
    assert [second for second, flush in enumerate(one.saved) if flush] == [10, 20]
    assert other.saved == [False]


def test_a_slow_disk_is_flushed_seldom():
    now = SimpleNamespace(seconds=0.0)
    journal = Journal(10.0, lambda: now.seconds)
    partials = [Partial(now, str(number), takes=1.0) for number in range(3)]
    for _ in range(200):
        for one in partials:
            journal.record(one)
        now.seconds += 1.0
    assert 3 <= sum(sum(one.saved) for one in partials) <= 4
