"""A version whose record is lost gets another: of what the server says, and what its tree shows was wanted of it."""

import os
import shutil

import pytest

from dci_downloader import Mirror, NotFoundError, Selection, repair, sync_topic, verify
from dci_downloader.transfer.reconstruct import reconstruct

FILES = {".composeinfo": b"one", "metadata/same": b"same" * 100, "metadata/other": b"other"}


@pytest.fixture
def mirror(lab, tmp_path):
    """A mirror with one version, whose record is lost."""
    mirror = Mirror(tmp_path / "dci")
    lab.build(FILES, symlinks={"wanted": ".composeinfo", "unwanted": ".composeinfo"})
    sync_topic(lab.server, mirror, "RHEL-9.2", Selection(all=True))
    lab.site.store.forget()
    record(mirror).write_text("{")
    return mirror


def published(mirror):
    return mirror.root / "RHEL-9.2" / "compose"


def record(mirror):
    tree = published(mirror).resolve()
    return tree.with_name(f"{tree.name}.json")


def names(mirror):
    return sorted(path.relative_to(published(mirror)).as_posix() for path in published(mirror).rglob("*"))


def lost(mirror):
    """The check of the version without a record."""
    (check,) = (check for check in verify(mirror) if check.record_lost)
    return check


def never(*_):
    raise AssertionError("nothing had to be fetched")


def assert_right(mirror):
    assert [check.damages for check in verify(mirror)] == [()]
    assert mirror.topic("RHEL-9.2").published("compose").component.name == "RHEL-9.2.0-0"


@pytest.mark.parametrize("state", ["cut", "gone", "no JSON", "another's"])
def test_a_tree_that_is_right_gets_a_record_and_nothing_is_fetched(lab, mirror, state):
    before = names(mirror)
    place = record(mirror)
    if state == "gone":
        place.unlink()
    else:
        place.write_text({"cut": '{"component": {"id"', "no JSON": "\0" * 50, "another's": "[]"}[state])
    reconstruct(lab.server, mirror, lost(mirror), never)
    assert_right(mirror)
    assert names(mirror) == before
    assert lab.fetched() == []


def test_what_was_not_selected_stays_away(lab, mirror):
    tree = published(mirror).resolve()
    (tree / "metadata/other").unlink()
    (tree / "unwanted").unlink()
    (tree / "metadata/same").unlink()
    (tree / "metadata/same").write_bytes(b"of another size")
    reconstruct(lab.server, mirror, lost(mirror), never)
    assert_right(mirror)
    assert names(mirror) == [".composeinfo", "wanted"]


def test_a_folder_or_a_link_in_a_files_place_is_not_that_file(lab, mirror):
    tree = published(mirror).resolve()
    (tree / "metadata/other").unlink()
    (tree / "metadata/other").symlink_to("same.")  # as long as the file
    (tree / "metadata/same").unlink()
    (tree / "metadata/same").mkdir()
    reconstruct(lab.server, mirror, lost(mirror), never)
    assert names(mirror) == [".composeinfo", "unwanted", "wanted"]


def test_what_the_store_has_lost_is_fetched(lab, mirror):
    for content in mirror.store.objects.glob("*/*"):
        content.unlink()
    assert repair(lab.server, mirror, verify(mirror)) == ()
    assert_right(mirror)
    assert sorted(lab.fetched()) == sorted(FILES)


def test_a_version_whose_name_was_taken_is_known_by_its_components_name(lab, mirror):
    tree = published(mirror).resolve()
    other = tree.with_name(f"{tree.name}+0123abcd")
    record(mirror).unlink()
    os.rename(tree, other)
    published(mirror).unlink()
    published(mirror).symlink_to(f".versions/compose/{other.name}")
    reconstruct(lab.server, mirror, lost(mirror), never)
    assert_right(mirror)
    assert not other.exists()


@pytest.mark.parametrize("name", ["RHEL-9.1", "RHEL-9.3"])
def test_a_component_of_that_name_in_another_topic_is_another(lab, mirror, name):
    other = lab.catalog.add_topic(name, component_types=("compose",))
    lab.build({path: b"x" * len(content) for path, content in FILES.items()}, topic=other, name="RHEL-9.2.0-0")
    reconstruct(lab.server, mirror, lost(mirror), never)
    assert_right(mirror)


@pytest.mark.parametrize("what", ["component", "topic", "type"])
def test_what_the_server_does_not_have_any_more_is_told_and_left_as_it_is(lab, mirror, what):
    before, place = names(mirror), record(mirror)
    (component,) = lab.catalog.components.values()
    if what == "component":
        lab.catalog.components.clear()
        lab.build({"x": b"another"}, number=1)
    elif what == "topic":
        lab.catalog.topics.clear()
        lab.catalog.add_topic("RHEL-9.3", component_types=("compose",))
    else:
        lab.catalog.topics.clear()
        lab.catalog.add_topic("RHEL-9.2", component_types=("hwcert",))
    with pytest.raises(NotFoundError, match="its record is lost, and the server has no component of that name") as told:
        reconstruct(lab.server, mirror, lost(mirror), never)
    assert told.value.hint == "the next sync publishes another"
    (left,) = repair(lab.server, mirror, verify(mirror))
    assert left.startswith(f"RHEL-9.2 compose {component.name}: its record is lost")
    assert left.endswith("(the next sync publishes another)")
    assert (names(mirror), place.read_text()) == (before, "{")


def test_without_record_and_files_nobody_knows_what_was_selected(lab, mirror):
    tree = published(mirror).resolve()
    shutil.rmtree(tree)
    tree.mkdir()
    with pytest.raises(NotFoundError, match="neither record nor files are left"):
        reconstruct(lab.server, mirror, lost(mirror), never)


def test_a_sync_that_was_faster_is_left_alone(lab, mirror):
    check = lost(mirror)
    sync_topic(lab.server, mirror, "RHEL-9.2", Selection(all=True))
    before = record(mirror).read_bytes()
    reconstruct(lab.server, mirror, check, never)
    assert record(mirror).read_bytes() == before
