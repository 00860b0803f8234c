from __future__ import annotations

import json

import pytest

from dci_downloader.content.selection import Selection, Variant
from dci_downloader.errors import NotFoundError
from dci_downloader.models import FileEntry, Manifest, SymlinkEntry

ALWAYS = {".composeinfo", "COMPOSE_ID", "metadata/composeinfo.json", "metadata/deep/rpms.json"}
BASE = {
    "BaseOS/x86_64/os/.treeinfo",
    "BaseOS/x86_64/os/Packages/b/bash-5.1.rpm",
    "BaseOS/x86_64/os/Packages/k/kernel-5.14.rpm",
    "BaseOS/x86_64/os/debug/odd.rpm",
    "BaseOS/x86_64/os/images/boot.iso",
    "BaseOS/x86_64/os/repodata/repomd.xml",
}
BASE_DEBUG = {"BaseOS/x86_64/debug/other.txt", "BaseOS/x86_64/debug/tree/Packages/k/kernel-debuginfo-5.14.rpm"}
BASE_ISO = {"BaseOS/x86_64/iso/dvd1.iso"}
BASE_ARM = {"BaseOS/aarch64/os/Packages/k/kernel-5.14.rpm"}
BASE_ARM_DEBUG = {"BaseOS/aarch64/debug/tree/kernel-debuginfo.rpm"}
BASE_SRC = {"BaseOS/source/tree/Packages/k/kernel-5.14.src.rpm", "BaseOS/source/tree/repodata/repomd.xml"}
APP = {"AppStream/x86_64/os/Packages/l/libsigc++20-2.rpm", "AppStream/x86_64/os/file-in-os"}
APP_DEBUG = {"AppStream/x86_64/debug/tree/l.rpm"}
APP_ISO = {"AppStream/x86_64/iso/app.iso"}
APP_SRC = {"AppStream/source/tree/l.src.rpm"}
OTHER = {"Server-optional/x86_64/os/so.rpm", "Weird/x86_64/os/w.rpm", "compose/BaseOS/x86_64/os/nested.rpm"}
NEVER = {
    "BaseOS/loose.txt",
    "BaseOS/metadata/x.json",
    "BaseOS/source/SRPMS/h.src.rpm",
    "BaseOS/source/iso/src.iso",
    "BaseOS/x86_64/images/qcow.qcow2",
    "BaseOS/x86_64/loose.txt",
    "BaseOS/x86_64/osx/b.rpm",
    "BaseOS/x86_64x/other/a.rpm",
    "Tools/os/x86_64/t.rpm",
    "iso/l.iso",
    "logs/x86_64/log.txt",
    "source/tree/i.src.rpm",
    "x86_64/os/j.rpm",
}
DEFAULT = ALWAYS | BASE | APP | OTHER
EVERYTHING = (
    DEFAULT | BASE_DEBUG | BASE_ISO | BASE_ARM | BASE_ARM_DEBUG | BASE_SRC | APP_DEBUG | APP_ISO | APP_SRC | NEVER
)


def manifest(
    paths: set[str] = EVERYTHING, component_type: str = "compose", symlinks: tuple[SymlinkEntry, ...] = ()
) -> Manifest:
    files = tuple(FileEntry(path, "a" * 64, 1) for path in sorted(paths))
    return Manifest(component_type, files, symlinks, warnings=("odd",), etag="e")


def paths(selection: Selection, of: Manifest | None = None) -> set[str]:
    return {entry.path for entry in selection.apply(of or manifest()).files}


def named(value: object) -> str:
    """A test's name for a parameter: a set has another order in each process, and processes share the tests."""
    return str(value) if isinstance(value, Selection) else type(value).__name__


