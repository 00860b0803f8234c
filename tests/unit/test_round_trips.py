"""How many answers a run has to wait for in turn: what a slow line makes of it."""

import pytest

from dci_downloader import Outcome, Selection, sync_topic
from dci_downloader.control.session import Session
from dci_downloader.mirror.mirror import Mirror

MOST = 6
TYPES = ["compose", "compose-noinstall", "hwcert"]


class RoundTrips:
    """Counts requests that follow one another: of those that are asked side by side, the longest row counts."""

    def __init__(self, monkeypatch):
        self.count = self.requests = 0
        send = Session._send

        def counted(session, *arguments, **more):
            self.count += 1
            self.requests += 1
            return send(session, *arguments, **more)

        monkeypatch.setattr(Session, "_send", counted)
        for module in ("control.resolver", "planning"):
            monkeypatch.setattr(f"dci_downloader.{module}.side_by_side", self.side_by_side)

    def side_by_side(self, work, items):
        begin, results, ends = self.count, [], [self.count]
        for item in items:
            self.count = begin
            results.append(work(item))
            ends.append(self.count)
        self.count = max(ends)
        return results


@pytest.fixture
def topic(lab):
    """A topic of three components."""
    topic = lab.catalog.add_topic("RHEL-9.4", component_types=TYPES)
    for component_type in TYPES:
        lab.build({"a": component_type.encode()}, topic=topic, type=component_type)
    return topic


@pytest.fixture
def mirror(lab, topic, tmp_path):
    """A mirror of it."""
    mirror = Mirror(tmp_path / "dci")
    assert sync(lab, mirror) == [Outcome.PUBLISHED] * 3
    return mirror


def sync(lab, mirror):
    report = sync_topic(lab.server, mirror, "RHEL-9.4", Selection(all=True))
    return [component.outcome for component in report.components]


def test_a_run_with_nothing_new_waits_for_six_answers_in_turn_however_many_components(lab, mirror, monkeypatch):
    trips = RoundTrips(monkeypatch)
    assert sync(lab, mirror) == [Outcome.UNCHANGED] * 3
    assert trips.count == MOST, "topic, components, and twice two: a redirect and what it leads to"
    assert trips.requests == 1 + len(TYPES) + 4 * len(TYPES)


def test_an_image_list_that_changed_costs_no_question_more(lab, topic, mirror, monkeypatch):
    component = next(iter(lab.server.components(topic.id, type="hwcert")))
    lab.catalog.put(component, "images_list.yaml", b"- registry.example.com/nova:17.1\n")
    trips = RoundTrips(monkeypatch)
    assert sync(lab, mirror) == [Outcome.UNCHANGED, Outcome.UNCHANGED, Outcome.PUBLISHED]
    assert trips.count == MOST
