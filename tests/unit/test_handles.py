import pycurl
import pytest

from dci_downloader import __version__
from dci_downloader.models import Network, TransferOptions
from dci_downloader.transfer import handles
from dci_downloader.transfer.handles import HandlePool


class Recorder:
    """An easy handle that remembers what was set."""

    made = 0

    def __init__(self):
        Recorder.made += 1
        self.options = {}
        self.closed = False

    def setopt(self, option, value):
        self.options[option] = value

    def unsetopt(self, option):
        self.options.pop(option, None)

    def close(self):
        self.closed = True


@pytest.fixture
def recorded(monkeypatch):
    Recorder.made = 0
    monkeypatch.setattr(handles.pycurl, "Curl", Recorder)


def taken(url="https://store.example/a?s=1", network=None, patience=30.0):
    options = TransferOptions(network=network or Network(), patience=patience)
    return HandlePool(options, pycurl.CURL_HTTP_VERSION_1_1).take(url, ["A: b"], len, len).options


@pytest.mark.usefixtures("recorded")
def test_a_handle_asks_for_the_url_and_follows_nothing():
    options = taken()
    assert options[pycurl.URL] == "https://store.example/a?s=1"
    assert options[pycurl.HTTPHEADER] == ["A: b"]
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
@pytest.mark.parametrize(("patience", "read"), [(30.0, 30.0), (60.0, 5.0), (1.0, 30.0), (3600.0, 30.0)])
def test_a_stall_is_cut_well_inside_the_patience(patience, read):
    options = taken(network=Network(read_timeout=read), patience=patience)
    assert options[pycurl.LOW_SPEED_LIMIT] == 1
    assert 1 <= options[pycurl.LOW_SPEED_TIME] <= max(1, min(read, patience / 3))


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
    pool = HandlePool(TransferOptions(), pycurl.CURL_HTTP_VERSION_1_1)
    for url in ("http://a/1", "http://a/2", "https://a/3", "http://a:8080/4"):
        pool.take(url, [], len, len)
    assert asked == ["http://a/1", "https://a/3", "http://a:8080/4"]


@pytest.mark.usefixtures("recorded")
def test_handles_given_back_are_used_again_and_closed_in_the_end():
    pool = HandlePool(TransferOptions(), pycurl.CURL_HTTP_VERSION_1_1)
    one, two = (pool.take("http://a/", [], len, len) for _ in range(2))
    pool.give_back(one)
    assert pool.take("http://b/", ["X: y"], len, len) is one
    assert one.options[pycurl.URL] == "http://b/"
    assert Recorder.made == 2
    pool.give_back(two)
    pool.close()
    assert (one.closed, two.closed) == (False, True)


def test_libcurl_knows_every_option():
    pool = HandlePool(TransferOptions(), pycurl.CURL_HTTP_VERSION_2TLS)
    pool.give_back(pool.take("https://a.example/", ["A: b"], len, len))
    pool.close()
