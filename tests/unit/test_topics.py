"""Several topics in one run: their order, their reports, and what ends a run."""

import hashlib
import os
from dataclasses import replace
from urllib.parse import unquote

import pytest

from dci_downloader import (
    ComponentReport,
    DiskFullError,
    Failure,
    FileEntry,
    Job,
    Mirror,
    NeverStop,
    Outcome,
    Report,
    Selection,
    SyncOptions,
    SyncRequest,
    Topic,
    TransferOptions,
    sync_topics,
)
from dci_downloader import topics as topics_module


@pytest.fixture
def root(tmp_path):
    return tmp_path / "dci"


def topics(lab, *names):
    """A topic of each name, with one file."""
    for name in names:
        lab.build(
            {"a": name.encode()}, name=f"{name}.0", topic=lab.catalog.add_topic(name, component_types=("compose",))
        )
    return [SyncRequest(name) for name in names]


NOT_TRIED = "not tried: the run ended before its turn"


def test_several_topics_give_one_report_each_in_their_order(lab, root):
    requests = [*topics(lab, "B", "A"), SyncRequest("nowhere"), *topics(lab, "C")]
    reports = sync_topics(lab.server, Mirror(root), requests)
    assert [(report.topic, report.exit_code) for report in reports] == [("B", 0), ("A", 0), ("nowhere", 4), ("C", 0)]
    assert [report.failure and report.failure.reason for report in reports] == [
        None,
        None,
        "there is no topic nowhere",
        None,
    ]
    assert (root / "C/compose/a").read_bytes() == b"C"


def test_no_topics_are_no_reports(lab, root):
    assert sync_topics(lab.server, Mirror(root), []) == []


def test_each_topic_has_its_own_selection_and_options(lab, root):
    lab.build({"a": b"a", "b": b"b"})
    requests = [
        SyncRequest("RHEL-9.2", Selection(all=True, include=("a",)), SyncOptions(dry_run=True)),
        SyncRequest("RHEL-9.2", Selection(all=True, include=("b",))),
    ]
    planned, done = sync_topics(lab.server, Mirror(root), requests)
    assert [planned.components[0].outcome, done.components[0].outcome] == [Outcome.PLANNED, Outcome.PUBLISHED]
    assert os.listdir(root / "RHEL-9.2/compose") == ["b"]


def test_a_dry_run_adds_up_what_all_topics_need(lab, root, monkeypatch):
    requests = [replace(request, options=SyncOptions(dry_run=True)) for request in topics(lab, "A", "B", "C")]
    room = Mirror(root).store.room_needed([FileEntry("a", "0" * 64, 1)])
    monkeypatch.setattr("dci_downloader.mirror.mirror.free_bytes", lambda path: room * 2)
    reports = sync_topics(lab.server, Mirror(root), requests)
    assert [report.exit_code for report in reports] == [0, 0, 6]
    assert f"{room * 3:,} bytes are needed" in reports[2].failures[0].reason


def test_a_topic_after_one_that_filled_the_disk(lab, root, monkeypatch):
    requests = topics(lab, "A", "B", "C")
    real = Mirror.check_space

    def check_space(mirror, plans, *reserve):
        if any(entry.sha256 == full for plan in plans for entry in plan.missing):
            raise DiskFullError("full")
        real(mirror, plans, *reserve)

    full = hashlib.sha256(b"B").hexdigest()
    monkeypatch.setattr(Mirror, "check_space", check_space)
    lab.site.control.forget()
    first, second, third = sync_topics(lab.server, Mirror(root), requests)
    assert (first.exit_code, second.exit_code) == (0, 6)
    assert third.failure == Failure("", NOT_TRIED, 6)
    assert (third.topic, third.components) == ("C", ())
    assert not (root / "C").exists()
    asked = [unquote(request.query) for request in lab.site.control.requests]
    assert [any(f"name:{name}," in query for query in asked) for name in "ABC"] == [True, True, False]


def test_a_full_disk_ends_the_run_though_another_failure_is_worse(lab, root, monkeypatch):
    failed = Report("A", "", (), 0.0, Failure("", "wrong content", 7))
    full = ComponentReport("id", "c", "compose", (), "", Outcome.FAILED, failures=(Failure("", "full", 6),))
    monkeypatch.setattr(topics_module, "sync_topic", lambda *_, **__: replace(failed, components=(full,)))
    reports = sync_topics(lab.server, Mirror(root), topics(lab, "A", "B"))
    assert reports[1].failure == Failure("", NOT_TRIED, 7)


def test_an_interruption_ends_the_run(lab, root):
    class Always(NeverStop):
        def requested(self):
            return True

    reports = sync_topics(lab.server, Mirror(root), topics(lab, "A", "B"), stop=Always())
    (interrupted,) = reports[0].components
    assert (interrupted.failures, interrupted.bytes_kept) == ((Failure("", "interrupted", 130),), 0)
    assert [report.failure for report in reports] == [None, Failure("", NOT_TRIED, 130)]


def test_a_peer_that_was_dropped_is_not_asked_for_the_topics_after(lab, root, monkeypatch):
    asked = []

    def sync_one(server, mirror, topic, selection, *, options, **_):
        asked.append(options.transfer.peers)
        return Report(topic, "", (), 0.0, dropped_peers=tuple(url.rstrip("/") for url in options.transfer.peers[:1]))

    monkeypatch.setattr(topics_module, "sync_topic", sync_one)
    options = SyncOptions(transfer=TransferOptions(peers=("http://a/", "http://b", "http://c")))
    reports = sync_topics(lab.server, Mirror(root), [SyncRequest(name, options=options) for name in "ABCD"])
    assert [len(peers) for peers in asked] == [3, 2, 1, 0]
    assert [report.dropped_peers for report in reports] == [("http://a",), ("http://b",), ("http://c",), ()]


def test_what_failed_without_a_name_is_called_by_what_was_asked_for(lab, root):
    job = Job("j1", "new", Topic("t", "OSP"), ())
    requests = [SyncRequest(options=SyncOptions(component_id="c1")), SyncRequest(options=SyncOptions(job=job))]
    reports = sync_topics(lab.server, Mirror(root), requests)
    assert [(report.topic, report.exit_code) for report in reports] == [("component c1", 4), ("OSP", 4)]
