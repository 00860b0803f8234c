"""Lists of container images, and how skopeo is asked to copy them; skopeo itself is tried in tests/integration."""

import base64
import json
import os

import pytest

from dci_downloader import (
    CancelledError,
    ContainerImageOutcome,
    IntegrityError,
    Network,
    SettingsError,
    container_images,
)
from dci_downloader.hooks import NeverStop, NullProgress
from dci_downloader.skopeo import Login, topic_login

DIGEST = "sha256:" + "a" * 64
SECRET = 'pa"ss:wörd'


@pytest.fixture
def skopeo(tmp_path, monkeypatch):
    """A program in place of skopeo that notes how it is called and does what its body says."""

    def skopeo(body):
        program = tmp_path / "bin" / "skopeo"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\nenv >> {tmp_path}/environment\n{body}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    return skopeo


@pytest.fixture
def calls(tmp_path):
    return lambda: (tmp_path / "calls").read_text().splitlines()


def mirror(*references, registry="lab:5000", login=None, network=Network(), progress=NullProgress(), stop=NeverStop()):  # noqa: B008
    document = "".join(f'- "{reference}"\n' for reference in references).encode()
    login = topic_login({"url": "r.example.com", "second": "s.example.com:5000", **(login or {})}, ())
    return container_images.mirror(document, registry, login, network, progress, stop)


@pytest.mark.parametrize(
    ("text", "source", "name"),
    [
        ("r.example.com/rhosp17/nova:17.1", "r.example.com/rhosp17/nova:17.1", "nova:17.1"),
        ("r.example.com:5000/a/b/c", "r.example.com:5000/a/b/c:latest", "c:latest"),
        ("localhost/nova", "localhost/nova:latest", "nova:latest"),
        ("[::1]:5000/nova:1", "[::1]:5000/nova:1", "nova:1"),
        (f"r.example.com/a/nova@{DIGEST}", f"r.example.com/a/nova@{DIGEST}", f"nova@{DIGEST}"),
        (f"r.example.com/a/nova:1@{DIGEST}", f"r.example.com/a/nova@{DIGEST}", "nova:1"),
    ],
)
def test_references_are_read(text, source, name):
    (found,) = container_images.parse_image_list(f'- "{text}"\n- "{text}"\n'.encode())
    assert (found.text, found.source, found.name) == (text, source, name)


def test_an_empty_list_has_no_images():
    assert container_images.parse_image_list(b"[]") == ()


@pytest.mark.parametrize(
    "document",
    [
        *(b"", b"images: [a]", b"<html>", b"{", b"\xff", b"[" * 5000, b"- a: r.example.com/a", b"- rhosp/nova:1"),
        *(b"- nova", b"- --help", b"- r.example.com/a b", b"- r.example.com/a:1?x", b"- docker://r.example.com/a"),
        b"- r.example.com/" + b"long/" * 30_000 + b"a",  # longer than an argument of a program may be
        *(b"- [r.example.com/a]", b"- r.example.com/../a", b"#" * (4 * 2**20 + 1), b'- "r.example.com/a\\n"'),
    ],
    ids=lambda document: ascii(document[:20]),
)
def test_what_is_no_list_of_images_is_refused(document):
    with pytest.raises(IntegrityError, match=r"images_list\.yaml"):
        container_images.parse_image_list(document)


def test_two_images_that_would_become_one_are_refused():
    with pytest.raises(IntegrityError, match="both become nova:1"):
        container_images.parse_image_list(b"- r.example.com/a/nova:1\n- r.example.com/b/nova:1\n")


@pytest.mark.parametrize("registry", ["localhost:5000", "lab", "[::1]:5000"])
def test_a_registry_is_host_and_port(skopeo, registry):
    skopeo("")
    container_images.require_skopeo(registry)


@pytest.mark.parametrize("registry", ["http://lab:5000", "user:pass@lab:5000", "lab:x", "-lab", "lab/", "lab:5000 x"])
def test_what_is_no_registry_is_refused_and_not_shown(skopeo, registry):
    skopeo("")
    with pytest.raises(SettingsError) as caught:
        container_images.require_skopeo(registry)
    assert registry not in f"{caught.value} {caught.value.hint}"


