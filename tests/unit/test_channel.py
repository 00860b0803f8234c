"""Messages arrive whole and in order, and no end waits for the other."""

import socket

import pytest

from dci_downloader.transfer.channel import Advance, Channel

LONG = "x" * 3_000_000


@pytest.fixture
def ends():
    ours, theirs = map(Channel, socket.socketpair())
    yield ours, theirs
    ours.close()
    theirs.close()


def test_messages_arrive_in_order(ends):
    ours, theirs = ends
    for message in (None, "a", Advance(1, 2), ["b"]):
        ours.send(message)
    assert theirs.readable()
    assert theirs.receive() == [None, "a", Advance(1, 2), ["b"]]
    assert not theirs.readable()
    assert theirs.receive() == []


def test_a_message_that_the_other_end_does_not_take_is_sent_later(ends):
    ours, theirs = ends
    ours.send(LONG)
    ours.send("after")
    received = []
    for _ in range(1000):
        received += theirs.receive()
        ours.flush()
    assert received == [LONG, "after"]


def test_the_end_is_noticed_after_the_messages_before_it(ends):
    ours, theirs = ends
    ours.send("last")
    ours.close()
    assert theirs.receive() == ["last"]
    assert theirs.readable()
    with pytest.raises(EOFError):
        theirs.receive()


def test_a_message_cut_by_the_end_is_none(ends):
    ours, theirs = ends
    ours.send(LONG)
    ours.close()
    with pytest.raises((EOFError, OSError)):
        theirs.wait()


def test_sending_to_nobody_raises(ends):
    ours, theirs = ends
    theirs.close()
    with pytest.raises(OSError, match=r"Broken pipe|reset"):
        ours.send("a")


def test_waiting_ends_with_a_message_and_sends_meanwhile(ends):
    ours, theirs = ends
    ours.send(LONG)
    theirs.send("a")
    assert ours.wait() == ["a"]
    theirs.close()
    with pytest.raises((EOFError, OSError)):
        ours.wait()
