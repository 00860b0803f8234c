import pycurl
import pytest

from dci_downloader import __version__
from dci_downloader.options import Network, TransferOptions
from dci_downloader.transfer import handles
from dci_downloader.transfer.handles import HandlePool, read_response
from dci_downloader.transfer.sources import Peer
from dci_downloader.transfer.tuning import Tuning
from tests.faults.server import FaultServer, Response


class Recorder:
    """An easy handle that remembers what was set."""

    made = 0
    unknown = None

    def __init__(self):
        Recorder.made += 1
        self.options = {}
        self.closed = False

    def setopt(self, option, value):
        if option == self.unknown:
            raise pycurl.error
        self.options[option] = value

    def unsetopt(self, option):
        self.options.pop(option, None)

    def close(self):
        self.closed = True


@pytest.fixture
def recorded(monkeypatch):
    Recorder.made = 0
    monkeypatch.setattr(handles.pycurl, "Curl", Recorder)


class Receiver:
    """What a handle needs of a request."""

    def __init__(self, url, reads_head=False, largest=0, peer=None):
        self.url = url
        self.reads_head = reads_head
        self.largest = largest
        self.peer = peer
        self.headers = []
        self.chunks = []


def taken(url="https://store.example/a?s=1", network=None, patience=30.0):
    options = TransferOptions(network=network or Network(), patience=patience)
    return HandlePool(options, pycurl.CURL_HTTP_VERSION_1_1, Tuning()).take(Receiver(url), ["A: b"]).options


@pytest.mark.usefixtures("recorded")
def test_a_handle_asks_for_the_url_and_follows_nothing():
    options = taken()
    assert options[pycurl.URL] == b"https://store.example/a?s=1"
    assert options[pycurl.HTTPHEADER] == [b"A: b"]
    assert options[pycurl.FOLLOWLOCATION] == 0
    assert options[pycurl.USERAGENT] == f"dci-downloader/{__version__}"
    assert options[pycurl.PROTOCOLS] == pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS
    assert options[pycurl.HTTP_VERSION] == pycurl.CURL_HTTP_VERSION_1_1


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize(
    ("patience", "connect", "milliseconds"),
    [(30.0, 10.0, 10_000), (30.0, 60.0, 15_000), (1.0, 10.0, 500), (3600.0, 10.0, 10_000)],
)
def test_connecting_takes_at_most_half_of_the_patience(patience, connect, milliseconds):
    options = taken(network=Network(connect_timeout=connect), patience=patience)
    assert options[pycurl.CONNECTTIMEOUT_MS] == milliseconds


@pytest.mark.usefixtures("recorded")
def test_connecting_to_a_peer_takes_at_most_three_seconds():
    pool = HandlePool(TransferOptions(), pycurl.CURL_HTTP_VERSION_1_1, Tuning())
    to_peer = Receiver("http://a/", peer=Peer("http://a"))
    handle = pool.take(to_peer, [])
    assert handle.options[pycurl.CONNECTTIMEOUT_MS] == 3000
    pool.give_back(handle)
    assert pool.take(Receiver("http://a/"), []).options[pycurl.CONNECTTIMEOUT_MS] == 10_000


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize(
    ("rate", "connections", "buffer"), [(None, 64, 65536), (1_000_000, 64, 3333), (1 << 40, 1, 65536), (1000, 64, 1024)]
)
def test_under_a_rate_limit_less_is_received_at_once(rate, connections, buffer):
    options = TransferOptions(limit_rate=rate, connections=connections)
    pool = HandlePool(options, pycurl.CURL_HTTP_VERSION_1_1, Tuning())
    assert pool.take(Receiver("http://a/"), []).options[pycurl.BUFFERSIZE] == buffer


@pytest.mark.usefixtures("recorded")
def test_lines_of_the_head_are_collected_only_where_they_are_wanted(monkeypatch):
    monkeypatch.setattr(handles, "READS_EVERY_HEAD", False)
    pool = HandlePool(TransferOptions(), pycurl.CURL_HTTP_VERSION_1_1, Tuning())
    curious = Receiver("http://a/", reads_head=True, largest=7)
    handle = pool.take(curious, [])
    assert handle.options[pycurl.HEADERFUNCTION] == curious.headers.append
    assert handle.options[pycurl.WRITEFUNCTION] == curious.chunks.append
    assert handle.options[pycurl.MAXFILESIZE_LARGE] == 7
    pool.give_back(handle)
    assert pycurl.HEADERFUNCTION not in pool.take(Receiver("http://a/"), []).options


