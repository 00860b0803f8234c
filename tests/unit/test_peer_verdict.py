import pycurl
import pytest

from dci_downloader.network.headers import Head
from dci_downloader.transfer.peer_verdict import judge_peer_failure, judge_peer_head
from dci_downloader.transfer.verdict import Action
from tests.unit.test_verdict import PART, fetched


@pytest.mark.parametrize(
    ("status", "wanted", "headers", "action", "reason"),
    [
        (200, None, {"content_length": "100"}, Action.ACCEPT, ""),
        (206, PART, {"content_range": "bytes 10-19/100"}, Action.ACCEPT, ""),
        (200, None, {"content_length": "99"}, Action.REFUSE, "what it gives is something else"),
        (200, None, {"content_encoding": "gzip"}, Action.ACCEPT, ""),
        (
            200,
            None,
            {"content_encoding": "br", "content_length": "99"},
            Action.REFUSE,
            "what it gives is something else",
        ),
        (200, PART, {}, Action.WHOLE, "what it gives is something else"),
        (206, PART, {"content_range": "bytes 9-19/100"}, Action.WHOLE, "what it gives is something else"),
        (404, PART, {}, Action.MISS, ""),
        (410, None, {}, Action.MISS, ""),
        (302, None, {"location": "http://a/"}, Action.REFUSE, "it answers HTTP 302"),
        (403, None, {}, Action.REFUSE, "it answers HTTP 403"),
        (503, None, {"retry_after": "9"}, Action.REFUSE, "it answers HTTP 503"),
        (0, None, {}, Action.REFUSE, "what it gives is something else"),
    ],
)
def test_what_the_head_of_a_peers_response_means(status, wanted, headers, action, reason):
    verdict = judge_peer_head(fetched(status, wanted, **headers), Head(status, {}))
    assert (verdict.action, verdict.reason) == (action, reason)


@pytest.mark.parametrize(
    ("code", "begun", "action", "reason"),
    [
        (pycurl.E_COULDNT_CONNECT, False, Action.DROP, "no connection"),
        (pycurl.E_COULDNT_RESOLVE_HOST, False, Action.DROP, "its name cannot be resolved"),
        (pycurl.E_OPERATION_TIMEDOUT, True, Action.DROP, "it is slow, or does not answer"),
        (pycurl.E_PEER_FAILED_VERIFICATION, False, Action.DROP, "its certificate cannot be trusted"),
        (pycurl.E_PARTIAL_FILE, True, Action.REFUSE, "its answers are cut"),
        (0, True, Action.REFUSE, "its answers are cut"),
        (pycurl.E_GOT_NOTHING, False, Action.REFUSE, "what it gives is something else"),
    ],
)
def test_what_a_broken_connection_to_a_peer_means(code, begun, action, reason):
    verdict = judge_peer_failure(code, begun=begun)
    assert (verdict.action, verdict.reason) == (action, reason)
