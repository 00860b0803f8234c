"""What Prometheus gets to read, by its own parser."""

import os
import stat
import sys

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dci_downloader import SettingsError
from dci_downloader.cli import metrics
from dci_downloader.results import ComponentReport, Failure, Outcome, Report

SUCCESS = "dci_downloader_last_success_timestamp_seconds"


def read(path):
    """Every sample: value by name and labels."""
    return {
        (
            sample.name.replace("dci_downloader_", ""),
            *(sample.labels[name] for name in ("topic", "type", "result") if name in sample.labels),
        ): sample.value
        for family in text_string_to_metric_families(path.read_text())
        for sample in family.samples
    }


def component(outcome=Outcome.PUBLISHED, kind="compose", **more):
    return ComponentReport("c1", "RHEL-9.2.0-1", kind, ("nightly",), "/srv", outcome, **more)


def of(*components, topic="RHEL-9.2", failure=None):
    return Report(topic, "t1", components, 7.0, failure)


FAILED = component(Outcome.FAILED, failures=(Failure("a", "x", 5), Failure("b", "y", 7)))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "dci.prom"


def test_the_figures_of_a_run(path):
    done = component(files_downloaded=2, bytes_downloaded=20, files_reused=3, bytes_reused=30, seconds=1.5)
    metrics.write(path, [of(done, topic='T "\\ é')], now=100.25)
    assert read(path) == {
        ("last_run_timestamp_seconds", 'T "\\ é', "compose"): 100.25,
        ("last_success_timestamp_seconds", 'T "\\ é', "compose"): 100.25,
        ("last_run_duration_seconds", 'T "\\ é', "compose"): 1.5,
        ("last_run_files", 'T "\\ é', "compose", "fetched"): 2,
        ("last_run_files", 'T "\\ é', "compose", "reused"): 3,
        ("last_run_files", 'T "\\ é', "compose", "failed"): 0,
        ("last_run_bytes", 'T "\\ é', "compose", "fetched"): 20,
        ("last_run_bytes", 'T "\\ é', "compose", "reused"): 30,
    }


def test_every_figure_has_a_type_and_help(path):
    metrics.write(path, [of(component())], now=1)
    families = list(text_string_to_metric_families(path.read_text()))
    assert {family.type for family in families} == {"gauge"}
    assert all(family.documentation for family in families)


def test_a_component_that_fails_keeps_the_time_of_its_last_success(path):
    metrics.write(path, [of(component(), component(kind="hwcert"))], now=100)
    metrics.write(path, [of(FAILED, component(kind="hwcert"))], now=200)
    found = read(path)
    assert found["last_success_timestamp_seconds", "RHEL-9.2", "compose"] == 100
    assert found["last_success_timestamp_seconds", "RHEL-9.2", "hwcert"] == 200
    assert found["last_run_timestamp_seconds", "RHEL-9.2", "compose"] == 200
    assert found["last_run_files", "RHEL-9.2", "compose", "failed"] == 2


@pytest.mark.parametrize("asked", ["RHEL-9.2", "rhel-9.*"])
def test_a_topic_that_fails_as_a_whole_keeps_the_times_of_its_types(path, asked):
    metrics.write(path, [of(component()), of(component(), topic="RHEL-8.9")], now=100)
    metrics.write(path, [of(topic=asked, failure=Failure("", "no answer", 5))], now=200)
    found = read(path)
    assert found["last_success_timestamp_seconds", "RHEL-9.2", "compose"] == 100
    assert found["last_run_files", asked, "", "failed"] == 1
    assert found["last_run_duration_seconds", asked, ""] == 7
    assert not [key for key in found if "RHEL-8.9" in key]


def test_a_run_with_nothing_new_is_a_success(path):
    metrics.write(path, [of(component())], now=100)
    metrics.write(path, [of(component(Outcome.UNCHANGED))], now=200)
    assert read(path)["last_success_timestamp_seconds", "RHEL-9.2", "compose"] == 200


@pytest.mark.parametrize("before", [b"\xff\xfe", b"{", b'dci_downloader_last_success_timestamp_seconds{topic="x"} 1\n'])
def test_a_broken_file_is_replaced(path, before):
    path.write_bytes(before)
    metrics.write(path, [of(component())], now=100)
    assert read(path)["last_success_timestamp_seconds", "RHEL-9.2", "compose"] == 100


def test_others_may_read_the_file_whatever_the_umask(path):
    before = os.umask(0o077)
    try:
        metrics.write(path, [of(component())], now=100)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert os.listdir(path.parent) == ["dci.prom"]


def test_a_reader_never_sees_a_part_of_the_file(path):
    metrics.write(path, [of(component())], now=100)
    with open(path) as old:
        metrics.write(path, [of(FAILED)], now=200)
        assert 'result="failed",topic="RHEL-9.2",type="compose"} 0.0' in old.read()


def test_a_missing_package_is_said_with_the_name_of_the_extra(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(SettingsError, match="prometheus_client") as caught:
        metrics.require(path)
    assert "dci-downloader[metrics]" in caught.value.hint


def test_a_place_that_cannot_be_written_to_is_found_before_the_run(tmp_path):
    metrics.require(tmp_path / "dci.prom")
    metrics.require(metrics.Path("dci.prom"))
    for wrong in (tmp_path, tmp_path / "none" / "dci.prom"):
        with pytest.raises(SettingsError, match="--metrics-file"):
            metrics.require(wrong)
