"""``check``: everything that a run needs, looked at one after the other."""

import json
import socket
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer, SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dci_downloader import Mirror, Selection, sync_topic
from dci_downloader.check import disk, network, server
from dci_downloader.check.findings import Grade
from dci_downloader.cli.main import main
from dci_downloader.control.identity import Identity
from dci_downloader.errors import SettingsError
from dci_downloader.mirror import hold
from dci_downloader.models import FileEntry
from dci_downloader.options import Network
from dci_downloader.settings import discovery
from tests.conftest import COMPOSE


@pytest.fixture
def check(lab, tmp_path, monkeypatch, capsys):
    """Run the check; gives its exit code and its findings by subject, none of which holds a secret."""
    for name, value in lab.site.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("dci_downloader.check.schedule.schedule", list)
    monkeypatch.setattr("dci_downloader.cli.check.PATIENCE", 2.0)

    def check(*words, text=""):
        if text:
            (tmp_path / "s.yml").write_text(text)
            words = (*words, "--settings", str(tmp_path / "s.yml"))
        code = main(["check", *map(str, words), "--json"])
        out, err = capsys.readouterr()
        assert lab.site.api_secret not in out + err
        document = json.loads(out)
        assert document["exit_code"] == code
        return code, {each["subject"]: each for each in document["checks"]}

    return check


def test_what_works_is_said_line_by_line_and_nothing_is_changed(lab, check, tmp_path):
    lab.build(COMPOSE)
    code, found = check("RHEL-9.2", tmp_path / "dci")
    assert code == 0
    assert {each["grade"] for each in found.values()} <= {"good", "warning"}
    assert found["credentials"]["text"] == "accepted: demo-lab of demo"
    assert found["RHEL-9.2 compose RHEL-9.2.0-0"]["text"].startswith("would fetch 5 files")
    assert found["object store"]["text"].startswith("gave both parts of .composeinfo of RHEL-9.2.0-0")
    assert {"clock", "network", "certificates", "hard links", "locks", "room"} <= set(found)
    assert list(tmp_path.iterdir()) == []


def test_people_get_a_mark_and_what_to_do(lab, check, tmp_path, capsys):
    lab.build(COMPOSE)
    assert main(["check", "RHEL-9.3", str(tmp_path / "dci")]) == 4
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("a run would fail")
    at = next(number for number, line in enumerate(lines) if "there is no topic RHEL-9.3" in line)
    assert lines[at + 1].startswith("  hint: did you mean RHEL-9.2?")


def test_the_exit_code_is_that_of_the_gravest(lab, check, tmp_path, monkeypatch):
    lab.build(COMPOSE)
    text = f"local_repo: {tmp_path}/dci\ntopics: [{{topic: RHEL-9.2, variants: [BaseOs]}}, {{topic: RHEL-7}}]\n"
    code, found = check(text=text)
    assert code == 4
    assert [each["exit_code"] for each in found.values() if each["grade"] == "failure"] == [4, 4]
    monkeypatch.setattr("dci_downloader.mirror.mirror.free_bytes", lambda path: 1)
    code, found = check("RHEL-9.2", tmp_path / "dci")
    assert (code, found["RHEL-9.2 compose RHEL-9.2.0-0"]["exit_code"]) == (6, 6)


def test_a_reserve_counts(lab, check, tmp_path):
    lab.build(COMPOSE)
    code, found = check(text=f"topic: RHEL-9.2\nlocal_repo: {tmp_path}/dci\nreserve: 900000T\n")
    assert code == 6
    assert "are to stay free" in found["RHEL-9.2 compose RHEL-9.2.0-0"]["text"]


def test_credentials_that_are_refused_or_missing_end_what_they_are_for(lab, check, tmp_path, monkeypatch):
    monkeypatch.setenv("DCI_API_SECRET", "wrong-secret")
    code, found = check("RHEL-9.2", tmp_path / "dci")
    assert (code, found["credentials"]["exit_code"], "RHEL-9.2" in found) == (3, 3, False)
    assert "hard links" in found
    monkeypatch.delenv("DCI_API_SECRET")
    code, found = check("RHEL-9.2", tmp_path / "dci")
    assert (code, found["credentials"]["exit_code"]) == (3, 3)


