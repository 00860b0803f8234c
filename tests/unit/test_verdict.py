from datetime import datetime, timezone

import pycurl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dci_downloader.content.ranges import Range
from dci_downloader.network.headers import Head
from dci_downloader.network.retries import REDIRECTS, TRANSIENT
from dci_downloader.transfer.verdict import (
    ACCEPT,
    Action,
    judge_end,
    judge_failure,
    judge_fetch,
    judge_locate,
)

NOW = datetime(2022, 11, 21, 12, 0, 0, tzinfo=timezone.utc)
URL = "https://user:pass@store.example/bucket/a.rpm?X-Amz-Signature=abc"


@pytest.mark.parametrize(
    ("status", "action", "exit_code"),
    [
        (200, Action.GIVE_UP, 5),
        (206, Action.GIVE_UP, 5),
        (404, Action.GIVE_UP, 5),
        (400, Action.GIVE_UP, 5),
        (401, Action.GIVE_UP, 3),
        (403, Action.GIVE_UP, 3),
        (412, Action.GIVE_UP, 3),
        (418, Action.GIVE_UP, 5),
        (302, Action.REFUSE, 5),
        *((status, Action.RETRY, 5) for status in sorted(TRANSIENT)),
    ],
)
def test_what_a_status_of_the_control_server_means(status, action, exit_code):
    verdict = judge_locate(Head(status, {}), URL, NOW)
    assert (verdict.action, verdict.exit_code) == (action, exit_code)
    assert verdict.reason
    assert str(status) in verdict.reason or status == 302


@pytest.mark.parametrize("judge", ["locate", "fetch"])
@pytest.mark.parametrize("status", sorted(REDIRECTS))
@pytest.mark.parametrize(
    ("place", "location"),
    [
        ("https://other.example/a?b=c", "https://other.example/a?b=c"),
        ("/c%2B%2B.rpm?s=1", "https://user:pass@store.example/c%2B%2B.rpm?s=1"),
        ("//other.example/a", "https://other.example/a"),
        ("HTTP://other.example/a", "http://other.example/a"),
        ("/a b\u00c3\u00bc", "https://user:pass@store.example/a%20b%C3%BC"),
        ("http://[::1]:8080/a", "http://[::1]:8080/a"),
    ],
)
def test_redirects_are_followed(judge, status, place, location):
    head = Head(status, {"location": place})
    locate = judge == "locate"
    verdict = judge_locate(head, URL, NOW) if locate else judge_fetch(head, URL, None, 5, NOW)
    assert (verdict.action, verdict.location) == (Action.REDIRECT, location)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("file:///etc/passwd", "file://"),
        ("ftp://a/b", "ftp://"),
        ("javascript:alert(1)", "javascript://"),
        ("http://[::1", "no URL"),
        ("http://a:port/", "no URL"),
        ("http://a:99999/", "no URL"),
        ("http://:80/", "no URL"),
    ],
)
def test_redirects_to_other_schemes_or_to_no_url_are_final(place, words):
    verdict = judge_locate(Head(302, {"location": place}), URL, NOW)
    assert verdict.action is Action.GIVE_UP
    assert words in verdict.reason


@given(st.text(st.characters(max_codepoint=255), min_size=1))
def test_a_location_is_refused_or_plain_ascii(place):
    verdict = judge_locate(Head(302, {"location": place}), URL, NOW)
    assert verdict.action is not Action.REDIRECT or verdict.location.isascii()


PART = Range(10, 20)