@pytest.mark.parametrize(
    ("selection", "wanted"),
    [
        (Selection(), DEFAULT),
        (Selection(archs=("aarch64",)), ALWAYS | BASE_ARM),
        (Selection(archs=("aarch64", "x86_64")), DEFAULT | BASE_ARM),
        (Selection(archs=()), DEFAULT | BASE_ARM),
        (Selection(variants=("BaseOS",)), ALWAYS | BASE),
        (Selection(variants=("BaseOS", "AppStream")), ALWAYS | BASE | APP),
        (Selection(variants=("Weird",)), ALWAYS | {"Weird/x86_64/os/w.rpm"}),
        (Selection(variants=("compose/BaseOS",)), ALWAYS | {"compose/BaseOS/x86_64/os/nested.rpm"}),
        (Selection(debug=True), DEFAULT | BASE_DEBUG | APP_DEBUG),
        (Selection(debug=True, archs=("aarch64",)), ALWAYS | BASE_ARM | BASE_ARM_DEBUG),
        (Selection(iso=True), DEFAULT | BASE_ISO | APP_ISO),
        (Selection(iso=True, variants=("AppStream",)), ALWAYS | APP | APP_ISO),
        (Selection(src=True), DEFAULT | BASE_SRC | APP_SRC),
        (Selection(src=True, archs=("aarch64",)), ALWAYS | BASE_ARM | BASE_SRC | APP_SRC),
        (Selection(src=True, variants=("AppStream",)), ALWAYS | APP | APP_SRC | BASE_SRC),
        (Selection(variants=(Variant("BaseOS", debug=True), "AppStream")), ALWAYS | BASE | BASE_DEBUG | APP),
        (Selection(variants=(Variant("BaseOS", iso=True), "AppStream")), ALWAYS | BASE | BASE_ISO | APP),
        (Selection(variants=(Variant("BaseOS", src=True), "AppStream")), ALWAYS | BASE | BASE_SRC | APP),
        (
            Selection(variants=(Variant("BaseOS", debug=False, src=False), "AppStream"), debug=True, src=True),
            ALWAYS | BASE | APP | APP_DEBUG | APP_SRC,
        ),
        (Selection(variants=("BaseOS", Variant("BaseOS", iso=True))), ALWAYS | BASE | BASE_ISO),
        (Selection(all=True), EVERYTHING),
        (Selection(all=True, variants=("AppStream",), archs=("sparc",), packages=("no",)), EVERYTHING),
    ],
    ids=named,
)
def test_compose_is_selected_by_the_rules(selection: Selection, wanted: set[str]) -> None:
    assert paths(selection) == wanted
    assert paths(selection, manifest(component_type="compose-noinstall")) == wanted


@pytest.mark.parametrize(
    ("packages", "wanted"),
    [
        (("kernel",), {"BaseOS/x86_64/os/Packages/k/kernel-5.14.rpm"}),
        (("kern", "bash"), {"BaseOS/x86_64/os/Packages/k/kernel-5.14.rpm", "BaseOS/x86_64/os/Packages/b/bash-5.1.rpm"}),
        (("k.rnel",), {"BaseOS/x86_64/os/Packages/k/kernel-5.14.rpm"}),
        (("(bash|nothing)-",), {"BaseOS/x86_64/os/Packages/b/bash-5.1.rpm"}),
        (("libsigc++20",), {"AppStream/x86_64/os/Packages/l/libsigc++20-2.rpm"}),
        (("*bash*", "Packages/b"), {"BaseOS/x86_64/os/Packages/b/bash-5.1.rpm"}),
        (("repomd.xml",), {"BaseOS/x86_64/os/repodata/repomd.xml"}),
        (("file-in-os",), {"AppStream/x86_64/os/file-in-os"}),
        (("^file-",), {"AppStream/x86_64/os/file-in-os"}),
    ],
)
def test_package_filters_thin_out_packages(packages: tuple[str, ...], wanted: set[str]) -> None:
    assert paths(Selection(packages=packages)) == ALWAYS | wanted


def test_package_filters_reach_debug_and_iso_but_not_sources() -> None:
    selection = Selection(packages=("kernel",), debug=True, src=True, iso=True, variants=("BaseOS",))
    kernel = {path for path in BASE | BASE_DEBUG if "kernel" in path}
    assert paths(selection) == ALWAYS | kernel | BASE_SRC | APP_SRC


