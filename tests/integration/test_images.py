"""Container images by the real skopeo, between two real registries on loopback."""

import gzip
import hashlib
import io
import json
import os
import socket
import subprocess
import tarfile
import time
import urllib.request
from contextlib import ExitStack, contextmanager

import pytest

from dci_downloader import (
    ContainerImageOutcome,
    ControlServer,
    Credentials,
    Mirror,
    Network,
    Outcome,
    SettingsError,
    SyncOptions,
    sync_topic,
)
from dci_downloader.cli.main import main
from tests.faults.certificates import make_authority, server_side
from tests.integration.conftest import free_port, needs

pytestmark = needs("skopeo", "docker-registry", "openssl")

LOGIN = {"login": "lab", "password": "pa%ss:word"}
HTPASSWD = "lab:$2b$04$7vNO.TUsaeNWckFEtSzFCekjuS.rHgks81SmQ3vH02GtGMIM1o7GO\n"  # bcrypt of that password
REGISTRY = """
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {root}/storage}}, delete: {{enabled: true}}}}
"""
PLAIN = 'http: {{addr: "127.0.0.1:{port}"}}\n'
TLS = 'http: {{addr: "127.0.0.1:{port}", tls: {{certificate: {tls}, key: {key}}}}}\n'
AUTH = "auth: {{htpasswd: {{realm: lab, path: {root}/htpasswd}}}}\n"


@contextmanager
def registry(root, *, login=False, certificate=None):
    """A registry, with https where there is a certificate; gives its HOST:PORT."""
    root.mkdir()
    port = free_port()
    (root / "htpasswd").write_text(HTPASSWD)
    tls = {"tls": certificate, "key": certificate.with_suffix(".key")} if certificate else {}
    config = REGISTRY + (TLS if certificate else PLAIN) + AUTH * login
    (root / "config.yml").write_text(config.format(root=root, port=port, **tls))
    with open(root / "log", "wb") as log:
        server = subprocess.Popen(["docker-registry", "serve", root / "config.yml"], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 20
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert server.poll() is None, (root / "log").read_text()
            assert time.monotonic() < deadline, "docker-registry does not start"
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=10)


def layout(root, *texts):
    """An image for as many architectures as there are texts, in an OCI layout."""
    blobs = root / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def blob(content, kind, **more):
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        media_type = f"application/vnd.oci.image.{kind}"
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content), **more}

    manifests = []
    for text, architecture in zip(texts, ("amd64", "arm64")):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w") as archive:
            member = tarfile.TarInfo("hello")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
        platform = {"architecture": architecture, "os": "linux"}
        diff = f"sha256:{hashlib.sha256(file.getvalue()).hexdigest()}"
        config = {**platform, "config": {}, "rootfs": {"type": "layers", "diff_ids": [diff]}}
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": blob(json.dumps(config).encode(), "config.v1+json"),
            "layers": [blob(gzip.compress(file.getvalue(), mtime=0), "layer.v1.tar+gzip")],
        }
        manifests.append(blob(json.dumps(manifest).encode(), "manifest.v1+json", platform=platform))
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests}
    top = blob(json.dumps(index).encode(), "index.v1+json") if len(texts) > 1 else manifests[0]
    named = {**top, "annotations": {"org.opencontainers.image.ref.name": "it"}}
    (root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
    (root / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return top["digest"]


class Registries:
    """A source with a login, the lab's own without one, and what skopeo was called with."""

    def __init__(self, root, source, lab, authority):
        self.root = root
        self.source = source
        self.lab = lab
        self.authority = authority
        self._count = 0

    def push(self, name, *texts):
        """Put an image into the source; gives its digest."""
        self._count += 1
        folder = self.root / f"layout{self._count}"
        digest = layout(folder, *texts)
        command = ["skopeo", "copy", "--quiet", "--all", "--dest-tls-verify=false"]
        creds = f"--dest-creds={LOGIN['login']}:{LOGIN['password']}"
        subprocess.run([*command, creds, f"oci:{folder}:it", f"docker://{self.source}/{name}"], check=True)
        (self.root / "calls").unlink(missing_ok=True)
        return digest

    def digest(self, name):
        """The digest of an image in the lab's registry; None where it has none."""
        repository, _, tag = name.partition(":")
        url = f"http://{self.lab}/v2/{repository}/manifests/{tag}"
        accept = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept})) as answer:
                return "sha256:" + hashlib.sha256(answer.read()).hexdigest()
        except urllib.error.HTTPError as error:
            error.close()
            return None

    def copies(self):
        """The command lines that copied something."""
        calls = self.root / "calls"
        return [line for line in calls.read_text().splitlines() if line.startswith("copy")] if calls.exists() else []


