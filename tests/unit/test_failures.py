"""Requests without a response: exceptions to errors with a hint."""

from __future__ import annotations

import socket
import ssl

import pytest
import requests

from dci_downloader.control.failures import Route, failure_from_exception


def certificate_error(code, text="odd"):
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, text
    return requests.exceptions.SSLError(error)


@pytest.mark.parametrize(
    ("error", "what", "hint", "transient"),
    [
        (certificate_error(10), "has expired", "clock", False),
        (certificate_error(20), "authority that is not trusted", "REQUESTS_CA_BUNDLE", False),
        (certificate_error(62), "another host name", "DCI_CS_URL", False),
        (certificate_error(99), "not trusted: odd", "REQUESTS_CA_BUNDLE", False),
        (
            requests.exceptions.SSLError(ValueError("hostname 'h' doesn't match 'x'")),
            "another host",
            "DCI_CS_URL",
            False,
        ),
        (
            requests.exceptions.SSLError(ssl.CertificateError("'h' doesn't match 'x'")),
            "another host",
            "DCI_CS_URL",
            False,
        ),
        (requests.exceptions.SSLError(ssl.SSLEOFError(8, "EOF")), "was cut", "", True),
        (socket.gaierror(socket.EAI_AGAIN, "try again"), "h cannot be resolved", "name servers", True),
        (requests.exceptions.ConnectTimeout(), "no connection to h", "HTTPS_PROXY", True),
        (requests.exceptions.InvalidSchema("SOCKS"), "no connection", "HTTPS_PROXY", True),
    ],
)
def test_an_exception_of_the_library_becomes_an_error_with_a_hint(error, what, hint, transient):
    failure = failure_from_exception(error, Route("GET https://h/x", "h"))
    assert what in str(failure.error)
    assert hint in failure.error.hint
    assert failure.transient is transient


def test_a_proxy_that_cannot_be_resolved_is_blamed():
    route = Route("GET https://h/x", "h", "http://p:3128")
    failure = failure_from_exception(socket.gaierror(socket.EAI_NONAME, "?"), route)
    assert "the proxy http://p:3128 cannot be resolved" in str(failure.error)


@pytest.mark.parametrize("error", [socket.gaierror(socket.EAI_NONAME, "?"), requests.exceptions.ProxyError()])
def test_the_variable_that_led_to_the_proxy_is_named(error):
    failure = failure_from_exception(error, Route("GET http://h/x", "h", "http://p:3128", "ALL_PROXY"))
    assert failure.error.hint.startswith("check ALL_PROXY")
