import pytest

from dci_downloader.control.signing import ComponentFiles
from dci_downloader.transfer.peer_verdict import WRONG_CONTENT
from dci_downloader.transfer.sources import Peer, PeerPool, Source
from dci_downloader.transfer.tuning import Tuning
from dci_downloader.transfer.verdict import Action, Verdict

MISS = Verdict(Action.MISS)
CUT = Verdict(Action.REFUSE, "its answers are cut")
SLOW = Verdict(Action.DROP, "it is slow")


@pytest.mark.parametrize(
    ("verdicts", "dropped"),
    [
        ([SLOW], "it is slow"),
        ([WRONG_CONTENT, WRONG_CONTENT], ""),
        ([WRONG_CONTENT, WRONG_CONTENT, CUT], "its answers are cut"),
        ([MISS] * 4, ""),
        ([MISS] * 5, "it does not have 5 objects in a row"),
        ([MISS, CUT] * 2, ""),
        ([MISS, CUT] * 3, "its answers are cut"),
    ],
)
def test_what_a_peer_is_dropped_for(verdicts, dropped):
    peer = Peer("http://lab1/dci")
    for verdict in verdicts:
        peer.record(verdict, Tuning(most_faults=3, most_misses=5))
    assert peer.dropped == dropped


def test_the_numbers_are_three_faults_and_200_misses():
    assert (Tuning().most_faults, Tuning().most_misses) == (3, 200)


def test_an_object_is_a_static_file_of_a_peer():
    url = Peer("http://lab1/dci").object_url("ab34" * 16)
    assert url == f"http://lab1/dci/.dci-downloader/objects/ab/{'ab34' * 16}"


def test_a_pool_remembers_which_peers_are_of_no_use():
    pool = PeerPool(["http://lab1/dci/", "http://lab2"])
    one, two = pool.live
    assert (one.url, two.url, pool.dropped) == ("http://lab1/dci", "http://lab2", ())
    one.record(SLOW, Tuning())
    assert (pool.live, pool.dropped) == ((two,), ("http://lab1/dci",))
    assert one.note == "peer http://lab1/dci is not asked any more: it is slow"


def test_the_files_of_a_component_are_a_source():
    assert [name for name in vars(Source) if not name.startswith("_")] == ["request", "follow"]
    assert all(callable(getattr(ComponentFiles, name)) for name in ("request", "follow"))