@pytest.mark.parametrize("selection", [Selection(), Selection(variants=("Nope",), archs=("sparc",), packages=("no",))])
def test_other_types_are_wanted_whole(selection: Selection) -> None:
    assert paths(selection, manifest(component_type="hwcert")) == EVERYTHING


@pytest.mark.parametrize(
    ("globs", "matched"),
    [
        (("*.iso",), {path for path in DEFAULT if path.endswith(".iso")}),
        (("kernel-?.14.rpm",), {"BaseOS/x86_64/os/Packages/k/kernel-5.14.rpm"}),
        (("BaseOS/*",), BASE),
        (("BaseOS/*/os/*.rpm", ".composeinfo"), {p for p in BASE if p.endswith(".rpm")} | {".composeinfo"}),
        (("*/debug/*",), {"BaseOS/x86_64/os/debug/odd.rpm"}),
        (("/COMPOSE_ID",), {"COMPOSE_ID"}),
        (("/*.json",), {path for path in DEFAULT if path.endswith(".json")}),
        (("[CB]*_ID",), {"COMPOSE_ID"}),
    ],
)
def test_globs_restrict_and_exclude(globs: tuple[str, ...], matched: set[str]) -> None:
    assert paths(Selection(include=globs)) == matched
    assert paths(Selection(exclude=globs)) == DEFAULT - matched


def test_exclude_wins_over_include() -> None:
    assert paths(Selection(include=("*.json",), exclude=("metadata/deep/*",))) == {"metadata/composeinfo.json"}


def test_globs_apply_to_everything_and_to_other_types() -> None:
    isos = {path for path in EVERYTHING if path.endswith(".iso")}
    assert paths(Selection(all=True, exclude=("*.iso",))) == EVERYTHING - isos
    assert paths(Selection(include=("*.iso",)), manifest(component_type="hwcert")) == isos


def test_warnings_type_and_etag_stay() -> None:
    selected = Selection().apply(manifest(component_type="compose-noinstall"))
    assert (selected.component_type, selected.warnings, selected.etag) == ("compose-noinstall", ("odd",), "e")


LINKS = (
    SymlinkEntry("BaseOS/x86_64/os/images/boot-latest.iso", "boot.iso"),
    SymlinkEntry("BaseOS/x86_64/os/p", "Packages"),
    SymlinkEntry("BaseOS/x86_64/os/through", "p/k"),
    SymlinkEntry("arm", "BaseOS/aarch64"),
    SymlinkEntry("debuginfo", "BaseOS/x86_64/debug/tree"),
    SymlinkEntry("latest", "BaseOS"),
)


