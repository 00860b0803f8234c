"""The public API as its users type it; mypy checks this file, nothing runs it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Optional, Union

from dci_downloader import (
    Component,
    ComponentReport,
    ControlServer,
    Credentials,
    Damage,
    Failure,
    Filter,
    Hold,
    Job,
    JobFile,
    LoginCredentials,
    Manifest,
    Mirror,
    Network,
    NullProgress,
    Plan,
    Product,
    RemoteciCredentials,
    Removal,
    RemovedTopic,
    Report,
    Rollback,
    Selection,
    SsoCredentials,
    StaleJobError,
    Status,
    SyncOptions,
    SyncRequest,
    TransferOptions,
    UpstreamMirror,
    Variant,
    VersionCheck,
    hold,
    pre_run,
    prune,
    release,
    remove,
    repair,
    rollback,
    status,
    sync_topic,
    sync_topics,
    verify,
    where,
)


def mirror_a_topic() -> int:
    with ControlServer.from_env() as server:
        report: Report = sync_topic(server, Mirror("/srv/dci"), "RHEL-9.2", Selection(variants=("BaseOS",)))
        fine: bool = report.ok
        report.raise_for_failures()
    done: tuple[ComponentReport, ...] = report.components
    names: list[str] = [component.name for component in done]
    total: int = sum(component.bytes_downloaded for component in done)
    return report.exit_code + total + len(names) + fine


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


def from_another_mirror() -> tuple[Report, Manifest]:
    with UpstreamMirror("http://first.example.com/dci", network=Network(), patience=10) as upstream:
        component = upstream.component("c1")
        return sync_topic(upstream, Mirror("/srv/dci"), "RHEL-9.2"), upstream.manifest(component)


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


def staying_and_going(mirror: Mirror) -> list[str]:
    held: tuple[Hold, ...] = hold(mirror, "RHEL-9.2", "compose", timeout=60, progress=Percent())
    free: tuple[Hold, ...] = release(mirror, "RHEL-9.2", timeout=0, progress=Percent())
    gone: RemovedTopic = remove(mirror, "RHEL-9.1", "hwcert", timeout=60, progress=Percent())
    freed: Removal = gone.removal
    return [f"{each.topic} {each.type} {each.version}" for each in (*held, *free)] + [*gone.types, *freed.versions]


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


def any_credentials() -> list[ControlServer]:
    kinds: list[Union[RemoteciCredentials, LoginCredentials, SsoCredentials]] = [
        RemoteciCredentials("remoteci/1", "s", "https://cs"),
        Credentials("feeder/1", "s", "https://cs"),
        LoginCredentials("me", "pw", "https://cs"),
        SsoCredentials("https://cs", "https://sso", "me", "pw"),
        SsoCredentials("https://cs", token="t"),
    ]
    return [ControlServer(credentials) for credentials in kinds]


def lists(server: ControlServer) -> list[str]:
    products: list[Product] = list(server.products(where=where(name="RHEL"), sort="name", limit=5))
    topic = next(server.topics(where={"product_id": products[0].id, "state": "active"}))
    next_name: Optional[str] = topic.next_topic.name if topic.next_topic else None
    since = datetime(2026, 11, 1)
    found = server.components(topic, tags=["nightly"], created_after=since, query="eq(type,compose)", limit=3)
    texts = [f"{one.display_name} {one.url} {one.data['channel']} {one.updated_at} {one.extra}" for one in found]
    jobs = [f"{job.name} {job.duration + 1} {job.tags}" for job in server.jobs(created_after="2026-11-01")]
    return [*texts, *jobs, next_name or ""]


def agent(server: ControlServer, mirror: Mirror) -> list[JobFile]:
    job: Job = server.schedule_job("a topic's id", name="nightly", tags=["a"], data={"k": 1})
    job = server.create_job(
        job.topic, job.components, name="n", comment="c", configuration="x", previous_job_id=job.id, pipeline_id="p"
    )
    try:
        with pre_run(server, mirror, job, Selection(all=True), progress=Percent(), stop=Always()) as step:
            path: str = step.paths["compose"]
            code: int = step.report.exit_code
        job = server.update_job(step.job, comment=path, status_reason=str(code))
        job = server.remove_component(server.add_component(job, job.components[0]), "a component's id")
    except StaleJobError as error:
        print(error.status, error.hint)
    attached: JobFile = server.upload_file(job, "log", b"", mime="text/plain")
    server.delete_job(job.id, job.etag)
    return [attached, *server.job_files(job)]
