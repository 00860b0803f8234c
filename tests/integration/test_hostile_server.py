"""Whatever the server says: exit code 7, the entry named, nothing outside the mirror, and what is published stays."""

import gzip
import hashlib
import json
import os
import resource
import time

import pytest

from dci_downloader.cli.main import main
from tests.interception import intercept
from tests.unit.samples import names_in

CONTENT = b"content"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
OTHER = hashlib.sha256(b"other").hexdigest()


def entry(path, name, **more):
    return {"path": path, "name": name, "sha256": DIGEST, "size": len(CONTENT), **more}


def link(path, name, destination):
    return {"path": path, "name": name, "destination": destination}


def without(key):
    return {name: value for name, value in entry("a", "evil").items() if name != key}


REFUSED = {
    "absolute path": ([entry("/etc", "evil")], []),
    "path with ..": ([entry("a/../..", "evil")], []),
    "path with .": ([entry("./a", "evil")], []),
    "path with an empty step": ([entry("a//b", "evil")], []),
    "name with ..": ([entry("evil", "..")], []),
    "name with .": ([entry("evil", ".")], []),
    "empty name": ([entry("evil", "")], []),
    "name with a slash": ([entry("a", "../evil")], []),
    "NUL": ([entry("a", "evil\0")], []),
    "control character": ([entry("a", "evil\x1b[2J")], []),
    "over-long name": ([entry("a", "evil" * 64)], []),
    "over-long path": ([entry("/".join(["evil" * 50] * 20), "b")], []),
    "too deep": ([entry("/".join("a" * 100), "evil")], []),
    "below a symlink": ([entry("a/evil", "b"), entry("c", "d")], [link("a", "evil", "../c")]),
    "twice with another digest": ([entry("a", "evil"), entry("a", "evil", sha256=OTHER)], []),
    "a file that is a folder": ([entry("a", "evil"), entry("a/evil", "b")], []),
    "no sha256": ([without("sha256")], []),
    "odd sha256": ([entry("a", "evil", sha256="../../evil")], []),
    "negative size": ([entry("a", "evil", size=-1)], []),
    "size that is no integer": ([entry("a", "evil", size=7.5)], []),
    "size that is text": ([entry("a", "evil", size="7")], []),
    "absolute symlink": ([entry("a", "b")], [link("a", "evil", "/etc/passwd")]),
    "escaping symlink": ([entry("a", "b")], [link("a", "evil", "../../etc/passwd")]),
}
TAKEN = {
    "twice with the same digest": ([entry("a", "b"), entry("a", "b")], [], "listed more than once"),
    "dangling symlink": ([entry("a", "b")], [link("a", "evil", "nowhere")], "lead to nothing"),
    "names equal but for case": ([entry("a", "b"), entry("a", "B")], [], "case or Unicode form"),
    "names equal but for Unicode form": ([entry("a", "é"), entry("a", "e\u0301")], [], "case or Unicode form"),
    "unknown keys": ([entry("a", "b", mode="4755", owner="root")], [], ""),
}


@pytest.fixture
def run(lab, monkeypatch, capsys):
    for name, value in lab.site.environment().items():
        monkeypatch.setenv(name, value)

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        assert all(char.isprintable() or char == "\n" for char in out + err)
        return code, out + err

    return run


@pytest.fixture
def dest(run, lab, tmp_path):
    """A mirror with a version that must survive, and something beside it that must not be touched."""
    (tmp_path / "evil").write_text("mine")
    lab.build({"old": b"old"}, number=1)
    assert run("RHEL-9.2", tmp_path / "dci", "--all")[0] == 0
    return tmp_path / "dci"


def outside(dest):
    return {str(path) for path in dest.parent.rglob("*") if not path.is_relative_to(dest)}


def manifest(files, symlinks):
    return json.dumps({"files": files, "symlinks": symlinks}).encode()


@pytest.mark.parametrize("row", REFUSED)
def test_a_hostile_manifest_is_7_and_leaves_what_is_published(run, lab, dest, row):
    files, symlinks = REFUSED[row]
    paths = {f"{item['path']}/{item['name']}": CONTENT for item in files}
    component = lab.build({}, number=2, manifest=manifest(files, symlinks))
    for path, content in paths.items():
        lab.catalog.put(component, path, content)
    before = outside(dest)
    for option in ((), ("--dry-run",)):
        code, said = run("RHEL-9.2", dest, "--all", *option)
        assert code == 7
        assert "evil" in said
    assert outside(dest) == before
    assert (dest.parent / "evil").read_text() == "mine"
    assert os.listdir(dest / "RHEL-9.2" / "compose") == ["old"]
    assert names_in(dest / "RHEL-9.2" / ".versions" / "compose") == ["RHEL-9.2.0-1", "RHEL-9.2.0-1.json"]
    assert run("verify", dest)[0] == 0


