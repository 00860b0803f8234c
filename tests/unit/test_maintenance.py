"""Status, verify, repair, rollback and prune, on a mirror that a sync made."""

import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dci_downloader import IntegrityError, Mirror, NotFoundError, Outcome, Selection, TransferError, sync_topic
from dci_downloader.cli import maintenance, output
from dci_downloader.cli.main import main
from dci_downloader.cli.status import status
from dci_downloader.hooks import NeverStop, NullProgress
from dci_downloader.mirror.removal import remove_tree
from tests.unit.samples import names_in


@pytest.fixture
def mirror(lab, tmp_path):
    """A mirror with two versions."""
    mirror = Mirror(tmp_path / "dci")
    for number, text in ((1, b"old"), (2, b"new")):
        lab.build({".composeinfo": text, "metadata/same": b"same" * 100}, number=number, tags=("nightly",))
        sync_topic(lab.server, mirror, "RHEL-9.2", Selection(all=True))
    return mirror


def rot(mirror, path):
    """Change a file of the published version in place, as a failing disk does."""
    place = mirror.root / "RHEL-9.2/compose" / path
    place.chmod(0o644)
    place.write_bytes(b"x" * place.stat().st_size)


def verify(mirror, repair=None):
    return maintenance.verify(mirror, NullProgress(), NeverStop(), repair)


def test_a_whole_mirror_is_verified_and_says_when(mirror):
    told = verify(mirror)
    assert (told.exit_code, told.document["repaired"]) == (0, False)
    assert list(told.lines) == ["RHEL-9.2 compose RHEL-9.2.0-2: whole (2 files, 403 bytes)"]
    assert status(mirror).document["versions"][0]["last_verified"] is not None


def test_damage_is_named_with_what_was_expected_and_found(mirror):
    rot(mirror, ".composeinfo")
    told = verify(mirror)
    assert told.exit_code == 7
    assert told.lines[0].endswith("DAMAGED in 1 place")
    assert told.lines[1].startswith(f"{mirror.root}/RHEL-9.2/compose/.composeinfo: expected sha256 ")
    (damage,) = told.document["versions"][0]["damages"]
    assert damage["path"] == ".composeinfo"
    assert damage["expected"] != damage["found"]


def test_damage_is_shown_by_status_until_the_next_sync_fetches_it_and_nothing_else(mirror, lab):
    rot(mirror, "metadata/same")
    assert (
        verify(mirror).lines[-1]
        == "the next sync fetches what is damaged, unless it is held; verify --repair does so now"
    )
    told = status(mirror)
    assert "  DAMAGED  " in told.lines[1]
    assert [line for line in told.lines if "known to be damaged" in line] == [
        "RHEL-9.2 compose RHEL-9.2.0-2: known to be damaged: the next sync, or verify --repair, puts it right",
        "RHEL-9.2 compose RHEL-9.2.0-1: known to be damaged: verify --repair puts it right",
    ]
    (version,) = told.document["versions"]
    assert (version["damaged"], len(version["problems"])) == (True, 2)
    lab.site.store.forget()
    (component,) = sync_topic(lab.server, mirror, "RHEL-9.2", Selection(all=True)).components
    assert (component.outcome, component.files_downloaded) == (Outcome.PUBLISHED, 1)
    assert lab.fetched() == ["metadata/same"]
    assert status(mirror).document["versions"][0]["problems"] == []
    assert verify(mirror).exit_code == 0


def test_a_later_build_does_not_publish_what_is_known_to_be_damaged(mirror, lab):
    rot(mirror, "metadata/same")
    verify(mirror)
    lab.build({".composeinfo": b"newer", "metadata/same": b"same" * 100}, number=3, tags=("nightly",))
    lab.site.store.forget()
    sync_topic(lab.server, mirror, "RHEL-9.2", Selection(all=True))
    assert sorted(lab.fetched()) == [".composeinfo", "metadata/same"]
    assert (mirror.root / "RHEL-9.2/compose/metadata/same").read_bytes() == b"same" * 100