@pytest.mark.parametrize(
    ("selection", "kept"),
    [
        (Selection(), {"boot-latest.iso", "p", "through", "latest"}),
        (Selection(debug=True), {"boot-latest.iso", "p", "through", "latest", "debuginfo"}),
        (Selection(archs=("aarch64",)), {"arm", "latest"}),
        (Selection(variants=("AppStream",)), set()),
        (Selection(all=True), {"boot-latest.iso", "p", "through", "latest", "debuginfo", "arm"}),
        (Selection(exclude=("*.iso",)), {"p", "through", "latest"}),
        (Selection(exclude=("p",)), {"boot-latest.iso", "latest"}),
        (Selection(packages=("bash",)), {"p", "latest"}),
        (Selection(include=("boot.iso",)), {"boot-latest.iso", "latest"}),
    ],
    ids=named,
)
def test_symlinks_stay_with_what_they_lead_to(selection: Selection, kept: set[str]) -> None:
    selected = selection.apply(manifest(symlinks=LINKS))
    assert {link.path.rpartition("/")[2] for link in selected.symlinks} == kept


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        (Selection(variants=("Nope",)), "no variant 'Nope'"),
        (Selection(variants=("baseos",)), "no variant 'baseos'"),
        (Selection(variants=("BaseOS", "Nope", "Nix")), "no variant 'Nope', 'Nix'"),
        (Selection(archs=("sparc",)), "no architecture 'sparc'"),
        (Selection(archs=("x86_64", "sparc")), "no architecture 'sparc'"),
        (Selection(archs=("source",)), "no architecture 'source'"),
        (Selection(packages=("nope",)), "no package and no image"),
        (Selection(variants=("AppStream",), archs=("aarch64",)), "no package and no image"),
        (Selection(include=("*.nope",)), "no file"),
        (Selection(exclude=("*",)), "no file"),
    ],
    ids=named,
)
def test_selection_that_matches_nothing_says_what_there_is(selection: Selection, said: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        paths(selection)
    assert said in str(caught.value)
    assert "variants AppStream, BaseOS, Server-optional, Weird, compose/BaseOS" in str(caught.value)
    assert "architectures aarch64, x86_64" in str(caught.value)
    assert caught.value.hint


def test_variant_with_sources_only_exists() -> None:
    of = manifest({"A/source/tree/a.src.rpm", "B/x86_64/os/b.rpm"})
    assert paths(Selection(variants=(Variant("A", src=True),)), of) == {"A/source/tree/a.src.rpm"}


def test_compose_without_any_tree_is_taken_by_root_and_metadata() -> None:
    of = manifest({"readme", "metadata/x", "logs/y"})
    assert paths(Selection(), of) == {"readme", "metadata/x"}
    with pytest.raises(NotFoundError, match=r"no variant 'BaseOS'$"):
        paths(Selection(variants=("BaseOS",)), of)


@pytest.mark.parametrize("component_type", ["compose", "hwcert"])
def test_component_without_files_is_not_found(component_type: str) -> None:
    with pytest.raises(NotFoundError, match=r"the component has no files$"):
        Selection().apply(Manifest(component_type, ()))


def test_message_stays_short_however_many_variants_there_are() -> None:
    of = manifest({f"V{number:03}/x86_64/os/a.rpm" for number in range(500)})
    with pytest.raises(NotFoundError, match="V019 and 480 more") as caught:
        paths(Selection(variants=("Nope",)), of)
    assert len(str(caught.value)) < 300


def test_json_form_is_the_same_once_it_was_written_and_read() -> None:
    selection = Selection(
        archs=("aarch64", "x86_64"),
        variants=(Variant("AppStream", debug=True), Variant("BaseOS", src=False, iso=True)),
        debug=True,
        packages=("kernel",),
        include=("*",),
        exclude=("*.iso",),
    )
    for each in (selection, Selection()):
        assert json.loads(json.dumps(each.to_json())) == each.to_json()


def test_json_form_is_the_same_whatever_order_and_repetition() -> None:
    one = Selection(archs=("x86_64", "aarch64"), variants=("BaseOS", Variant("AppStream")), exclude=("b", "a"))
    two = Selection(
        archs=("aarch64", "x86_64", "x86_64"), variants=("AppStream", "BaseOS", "BaseOS"), exclude=("a", "b")
    )
    assert one.to_json() == two.to_json() == json.loads(json.dumps(one.to_json()))


def test_json_form_tells_selections_apart() -> None:
    selections = [
        Selection(),
        Selection(archs=("aarch64",)),
        Selection(variants=("A",)),
        Selection(variants=(Variant("A", iso=False),)),
        *(Selection(**{key: True}) for key in ("debug", "src", "iso", "all")),
        *(Selection(**{key: ("x",)}) for key in ("packages", "include", "exclude")),
    ]
    assert len({json.dumps(selection.to_json()) for selection in selections}) == len(selections)


def test_of_what_is_no_compose_only_the_globs_count():
    selection = Selection(archs=("s390x",), variants=("BaseOS",), debug=True, include=("a",), exclude=("b",))
    assert selection.effective("compose") is selection
    assert selection.effective("compose-noinstall") is selection
    assert selection.effective("hwcert") == Selection(include=("a",), exclude=("b",))
