import pytest

from dci_downloader.content.coverage import select, selection_of
from dci_downloader.content.selection import RULES, Selection, Variant
from dci_downloader.errors import NotFoundError
from dci_downloader.models import Manifest
from tests.unit.samples import entry_of

PATHS = (
    ".composeinfo",
    "BaseOS/x86_64/os/Packages/bash.rpm",
    "BaseOS/x86_64/os/Packages/python3-dnf.rpm",
    "BaseOS/x86_64/debug/tree/Packages/bash-debuginfo.rpm",
    "BaseOS/aarch64/os/Packages/bash.rpm",
    "BaseOS/x86_64/iso/boot.iso",
    "BaseOS/source/tree/Packages/bash.src.rpm",
    "AppStream/x86_64/os/Packages/vim.rpm",
)
WHOLE = Manifest("compose", tuple(entry_of(path, path.encode()) for path in PATHS))


def held(selection):
    """What a mirror has that selected so."""
    manifest = selection.apply(WHOLE)
    record = {"rules": RULES, **selection.effective("compose").to_json()}
    return Manifest("compose", manifest.files, selection=record)


def paths(manifest):
    return [entry.path for entry in manifest.files]


def test_what_is_not_of_another_mirror_is_selected_as_always():
    assert select(Selection(), WHOLE) == Selection().apply(WHOLE)


@pytest.mark.parametrize(
    ("there", "asked", "lacking"),
    [
        (Selection(), Selection(debug=True), "debug packages"),
        (Selection(), Selection(src=True), "sources"),
        (Selection(), Selection(iso=True), "ISO images"),
        (Selection(), Selection(all=True), "all the rest of it"),
        (Selection(), Selection(archs=("x86_64", "aarch64")), "architecture aarch64"),
        (Selection(variants=("BaseOS",)), Selection(variants=("BaseOS", "AppStream")), "variant AppStream"),
        (Selection(), Selection(variants=(Variant("BaseOS", debug=True),)), "debug packages of BaseOS"),
        (
            Selection(debug=True, variants=("BaseOS", Variant("AppStream", debug=False))),
            Selection(debug=True),
            "debug packages of AppStream",
        ),
        (Selection(packages=("python",)), Selection(packages=("bash",)), "packages bash"),
        (Selection(include=("*.rpm",)), Selection(include=("*.iso",)), "--include *.iso"),
        (Selection(all=True, include=("*.rpm",)), Selection(include=("*.img",)), "--include *.img"),
        (Selection(exclude=("bash*",)), Selection(include=("bash*",)), "--include bash*"),
        (Selection(packages=("python",)), Selection(variants=("BaseOS",)), "packages other than python"),
        (Selection(include=("*.rpm",)), Selection(variants=("BaseOS",)), "paths other than *.rpm"),
        (Selection(exclude=("vim*",)), Selection(variants=("BaseOS",)), "what matches vim*"),
        (Selection(all=True, exclude=("vim*",)), Selection(all=True), "what matches vim*"),
    ],
    ids=str,
)
def test_what_is_asked_for_and_was_left_out_there_is_named(there, asked, lacking):
    with pytest.raises(NotFoundError, match="only a part of it, without") as caught:
        select(asked, held(there))
    assert lacking in str(caught.value)


@pytest.mark.parametrize(
    ("there", "asked"),
    [
        (Selection(all=True), Selection(all=True)),
        (Selection(all=True), Selection(debug=True, src=True, iso=True, archs=())),
        (Selection(debug=True, iso=True), Selection(debug=True)),
        (Selection(debug=True), Selection(variants=("BaseOS",), debug=True)),
        (Selection(variants=(Variant("BaseOS", debug=True), "AppStream")), Selection(variants=("AppStream",))),
        (Selection(archs=("x86_64", "aarch64")), Selection(archs=("aarch64",))),
        (Selection(packages=("python",)), Selection(packages=("python3-dnf",))),
        (Selection(include=("*.rpm",)), Selection(include=("bash*.rpm",))),
        (Selection(exclude=("vim*",)), Selection(variants=("BaseOS",), exclude=("vim*", "*.txt"))),
        (Selection(packages=("python",)), Selection(variants=("BaseOS",), packages=("python",))),
    ],
    ids=str,
)
def test_what_is_narrower_or_the_same_is_selected_of_it(there, asked):
    manifest = held(there)
    assert paths(select(asked, manifest)) == paths(asked.apply(Manifest("compose", manifest.files)))


@pytest.mark.parametrize(
    ("there", "asked", "limit"),
    [
        (Selection(variants=("BaseOS",)), Selection(), "variants BaseOS"),
        (Selection(), Selection(archs=()), "architectures x86_64"),
        (Selection(packages=("python",)), Selection(), "packages python"),
        (Selection(include=("*.rpm",)), Selection(), "paths *.rpm"),
        (Selection(exclude=("vim*",)), Selection(), "without vim*"),
    ],
    ids=str,
)
def test_where_nothing_is_named_what_is_there_is_meant_and_that_is_said(there, asked, limit):
    wanted = select(asked, held(there))
    assert paths(wanted) == paths(held(there))
    assert wanted.warnings == (f"the other mirror has only a part of it: {limit}",)


@pytest.mark.parametrize(
    "value", [None, 1, [], {}, {"unknown": True}, {"archs": 1}, {"archs": [1]}, {"variants": [{}]}]
)
def test_a_selection_that_nobody_can_read_excludes_nothing(value):
    assert selection_of(value) is None
    manifest = Manifest("compose", Selection().apply(WHOLE).files, selection=value)
    with pytest.raises(NotFoundError):
        select(Selection(archs=("ppc64le",)), manifest)
    assert paths(select(Selection(debug=True), manifest)) == paths(manifest)


def test_a_selection_comes_back_from_json():
    selection = Selection(archs=("x86_64",), variants=(Variant("AppStream", src=True), Variant("BaseOS")), debug=True)
    assert selection_of({"rules": RULES, **selection.to_json()}) == selection


def test_of_other_types_only_globs_count():
    manifest = Manifest("hwcert", WHOLE.files, selection=Selection(exclude=("vim*",)).to_json())
    wanted = select(Selection(debug=True, archs=("ppc64le",), variants=("NFV",)), manifest)
    assert len(wanted.files) == len(WHOLE.files)