def test_rollback_does_not_publish_what_is_damaged_and_remembers_it(mirror):
    rot(mirror, "metadata/same")
    with pytest.raises(IntegrityError, match=r"RHEL-9.2.0-1 is damaged"):
        maintenance.rollback(mirror, "RHEL-9.2", "compose", 0, NullProgress())
    assert status(mirror).document["versions"][0]["damaged"], "for it shares the object"
    with pytest.raises(IntegrityError, match="damaged"):
        maintenance.rollback(mirror, "RHEL-9.2", "compose", 0, NullProgress())


@pytest.mark.parametrize("left", ["truncated", "zeros", "gone", "no tree"])
def test_a_version_that_lost_its_record_or_tree_is_named_and_healed_by_the_next_sync(mirror, lab, left):
    folder = mirror.root / "RHEL-9.2/.versions/compose"
    record = folder / "RHEL-9.2.0-2.json"
    content = record.read_bytes()
    if left == "gone":
        record.unlink()
    elif left == "no tree":
        remove_tree(folder / "RHEL-9.2.0-2")
    else:
        record.write_bytes(content[: len(content) // 2] if left == "truncated" else b"\0" * len(content))
    told = verify(mirror)
    assert told.exit_code == 7
    assert any("RHEL-9.2.0-2" in line and "DAMAGED" in line for line in told.lines)
    lab.site.store.forget()
    (component,) = sync_topic(lab.server, mirror, "RHEL-9.2", Selection(all=True)).components
    assert (component.outcome, lab.fetched()) == (Outcome.PUBLISHED, [])
    assert verify(mirror).exit_code == 0
    sync_topic(lab.server, mirror, "RHEL-9.2", Selection(all=True))
    assert names_in(folder) == [
        *("RHEL-9.2.0-1", "RHEL-9.2.0-1.json", "RHEL-9.2.0-2", "RHEL-9.2.0-2.json"),
    ]


@pytest.mark.parametrize("left", ["truncated", "zeros", "gone", "folder", "no tree", "suffix"])
def test_a_version_that_lost_its_record_or_tree_is_healed_by_repair_and_the_next_sync_agrees(mirror, lab, left):
    folder = mirror.root / "RHEL-9.2/.versions/compose"
    record = folder / "RHEL-9.2.0-2.json"
    content = record.read_bytes()
    record.unlink()
    if left == "no tree":
        record.write_bytes(content)
        remove_tree(folder / "RHEL-9.2.0-2")
    elif left == "folder":
        record.mkdir()
    elif left == "suffix":
        (folder / "RHEL-9.2.0-2").rename(folder / "RHEL-9.2.0-2+1a2b3c4d")
        (mirror.root / "RHEL-9.2/compose").unlink()
        (mirror.root / "RHEL-9.2/compose").symlink_to(".versions/compose/RHEL-9.2.0-2+1a2b3c4d")
    elif left != "gone":
        record.write_bytes(content[: len(content) // 2] if left == "truncated" else b"\0" * len(content))
    lab.site.store.forget()
    told = verify(mirror, lambda: lab.server)
    assert (told.exit_code, told.document["repaired"]) == (0, True)
    assert lab.fetched() == []
    sync_topic(lab.server, mirror, "RHEL-9.2", Selection(all=True))
    assert lab.fetched() == []
    assert verify(mirror).exit_code == 0
    sync_topic(lab.server, mirror, "RHEL-9.2", Selection(all=True))
    assert len(list(folder.glob("[!.]*"))) == 4, "two versions and their records"


def test_what_neither_record_nor_tree_tell_is_left_to_the_next_sync(mirror, lab):
    remove_tree(mirror.root / "RHEL-9.2/.versions")
    told = verify(mirror, lambda: lab.server)
    assert (told.exit_code, told.document["repaired"]) == (7, False)
    sync_topic(lab.server, mirror, "RHEL-9.2", Selection(all=True))
    assert verify(mirror).exit_code == 0


def test_trees_without_records_do_not_keep_a_sync_from_its_work_and_do_not_stay(mirror, lab):
    folder = mirror.root / "RHEL-9.2/.versions/compose"
    for name in ("RHEL-9.2.0-2+1a2b3c4d", "RHEL-9.2.0-2+5e6f7a8b"):
        shutil.copytree(folder / "RHEL-9.2.0-2", folder / name, symlinks=True)
        (folder / f"{name}.json").write_bytes(b"\0" * 10)
    (folder / "RHEL-9.2.0-2.json").unlink()
    sync_topic(lab.server, mirror, "RHEL-9.2", Selection(all=True))
    assert sorted(path.name for path in folder.glob("[!.]*")) == [
        *("RHEL-9.2.0-1", "RHEL-9.2.0-1.json", "RHEL-9.2.0-2", "RHEL-9.2.0-2.json"),
    ]


def test_quiet_prints_damage_and_nothing_else(mirror, capsys):
    rot(mirror, ".composeinfo")
    output.print_result(verify(mirror), quiet=True)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{mirror.root}/RHEL-9.2/compose/.composeinfo: expected sha256 ")
    verify(mirror)


def test_quiet_prints_nothing_where_nothing_is_damaged(mirror, capsys):
    output.print_result(verify(mirror), quiet=True)
    assert capsys.readouterr().out == ""


def test_repair_fetches_only_what_is_damaged(mirror, lab):
    rot(mirror, "metadata/same")
    lab.site.store.forget()
    told = verify(mirror, lambda: lab.server)
    assert (told.exit_code, told.document["repaired"]) == (0, True)
    assert lab.fetched() == ["metadata/same"]
    assert (mirror.root / "RHEL-9.2/compose/metadata/same").read_bytes() == b"same" * 100
    assert (mirror.root / "RHEL-9.2/.versions/compose/RHEL-9.2.0-1/metadata/same").exists()


@pytest.fixture
def peer(lab, tmp_path):
    """Another mirror of the same build, behind a web server; gives its address."""
    sync_topic(lab.server, Mirror(tmp_path / "peer"), "RHEL-9.2", Selection(all=True))

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=tmp_path / "peer"))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_repair_asks_peers_first(mirror, lab, peer):
    rot(mirror, "metadata/same")
    lab.site.store.forget()
    told = maintenance.verify(mirror, NullProgress(), NeverStop(), lambda: lab.server, 0, (peer,))
    assert (told.exit_code, told.document["repaired"]) == (0, True)
    assert lab.fetched() == []
    assert (mirror.root / "RHEL-9.2/compose/metadata/same").read_bytes() == b"same" * 100


@pytest.mark.parametrize("how", ["--peer", "--settings"])
def test_the_command_line_names_peers_for_repair(mirror, lab, peer, how, tmp_path, monkeypatch, capsys):
    (tmp_path / "settings.yml").write_text(f"topics:\n- topic: RHEL-9.2\n  peers: [{peer}]\n")
    site = lab.site
    for name, value in (("CLIENT_ID", site.client_id), ("API_SECRET", site.api_secret), ("CS_URL", site.url)):
        monkeypatch.setenv(f"DCI_{name}", value)
    rot(mirror, "metadata/same")
    lab.site.store.forget()
    value = peer if how == "--peer" else str(tmp_path / "settings.yml")
    assert main(["verify", str(mirror.root), "--repair", how, value]) == 0
    assert "everything is whole again" in capsys.readouterr().out
    assert lab.fetched() == []


def test_nothing_is_asked_of_the_server_where_nothing_is_damaged(mirror):
    def never():
        raise AssertionError("a server was asked for")

    assert verify(mirror, never).exit_code == 0


def test_a_repair_says_what_it_repaired_and_ends_with_what_is_right_now(mirror, lab):
    rot(mirror, "metadata/same")
    told = verify(mirror, lambda: lab.server)
    first, *rest = told.lines
    assert first.startswith(f"repaired: {mirror.root}/RHEL-9.2/compose/metadata/same: expected sha256 ")
    assert rest == ["RHEL-9.2 compose RHEL-9.2.0-2: whole (2 files, 403 bytes)", "repaired: everything is whole again"]
    assert told.failed == []


def test_a_damaged_link_is_repaired_without_the_server(mirror):
    link = mirror.root / "RHEL-9.2/compose"
    link.unlink()
    link.mkdir()
    assert verify(mirror).exit_code == 7
    told = verify(mirror, lambda: pytest.fail("the server was asked for"))
    assert (told.exit_code, told.document["repaired"]) == (0, True)
    assert told.lines[0] == "RHEL-9.2 compose: its link leads to RHEL-9.2.0-2 again"
    assert (link / ".composeinfo").read_bytes() == b"new"


def test_a_repair_that_fails_says_so_and_can_be_run_again(mirror, lab):
    rot(mirror, ".composeinfo")
    newest = max(lab.catalog.components.values(), key=lambda component: component.created_at)
    lab.catalog.drop(newest, ".composeinfo")
    with pytest.raises(TransferError, match=r"\.composeinfo"):
        verify(mirror, lambda: lab.server)
    lab.catalog.put(newest, ".composeinfo", b"new")
    assert verify(mirror, lambda: lab.server).document["repaired"]


def test_rollback_publishes_the_version_before(mirror):
    told = maintenance.rollback(mirror, "RHEL-9.2", "compose", 0, NullProgress())
    assert told.lines[0] == f"{mirror.root}/RHEL-9.2/compose is RHEL-9.2.0-1 again"
    assert "the next sync publishes the newest again" in told.lines[1]
    assert (mirror.root / "RHEL-9.2/compose/.composeinfo").read_bytes() == b"old"
    for component_type in ("compose", ""):
        with pytest.raises(NotFoundError, match="no version older"):
            maintenance.rollback(mirror, "RHEL-9.2", component_type, 0, NullProgress())


def test_rollback_without_a_type_takes_all_that_have_something_older(mirror):
    told = maintenance.rollback(mirror, "RHEL-9.2", "", 0, NullProgress())
    assert [done["version"] for done in told.document["rolled_back"]] == ["RHEL-9.2.0-1"]


def test_rollback_of_what_is_not_here(mirror):
    with pytest.raises(NotFoundError, match="nothing of type hwcert"):
        maintenance.rollback(mirror, "RHEL-9.2", "hwcert", 0, NullProgress())
    with pytest.raises(NotFoundError, match="nothing of this topic"):
        maintenance.rollback(mirror, "RHEL-1", "", 0, NullProgress())
    assert not (mirror.root / "RHEL-1").exists()


def test_prune_removes_versions_beyond_keep(mirror):
    told = maintenance.prune(mirror, 0, 0, NullProgress())
    assert told.document == {"versions": ["RHEL-9.2.0-1"], "files": 1, "size": 3}
    assert list(told.lines) == ["removed RHEL-9.2.0-1; 1 file, 3 bytes freed"]
    assert maintenance.prune(mirror, 0, 0, NullProgress()).lines == ("removed no version; 0 files, 0 bytes freed",)


@pytest.mark.parametrize(
    "command",
    [
        status,
        verify,
        lambda mirror: maintenance.rollback(mirror, "RHEL-9.2", "", 0, NullProgress()),
        lambda mirror: maintenance.prune(mirror, 1, 0, NullProgress()),
    ],
)
def test_where_there_is_no_mirror_there_is_nothing_to_do(tmp_path, command):
    with pytest.raises(NotFoundError, match="there is no mirror here"):
        command(Mirror(tmp_path / "nothing"))
    assert not (tmp_path / "nothing").exists()