@pytest.fixture
def registries(tmp_path, monkeypatch):
    wrapper = tmp_path / "bin" / "skopeo"
    wrapper.parent.mkdir()
    real = subprocess.run(["which", "skopeo"], capture_output=True, text=True, check=True).stdout.strip()
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\nexec {real} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    authority = make_authority(tmp_path, "authority")
    server_side(authority, "registry")
    with ExitStack() as running:
        certificate = tmp_path / "registry.pem"
        source = running.enter_context(registry(tmp_path / "source", login=True, certificate=certificate))
        lab = running.enter_context(registry(tmp_path / "lab"))
        yield Registries(tmp_path, source, lab, authority)


@pytest.fixture
def server(lab, registries):
    """The control server, of a user who trusts the authority of the source."""
    credentials = Credentials(lab.site.client_id, lab.site.api_secret, lab.site.url)
    with ControlServer(credentials, network=Network(ca_bundle=str(registries.authority))) as server:
        yield server


@pytest.fixture
def openstack(lab, server, registries, tmp_path):
    """Publish a component with these images; bring it into mirror and registry."""
    login = {**LOGIN, "url": f"https://{registries.source}"}
    topic = lab.catalog.add_topic("OSP17.1", component_types=("puddle",), registry=login)

    def openstack(*names, **options):
        listed = "".join(f"- {registries.source}/{name}\n" for name in names).encode()
        lab.build({"x": b"1"}, topic=topic, type="puddle", number=len(lab.catalog.components), images_list=listed)
        wanted = SyncOptions(registry=registries.lab, **options)
        (done,) = sync_topic(server, Mirror(tmp_path / "dci"), "OSP17.1", options=wanted).components
        return done

    return openstack


def test_images_come_into_the_lab_under_their_last_name_with_their_digest(registries, openstack, tmp_path):
    digest = registries.push("rhosp/deep/nova:17.1", b"one", b"for arm")
    done = openstack("rhosp/deep/nova:17.1")
    assert done.outcome is Outcome.PUBLISHED
    source, copy = f"{registries.source}/rhosp/deep/nova:17.1", f"{registries.lab}/nova:17.1"
    assert done.images == ((source, copy, ContainerImageOutcome.COPIED),)
    assert registries.digest("nova:17.1") == digest
    assert (tmp_path / "dci/OSP17.1/puddle/images_list.yaml").read_text() == f"- {source}\n"
    assert LOGIN["password"] not in (tmp_path / "calls").read_text()


def test_what_is_there_is_not_copied_again_and_what_moved_is(registries, openstack):
    registries.push("rhosp/nova:17.1", b"one")
    registries.push("rhosp/neutron:17.1", b"two")
    openstack("rhosp/nova:17.1", "rhosp/neutron:17.1")
    digest = registries.push("rhosp/nova:17.1", b"moved")
    done = openstack("rhosp/nova:17.1", "rhosp/neutron:17.1")
    assert [image.outcome for image in done.images] == [ContainerImageOutcome.COPIED, ContainerImageOutcome.PRESENT]
    assert len(registries.copies()) == 1
    assert registries.digest("nova:17.1") == digest


def test_a_digest_is_a_name_too(registries, openstack):
    digest = registries.push("rhosp/nova:17.1", b"one")
    done = openstack(f"rhosp/nova@{digest}")
    assert (done.images[0].outcome, registries.digest(f"nova:{digest}")) == (ContainerImageOutcome.COPIED, digest)


def test_one_image_that_fails_does_not_stop_the_others_but_nothing_is_published(registries, openstack, tmp_path):
    registries.push("rhosp/nova:17.1", b"one")
    done = openstack("rhosp/gone:17.1", "rhosp/nova:17.1")
    assert [image.outcome for image in done.images] == [ContainerImageOutcome.FAILED, ContainerImageOutcome.COPIED]
    assert (done.outcome, done.failures[0].path) == (Outcome.FAILED, f"{registries.source}/rhosp/gone:17.1")
    assert "manifest unknown" in done.failures[0].reason
    assert not (tmp_path / "dci/OSP17.1/puddle").exists()