def test_the_kind_of_credentials_that_counts_is_said_with_those_passed_over(check, monkeypatch, capsys):
    def said():
        main(["check"])
        return next(line for line in capsys.readouterr().out.splitlines() if line.startswith("✓ credentials: "))

    assert said() == "✓ credentials: remoteci counts, the first kind that is complete"
    monkeypatch.setenv("DCI_LOGIN", "me")
    assert "passed over" not in said()  # without a password it is none
    monkeypatch.setenv("DCI_PASSWORD", "hidden")
    monkeypatch.setenv("DCI_CLIENT_ID", "feeder/1")  # known to nobody: it is said before the server is asked
    assert said() == "✓ credentials: feeder counts, the first kind that is complete; passed over: login"
    monkeypatch.setenv("SSO_TOKEN", "hidden")
    assert said() == "✓ credentials: sso counts, the first kind that is complete; passed over: remoteci, login"


def test_settings_that_are_found_are_checked_and_said(lab, check, tmp_path, monkeypatch):
    lab.build(COMPOSE)
    monkeypatch.setattr(discovery, "SYSTEM_FOLDER", str(tmp_path))
    (tmp_path / "settings.yml").write_text(f"topic: RHEL-9.2\nlocal_repo: {tmp_path}/dci\n")
    code, found = check()
    assert (code, found["settings"]["text"]) == (0, f"settings found: {tmp_path}/settings.yml")
    (tmp_path / "settings.yml").write_text("topik: RHEL-9.2\n")
    code, found = check()
    assert (code, list(found)) == (2, ["settings"])


def test_a_command_that_every_user_can_change_and_a_page_that_cannot_be_written_are_failures(check, tmp_path):
    text = f"topic: RHEL-9.2\nlocal_repo: {tmp_path}/dci\n"
    code, found = check(text=f"{text}status_page: {tmp_path}/nowhere/page.html\n")
    assert found["status_page"]["exit_code"] == 2
    (tmp_path / "s.yml").write_text(f"{text}on_published: [/bin/true]\n")
    (tmp_path / "s.yml").chmod(0o666)
    code, found = check("--settings", tmp_path / "s.yml")
    assert (code, "every user" in found["settings"]["text"]) == (2, True)


def test_nothing_to_mirror_and_nowhere_to_put_it_are_failures(check, tmp_path):
    code, found = check()
    assert code == 2
    assert found["topics"]["exit_code"] == 2
    assert found["destination"]["exit_code"] == 2


