from dci_downloader.results import OBJECT_STORE, Failure, SourceTotals
from dci_downloader.transfer.fetched import Fetched, fetched, merged

LAB1, LAB2 = SourceTotals("http://lab1", 3, 300), SourceTotals("http://lab2", 0, 20)


def test_what_peers_did_not_give_the_object_store_did():
    result = fetched(5, 500, (), [LAB1, SourceTotals("http://idle", 0, 0), LAB2], ["a note"])
    assert result.received == (LAB1, LAB2, SourceTotals(OBJECT_STORE, 2, 180))
    assert (result.files, result.bytes, result.notes) == (5, 500, ("a note",))


def test_the_object_store_is_listed_though_it_gave_nothing():
    assert fetched(0, 0).received == (SourceTotals(OBJECT_STORE, 0, 0),)


def test_two_fetches_are_added_source_by_source_and_the_notes_are_those_of_the_first():
    failure, another = Failure("a", "gone", 5), Failure("b", "gone", 5)
    one = fetched(5, 500, [failure], [LAB1], ["lab1 is slow"])
    other = fetched(4, 330, [another], [LAB2, LAB1], ["lab1 is slow"])
    both = merged(one, other)
    assert (both.files, both.bytes, both.failures, both.notes) == (9, 830, (failure, another), ("lab1 is slow",))
    assert both.received == (SourceTotals("http://lab1", 6, 600), LAB2, SourceTotals(OBJECT_STORE, 3, 210))


def test_a_fetch_that_did_nothing_adds_nothing():
    one = fetched(5, 500, (), [LAB1])
    assert merged(one, Fetched()) == one