@pytest.mark.parametrize("row", TAKEN)
def test_what_is_odd_but_harmless_is_published_with_a_note(run, lab, dest, row):
    files, symlinks, note = TAKEN[row]
    component = lab.build({}, number=2, manifest=manifest(files, symlinks))
    for item in files:
        lab.catalog.put(component, f"{item['path']}/{item['name']}", CONTENT)
    code, said = run("RHEL-9.2", dest, "--all")
    assert code == 0
    assert note in said
    assert sorted(os.listdir(dest / "RHEL-9.2" / "compose" / "a")) == sorted({item["name"] for item in files})
    assert run("verify", dest)[0] == 0


NAMES = ["../evil", "evil/..", "..", "evil\n", "evil\x1b[31m", "/evil", ".evil", "evil\0", "evil" * 64]


@pytest.mark.parametrize("what", ["topic", "type", "component"])
@pytest.mark.parametrize("name", NAMES)
def test_names_that_are_no_folder_lead_nowhere(run, lab, dest, what, name):
    topic = lab.catalog.add_topic(
        name if what == "topic" else "RHEL-9.3", component_types=(name if what == "type" else "compose",)
    )
    component = lab.build(
        {"a": b"a"},
        topic=topic,
        name=name if what == "component" else "RHEL-9.3.0",
        type=name if what == "type" else "compose",
    )
    before = outside(dest)
    code, said = run("--component-id", component.id, dest, "--all")
    assert code == (0 if what == "component" else 7)  # a component's name is made fit for a folder
    assert "evil" in said or ".." in said
    assert outside(dest) == before
    assert (dest.parent / "evil").read_text() == "mine"
    assert (dest / "RHEL-9.2" / "compose" / "old").read_bytes() == b"old"
    assert not [path for path in dest.rglob("*") if path.is_symlink() and path.name != "compose"]


BOMBS = {
    "objects": (b'{"files": [' + b"{}," * 8_000_000 + b"{}]}", 7),
    "lists in an unknown key": (b'{"files": [], "evil": [' + b"[]," * 8_000_000 + b"[]]}", 7),
    "a number": (b'{"files": [{"path": "a", "name": "evil", "size": ' + b"9" * 2**20 + b"}]}", 7),
    "brackets": (b'{"files": ' + b"[" * 2**20, 7),
    "entries": (json.dumps({"files": [entry("a", "b")]}).encode()[:-2] + b", 0" * 600_000 + b"]}", 7),
    "two layers of gzip": (bytes(200 * 2**20), 5),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_manifest_that_is_a_bomb_takes_little_memory_and_time(run, lab, dest, bomb):
    document, expected = BOMBS[bomb]
    layers = 2 if expected == 5 else 0
    for _ in range(layers):
        document = gzip.compress(document, mtime=0)
    lab.build({}, number=2, manifest=document)

    def encoded(exchange):
        if not layers or not exchange.request.path.endswith("dci_files_list.json"):
            return False
        exchange.answer(200, document, {"Content-Encoding": ", ".join(["gzip"] * layers)})
        return True

    intercept(lab.site.store, encoded)
    before, began = peak(), time.process_time()
    code, said = run("RHEL-9.2", dest, "--all", "--patience", "2")
    assert code == expected, said
    assert "dci_files_list.json" in said
    assert peak() - before < 600 * 2**20
    assert time.process_time() - began < 20
    assert os.listdir(dest / "RHEL-9.2" / "compose") == ["old"]


def peak():
    """The most memory that this process ever had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


LISTS = {
    "numbers to the base of sixty": b"- " + b"1:" * 400_000 + b"1\n",
    "aliases": b"- &a [x, x]\n" + b"".join(b"- &%d [*a, *a]\n" % number for number in range(30_000)),
    "too many": b"- r.example.com/x\n" * 20_000,
    "too large": b"#" * 2**21,
    "a tag": b"- !!python/object/apply:os.system [touch evil]\n",
}


@pytest.mark.parametrize("listed", LISTS)
def test_a_list_of_images_that_is_a_bomb_is_7_within_seconds(run, lab, dest, listed, monkeypatch, tmp_path):
    program = tmp_path / "bin" / "skopeo"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/called\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    lab.build({"x": b"new"}, number=2, images_list=LISTS[listed])
    began = time.process_time()
    code, said = run("RHEL-9.2", dest, "--all", "--registry", "127.0.0.1:1")
    assert (code, "images_list.yaml" in said) == (7, True)
    assert time.process_time() - began < 20
    assert not (tmp_path / "called").exists()
    assert os.listdir(dest / "RHEL-9.2" / "compose") == ["old"]


@pytest.mark.parametrize("length", ["9" * 5000, "\u00b2", "-1", "5, 5"])
def test_an_odd_length_of_a_manifest_neither_ends_nor_holds_up_the_run(run, lab, dest, length):
    lab.build({"new": b"new"}, number=2)
    document = manifest([{"path": "", "name": "new", "sha256": hashlib.sha256(b"new").hexdigest(), "size": 3}], [])

    def odd(exchange):
        if not exchange.request.path.endswith("dci_files_list.json"):
            return False
        exchange.open = False
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        exchange.send(head.encode("latin-1"), document)
        return True

    intercept(lab.site.store, odd)
    code, said = run("RHEL-9.2", dest, "--all", "--patience", "2")
    assert code in (0, 5), said
