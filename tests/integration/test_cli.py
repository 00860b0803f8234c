"""The command line, in this process against the embedded servers: exit codes, words, and what they never say."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dci_downloader import Mirror, __version__
from dci_downloader.cli.main import main


@pytest.fixture
def run(lab, tmp_path, monkeypatch, capsys):
    """Run the command line; gives exit code, standard output and standard error, in which no secret ever is."""
    for name, value in lab.site.environment().items():
        monkeypatch.setenv(name, value)

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        for text in (out, err):
            assert lab.site.api_secret not in text
            assert "X-Amz-" not in text
            assert "Traceback" not in text
        return code, out, err

    return run


@pytest.fixture
def dest(tmp_path):
    return tmp_path / "dci"


def nothing_published(dest):
    return not any(path.is_symlink() for path in dest.rglob("*")) if dest.exists() else True


def test_mirrors_a_topic(run, lab, dest, compose):
    lab.build(compose)
    code, out, err = run("RHEL-9.2", dest)
    assert (code, out) == (0, "")
    assert re.fullmatch(
        rf". compose RHEL-9\.2\.0-0   5 new files, \S+ .B( in \S+ s( \(.+/s\))?)?   -?[→>] {dest}/RHEL-9\.2/compose",
        err.splitlines()[-1],
    )
    assert (dest / "RHEL-9.2/compose/.composeinfo").read_bytes() == compose[".composeinfo"]


def test_says_which_topic_a_pattern_means(run, lab, dest, compose):
    lab.build(compose, topic=lab.catalog.add_topic("RHEL-9.3"))
    code, _, err = run("RHEL-9.*", dest)
    assert code == 0
    assert "RHEL-9.3" in err.splitlines()[0]


def test_json_is_all_there_is_on_standard_output(run, lab, dest, compose):
    lab.build(compose, tags=("nightly",))
    code, out, _ = run("RHEL-9.2", dest, "--json")
    report = json.loads(out)
    (component,) = report["topics"][0]["components"]
    assert (code, report["exit_code"], report["files_downloaded"], component["tags"]) == (0, 0, 5, ["nightly"])
    assert component["path"] == str(dest / "RHEL-9.2" / "compose")


def test_quiet_says_nothing_when_all_is_well(run, lab, dest, compose):
    lab.build(compose)
    assert run("RHEL-9.2", dest, "--quiet") == (0, "", "")


def test_quiet_still_names_failures(run, lab, dest, compose):
    lab.catalog.drop(lab.build(compose), ".composeinfo")
    code, out, err = run("RHEL-9.2", dest, "--quiet")
    assert (code, out) == (5, "")
    assert ".composeinfo" in err


def test_verbose_tells_more_but_no_secret(run, lab, dest, compose):
    lab.build(compose)
    _, _, short = run("RHEL-9.2", dest / "a")
    _, _, long = run("RHEL-9.2", dest / "b", "--verbose")
    assert len(long.splitlines()) > len(short.splitlines())


def test_a_dry_run_says_what_it_would_do(run, lab, dest, compose):
    lab.build(compose)
    code, out, err = run("RHEL-9.2", dest, "--dry-run")
    assert (code, err) == (0, "")
    assert "would fetch 5 files" in out
    code, out, err = run("RHEL-9.2", dest, "--dry-run", "--json")
    assert json.loads(out)["topics"][0]["components"][0]["outcome"] == "planned"
    assert "would fetch 5 files" in err
    assert not dest.exists()


def test_options_reach_the_selection(run, lab, dest, compose):
    lab.build(compose)
    run("RHEL-9.2", dest, "--arch", "aarch64", "--variant", "BaseOS", "--exclude", "metadata/*")
    found = {
        str(path.relative_to(dest / "RHEL-9.2/compose"))
        for path in (dest / "RHEL-9.2/compose").rglob("*")
        if path.is_file()
    }
    assert found == {".composeinfo", "BaseOS/aarch64/os/Packages/b/bash-5.1-1.aarch64.rpm"}


def test_a_component_id_needs_no_topic(run, lab, dest, compose):
    component = lab.build(compose)
    lab.build({".composeinfo": b"newer"}, number=1)
    code, out, _ = run("--component-id", component.id, dest, "--json")
    assert (code, json.loads(out)["topics"][0]["components"][0]["id"]) == (0, component.id)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "TOPIC"),
        (["RHEL-9.2"], "DEST"),
        (["RHEL-9.2", "{dest}", "extra"], "TOPIC"),
        (["RHEL-9.2", "{dest}", "--no-such-option"], "--no-such-option"),
        (["RHEL-9.2", "{dest}", "--filter", ":"], "filter"),
        (["RHEL-9.2", "{dest}", "--limit-rate", "fast"], "--limit-rate"),
        (["RHEL-9.2", "{dest}", "--connections", "0"], "--connections"),
        (["RHEL-9.2", "{dest}", "--patience", "-1"], "--patience"),
        (["--component-id", "x", "a", "b", "c"], "DEST"),
        (["demo", "a", "b"], "b"),
        (["--component-id", "", "RHEL-9.2", "{dest}"], "--component-id"),
        (["RHEL-9.2", "{dest}", "--package-filter", ""], "--package-filter"),
    ],
)
def test_bad_usage_is_2_and_says_what(run, dest, arguments, says):
    code, out, err = run(*(argument.format(dest=dest) for argument in arguments))
    assert (code, out) == (2, "")
    assert says in err
    assert "hint: " in err


@pytest.mark.parametrize(
    ("word", "named"),
    [
        ("topic", "dci-downloader status"),  # topics take no folder
        ("componets", "dci-downloader components"),
        ("list", "dci-downloader status"),
        ("hlep", "dci-downloader help"),
        ("RHEL-9.0", None),
    ],
)
def test_a_command_with_a_letter_wrong_is_named(run, dest, word, named):
    code, _, err = run(word, dest)
    assert code == 4
    assert (f"hint: did you mean `{named} " in err) == bool(named)
    assert err.count("hint: ") == 1


def test_topic_and_destination_in_each_others_place_are_told_so_before_anybody_is_asked(run, lab, dest):
    code, _, err = run(dest, "RHEL-9.2")
    assert (code, lab.site.control.requests) == (2, [])
    assert err.splitlines()[-1] == f"  hint: TOPIC comes before DEST: dci-downloader RHEL-9.2 {dest}"


def test_a_sync_that_is_named_says_the_right_line_and_so_does_json(run, dest):
    code, out, err = run("sync", "RHEL-9.2", dest, "--json")
    assert code == 2
    assert json.loads(out)["hint"] == f"a sync has no name of its own: dci-downloader RHEL-9.2 {dest}"
    assert json.loads(out)["hint"] in err


def test_the_beginning_of_an_id_is_enough(run, lab, dest, compose):
    component = lab.build(compose)
    lab.build({".composeinfo": b"newer"}, number=1)
    code, out, _ = run("--component-id", component.id[:13].upper(), dest, "--json")
    assert (code, json.loads(out)["topics"][0]["components"][0]["id"]) == (0, component.id)


def test_the_beginning_of_several_ids_is_not_enough(run, lab, dest, compose):
    first = lab.build(compose)
    other = lab.build(compose, number=1)
    lab.catalog.components.pop(other.id)
    other.id = first.id[:-1] + ("0" if first.id[-1] != "0" else "1")
    lab.catalog.components[other.id] = other
    code, _, err = run("--component-id", first.id[:9], dest)
    assert (code, first.id in err, other.id in err) == (2, True, True)


def test_a_components_name_in_place_of_its_id_is_told_so(run, lab, dest, compose):
    component = lab.build(compose)
    code, _, err = run("--component-id", component.name, dest)
    assert (code, "is the name of a component, and no id" in err) == (4, True)
    assert f"hint: its id is {component.id}\n" in err


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["--variant", "appstream"], "AppStream"),
        (["--variant", "BaseOs", "--variant", "Appstream"], "BaseOS, AppStream"),
        (["--arch", "amd64", "--arch", "aarch65"], "x86_64, aarch64"),
        (["--filter", "composes"], "the type compose"),
        (["--filter", "compose:nightyl"], "the tag nightly"),
        (["-variant", "BaseOS"], "--variant"),
        (["--log-format", "jsno"], "json"),
    ],
)
def test_what_was_probably_meant_is_named_and_nothing_else(run, lab, dest, compose, arguments, meant):
    lab.build(compose, tags=("nightly",))
    code, _, err = run("RHEL-9.2", dest, *arguments)
    assert code in (2, 4)
    assert [line.strip() for line in err.splitlines() if "hint: " in line] == [f"hint: did you mean {meant}?"]


def test_a_selection_that_takes_away_what_is_published_says_so_first_and_last(run, lab, dest, compose):
    lab.build(compose)
    run("RHEL-9.2", dest)
    said = "x86_64 was published and is not in this selection: 3 files leave"
    _, out, err = run("RHEL-9.2", dest, "--arch", "aarch64", "--dry-run")
    assert (f"    ! {said}" in out, err) == (True, "")
    _, _, err = run("RHEL-9.2", dest, "--arch", "aarch64")
    lines = err.splitlines()
    assert lines[0] == f"! RHEL-9.2.0-0: {said}"
    assert lines[-1] == f"    ! {said}"
    assert said not in run("RHEL-9.2", dest, "--arch", "aarch64")[2]


def test_short_options(run, lab, dest, compose):
    lab.build(compose)
    assert run("RHEL-9.2", dest, "-q") == (0, "", "")
    assert "GET " in run("RHEL-9.2", dest, "-v")[2]
    assert run("-V")[1] == f"dci-downloader {__version__}\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "s.yml: the file is empty"),
        (b"- topic: a", "s.yml:1:1: expected settings"),
        (b"topic: [", "s.yml:1:9: this is not YAML"),
        (b"topic: \xff", "s.yml:1:8: this is not UTF-8"),
        (b"topic: a\nvarients: [b]", "s.yml:2:1: varients is not a setting: did you mean variants?"),
        (b"topic: !!python/object/apply:os.abort []", "s.yml:1:8: topic: expected a string, not a list"),
        (b"a: &a [*a, *a]\ntopics: *a", "s.yml:1:4: topics: expected a mapping with topic, not a list"),
        ("folder", "Is a directory"),
        ("missing", "No such file or directory"),
        ("/proc/self/mem", "Input/output error"),
    ],
)
def test_a_settings_file_that_cannot_be_used_is_2_and_says_where(run, dest, tmp_path, content, says):
    path = tmp_path / "s.yml"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path = tmp_path / content
        (tmp_path / "folder").mkdir()
    for command in (["settings", "check", path], ["--settings", path, "--local-repo", dest]):
        code, out, err = run(*command)
        assert (code, out) == (2, "")
        assert says in err
    assert not dest.exists()


def test_no_credentials_is_3(run, dest, monkeypatch):
    monkeypatch.delenv("DCI_API_SECRET")
    code, _, err = run("RHEL-9.2", dest)
    assert code == 3
    assert "DCI_API_SECRET is not set" in err
    assert "dcirc.sh" in err


def test_a_wrong_secret_is_3(run, dest, monkeypatch):
    monkeypatch.setenv("DCI_API_SECRET", "wrong" * 12)
    code, out, err = run("RHEL-9.2", dest, "--json")
    assert code == 3
    assert "DCI_API_SECRET" in err
    assert json.loads(out)["exit_code"] == 3
    assert "wrongwrong" not in out + err


def test_an_unknown_topic_is_4_and_names_what_is_close(run, dest):
    code, _, err = run("RHEL-9.1", dest)
    assert code == 4
    assert "RHEL-9.1" in err
    assert "RHEL-9.2" in err
    assert not dest.exists()


def test_a_topic_without_access_is_3(run, lab, dest, compose):
    secret = lab.catalog.add_topic("RHEL-10.0", teams=["another"])
    component = lab.build(compose, topic=secret)
    code, _, err = run("--component-id", component.id, dest)
    assert code == 3
    assert "access" in err
    assert not dest.exists()


def test_a_component_without_files_is_4(run, lab, dest):
    lab.build({}, without_files=True)
    code, _, err = run("RHEL-9.2", dest)
    assert code == 4
    assert "no files" in err
    assert nothing_published(dest)


ENTRY = '{"files": [{"path": "%s", "name": "%s", "sha256": "' + "a" * 64 + '", "size": 1}]}'


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        (b'{"files": [', "truncated"),
        (b"<!DOCTYPE html><html>log in</html>", "HTML"),
        ((ENTRY % ("..", "evil")).encode(), "../evil"),
        ((ENTRY % ("/etc", "evil")).encode(), "/etc"),
        ((ENTRY % ("a", "../../evil")).encode(), "../../evil"),
    ],
)
def test_a_manifest_that_cannot_be_trusted_is_7(run, lab, dest, manifest, says):
    lab.build({}, manifest=manifest)
    code, _, err = run("RHEL-9.2", dest)
    assert code == 7
    assert says in err
    assert nothing_published(dest)


def test_wrong_content_is_7_and_names_file_and_digests(run, lab, dest, compose):
    component = lab.build(compose)
    lab.catalog.put(component, "metadata/rpms.json", b"x" * len(compose["metadata/rpms.json"]))
    code, _, err = run("RHEL-9.2", dest)
    assert code == 7
    assert "metadata/rpms.json: content does not match" in err
    assert nothing_published(dest)


def test_a_full_disk_is_6(run, lab, dest, compose, monkeypatch):
    lab.build(compose)
    monkeypatch.setattr("dci_downloader.mirror.mirror.free_bytes", lambda path: 10)
    code, _, err = run("RHEL-9.2", dest)
    assert code == 6
    assert "are free" in err
    assert nothing_published(dest)


@pytest.mark.parametrize("place", ["file", "below a file"])
def test_a_destination_that_cannot_be_written_to_is_2(run, lab, tmp_path, compose, place):
    lab.build(compose)
    (tmp_path / "file").write_text("mine")
    code, _, err = run("RHEL-9.2", tmp_path / ("file" if place == "file" else "file/dci"))
    assert code == 2
    assert "file" in err
    assert (tmp_path / "file").read_text() == "mine"


def test_a_dead_control_server_is_5(run, dest, monkeypatch):
    monkeypatch.setenv("DCI_CS_URL", "http://127.0.0.1:9")
    code, _, err = run("RHEL-9.2", dest, "--patience", "1")
    assert code == 5
    assert "127.0.0.1:9" in err


def test_a_locked_topic_is_75_at_once_if_asked(run, lab, dest, compose):
    from dci_downloader import Mirror

    lab.build(compose)
    with Mirror(dest).topic("RHEL-9.2").lock():
        code, _, err = run("RHEL-9.2", dest, "--lock-timeout", "0")
    assert code == 75
    assert f"pid {os.getpid()}" in err


def test_a_reader_that_goes_away_is_no_traceback(lab, compose, tmp_path, monkeypatch):
    lab.build(compose)
    command = (
        f"{sys.executable} -m dci_downloader RHEL-9.2 {tmp_path}/dci --json --quiet | true; echo ${{PIPESTATUS[0]}}"
    )
    environ = {**os.environ, **lab.site.environment()}
    done = subprocess.run(["bash", "-c", command], env=environ, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    assert done.stdout.strip() in ("0", "1")


def written(pid):
    """Bytes that a process wrote so far (proc(5))."""
    with open(f"/proc/{pid}/io") as counters:
        return int(dict(line.split(": ") for line in counters)["wchar"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_130_and_the_next_run_resumes(lab, tmp_path, run, number):
    content = os.urandom(3_000_000)
    lab.build({"image": content}, type="compose-noinstall", name="big")
    lab.catalog.topics[lab.topic.id].component_types = ("compose-noinstall",)
    arguments = ["RHEL-9.2", f"{tmp_path}/dci", "--all"]
    command = [sys.executable, "-m", "dci_downloader", *arguments, "--limit-rate", "1M"]
    with subprocess.Popen(
        command, env={**os.environ, **lab.site.environment()}, stderr=subprocess.PIPE, text=True
    ) as process:
        assert "1 file" in process.stderr.readline()
        while written(process.pid) < 700_000:
            assert process.poll() is None
        process.send_signal(number)
        said = process.stderr.read()
        assert process.wait(timeout=10) == 130, said
        assert re.search(r"interrupted\n    \d\.\d of 3\.0 MB are here and stay\n", said)
        assert "nothing is published yet" in said
        assert said.splitlines()[-1] == "  hint: run the same command again: it goes on from there"
    assert nothing_published(tmp_path / "dci")
    code, out, _ = run(*arguments, "--json")
    assert code == 0
    report = json.loads(out)
    assert 0 < report["bytes_downloaded"] < len(content)
    assert report["bytes_resumed"] == len(content) - report["bytes_downloaded"]
    assert (tmp_path / "dci/RHEL-9.2/compose-noinstall/image").read_bytes() == content


def test_help_and_version_go_to_standard_output(capsys):
    assert main(["--version"]) == 0
    version = capsys.readouterr().out
    assert version == f"dci-downloader {__version__}\n"
    for words, text in (["--help"], "usage: dci-downloader"), (["RHEL-9.2", "--version"], version):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 0
        assert capsys.readouterr().out.startswith(text)


def test_the_demo_command(run, tmp_path):
    began = time.process_time()
    code, out, _ = run("demo", tmp_path / "demo")
    assert code == 0
    assert time.process_time() - began < 10
    assert "0 damages" in out


def test_topics_and_components_are_listed(run, lab):
    lab.build({"a": b"1"}, tags=("nightly",))
    code, out, err = run("topics")
    assert (code, out.split("\t")[0], err) == (0, "RHEL-9.2", "")
    code, out, err = run("components", "RHEL-9*", "--filter", "compose:nightly", "--sizes")
    assert (code, out.split("\t")[:2], err.count("\n")) == (0, ["compose", "RHEL-9.2.0-0"], 1)
    code, out, _ = run("components", "RHEL-9.2", "--json")
    assert (code, json.loads(out)["components"][0]["tags"]) == (0, ["nightly"])


def test_a_list_on_a_terminal_has_a_header(run, lab, monkeypatch, capsys):
    lab.build({"a": b"1"})
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")
    assert run("components", "RHEL-9.2")[1].startswith("TYPE ")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["topics", "OSP*"], 4, "no active topic fits OSP*"),
        (["components", "RHEL-9.1"], 4, "did you mean RHEL-9.2?"),
        (["components", "RHEL-9.2", "--filter", "x"], 4, "no active component of type x"),
        (["components", "RHEL-9.2", "--query", "x"], 2, "Invalid query"),
        (["components", "RHEL-9.2", "--filter", ":"], 2, "filter ':' cannot be used"),
        (["components"], 2, "TOPIC"),
        (["components", "RHEL-9.2", "--sort", "age"], 2, "--sort"),
        (["components", "RHEL-9.2", "--limit", "-1"], 2, "--limit"),
        (["topics", "--dcirc", "/nowhere"], 2, "/nowhere"),
        (["completion", "tcsh"], 2, "SHELL"),
    ],
)
def test_a_list_that_cannot_be_made_says_why(run, lab, arguments, code, says):
    shown = run(*arguments)
    assert (shown[0], shown[1]) == (code, "")
    assert says in shown[2]


def test_an_error_is_json_too_where_that_is_asked_for(run, lab):
    code, out, _ = run("topics", "OSP*", "--json")
    assert (code, json.loads(out)["exit_code"]) == (4, 4)


def test_lists_take_credentials_and_server_as_mirroring_does(run, lab, tmp_path, monkeypatch):
    (tmp_path / "dcirc.sh").write_text("".join(f"{name}='{value}'\n" for name, value in lab.site.environment().items()))
    for name in lab.site.environment():
        monkeypatch.delenv(name)
    assert run("topics")[0] == 3
    assert run("topics", "--dcirc", tmp_path / "dcirc.sh")[0] == 0
    assert run("topics", "--dcirc", tmp_path / "dcirc.sh", "--dci-cs-url", "ftp://x")[0] == 2


def test_a_component_id_that_is_none_says_where_ids_are(run, dest):
    code, _, err = run("RHEL-9.2", dest, "--component-id", "nope")
    assert code == 4
    assert "there is no component with the id nope" in err
    assert "components TOPIC" in err


def test_filters_beside_a_component_id_are_told_to_be_unused(run, lab, dest, compose):
    component = lab.build(compose)
    code, _, err = run("RHEL-9.2", dest, "--component-id", component.id, "--filter", "hwcert")
    assert code == 0
    assert err.splitlines()[0].startswith("note: filters (command line) are not used, because component_id")


def test_files_come_through_the_second_api_where_that_is_asked_for(run, lab, dest, compose):
    lab.build(compose)
    assert run("RHEL-9.2", dest, "--tech-preview", "rhdl")[0] == 0
    versions = {request.path.split("/")[2] for request in lab.site.control.requests if "/files/" in request.path}
    assert versions == {"v2"}


def test_a_terminal_gets_a_bar(run, lab, dest, compose, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    shown = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", shown)
    lab.build(compose)
    assert run("RHEL-9.2", dest)[0] == 0
    assert "RHEL-9.2.0-0" in shown.getvalue()
    assert "0% " in shown.getvalue()


def test_the_mirror_is_looked_after_by_commands(run, lab, dest, compose):
    lab.build(compose, number=1)
    run("RHEL-9.2", dest)
    lab.build({**compose, ".composeinfo": b"new"}, number=2)
    run("RHEL-9.2", dest)
    code, out, _ = run("status", dest)
    assert code == 0
    assert "RHEL-9.2.0-2" in out
    assert run("status", dest, "--json")[1].startswith("{")
    code, out, err = run("verify", dest)
    assert (code, "whole" in out, "hashing: " in err) == (0, True, True)
    assert run("verify", dest, "--quiet") == (0, "", "")
    code, out, _ = run("rollback", dest, "RHEL-9.2")
    assert code == 0
    assert (dest / "RHEL-9.2/compose/.composeinfo").read_bytes() == compose[".composeinfo"]
    assert run("rollback", dest, "RHEL-9.2")[0] == 4
    code, out, _ = run("prune", dest, "--keep", "0", "--json")
    assert json.loads(out)["versions"] == ["RHEL-9.2.0-2"]


def test_damage_is_7_until_it_is_repaired(run, lab, dest, compose):
    lab.build(compose)
    run("RHEL-9.2", dest)
    path = dest / "RHEL-9.2/compose/.composeinfo"
    path.chmod(0o644)
    path.write_bytes(b"xx")
    code, out, _ = run("verify", dest, "--quiet")
    assert code == 7
    assert f"{path}: expected sha256" in out
    code, out, _ = run("verify", dest, "--repair")
    assert code == 0
    assert "repaired" in out
    assert path.read_bytes() == compose[".composeinfo"]


def test_prune_waits_for_nobody_if_asked(run, lab, dest, compose):
    from dci_downloader import Mirror

    lab.build(compose)
    run("RHEL-9.2", dest)
    with Mirror(dest).topic("RHEL-9.2").lock():
        assert run("prune", dest, "--lock-timeout", "0")[0] == 75
        assert run("rollback", dest, "RHEL-9.2", "--lock-timeout", "0")[0] == 75


def test_an_interruption_while_nothing_runs_is_130(monkeypatch, capsys):
    def interrupted(*_, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("dci_downloader.cli.status.status", interrupted)
    assert main(["status", "x"]) == 130
    assert capsys.readouterr() == ("", "dci-downloader: error: interrupted\n")


@pytest.mark.parametrize("option", ["--help", "--json"])
def test_a_full_standard_output_is_one_line(lab, compose, tmp_path, option):
    lab.build(compose)
    command = f"{sys.executable} -m dci_downloader RHEL-9.2 {tmp_path}/dci {option} --quiet >/dev/full"
    environ = {**os.environ, **lab.site.environment()}
    done = subprocess.run(["bash", "-c", command], env=environ, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (6, 1)
    assert "No space left on device" in done.stderr


def test_a_closed_standard_error_stops_nothing(lab, compose, tmp_path):
    lab.build(compose)
    command = f"{sys.executable} -m dci_downloader RHEL-9.2 {tmp_path}/dci 2>&-"
    done = subprocess.run(["bash", "-c", command], env={**os.environ, **lab.site.environment()})
    assert done.returncode == 0
    assert (tmp_path / "dci/RHEL-9.2/compose").is_symlink()


# the job of an agent


@pytest.fixture
def scheduled(lab, compose):
    """A job, and a newer build than the one it was scheduled with."""
    job = lab.catalog.add_job(lab.topic, [lab.build(compose, number=1, name="scheduled")])
    lab.build({**compose, ".composeinfo": b"newer"}, number=2)
    return job


def component_of_report(out):
    (topic,) = json.loads(out)["topics"]
    (component,) = topic["components"]
    return component


def test_a_job_brings_what_it_was_scheduled_with_and_not_the_newest(run, lab, dest, scheduled):
    code, out, _ = run("--job-id", scheduled.id, dest, "--json")
    assert (code, component_of_report(out)["name"]) == (0, "scheduled")
    assert run("--job-id", scheduled.id, "RHEL-9.*", dest, "--quiet") == (0, "", "")
    code, _, err = run("--job-id", scheduled.id, "RHEL-8.*", dest)
    assert (code, "of topic RHEL-9.2, not of RHEL-8.*" in err) == (2, True)


@pytest.mark.parametrize("fitting", ["RHEL-9.2", "rhel-9.*"])
def test_the_settings_of_the_jobs_topic_say_how(run, lab, dest, scheduled, tmp_path, fitting):
    settings = tmp_path / "settings.yml"
    settings.write_text(
        f"local_repo: {dest}\ntopics:\n- {{topic: RHEL-8.*, archs: [a]}}\n- {{topic: 'RHEL-*', archs: [none]}}\n"
        f"- {{topic: {fitting}, archs: [aarch64], filters: [{{type: compose, tag: nightly}}]}}\n"
        if fitting == "RHEL-9.2"
        else f"local_repo: {dest}\ntopic: {fitting}\narchs: [aarch64]\nsystems: [a, b]\n"
    )
    code, out, err = run("--settings", settings, "--job-id", scheduled.id, "--json")
    assert (code, component_of_report(out)["name"]) == (0, "scheduled"), err
    assert (dest / "RHEL-9.2/compose/BaseOS/aarch64").is_dir()
    assert not (dest / "RHEL-9.2/compose/BaseOS/x86_64").exists()
    for topic in (fitting, "RHEL-9.2"):
        other = dest / topic.strip("*.")
        assert run("--settings", settings, "--job-id", scheduled.id, topic, other, "--quiet") == (0, "", "")
        assert (other / "RHEL-9.2/compose/BaseOS/aarch64").is_dir()
        assert not (other / "RHEL-9.2/compose/BaseOS/x86_64").exists()


def test_settings_without_the_jobs_topic_are_an_error(run, dest, scheduled, tmp_path):
    settings = tmp_path / "settings.yml"
    settings.write_text("topics:\n- topic: RHEL-8.*\n- topic: RHEL-10.0\n")
    code, out, err = run("--settings", settings, "--job-id", scheduled.id, "--local-repo", dest)
    assert (code, out) == (2, "")
    assert "of topic RHEL-9.2, not of RHEL-8.*, RHEL-10.0" in err
    assert run("--settings", settings, "--job-id", scheduled.id, "RHEL-9.2", dest, "--quiet") == (0, "", "")


def test_settings_without_any_topic_say_how_for_a_job(run, dest, scheduled, tmp_path):
    settings = tmp_path / "settings.yml"
    settings.write_text(f"local_repo: {dest}\narchs: [aarch64]\n")
    assert run("--settings", settings, "--job-id", scheduled.id, "--quiet") == (0, "", "")
    assert (dest / "RHEL-9.2/compose/BaseOS/aarch64").is_dir()


def test_a_job_that_is_unknown_of_others_or_one_thing_too_many(run, lab, dest, scheduled):
    code, _, err = run("--job-id", "6c7b0d8c-0000-0000-0000-000000000000", dest)
    assert (code, "not found" in err) == (4, True)
    theirs = lab.catalog.add_job(lab.topic, [], remoteci=lab.catalog.add_remoteci("others"))
    assert run("--job-id", theirs.id, dest)[0] == 3
    assert run("--job-id", scheduled.id, "--component-id", "x", dest)[0] == 2
    assert not dest.exists()


def test_the_job_of_the_environment_is_what_an_agent_gets_that_calls_as_always(
    run, lab, dest, scheduled, tmp_path, monkeypatch
):
    other = lab.catalog.add_topic("RHEL-8.8", component_types=("compose",))
    lab.build({"a": b"8"}, topic=other)
    settings = tmp_path / "settings.yml"
    settings.write_text("topics: [{topic: 'RHEL-9.*', filters: [{type: compose, tag: nope}]}, {topic: RHEL-8.8}]\n")
    monkeypatch.setenv("DCI_JOB_ID", scheduled.id)
    code, out, err = run("--settings", settings, "--local-repo", dest, "--json")
    assert (code, [topic["components"][0]["name"] for topic in json.loads(out)["topics"]]) == (
        0,
        ["scheduled", "RHEL-9.2.0-0"],
    )
    assert f"note: DCI_JOB_ID: of RHEL-9.2 exactly the components of job {scheduled.id}" in err
    code, _, err = run("RHEL-8.8", tmp_path / "other")
    assert (code, "note: DCI_JOB_ID is not used: job" in err) == (0, True)
    assert (tmp_path / "other/RHEL-8.8/compose/a").read_bytes() == b"8"
    assert component_of_report(run(tmp_path / "alone", "--json")[1])["name"] == "scheduled"
    assert component_of_report(run("RHEL-9.2", tmp_path / "named", "--json")[1])["name"] == "scheduled"


@pytest.mark.parametrize(("given", "code"), [("foo", 4), ("6c7b0d8c-0000-0000-0000-000000000000", 4), ("a b/\n", 4)])
def test_a_job_of_the_environment_that_is_none_is_named_with_its_variable(
    run, dest, scheduled, monkeypatch, given, code
):
    monkeypatch.setenv("DCI_JOB_ID", given)
    for arguments in ((dest,), ("RHEL-9.2", dest)):
        ended, _, err = run(*arguments)
        assert ended == code
        assert "DCI_JOB_ID names it" in err
        assert "DCI_CS_URL" not in err
    assert not dest.exists()


def test_an_option_that_is_no_id_is_named(run, dest, scheduled):
    code, _, err = run("--job-id", "foo", dest)
    assert (code, "there is no job with the id foo" in err, "DCI_CS_URL" in err) == (4, True, False)


# cron and timers


@pytest.fixture
def nightly(run, dest, tmp_path):
    """The command line as in a crontab: a settings file, and no terminal."""
    settings = tmp_path / "settings.yml"
    settings.write_text(f"local_repo: {dest}\ntopics: [{{topic: 'RHEL-9.*'}}]\n")
    return lambda *more: run("--settings", settings, *more)


def test_a_night_without_news_sends_no_mail(nightly, lab, compose):
    lab.build(compose, number=1)
    code, out, err = nightly()
    assert (code, out) == (0, "")
    assert err.splitlines()[0].startswith("RHEL-9.* means RHEL-9.2")
    assert "5 new files" in err.splitlines()[-1]
    assert nightly() == (0, "", "")
    assert "RHEL-9.* means" in nightly("--verbose")[2]
    lab.build({**compose, ".composeinfo": b"new"}, number=2)
    assert "1 new file" in nightly()[2]


def test_a_night_that_fails_sends_one(nightly, lab, compose):
    lab.build(compose, number=1)
    nightly()
    lab.catalog.drop(lab.build({**compose, ".composeinfo": b"gone"}, number=2), ".composeinfo")
    code, _, err = nightly()
    assert (code, ".composeinfo" in err, err.splitlines()[0][:13]) == (5, True, "RHEL-9.* mean")
    lab.catalog.components.clear()
    code, _, err = nightly()
    assert (code, err.splitlines()[0][:13]) == (4, "RHEL-9.* mean")
    lab.topic.state = "inactive"
    code, _, err = nightly()
    assert (code, "no active topic fits RHEL-9.*" in err) == (4, True)


def test_only_topics_with_news_are_named(run, lab, dest, compose, tmp_path):
    settings = tmp_path / "settings.yml"
    settings.write_text(f"local_repo: {dest}\ntopics: [{{topic: RHEL-9.2}}, {{topic: RHEL-9.3}}]\n")
    lab.build(compose, number=1)
    other = lab.catalog.add_topic("RHEL-9.3")
    lab.build(compose, topic=other, number=1)
    run("--settings", settings)
    lab.build({".composeinfo": b"new"}, topic=other, number=2)
    _, _, err = run("--settings", settings)
    assert "RHEL-9.3 compose" in err
    assert "RHEL-9.2 compose" not in err


def test_a_run_that_would_overlap_leaves_with_75(nightly, lab, dest, compose):
    lab.build(compose)
    with Mirror(dest).topic("RHEL-9.2").lock():
        code, _, err = nightly("--lock-timeout", "0")
    assert (code, nothing_published(dest)) == (75, True)
    assert str(os.getpid()) in err


def test_a_log_file_has_every_run_however_quiet_it_is(nightly, lab, compose, tmp_path):
    lab.build(compose)
    log = tmp_path / "dci.log"
    for _ in range(2):
        nightly("--log-file", log, "--quiet")
    text = log.read_text()
    assert all(re.match(r"2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", line) for line in text.splitlines())
    assert (text.count("RHEL-9.* means"), text.count("5 new files"), text.count("nothing new")) == (2, 1, 1)
    assert text.count("finished with exit code 0") == 2
    assert lab.site.api_secret not in text


def test_a_log_in_json_has_an_object_for_each_event(nightly, lab, compose, tmp_path):
    lab.build(compose, tags=("nightly",))
    log = tmp_path / "dci.log"
    code, out, err = nightly("--log-file", log, "--log-format", "json", "--json")
    assert "5 new files" in err
    events = [json.loads(line) for line in log.read_text().splitlines()]
    told = [event for event in events if event["event"] != "detail"]
    assert [event["event"] for event in told] == ["message", "transfer", "topic", "finished"]
    assert any("dci_files_list.json: 302" in event["text"] for event in events)  # calls, as details
    (topic,) = json.loads(out)["topics"]
    assert {key: events[-2][key] for key in topic} == topic
    assert (events[-1]["exit_code"], code) == (0, 0)


def test_json_events_take_the_place_of_words_on_standard_error(nightly, lab, compose):
    lab.build(compose)
    _, _, err = nightly("--log-format", "json")
    assert [json.loads(line)["event"] for line in err.splitlines()] == ["message", "transfer", "topic", "finished"]
    lab.topic.state = "inactive"
    code, out, err = nightly("--log-format", "json", "--json")
    (event,) = [json.loads(line) for line in err.splitlines()]
    assert (event["event"], event["exit_code"], code, json.loads(out)["exit_code"]) == ("error", 4, 4, 4)
    assert "no active topic" in event["text"]


def test_a_log_file_that_cannot_be_written_is_said_before_the_run(nightly, lab, dest, tmp_path):
    code, _, err = nightly("--log-file", tmp_path)
    assert (code, "--log-file" in err, dest.exists()) == (2, True, False)


def last_success(path):
    families = text_string_to_metric_families(path.read_text())
    return next(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == "dci_downloader_last_success_timestamp_seconds"
    )


def test_metrics_tell_of_runs_that_succeed_and_that_fail(nightly, lab, compose, tmp_path):
    path = tmp_path / "dci.prom"
    lab.build(compose, number=1)
    nightly("--metrics-file", path, "--dry-run")
    assert not path.exists()
    nightly("--metrics-file", path)
    assert 'dci_downloader_last_run_files{result="fetched",topic="RHEL-9.2",type="compose"} 5.0' in path.read_text()
    before = last_success(path)
    lab.topic.state = "inactive"
    assert nightly("--metrics-file", path)[0] == 4
    assert 'result="failed",topic="RHEL-9.*",type=""} 1.0' in path.read_text()
    assert last_success(path) == before


def test_metrics_that_cannot_be_written_are_said_before_the_run(nightly, lab, dest, compose, tmp_path):
    code, _, err = nightly("--metrics-file", tmp_path / "none" / "dci.prom")
    assert (code, "--metrics-file" in err, dest.exists()) == (2, True, False)


def test_a_command_runs_after_a_publication_when_the_mirror_is_free_and_its_failure_is_told(run, lab, dest, tmp_path):
    lab.build({"a": b"1"})
    program = f"{sys.executable} -m dci_downloader"
    script = f"{program} verify {dest} --lock-timeout 0 > {tmp_path}/verified && env > {tmp_path}/env; exit 3"
    settings = tmp_path / "s.yml"
    settings.write_text(
        f"topic: RHEL-9.2\nlocal_repo: {dest}\ndownload_everything: true\non_published: [sh, -c, '{script}']\n"
    )
    code, out, err = run("--settings", settings, "--json")
    (component,) = json.loads(out)["topics"][0]["components"]
    assert (code, component["outcome"]) == (1, "published")
    assert component["failures"][0]["reason"].startswith("on_published: sh ended with 3")
    assert "whole (1 file" in (tmp_path / "verified").read_text()
    assert lab.site.api_secret not in (tmp_path / "env").read_text()
    assert "ended with 3" in err
    assert (dest / "RHEL-9.2/compose/a").read_bytes() == b"1"
    code, out, _ = run("--settings", settings, "--json")
    assert code == 0, "nothing new: nothing is run"
