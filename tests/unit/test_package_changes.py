import hashlib

import pytest

from dci_downloader.changes import PackageChange, PackageChangeKind
from dci_downloader.content.package_changes import in_trees, package_changes, trees_of
from dci_downloader.models import FileEntry

UP, DOWN, CHANGED, REBUILT, ADDED, REMOVED = PackageChangeKind
OS, ARM, STREAM = "BaseOS/x86_64/os/Packages/", "BaseOS/aarch64/os/Packages/", "AppStream/x86_64/os/Packages/"


def build(*paths, content=""):
    """A build whose files have their names as content, and more."""
    return [FileEntry(path, hashlib.sha256((path + content).encode()).hexdigest(), 1) for path in paths]


def changes(before, after):
    return package_changes(build(*before), build(*after))


@pytest.mark.parametrize(
    ("before", "after", "kind", "old", "new"),
    [
        (
            ["kernel-5.14.0-284.1.el9_2"],
            ["kernel-5.14.0-285.el9"],
            UP,
            ["5.14.0-284.1.el9_2"],
            ["5.14.0-285.el9"],
        ),
        (["a-2-1"], ["a-1-9"], DOWN, ["2-1"], ["1-9"]),
        ([], ["a-1-1"], ADDED, [], ["1-1"]),
        (["a-1-1"], [], REMOVED, ["1-1"], []),
        (["a-16-1", "a-18-1"], ["a-16-1", "a-18-2"], UP, ["18-1"], ["18-2"]),
        (["a-16-1", "a-18-1"], ["a-16-2", "a-18-2"], UP, ["16-1", "18-1"], ["16-2", "18-2"]),
        (["a-16-1", "a-18-2"], ["a-16-2", "a-18-1"], CHANGED, ["16-1", "18-2"], ["16-2", "18-1"]),
        (["a-16-1"], ["a-16-1", "a-18-1"], CHANGED, [], ["18-1"]),
        (["a-16-1", "a-18-1"], ["a-18-1"], CHANGED, ["16-1"], []),
    ],
)
def test_versions_of_a_package(before, after, kind, old, new):
    found = changes([f"{OS}{name}.x86_64.rpm" for name in before], [f"{OS}{name}.x86_64.rpm" for name in after])
    name = (before or after)[0].rsplit("-", 2)[0]
    assert found == (PackageChange(name, kind, tuple(old), tuple(new), ("BaseOS/x86_64",)),)


def test_nothing_differs_between_a_build_and_itself_nor_where_only_other_files_do():
    files = [f"{OS}a-1-1.noarch.rpm", "BaseOS/x86_64/os/repodata/repomd.xml"]
    assert changes(files, files) == ()
    assert changes(files, [*files[:1], "other"]) == ()


def test_another_content_under_the_same_version_is_told():
    (found,) = package_changes(build(f"{OS}a-1-1.noarch.rpm"), build(f"{OS}a-1-1.noarch.rpm", content="signed"))
    assert (found.kind, found.before, found.after) == (REBUILT, ("1-1",), ("1-1",))


def test_a_file_that_only_moves_to_another_folder_of_its_tree_is_no_change():
    assert (
        package_changes(
            [FileEntry(f"{OS}a-1-1.noarch.rpm", "1" * 64, 1)], [FileEntry(f"{OS}a/a-1-1.noarch.rpm", "1" * 64, 1)]
        )
        == ()
    )


def test_what_happened_in_all_trees_alike_is_one_change():
    before, after = ([f"{OS}a-{n}-1.x86_64.rpm", f"{ARM}a-{n}-1.aarch64.rpm"] for n in (1, 2))
    assert changes(before, after) == (PackageChange("a", UP, ("1-1",), ("2-1",), ("BaseOS/aarch64", "BaseOS/x86_64")),)


def test_a_package_that_leaves_one_architecture_is_told_though_its_version_stays():
    before = [f"{OS}a-1-1.x86_64.rpm", f"{ARM}a-1-1.aarch64.rpm"]
    (found,) = changes(before, before[:1])
    assert (found.kind, found.trees, found.everywhere) == (REMOVED, ("BaseOS/aarch64",), False)


def test_a_package_for_any_architecture_counts_for_the_folder_it_is_in():
    (found,) = changes([f"{OS}a-1-1.noarch.rpm"], [f"{OS}a-2-1.x86_64.rpm"])
    assert (found.kind, found.trees, found.everywhere) == (UP, ("BaseOS/x86_64",), True)


def test_the_other_architecture_in_one_folder_is_a_tree_of_its_own():
    before = [f"{OS}a-1-1.x86_64.rpm", f"{OS}a-1-1.i686.rpm"]
    (found,) = changes(before, before[:1])
    assert (found.kind, found.trees, found.everywhere) == (REMOVED, ("BaseOS/i686",), False)


def test_a_package_that_moves_to_another_variant_is_removed_and_added():
    found = changes([f"{OS}a-1-1.x86_64.rpm"], [f"{STREAM}a-1-1.x86_64.rpm"])
    assert [(each.kind, each.trees) for each in found] == [
        (ADDED, ("AppStream/x86_64",)),
        (REMOVED, ("BaseOS/x86_64",)),
    ]


def test_source_and_debug_packages_are_left_out_where_their_package_changes_alike():
    def files(release, debug):
        yield f"{OS}a-1-{release}.x86_64.rpm"
        yield f"BaseOS/x86_64/debug/tree/Packages/a-debuginfo-1-{release}.x86_64.rpm"
        yield f"BaseOS/x86_64/debug/tree/Packages/a-debugsource-1-{debug}.x86_64.rpm"
        yield f"BaseOS/source/tree/Packages/a-1-{release}.src.rpm"
        yield f"BaseOS/source/tree/Packages/b-1-{release}.src.rpm"
        yield f"BaseOS/x86_64/debug/tree/Packages/b-debugsource-1-{release}.x86_64.rpm"

    found = changes(files(1, 1), files(2, 3))
    assert [(each.name, each.source, each.trees) for each in found] == [
        ("a", False, ("BaseOS/x86_64",)),
        ("a-debugsource", False, ("BaseOS/x86_64",)),
        ("b", True, ("BaseOS/source",)),
    ]


def test_a_source_package_that_stays_does_not_hide_that_its_package_is_gone():
    source = "BaseOS/source/tree/Packages/a-1-1.src.rpm"
    (found,) = changes([f"{OS}a-1-1.x86_64.rpm", source], [source])
    assert (found.name, found.kind, found.source) == ("a", REMOVED, False)


def test_outside_of_the_folders_of_a_compose_an_architecture_is_the_tree():
    (found,) = changes(["Packages/a-1-1.noarch.rpm"], ["Packages/a-2-1.noarch.rpm"])
    assert (found.kind, found.trees) == (UP, ("noarch",))


def test_files_of_some_trees():
    files = build(f"{OS}a-1-1.noarch.rpm", f"{OS}a-1-1.i686.rpm", f"{ARM}a-1-1.aarch64.rpm", f"{STREAM}repomd.xml", "x")
    paths = [entry.path for entry in files]
    assert trees_of(files) == {"BaseOS/x86_64", "BaseOS/i686", "BaseOS/aarch64"}

    def chosen(*wanted):
        return [entry.path for entry in in_trees(files, *wanted)]

    assert chosen() == paths
    assert chosen(["BaseOS"]) == paths[:3]
    assert chosen([], ["x86_64"]) == [paths[0], paths[3]]
    assert chosen(["AppStream"], ["x86_64"]) == [paths[3]]
