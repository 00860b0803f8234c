from collections import Counter
from types import SimpleNamespace

from dci_downloader.results import OBJECT_STORE, Assembled, Failure, SourceTotals
from dci_downloader.transfer.fetched import Fetched, followed, merged, result_of
from dci_downloader.transfer.sources import Peer

LAB1, LAB2 = Peer("http://lab1"), Peer("http://lab2", dropped="slow")


def result(files, size, failures=(), **given):
    """A result where peers gave so many files and bytes."""
    peers = [LAB1, LAB2, Peer("http://idle")]
    ledger = SimpleNamespace(
        entries=files + len(failures),
        failures=list(failures),
        assembled=Assembled(),
        completed_by=Counter({peer: given[peer.url[7:]][0] for peer in peers if peer.url[7:] in given}),
    )
    received = Counter({peer: given[peer.url[7:]][1] for peer in peers if peer.url[7:] in given})
    received[None] = size - sum(received.values())
    return result_of(ledger, SimpleNamespace(received=received), peers)


def test_what_peers_did_not_give_the_object_store_did():
    one = result(5, 500, [Failure("a", "gone", 5)], lab1=(3, 300), lab2=(0, 20))
    assert one.received == (
        SourceTotals("http://lab1", 3, 300),
        SourceTotals("http://lab2", 0, 20),
        SourceTotals(OBJECT_STORE, 2, 180),
    )
    assert (one.files, one.bytes, one.failures) == (5, 500, (Failure("a", "gone", 5),))
    assert one.notes == ("peer http://lab2 is not asked any more: slow",)


def test_the_object_store_is_listed_though_it_gave_nothing():
    assert result(3, 300, lab1=(3, 300)).received[-1] == SourceTotals(OBJECT_STORE, 0, 0)


def test_two_fetches_are_added_source_by_source_and_the_notes_are_those_of_the_first():
    failure, another = Failure("a", "gone", 5), Failure("b", "gone", 5)
    both = merged(result(5, 500, [failure], lab1=(3, 300)), result(4, 330, [another], lab2=(0, 20), lab1=(3, 300)))
    assert (both.files, both.bytes, both.failures) == (9, 830, (failure, another))
    assert both.notes == ("peer http://lab2 is not asked any more: slow",)
    assert both.received == (
        SourceTotals("http://lab1", 6, 600),
        SourceTotals("http://lab2", 0, 20),
        SourceTotals(OBJECT_STORE, 3, 210),
    )


def test_a_fetch_that_did_nothing_adds_nothing():
    one = result(5, 500, lab1=(3, 300))
    assert merged(one, Fetched()) == merged(Fetched(notes=one.notes), one) == one


def test_images_that_were_put_together_are_added():
    one, other = Fetched(assembled=Assembled(1, 10)), Fetched(assembled=Assembled(2, 5))
    assert merged(one, other).assembled == Assembled(3, 15)


def test_of_two_fetches_one_after_the_other_the_notes_of_both_count():
    assert followed(Fetched(notes=("a",)), Fetched(notes=("b",))).notes == ("a", "b")
