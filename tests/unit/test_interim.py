"""Interim responses of the control server are read past."""

from __future__ import annotations

import json

import pytest

from dci_downloader.errors import ServerUnreachableError, TransferError
from dci_downloader.options import Network
from tests.faults.server import FaultServer
from tests.faults.test_lines import forwarded
from tests.unit.control_site import topic

BODY = json.dumps({"topic": topic()}).encode()
FINAL = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nContent-Length: 5\r\n\r\n"


def sends(*parts):
    def answer(asked):
        asked.wfile.write(b"".join(parts))
        asked.close_connection = True

    return answer


@pytest.mark.parametrize(
    "interim",
    [
        [b"HTTP/1.1 100 Continue\r\n\r\n"],
        [b"HTTP/1.1 102 Processing\r\n\r\n"],
        [EARLY_HINTS],
        [EARLY_HINTS] * 3,
        [b"HTTP/1.1 100 Continue\r\n\r\n", EARLY_HINTS, b"HTTP/1.1 102 \r\n\r\n", b"HTTP/1.1 199 Odd\r\n\r\n"],
        [EARLY_HINTS] * 50,
    ],
    ids=["100", "102", "103", "several 103", "each once", "fifty"],
)
def test_the_final_response_counts(site, connect, interim):
    site.answer = sends(*interim, FINAL)
    assert connect(patience=0).topic("t1").name == "RHEL-9.2"


def test_so_it_does_through_a_proxy(site, connect):
    proxy = FaultServer(forwarded)
    proxy.default = lambda exchange: (exchange.send(EARLY_HINTS + FINAL), exchange.cut())
    try:
        assert connect(network=Network(proxies={"http": proxy.url}), patience=0).topic("t1").name == "RHEL-9.2"
        assert len(proxy.log) == 1
    finally:
        proxy.close()


@pytest.mark.parametrize(
    "parts",
    [
        [EARLY_HINTS],
        [EARLY_HINTS] * 200,
        [b"HTTP/1.1 103 Early Hints\r\nLink: " + b"x" * 70_000 + b"\r\n\r\n", FINAL],
        [b"HTTP/1.1 103 Early Hints\r\nLink"],
    ],
    ids=["nothing after it", "too many", "a long header", "cut"],
)
def test_interim_responses_without_a_final_one_are_a_broken_connection(site, connect, parts):
    site.answer = sends(*parts)
    with pytest.raises((ServerUnreachableError, TransferError)):
        connect(patience=0).topic("t1")
