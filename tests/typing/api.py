"""The public API as its users type it; mypy checks this file, nothing runs it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Optional

from dci_downloader import (
    Component,
    ComponentReport,
    ControlServer,
    Damage,
    Failure,
    Filter,
    Job,
    Manifest,
    Mirror,
    NullProgress,
    Plan,
    Removal,
    Report,
    Rollback,
    Selection,
    Status,
    SyncOptions,
    SyncRequest,
    TransferOptions,
    Variant,
    VersionCheck,
    prune,
    repair,
    rollback,
    status,
    sync_topic,
    sync_topics,
    verify,
)


def mirror_a_topic() -> int:
    with ControlServer.from_env() as server:
        report: Report = sync_topic(server, Mirror("/srv/dci"), "RHEL-9.2", Selection(variants=("BaseOS",)))
    done: tuple[ComponentReport, ...] = report.components
    names: list[str] = [component.name for component in done]
    total: int = sum(component.bytes_downloaded for component in done)
    return report.exit_code + total + len(names)


def step_by_step(server: ControlServer) -> Plan:
    component: Component = server.latest_component("RHEL-9.2", type="compose", tags=["nightly"])
    manifest: Manifest = server.manifest(component)
    changed: Optional[Manifest] = server.manifest(component, etag=manifest.etag)
    assert changed is None
    wanted = Selection(variants=("BaseOS", Variant("AppStream", debug=True)), archs=("x86_64",)).apply(manifest)
    plan: Plan = Mirror("/srv/dci").plan(component, wanted)
    size: int = plan.missing_bytes
    assert size >= 0
    return plan


def with_options(server: ControlServer, mirror: Mirror) -> Report:
    options = SyncOptions(
        filters=(Filter("compose", tags=("nightly",)),),
        keep=2,
        registry="localhost:5000",
        transfer=TransferOptions(connections=8, limit_rate=10**6, peers=("http://lab1/dci",)),
    )
    return sync_topic(server, mirror, "RHEL-9.*", options=options)


def several_topics(server: ControlServer, mirror: Mirror) -> dict[str, Optional[Failure]]:
    requests = [
        SyncRequest("RHEL-9.2"),
        SyncRequest("RHEL-9.*", Selection(all=True), SyncOptions(keep=0)),
        SyncRequest(options=SyncOptions(component_id="c1")),
    ]
    reports: list[Report] = sync_topics(server, mirror, requests, progress=Percent(), stop=Always())
    return {report.topic: report.failure for report in reports}


def maintenance(server: ControlServer, mirror: Mirror) -> int:
    held: Status = status(mirror)
    last: list[Optional[datetime]] = [row.last_verified for row in held.rows]
    checks: tuple[VersionCheck, ...] = verify(mirror, workers=2, timeout=0, progress=Percent(), stop=Always())
    damages: list[Damage] = [damage for check in checks for damage in check.damages]
    if damages:
        repair(server, mirror, checks, timeout=60, progress=Percent(), stop=Always())
    removal: Removal = prune(mirror, keep=2, timeout=60, progress=Percent())
    before: tuple[Rollback, ...] = rollback(mirror, "RHEL-9.2", "compose", timeout=60, progress=Percent())
    paths = [Path(each.path) for each in before]
    return held.saved + removal.size + len(last) + len(paths)


class Percent(NullProgress):
    """What it does not define says nothing."""

    def advance(self, files: int, size: int) -> None:
        print(files, size)


class Always:
    def requested(self) -> bool:
        return True

    def deferred(self) -> AbstractContextManager[None]:
        return nullcontext()


def pre_run_step(server: ControlServer, mirror: Mirror) -> Report:
    component = server.latest_component("RHEL-9.2", type="compose")
    job: Job = server.create_job(server.topic(component.topic_id), [component])
    job = server.set_job_state(job, "pre-run", "mirroring")
    report = sync_topic(server, mirror, options=SyncOptions(job=job), progress=Percent(), stop=Always())
    changed: int = report.components[0].changes.changed
    server.set_job_state(job, "running" if not changed else "error", str(report.failures[0]))
    server.delete_job(job)
    return report


def by_ids(server: ControlServer) -> None:
    component: Component = next(server.components("a topic's id", type="compose"))
    job: Job = server.create_job("a topic's id", ["a component's id", component])
    again: Job = server.set_job_state("a job's id", "running")
    server.delete_job(again.id)
    server.delete_job(job)
    manifest: Manifest = server.manifest("a component's id")
    changed: Optional[Manifest] = server.manifest("a component's id", etag=manifest.etag)
    images: Optional[bytes] = server.image_list("a component's id")
    url: str = server.files("a component's id").request("a/b.rpm").url
    print(changed, images, url)
