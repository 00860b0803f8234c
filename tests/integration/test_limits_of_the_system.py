import threading

import pytest

from dci_downloader.cli.main import main


@pytest.mark.parametrize(
    ("error", "says", "hint"),
    [
        (RuntimeError("can't start new thread"), "no thread can be started", "ulimit -u"),
        (MemoryError(), "Cannot allocate memory", "short of memory"),
    ],
    ids=["threads", "memory"],
)
def test_what_the_system_refuses_is_no_unexpected_error(monkeypatch, capfd, error, says, hint):
    def refuse(_):
        raise error

    monkeypatch.setenv("DCI_CLIENT_ID", "remoteci/5b5cbb32-4a79-4a39-9c0c-e6bb1bf7e0d5")
    monkeypatch.setenv("DCI_API_SECRET", "secret")
    monkeypatch.setenv("DCI_CS_URL", "http://127.0.0.1:1")
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert main(["topics"]) == 2
    out, err = capfd.readouterr()
    assert says in err
    assert hint in err
    assert not out