def test_a_server_that_is_gone_is_said_once_and_quickly(lab, check, tmp_path, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"127.0.0.1:{closed.getsockname()[1]}"
        monkeypatch.setenv("DCI_CS_URL", f"http://{url}")
        code, found = check("RHEL-9.2", tmp_path / "dci")
        assert (code, found["credentials"]["exit_code"], "RHEL-9.2" in found) == (5, 5, False)
        monkeypatch.setenv("DCI_CS_URL", f"http://user:hidden@{url}")
        code, found = check("RHEL-9.2", tmp_path / "dci")
    assert code == 2
    assert "hidden" not in json.dumps(found)


def test_an_object_store_that_refuses_is_a_failure(lab, check, tmp_path):
    component = lab.build({"a": b"1"})
    lab.catalog.drop(component, "a")
    code, found = check("RHEL-9.2", tmp_path / "dci", "--settings", _all(tmp_path))
    assert (code, found["object store"]["exit_code"]) == (5, 5)


def _all(tmp_path):
    (tmp_path / "all.yml").write_text("download_everything: true\n")
    return tmp_path / "all.yml"


def test_what_is_held_is_said(lab, check, tmp_path):
    mirror = Mirror(tmp_path / "dci")
    lab.build({"a": b"1"})
    sync_topic(lab.server, mirror, "RHEL-9.2", Selection(all=True))
    hold.hold(mirror, "RHEL-9.2")
    lab.build({"a": b"2"}, number=1)
    code, found = check("RHEL-9.2", tmp_path / "dci", "--settings", _all(tmp_path))
    assert (code, found["RHEL-9.2 compose RHEL-9.2.0-1"]["text"][:20]) == (0, "held at RHEL-9.2.0-0")


@pytest.mark.parametrize(
    ("ahead", "grade", "text"),
    [
        (2.0, Grade.GOOD, "agrees"),
        (-300.0, Grade.WARNING, "5 min 0 s behind"),
        (7200.0, Grade.FAILURE, "2 h 0 min ahead of"),
    ],
)
def test_clocks_may_differ_by_as_much_as_signatures_bear(ahead, grade, text):
    class Server:
        def identity(self):
            return Identity("1", "lab", ("team",), ahead)

    _, clock = server.identity(Server())
    assert clock.grade is grade
    assert text in clock.text


def test_a_server_that_tells_no_time_is_no_fault():
    class Server:
        def identity(self):
            return Identity("1", "lab")

    (only,) = server.identity(Server())
    assert only.text == "accepted: lab"


@pytest.mark.parametrize(
    ("lacks", "grade"), [("link", Grade.WARNING), ("symlink", Grade.WARNING), ("lock", Grade.FAILURE)]
)
def test_what_the_file_system_lacks_is_told_with_what_it_costs(tmp_path, monkeypatch, lacks, grade):
    def refuse(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    def refuse_lock(*_):
        raise SettingsError("no locks", hint="mount it with locks")

    if lacks == "lock":
        monkeypatch.setattr(disk, "flock", refuse_lock)
    else:
        monkeypatch.setattr(f"os.{lacks}", refuse)
    found = list(disk.file_system(Mirror(tmp_path / "a/b")))
    assert [each.grade for each in found if each.grade is not Grade.GOOD] == [grade]
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def web(tmp_path):
    """A web server that gives out a folder."""

    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(tmp_path / "served"))

        def log_message(self, *_):
            pass

    (tmp_path / "served").mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{web.server_port}"
        web.shutdown()


def test_peers_are_asked_and_one_that_is_gone_is_a_warning(web, tmp_path):
    entry = FileEntry("a", "ab" * 32, 1)
    direct = Network()
    (lacks,) = network.peer(f"{web}/", entry, direct)
    folder = tmp_path / "served/.dci-downloader/objects/ab"
    folder.mkdir(parents=True)
    (folder / entry.sha256).write_bytes(b"x")
    (has,) = network.peer(web, entry, direct)
    assert ([lacks.grade, has.grade], "not have" in lacks.text) == ([Grade.GOOD, Grade.GOOD], True)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        (gone,) = network.peer(f"http://127.0.0.1:{port}", entry, direct)
    assert gone.grade is Grade.WARNING


@pytest.mark.parametrize(
    ("status", "grade", "text"),
    [
        (200, Grade.GOOD, "answers as a registry"),
        (401, Grade.WARNING, "wants a login"),
        (404, Grade.FAILURE, "answers /v2/ with 404, as no registry does"),
        (None, Grade.FAILURE, "cannot be reached: Connection refused"),
    ],
)
def test_a_registry_is_asked_whether_it_is_one(status, grade, text):
    asked = []

    class Registry(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Registry) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        if status is None:
            web.shutdown()
            web.server_close()
        (found,) = network.registry(f"127.0.0.1:{web.server_port}", Network())
        if status is not None:
            web.shutdown()
    assert (found.grade, found.exit_code) == (grade, 5 if grade is Grade.FAILURE else 0)
    assert text in found.text
    assert asked == (["/v2/"] if status else [])


def test_a_part_is_enough_of_a_file_that_is_not_small(lab, check, tmp_path):
    lab.build({"image": b"x" * 30_000_000})
    code, found = check("RHEL-9.2", tmp_path / "dci", "--settings", _all(tmp_path))
    assert (code, found["object store"]["grade"]) == (0, "good")
    assert found["object store"]["text"].startswith("gave a part of image of RHEL-9.2.0-0")
    fetched = [request.headers for request in lab.site.store.requests if request.path.endswith("/image")]
    assert fetched
    assert all(headers["range"].startswith("bytes=") for headers in fetched)
    assert len(fetched) < 10


def test_an_object_store_that_gives_other_bytes_is_found_out(lab, check, tmp_path):
    component = lab.build({"a": b"right"})
    lab.catalog.put(component, "a", b"wrong")
    code, found = check("RHEL-9.2", tmp_path / "dci", "--settings", _all(tmp_path))
    assert (code, found["object store"]["exit_code"]) == (7, 7)


def test_a_proxy_is_named_without_its_login():
    through = replace(Network(), proxies={"http": "http://user:hidden@proxy:3128"})
    first, _ = network.route("http://cs.example.com", through)
    assert "proxy:3128" in first.text
    assert "hidden" not in first.text