@pytest.mark.usefixtures("recorded")
def test_an_old_pycurl_collects_them_always(monkeypatch):
    monkeypatch.setattr(handles, "READS_EVERY_HEAD", True)
    pool = HandlePool(TransferOptions(), pycurl.CURL_HTTP_VERSION_1_1, Tuning())
    assert pycurl.HEADERFUNCTION in pool.take(Receiver("http://a/"), []).options


@pytest.mark.usefixtures("recorded")
def test_trusted_certificates_may_be_a_file_or_a_folder(tmp_path):
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    assert taken(network=Network(ca_bundle=str(bundle)))[pycurl.CAINFO] == str(bundle)
    assert taken(network=Network(ca_bundle=str(tmp_path)))[pycurl.CAPATH] == str(tmp_path)


@pytest.mark.usefixtures("recorded")
def test_a_proxy_is_set_for_each_url_and_never_left_to_libcurl():
    network = Network(proxies={"https": "http://proxy:3128"}, no_proxy="near.example")
    assert taken("https://store.example/a", network)[pycurl.PROXY] == "http://proxy:3128"
    assert taken("https://near.example/a", network)[pycurl.PROXY] == ""
    assert taken("http://store.example/a", network)[pycurl.PROXY] == ""


@pytest.mark.usefixtures("recorded")
def test_the_proxy_of_a_server_is_looked_up_once(monkeypatch):
    asked = []
    monkeypatch.setattr(handles, "proxy_for", lambda url, network: asked.append(url) or "")
    pool = HandlePool(TransferOptions(), pycurl.CURL_HTTP_VERSION_1_1, Tuning())
    for url in ("http://a/1", "http://a/2", "https://a/3", "http://a:8080/4"):
        pool.take(Receiver(url), [])
    assert asked == ["http://a/1", "https://a/3", "http://a:8080/4"]


@pytest.mark.usefixtures("recorded")
def test_handles_given_back_are_used_again_and_closed_in_the_end():
    pool = HandlePool(TransferOptions(), pycurl.CURL_HTTP_VERSION_1_1, Tuning())
    one, two = (pool.take(Receiver("http://a/"), []) for _ in range(2))
    pool.give_back(one)
    assert pool.take(Receiver("http://b/"), ["X: y"]) is one
    assert one.options[pycurl.URL] == b"http://b/"
    assert one.options[pycurl.HTTPHEADER] == [b"X: y"]
    pool.give_back(one)
    assert pool.take(Receiver("http://b/"), []) is one
    assert pycurl.HTTPHEADER not in one.options
    assert Recorder.made == 2
    pool.give_back(two)
    pool.close()
    assert (one.closed, two.closed) == (False, True)


def test_libcurl_knows_every_option():
    pool = HandlePool(TransferOptions(), pycurl.CURL_HTTP_VERSION_2TLS, Tuning())
    pool.give_back(pool.take(Receiver("https://a.example/", reads_head=True), ["A: b"]))
    pool.close()


ODD = (
    ("Location", "/els where?a=b"),
    ("Content-Type", "text/html; charset=utf-8"),
    ("Retry-After", "17"),
    ("X-Other", "1"),
)


@pytest.mark.skipif(handles.READS_EVERY_HEAD, reason="this pycurl does not tell what libcurl keeps")
@pytest.mark.parametrize(
    ("status", "counts"),
    [
        (200, {"content-type": "text/html; charset=utf-8", "content-length": "4"}),
        (302, {"location": "{url}/els%20where?a=b"}),  # as an absolute URL already
        (503, {"content-type": "text/html; charset=utf-8", "content-length": "4", "retry-after": "17"}),
    ],
)
def test_of_what_libcurl_keeps_of_a_head_that_is_read_which_counts(status, counts):
    server = FaultServer(lambda asked: Response(status, ODD, b"body"))
    pool = HandlePool(TransferOptions(), pycurl.CURL_HTTP_VERSION_1_1, Tuning())
    heads = []
    for reads_head in (True, False):
        receiver = Receiver(f"{server.url}/a", reads_head)
        handle = pool.take(receiver, [])
        handle.perform()
        heads.append(read_response(handle, receiver.headers))
        pool.give_back(handle)
    pool.close()
    server.close()
    by_lines, kept = heads
    assert kept == (status, {name: value.format(url=server.url) for name, value in counts.items()})
    assert by_lines.status == status
    assert {name: by_lines.headers[name] for name in counts if name != "location"} == {
        name: value for name, value in kept.headers.items() if name != "location"
    }
    assert by_lines.headers["location"] == "/els where?a=b"