def test_missing_skopeo_is_said_with_the_name_of_the_package(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingsError, match="not installed") as caught:
        container_images.require_skopeo("lab:5000")
    assert "package skopeo" in caught.value.hint


def test_an_image_with_the_same_digest_is_not_copied(skopeo, calls):
    skopeo("echo manifest")
    (image,) = mirror("r.example.com/a/nova:1").images
    assert image == ("r.example.com/a/nova:1", "lab:5000/nova:1", ContainerImageOutcome.PRESENT)
    assert [call.split()[0] for call in calls()] == ["inspect", "inspect"]


def test_an_image_with_another_digest_is_copied_with_all_that_belongs_to_it(skopeo, calls):
    skopeo('echo "$@"')
    (image,) = mirror("r.example.com/a/nova:1").images
    assert image.outcome is ContainerImageOutcome.COPIED
    copy = calls()[-1].split()
    assert copy[0] == "copy"
    assert copy[-2:] == ["docker://r.example.com/a/nova:1", "docker://lab:5000/nova:1"]
    assert {"--all", "--preserve-digests", "--src-tls-verify=true", "--dest-no-creds"} <= {*copy}


@pytest.mark.parametrize(
    ("host", "verified"),
    [
        *(("127.0.0.1:5000", "false"), ("localhost", "false"), ("[::1]:5000", "false")),
        *(("localhost.example.com", "true"), ("127.0.0.1.example.com", "true"), ("10.0.0.1", "true")),
        ("r.example.com:443", "true"),
    ],
)
def test_certificates_are_verified_unless_the_source_is_this_machine(skopeo, calls, host, verified):
    skopeo('echo "$@"')
    mirror(f"{host}/nova:1")
    assert f"--tls-verify={verified} " in calls()[0]
    assert f"--src-tls-verify={verified} " in calls()[-1]


def test_one_that_fails_does_not_stop_the_others(skopeo):
    skopeo(
        'case "$*" in *bad*)'
        ' echo \'time="x" level=fatal msg="pinging \\"https://r/v2?X-Amz-Signature=abc\\": no"\' >&2;'
        ' exit 1;; esac; echo "$@"'
    )
    names = [*(f"r.example.com/good{number}" for number in range(6)), "r.example.com/bad"]
    done = mirror(*names)
    assert [image.source for image in done.images] == names
    assert [image.outcome for image in done.images] == [ContainerImageOutcome.COPIED] * 6 + [
        ContainerImageOutcome.FAILED
    ]
    (failure,) = done.failures
    assert (failure.path, failure.reason, failure.exit_code) == ("r.example.com/bad", 'pinging "https://r/v2": no', 5)


def test_a_failure_without_a_word_still_has_a_reason(skopeo):
    skopeo("exit 3")
    assert mirror("r.example.com/nova").failures[0].reason == "skopeo ended with 3"


def test_what_skopeo_says_cannot_drive_a_terminal(skopeo):
    skopeo("printf 'no\\033[31m such image' >&2; exit 1")
    assert mirror("r.example.com/nova").failures[0].reason == "no\\x1b[31m such image"


def test_the_login_is_in_a_file_in_memory_and_nowhere_else(skopeo, calls, tmp_path, monkeypatch):
    monkeypatch.setenv("DCI_API_SECRET", "s3cret")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "temporary").mkdir()
    keep = f'for each in "$@"; do case "$each" in --*authfile=*) cat "${{each#*=}}" > {tmp_path}/kept;; esac; done'
    skopeo(f'{keep}; ls {tmp_path}/temporary >> {tmp_path}/files; echo "$@"')
    mirror("r.example.com/nova", "s.example.com:5000/neutron", login={"login": "ü", "password": SECRET})
    auths = json.loads((tmp_path / "kept").read_text())["auths"]
    assert set(auths) == {"r.example.com", "s.example.com:5000"}
    assert base64.b64decode(auths["r.example.com"]["auth"]).decode() == f"ü:{SECRET}"
    (path,) = {word.split("=")[1] for call in calls() for word in call.split() if "authfile=" in word}
    assert path.startswith("/proc/self/fd/")
    assert not os.path.exists(path)
    assert (tmp_path / "files").read_text() == ""
    said = "\n".join(calls()) + (tmp_path / "environment").read_text()
    assert SECRET not in said
    assert auths["r.example.com"]["auth"] not in said
    assert "s3cret" not in said
    assert all("authfile" not in call for call in calls() if call.startswith("inspect") and "lab:5000" in call)


