import select
import threading

import pycurl
import pytest

from dci_downloader.network.headers import Head
from dci_downloader.options import TransferOptions
from dci_downloader.transfer.limits import AdaptiveLimit
from dci_downloader.transfer.sources import Peer
from dci_downloader.transfer.stage import CompletedRequest, Stage
from dci_downloader.transfer.tuning import Tuning
from tests.faults.server import FaultServer, cut
from tests.faults.server import Response as Sent


class TransferRequest:
    """What a stage needs of a request."""

    def __init__(self, url, largest=0, peer=None):
        self.url = url
        self.largest = largest
        self.peer = peer
        self.reads_head = True
        self.handle = None
        self.headers = []
        self.chunks = []
        self.seen = 0
        self.moved = 0.0
        self.checked = (0, 0.0)
        self.slow = False

    @property
    def received(self):
        return sum(map(len, self.chunks))


class Now:
    """A clock that stands still until it is set."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def server():
    server = FaultServer(lambda asked: Sent(200, (("X-Asked", asked.headers.get("x-ask", "")),), b"content"))
    yield server
    server.close()


def make_stage(tuning=Tuning(), **clock):  # noqa: B008  frozen
    return Stage(TransferOptions(), pycurl.CURL_HTTP_VERSION_1_1, AdaptiveLimit(3, 8), tuning, **clock)


@pytest.fixture
def now():
    return Now()


@pytest.fixture
def stage(now):
    stage = make_stage(clock=now)
    yield stage
    stage.close()


def start(stage, server, path, headers=(), largest=0, peer=None):
    request = TransferRequest(f"{server.url}/{path}", largest, peer)
    stage.start(request, list(headers))
    return request


def turn_until(stage, condition):
    """Turn until a condition holds."""
    for _ in range(1000):
        if condition():
            return
        select.select([stage.loop.fileno()], [], [], stage.loop.wait_seconds(0.05))
        assert list(stage.turn()) == []
    raise AssertionError("nothing was received")


def answers(stage, count):
    ended = []
    while len(ended) < count:
        assert select.select([stage.loop.fileno()], [], [], stage.loop.wait_seconds(5)) is not None
        ended += stage.turn()
    return ended


def test_an_answer_brings_head_body_and_time_to_its_request(stage, server):
    request = start(stage, server, "a", ["X-Ask: this"])
    assert stage.free == 2
    (answer,) = answers(stage, 1)
    assert answer.request is request
    assert (answer.code, answer.message) == (0, "")
    assert 0 < answer.seconds < 10
    assert b"X-Asked: this\r\n" in request.headers
    assert request.chunks == [b"content"]
    assert answer.head.status == 200
    assert stage.free == 3


def test_headers_of_one_request_are_not_sent_with_the_next(stage, server):
    start(stage, server, "a", ["X-Ask: secret"])
    answers(stage, 1)
    start(stage, server, "b")
    answers(stage, 1)
    assert [asked.headers.get("x-ask") for asked in server.log] == ["secret", None]
    assert server.connections == 1


def test_a_broken_answer_has_its_code_and_words(stage, server):
    server.scripts["a"] = iter([cut(0.5)])
    start(stage, server, "a")
    (answer,) = answers(stage, 1)
    assert answer.code == pycurl.E_PARTIAL_FILE
    assert answer.message
    assert answer.seconds > 0


def test_no_answer_at_all_took_no_time(stage, server):
    server.refuse()
    start(stage, server, "a")
    (answer,) = answers(stage, 1)
    assert answer.code == pycurl.E_COULDNT_CONNECT
    assert answer.seconds == 0.0


def half_then_silence(exchange):
    exchange.send(exchange.answer().head() + b"con")
    exchange.wait_for_the_end()


def test_a_request_that_stands_still_is_ended_and_what_came_of_it_is_there(stage, server, now):
    server.scripts["a"] = iter([half_then_silence])
    request = start(stage, server, "a")
    turn_until(stage, lambda: stage.look() == 3)
    now.seconds = 4.0
    assert list(stage.overdue(5.0)) == []
    assert stage.look() == 3
    now.seconds = 5.1
    ((ended, code, _, head, *_),) = stage.overdue(5.0)
    assert (ended, code, head.status) == (request, pycurl.E_OPERATION_TIMEDOUT, 200)
    assert request.chunks == [b"con"]
    assert stage.under_way == {}


def test_a_server_that_says_nothing_at_all_stands_still_too(stage, server, now):
    server.scripts["a"] = iter([lambda exchange: exchange.wait_for_the_end()])
    start(stage, server, "a")
    turn_until(stage, lambda: server.log)
    now.seconds = 5.1
    assert stage.look() == 0
    assert [answer.head.status for answer in stage.overdue(5.0)] == [0]


def test_time_stands_still_while_nobody_reads(stage, server, now):
    server.scripts["a"] = iter([half_then_silence])
    start(stage, server, "a")
    now.seconds = 4.0
    stage.pause()
    now.seconds = 100.0
    assert list(stage.overdue(5.0)) == []
    stage.resume()
    stage.resume()
    now.seconds = 100.9
    assert list(stage.overdue(5.0)) == []
    now.seconds = 101.1
    assert [answer.code for answer in stage.overdue(5.0)] == [pycurl.E_OPERATION_TIMEDOUT]


@pytest.mark.parametrize(("size", "peer", "slow"), [(3, Peer("a"), True), (8, Peer("a"), False), (3, None, False)])
def test_a_request_to_a_peer_that_is_slow_is_ended(server, now, size, peer, slow):
    stage = make_stage(Tuning(slow_rate=1, slow_seconds=5.0), clock=now)
    reads = threading.Event()

    def drop_by_drop(exchange):
        exchange.send(exchange.answer().head() + b"x" * (size - 1))
        reads.wait(10)
        exchange.send(b"x")
        exchange.wait_for_the_end()

    server.well = lambda asked: Sent(200, body=bytes(100))
    server.scripts["a"] = iter([drop_by_drop])
    request = start(stage, server, "a", peer=peer)
    turn_until(stage, lambda: stage.look() == size - 1)
    now.seconds = 4.9
    assert stage.look() == size - 1
    reads.set()
    turn_until(stage, lambda: stage.look() == size)
    assert list(stage.overdue(60.0)) == []
    now.seconds = 5.1
    stage.look()
    assert [answer.request for answer in stage.overdue(60.0)] == [request] * slow
    stage.close()


def test_an_answer_that_is_far_too_large_is_ended(stage, server):
    server.scripts["a"] = iter([half_then_silence])
    request = start(stage, server, "a", largest=7)
    turn_until(stage, lambda: stage.look() == 3)
    request.largest = 2  # as for a libcurl that looks only at what was announced
    assert [answer.code for answer in stage.overdue(5.0)] == [pycurl.E_FILESIZE_EXCEEDED]


def test_what_is_cancelled_for_another_answer_is_not_overdue_any_more(stage, server, now):
    for path in "ab":
        server.scripts[path] = iter([half_then_silence])
        start(stage, server, path)
    turn_until(stage, lambda: stage.look() == 6)
    now.seconds = 5.1
    ended = []
    for answer in stage.overdue(5.0):
        ended.append(answer.request)
        stage.cancel(lambda _: True)
    assert len(ended) == 1


def test_cancelled_requests_are_returned_and_never_answered(stage, server):
    one, two = start(stage, server, "1"), start(stage, server, "2")
    assert stage.cancel(lambda request: request is one) == [one]
    assert stage.free == 2
    assert [answer.request for answer in answers(stage, 1)] == [two]
    assert list(stage.turn()) == []
    assert stage.under_way == {}


def test_requests_may_be_started_and_cancelled_while_answers_are_read(stage, server):
    first, second = start(stage, server, "1"), start(stage, server, "2")
    seen = []
    while len(seen) < 3:
        select.select([stage.loop.fileno()], [], [], stage.loop.wait_seconds(5))
        for answer in stage.turn():
            if not seen:
                start(stage, server, "3")
            seen.append(answer.request)
            assert answer.request not in stage.cancel(lambda request: False)
    assert {first, second} < set(seen)


def test_closing_abandons_what_is_under_way(server):
    stage = make_stage()
    start(stage, server, "a")
    stage.close()
    assert stage.under_way == {}


WELL = Head(200, {})


def answered(head=WELL):
    return lambda request, seconds=0.02: CompletedRequest(request, 0, "", head, seconds)


def test_after_a_change_of_the_limit_only_responses_to_the_new_one_count(stage, server):
    stage.limit = AdaptiveLimit(2, 8)
    answer = answered()
    for _ in range(AdaptiveLimit.LEAST_RESPONSES):
        stage.full = True
        stage.note(answer(object()), starving=True)
    assert stage.limit.value == 4
    under_way = [start(stage, server, str(number)) for number in range(4)]
    list(stage.turn())  # what is under way now, is to be awaited
    for _ in range(20):
        stage.full = True
        stage.note(answer(object()), starving=True)
    assert stage.limit.value == 4
    answers(stage, 4)
    for request in under_way[:3]:
        stage.note(answer(request), starving=True)
    for _ in range(AdaptiveLimit.LEAST_RESPONSES):
        stage.full = True
        stage.note(answer(object()), starving=True)
    assert stage.limit.value == 8


def test_answers_without_a_head_say_nothing_about_the_limit(stage):
    for _ in range(20):
        stage.full = True
        stage.note(answered(Head(0, {}))(object()), starving=True)
    assert stage.limit.value == 3


@pytest.mark.parametrize(("full", "starving"), [(False, True), (True, False)])
def test_a_limit_that_is_not_used_up_or_needed_does_not_grow(stage, full, starving):
    for _ in range(20):
        stage.full = full
        stage.note(answered()(object()), starving)
    assert stage.limit.value == 3