def fetched(status, wanted=None, size=100, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return judge_fetch(Head(status, named), URL, wanted, size, NOW)


@pytest.mark.parametrize(
    ("status", "wanted", "headers", "action", "exit_code"),
    [
        (200, None, {}, Action.ACCEPT, 5),
        (200, None, {"content_length": "100"}, Action.ACCEPT, 5),
        (200, None, {"content_length": "odd"}, Action.ACCEPT, 5),
        (200, None, {"content_length": "\u00b2"}, Action.ACCEPT, 5),
        (200, None, {"content_length": "0100"}, Action.ACCEPT, 5),
        (200, None, {"content_encoding": "Identity"}, Action.ACCEPT, 5),
        (200, None, {"content_length": "99"}, Action.REFUSE, 7),
        (200, None, {"content_length": "101"}, Action.REFUSE, 7),
        (200, None, {"content_encoding": "gzip"}, Action.ACCEPT, 5),
        (200, None, {"content_encoding": "gzip", "content_length": "101"}, Action.ACCEPT, 5),
        (200, None, {"content_encoding": "br", "content_length": "100"}, Action.ACCEPT, 5),
        (200, None, {"content_encoding": "br", "content_length": "99"}, Action.REFUSE, 5),
        (200, None, {"content_encoding": "", "content_length": "99"}, Action.REFUSE, 7),
        (200, PART, {}, Action.WHOLE, 5),
        (206, None, {"content_range": "bytes 0-99/100"}, Action.ACCEPT, 5),
        (206, None, {"content_range": "bytes 0-99/*"}, Action.ACCEPT, 5),
        (206, None, {"content_range": "bytes 0-50/100"}, Action.ACCEPT, 5),
        (206, None, {"content_range": "bytes 1-99/100"}, Action.WHOLE, 5),
        (206, None, {"content_range": "bytes 0-100/101"}, Action.WHOLE, 5),
        (206, None, {"content_range": "bytes 0-9/101"}, Action.WHOLE, 7),
        (206, None, {}, Action.ACCEPT, 5),
        (206, None, {"content_length": "99"}, Action.REFUSE, 7),
        (206, PART, {"content_range": "bytes 10-19/100"}, Action.ACCEPT, 5),
        (206, PART, {"content_range": "bytes 10-19/*"}, Action.ACCEPT, 5),
        (206, PART, {"content_range": "bytes 10-14/100"}, Action.ACCEPT, 5),
        (206, PART, {"content_range": "bytes 10-20/100"}, Action.WHOLE, 5),
        (206, PART, {"content_range": "bytes 9-19/100"}, Action.WHOLE, 5),
        (206, PART, {"content_range": "bytes 10-19/101"}, Action.WHOLE, 7),
        (206, PART, {"content_range": "lines 10-19/100"}, Action.WHOLE, 5),
        (206, PART, {}, Action.WHOLE, 5),
        (206, PART, {"content_range": "bytes 10-19/100", "content_encoding": "br"}, Action.ACCEPT, 5),
        (206, PART, {"content_range": "bytes 10-19/100", "content_encoding": "gzip"}, Action.ACCEPT, 5),
        (
            206,
            PART,
            {"content_range": "bytes 10-19/100", "content_encoding": "x", "content_length": "10"},
            Action.ACCEPT,
            5,
        ),
        (
            206,
            PART,
            {"content_range": "bytes 10-19/100", "content_encoding": "x", "content_length": "9"},
            Action.WHOLE,
            5,
        ),
        (416, PART, {}, Action.WHOLE, 5),
        (416, None, {}, Action.WHOLE, 5),
        (403, None, {}, Action.LOCATE, 5),
        (404, None, {}, Action.GIVE_UP, 5),
        (400, None, {}, Action.GIVE_UP, 5),
        (0, None, {}, Action.GIVE_UP, 5),
        *((status, PART, {}, Action.RETRY, 5) for status in sorted(TRANSIENT)),
    ],
)
def test_what_an_answer_of_the_object_store_means(status, wanted, headers, action, exit_code):
    verdict = fetched(status, wanted, **headers)
    assert (verdict.action, verdict.exit_code) == (action, exit_code)
    assert bool(verdict.reason) is (action is not Action.ACCEPT)


@pytest.mark.parametrize(
    ("encoding", "length", "otherwise", "codings"),
    [
        ("gzip", "100", False, ()),
        ("gzip", "100", True, ("gzip",)),
        ("gzip", "99", False, ("gzip",)),
        ("gzip", "99", True, ("gzip",)),
        ("gzip", "", False, ("gzip",)),
        ("gzip", "", True, ()),
        ("aws-chunked, GZIP", "", False, ("gzip",)),
        ("aws-chunked", "", False, ()),
        ("br", "", False, ()),
        ("br, gzip", "", False, ()),
    ],
)
def test_an_encoded_body_is_decoded_where_that_is_likely_to_be_right(encoding, length, otherwise, codings):
    head = Head(200, {"content-encoding": encoding, "content-length": length})
    verdict = judge_fetch(head, URL, None, 100, NOW, otherwise=otherwise)
    assert (verdict.action, verdict.encoded, verdict.codings) == (Action.ACCEPT, True, codings)


def test_a_web_page_is_called_one():
    assert "a web page" in fetched(200, content_length="7", content_type="text/html").reason
    assert "a web page" not in fetched(200, content_length="7", content_type="text/plain").reason
    ended = judge_end(Head(200, {"content-type": "Text/HTML; charset=utf-8"}), 7, 100)
    assert (ended.action, ended.exit_code) == (Action.REFUSE, 7)
    assert "web page ended at byte 7, 93 bytes early" in ended.reason


@pytest.mark.parametrize("encoding", ["br", "zstd"])
def test_an_encoding_that_cannot_be_undone_is_named(encoding):
    verdict = fetched(200, content_length="7", content_encoding=encoding)
    assert (verdict.action, f"encoded as '{encoding}'" in verdict.reason) == (Action.REFUSE, True)
    assert "a proxy or cache" in verdict.hint
    ended = judge_end(Head(200, {"content-encoding": encoding}), 7, 100)
    assert f"encoded as '{encoding}', ended at byte 7, 93 bytes early" in ended.reason


def test_what_a_busy_server_asks_for_is_passed_on():
    assert fetched(503, retry_after="12").wait == 12
    assert judge_locate(Head(429, {"retry-after": "13"}), URL, NOW).wait == 13


@pytest.mark.parametrize(
    ("code", "action", "words"),
    [
        (pycurl.E_PEER_FAILED_VERIFICATION, Action.ABORT, "cannot be trusted (curl says so)"),
        (pycurl.E_SSL_CACERT_BADFILE, Action.ABORT, "trusted certificates cannot be read"),
        (pycurl.E_COULDNT_CONNECT, Action.RETRY, "store.example: no connection"),
        (pycurl.E_OPERATION_TIMEDOUT, Action.RETRY, "store.example: it stopped answering"),
        (pycurl.E_HTTP2, Action.RETRY, "store.example: curl says so"),
    ],
)
def test_what_a_broken_connection_means(code, action, words):
    verdict = judge_failure(code, "curl says so", URL)
    assert verdict.action is action
    assert verdict.reason.startswith("store.example: ")
    assert words in verdict.reason
    assert "pass" not in verdict.reason


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("SSL certificate problem: certificate has expired", "clock"),
        ("SSL certificate problem: certificate is not yet valid", "clock"),
        ("SSL: no alternative certificate subject name matches target host name '127.0.0.1'", "host name"),
        ("SSL certificate problem: unable to get local issuer certificate", "REQUESTS_CA_BUNDLE"),
    ],
)
def test_a_certificate_that_is_not_trusted_says_what_to_do(words, hint):
    assert hint in judge_failure(pycurl.E_PEER_FAILED_VERIFICATION, words, URL).hint


def test_a_proxy_that_refuses_is_not_taken_for_a_cut():
    verdict = judge_failure(pycurl.E_RECV_ERROR, "CONNECT tunnel failed, response 407", URL)
    assert verdict.action is Action.RETRY
    assert verdict.reason == ("store.example: the proxy does not let it through (CONNECT tunnel failed, response 407)")
    assert "HTTPS_PROXY" in verdict.hint
    for code, words in ((pycurl.E_RECV_ERROR, "CONNECT tunnel failed"), (pycurl.E_COULDNT_RESOLVE_PROXY, "unknown")):
        assert judge_failure(code, words, URL, "ALL_PROXY").hint.startswith("check ALL_PROXY")


def test_an_error_without_words_is_told_by_its_number():
    assert judge_failure(9999, "", URL).reason == "store.example: libcurl error 9999"


def test_the_accepting_verdict_accepts():
    assert ACCEPT.action is Action.ACCEPT