def test_a_login_that_is_refused_says_so(registries, openstack, lab):
    registries.push("rhosp/nova:17.1", b"one")
    topic = next(topic for topic in lab.catalog.topics.values() if topic.registry)
    topic.registry = {**topic.registry, "password": "x"}
    done = openstack("rhosp/nova:17.1")
    assert "authentication required" in done.failures[0].reason


def test_a_registry_that_only_the_image_list_names_gets_no_login_unless_the_user_names_it(registries, openstack, lab):
    registries.push("rhosp/nova:17.1", b"one")
    topic = next(topic for topic in lab.catalog.topics.values() if topic.registry)
    topic.registry = {**LOGIN, "url": "registry.example.com"}
    done = openstack("rhosp/nova:17.1")
    assert "authentication required" in done.failures[0].reason
    assert "authfile" not in (registries.root / "calls").read_text()
    done = openstack("rhosp/nova:17.1", login_registries=(registries.source,))
    assert [image.outcome for image in done.images] == [ContainerImageOutcome.COPIED]


def test_a_login_never_goes_to_this_machine_without_tls(registries, lab, server, tmp_path):
    with registry(tmp_path / "plain", login=True) as plain:
        topic = lab.catalog.add_topic("OSP17.1", component_types=("puddle",), registry={**LOGIN, "url": plain})
        lab.build({"x": b"1"}, topic=topic, type="puddle", images_list=f"- {plain}/rhosp/nova:17.1\n".encode())
        options = SyncOptions(registry=registries.lab)
        (done,) = sync_topic(server, Mirror(tmp_path / "dci"), "OSP17.1", options=options).components
        assert "HTTP response to HTTPS client" in done.failures[0].reason
        assert "lab" not in (tmp_path / "plain/log").read_text()


def test_a_dry_run_names_the_images_and_copies_none(registries, openstack):
    done = openstack("rhosp/nova:17.1", dry_run=True)
    assert [image.outcome for image in done.images] == [ContainerImageOutcome.PLANNED]
    assert not (registries.root / "calls").exists()


@pytest.mark.parametrize("by", ["settings", "environment"])
def test_the_command_line_reports_images_and_is_quiet_when_all_are_there(
    registries, openstack, lab, monkeypatch, capsys, tmp_path, by
):
    registries.push("rhosp/nova:17.1", b"one")
    openstack("rhosp/nova:17.1", dry_run=True)
    settings = tmp_path / "settings.yml"
    settings.write_text(f"local_repo: {tmp_path}/dci\ntopic: OSP17.1\n")
    for name, value in {**lab.site.environment(), "REQUESTS_CA_BUNDLE": str(registries.authority)}.items():
        monkeypatch.setenv(name, value)
    if by == "settings":
        settings.write_text(settings.read_text() + f'registry: "{registries.lab}"\n')
    else:
        monkeypatch.setenv("DCI_REGISTRY", registries.lab)
    assert main(["--settings", str(settings), "--json"]) == 0
    out, err = capsys.readouterr()
    (image,) = json.loads(out)["topics"][0]["components"][0]["images"]
    assert (image["copy"], image["outcome"]) == (f"{registries.lab}/nova:17.1", "copied")
    assert "images: 1 copied" in err
    assert main(["--settings", str(settings)]) == 0
    assert capsys.readouterr() == ("", "")


def test_without_skopeo_nothing_is_fetched(openstack, lab, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingsError, match="skopeo"):
        openstack("rhosp/nova:17.1")
    for name, value in {**lab.site.environment(), "DCI_REGISTRY": "localhost:5000"}.items():
        monkeypatch.setenv(name, value)
    lab.site.control.forget()
    assert main(["OSP17.1", str(tmp_path / "dci")]) == 2
    assert "package skopeo" in capsys.readouterr().err
    assert (lab.site.control.requests, (tmp_path / "dci").exists()) == ([], False)


def test_a_list_that_the_manifest_names_counts_as_well(registries, lab, server, tmp_path):
    registries.push("rhosp/nova:17.1", b"one")
    topic = lab.catalog.add_topic("OSP17.1", component_types=("puddle",), registry={**LOGIN, "url": registries.source})
    listed = f"- {registries.source}/rhosp/nova:17.1\n".encode()
    lab.build({"images_list.yaml": listed}, topic=topic, type="puddle", images_list=listed)
    options = SyncOptions(registry=registries.lab, login_registries=(registries.source,))
    (done,) = sync_topic(server, Mirror(tmp_path / "dci"), "OSP17.1", options=options).components
    assert [image.outcome for image in done.images] == [ContainerImageOutcome.COPIED]
