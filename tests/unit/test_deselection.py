import pytest

from dci_downloader.content.deselection import deselected
from dci_downloader.content.selection import Selection
from dci_downloader.models import FileEntry, Manifest

BUILD = [
    ".composeinfo",
    *(
        f"{variant}/{arch}/os/Packages/{n}.rpm"
        for variant in ("BaseOS", "AppStream")
        for arch in ("x86_64", "s390x")
        for n in range(3)
    ),
    *(f"BaseOS/x86_64/debug/tree/Packages/{n}-debuginfo.rpm" for n in range(2)),
    "BaseOS/x86_64/iso/boot.iso",
    "BaseOS/source/tree/Packages/a.src.rpm",
]
EVERYTHING = {"archs": (), "debug": True, "src": True, "iso": True}


def manifest(paths):
    return Manifest("compose", tuple(FileEntry(path, f"{number:064x}", 1) for number, path in enumerate(paths)))


def leaves(before, after, build=BUILD, later=None):
    old, new = manifest(build), manifest(later or build)
    return deselected(Selection(**before).apply(old), new, Selection(**after).apply(new))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({}, {}, ()),
        ({}, {"archs": ()}, ()),
        ({"archs": ()}, {}, ("s390x was published and is not in this selection: 6 files leave",)),
        (
            {"archs": ("x86_64",)},
            {"archs": ("s390x",)},
            ("x86_64 was published and is not in this selection: 6 files leave",),
        ),
        ({}, {"variants": ("BaseOS",)}, ("AppStream was published and is not in this selection: 3 files leave",)),
        (
            {"debug": True, "iso": True},
            {},
            (
                "debug packages were published and are not in this selection: 2 files leave",
                "ISO images were published and are not in this selection: 1 file leaves",
            ),
        ),
        ({"src": True}, {}, ("source packages were published and are not in this selection: 1 file leaves",)),
        (
            EVERYTHING,
            {"variants": ("AppStream",), "archs": ("s390x",)},
            (
                "x86_64 was published and is not in this selection: 9 files leave",
                "BaseOS was published and is not in this selection: 4 files leave",
            ),
        ),
        ({}, {"exclude": ("*/2.rpm",)}, ("2 files published before are not in this selection",)),
        (
            {},
            {"exclude": ("AppStream/x86_64/os/Packages/2.rpm",)},
            ("1 file published before is not in this selection",),
        ),
        (
            {"archs": ()},
            {"exclude": ("BaseOS/x86_64/os/Packages/2.rpm",)},
            (
                "s390x was published and is not in this selection: 6 files leave",
                "1 more file published before is not in this selection",
            ),
        ),
    ],
)
def test_what_a_selection_takes_away_is_named(before, after, said):
    assert leaves(before, after) == said


def test_what_the_build_lost_is_no_matter_of_the_selection():
    later = [path for path in BUILD if "s390x" not in path]
    assert leaves({"archs": ()}, {}, later=later) == ()
    assert leaves({"archs": ()}, {"archs": ()}, later=later) == ()


def test_an_architecture_leaves_though_the_new_build_names_its_packages_otherwise():
    later = [path.replace(".rpm", "-2.rpm") for path in BUILD]
    assert leaves({"archs": ()}, {}, later=later) == (
        "s390x was published and is not in this selection: 6 files leave",
    )


def test_what_is_no_compose_is_counted():
    whole = Manifest("hwcert", manifest(["a", "b/c"]).files)
    part = Manifest("hwcert", whole.files[:1])
    assert deselected(whole, whole, part) == ("1 file published before is not in this selection",)
    assert deselected(part, whole, whole) == ()
