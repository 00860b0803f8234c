import select
from dataclasses import dataclass, field

import pycurl
import pytest

from dci_downloader.models import TransferOptions
from dci_downloader.transfer.stage import Stage
from dci_downloader.transfer.width import Width
from tests.faults.server import Answer, FaultServer, cut


@dataclass(eq=False)
class Request:
    url: str
    handle: object = None
    headers: list = field(default_factory=list)
    body: list = field(default_factory=list)

    def receive(self, chunk):
        self.body.append(chunk)


@pytest.fixture
def server():
    server = FaultServer(lambda asked: Answer(200, (("X-Asked", asked.headers.get("x-ask", "")),), b"content"))
    yield server
    server.close()


@pytest.fixture
def stage():
    stage = Stage(TransferOptions(), pycurl.CURL_HTTP_VERSION_1_1, Width(3, 8))
    yield stage
    stage.close()


def start(stage, server, path, headers=()):
    request = Request(f"{server.url}/{path}")
    stage.start(request, request.url, list(headers))
    return request


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
    assert request.body == [b"content"]
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
    stage = Stage(TransferOptions(), pycurl.CURL_HTTP_VERSION_1_1, Width(3, 8))
    start(stage, server, "a")
    stage.close()
    assert stage.under_way == {}