def test_the_login_goes_to_no_registry_that_only_the_list_names(skopeo, calls, tmp_path):
    keep = f'for each in "$@"; do case "$each" in --*authfile=*) cat "${{each#*=}}" > {tmp_path}/kept;; esac; done'
    skopeo(f'{keep}; echo "$@"')
    evil = ["evil.example.com/a", "127.0.0.1:5000/b", "localhost/c", "r.example.com:8443/d", "r.example.com.evil.com/e"]
    notes = []

    class Noted(NullProgress):
        def message(self, text):
            notes.append(text)

    login = {"login": "lab", "password": SECRET}
    mirror("R.example.com:443/nova", *evil, login=login, progress=Noted())
    assert set(json.loads((tmp_path / "kept").read_text())["auths"]) == {"R.example.com:443"}
    assert not [call for call in calls() if "authfile" in call and "/nova" not in call]
    told = {note.split(" is not sent to ")[1].split(",")[0] for note in notes if "is not sent to" in note}
    assert told == {image.rpartition("/")[0] for image in evil}
    assert "login_registries" in notes[0]


@pytest.mark.parametrize("host", ["localhost:5000", "127.0.0.1:5000", "[::1]:5000", "r.example.com"])
def test_a_login_goes_over_verified_tls_only(skopeo, calls, host):
    skopeo('echo "$@"; case "$*" in *lab:5000*) exit 1;; esac')
    mirror(f"{host}/nova", login={"login": "u", "password": "p", "url": host})
    with_login = [call for call in calls() if "authfile" in call]
    assert len(with_login) == 2
    assert not any("--tls-verify=false" in call or "src-tls-verify=false" in call for call in with_login)


@pytest.mark.parametrize("login", [{}, {"login": "u"}, {"login": "", "password": "p"}])
def test_without_a_login_skopeo_uses_its_own(skopeo, calls, login):
    skopeo('echo "$@"')
    mirror("r.example.com/nova", login=login)
    assert "authfile" not in "".join(calls())


@pytest.mark.parametrize(("bundle", "variable"), [("file", "SSL_CERT_FILE"), ("folder", "SSL_CERT_DIR")])
def test_certificates_are_those_of_the_run(skopeo, tmp_path, bundle, variable):
    path = tmp_path / bundle
    path.mkdir() if bundle == "folder" else path.write_text("")
    skopeo('echo "$@"')
    mirror("r.example.com/nova", network=Network(ca_bundle=str(path)))
    assert f"{variable}={path}" in (tmp_path / "environment").read_text().splitlines()


def test_a_stop_ends_what_is_running_and_starts_nothing_more(skopeo, calls, tmp_path):
    os.mkfifo(tmp_path / "never")
    skopeo(f"cat {tmp_path}/never & trap 'kill $!; exit 1' TERM; wait")

    class Begun(NeverStop):
        def requested(self):
            return (tmp_path / "calls").exists() and len(calls()) >= container_images.PARALLEL

    with pytest.raises(CancelledError):
        mirror(*(f"r.example.com/n{number}" for number in range(20)), stop=Begun())
    assert len(calls()) == container_images.PARALLEL


@pytest.mark.parametrize(
    "document",
    [b"- !!bool abc", b"- !!timestamp abc", b"- !!int ''", b"- [a]", b"a: &a [x, x]\nb: *a", b"- &a [x]\n- [*a, *a]"],
)
def test_odd_lists_are_refused_without_a_traceback(document):
    with pytest.raises(IntegrityError, match="not a list of images"):
        container_images.parse_image_list(document)


def test_a_registry_that_never_answers_ends_by_itself(tmp_path, monkeypatch):
    (tmp_path / "skopeo").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "skopeo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("dci_downloader.skopeo.INSPECT_SECONDS", 0.2)
    document = b"- registry.example.com/rhosp17/nova:17.1\n"
    done = container_images.mirror(document, "127.0.0.1:1", Login(), Network(), NullProgress(), NeverStop())
    assert [image.outcome for image in done.images] == [ContainerImageOutcome.FAILED]
    assert "no end after" in done.failures[0].reason