def test_without_a_response_the_status_is_0():
    pool = HandlePool(TransferOptions(), pycurl.CURL_HTTP_VERSION_1_1, Tuning())
    handle = pool.take(Receiver("http://127.0.0.1:1/"), [])
    with pytest.raises(pycurl.error):
        handle.perform()
    assert read_response(handle, []) == (0, {})
    pool.give_back(handle)
    pool.close()


@pytest.mark.usefixtures("recorded")
def test_to_abandon_a_request_is_not_to_wait_for_its_lookup_where_libcurl_can_do_so(monkeypatch):
    assert taken()[322] == 1  # CURLOPT_QUICK_EXIT
    monkeypatch.setattr(Recorder, "unknown", 322)
    assert 322 not in taken()


@pytest.mark.parametrize("unknown", [1, 9_999], ids=["to libcurl", "to pycurl"])
def test_a_libcurl_that_cannot_is_no_reason_to_fail(monkeypatch, unknown):
    monkeypatch.setattr(handles, "_QUICK_EXIT", unknown)
    pool = HandlePool(TransferOptions(), pycurl.CURL_HTTP_VERSION_1_1, Tuning())
    pool.give_back(pool.take(Receiver("http://h.invalid/a"), []))
    pool.close()


class Ended:
    """A handle whose request failed."""

    def __init__(self, **figures):
        self._figures = {getattr(pycurl, name): value for name, value in figures.items()}

    def getinfo(self, which):
        return self._figures.get(which, 0)


@pytest.mark.parametrize(
    ("url", "proxy", "figures", "code"),
    [
        ("http://h.invalid/a", "", {}, pycurl.E_COULDNT_RESOLVE_HOST),
        ("http://h.invalid/a", "http://p.invalid:3128", {}, pycurl.E_COULDNT_RESOLVE_PROXY),
        ("http://h.invalid/a", "http://192.0.2.1:3128", {}, pycurl.E_OPERATION_TIMEDOUT),
        ("http://192.0.2.1/a", "", {}, pycurl.E_OPERATION_TIMEDOUT),
        ("http://[2001:db8::1]/a", "", {}, pycurl.E_OPERATION_TIMEDOUT),
        ("http://h.invalid/a", "", {"NAMELOOKUP_TIME": 0.1}, pycurl.E_OPERATION_TIMEDOUT),
        ("http://h.invalid/a", "", {"PRETRANSFER_TIME": 0.1}, pycurl.E_OPERATION_TIMEDOUT),
    ],
)
def test_a_request_that_waited_for_an_address_alone_has_a_name_that_cannot_be_resolved(url, proxy, figures, code):
    options = TransferOptions(network=Network(proxies={"http": proxy} if proxy else {}))
    pool = HandlePool(options, pycurl.CURL_HTTP_VERSION_1_1, Tuning())
    timed_out = pycurl.E_OPERATION_TIMEDOUT
    assert pool.failure(Ended(**figures), url, timed_out, "Resolving timed out") == (code, "Resolving timed out")
    assert pool.failure(Ended(), url, pycurl.E_RECV_ERROR, "reset") == (pycurl.E_RECV_ERROR, "reset")


@pytest.mark.parametrize(
    ("version", "result", "text"),
    [
        ("libcurl/7.88.1 GnuTLS/3.7.9", 2 + 2**10, "failed; it has expired"),
        ("libcurl/7.88.1 GnuTLS/3.7.9", 2 + 2**9, "failed; it is not yet valid"),
        ("libcurl/7.88.1 GnuTLS/3.7.9", 2 + 2**6, "failed"),
        ("libcurl/7.76.1 OpenSSL/3.0.7", 10, "failed"),
    ],
)
def test_what_gnutls_finds_wrong_with_a_certificate_is_told(monkeypatch, version, result, text):
    monkeypatch.setattr(pycurl, "version", version)
    pool = HandlePool(TransferOptions(), pycurl.CURL_HTTP_VERSION_1_1, Tuning())
    code = pycurl.E_PEER_FAILED_VERIFICATION
    assert pool.failure(Ended(SSL_VERIFYRESULT=result), "https://h.invalid/a", code, "failed") == (code, text)
