"""A real compose: built by rpmbuild, createrepo_c and productmd, served by nginx, read by dnf and productmd."""

import subprocess

import pytest

from tests.integration.conftest import needs

pytestmark = needs("nginx")

SPEC = """
Name: {name}
Version: 1.0
Release: 1
Summary: A package that holds nothing
License: MIT
BuildArch: noarch
%description
Nothing.
%files
"""


def build_packages(folder, names):
    """Build a package of each name with rpmbuild."""
    folder.mkdir(parents=True)
    top = folder.parent / "rpmbuild"
    for name in names:
        spec = folder.parent / f"{name}.spec"
        spec.write_text(SPEC.format(name=name))
        subprocess.run(
            [
                "rpmbuild",
                "-bb",
                "--quiet",
                "-D",
                f"_topdir {top}",
                "-D",
                f"_rpmdir {folder}",
                "-D",
                "_rpmfilename %{NAME}.rpm",
                spec,
            ],
            check=True,
            capture_output=True,
        )
        spec.unlink()
    subprocess.run(["rm", "-rf", top], check=True)


def compose_info(root, variants):
    """Write ``.composeinfo`` with productmd, as a compose has it."""
    from productmd.composeinfo import ComposeInfo, Variant

    info = ComposeInfo()
    info.compose.id, info.compose.type, info.compose.date, info.compose.respin = (
        "RHEL-9.2.0-20221121.2",
        "production",
        "20221121",
        2,
    )
    info.release.name, info.release.short, info.release.version = "Red Hat Enterprise Linux", "RHEL", "9.2.0"
    info.release.type = "ga"
    for name in variants:
        variant = Variant(info)
        variant.id = variant.uid = variant.name = name
        variant.type, variant.arches = "variant", {"x86_64"}
        variant.paths.os_tree = {"x86_64": f"{name}/x86_64/os"}
        variant.paths.repository = {"x86_64": f"{name}/x86_64/os"}
        info.variants.add(variant)
    info.dump(str(root / ".composeinfo"))
    (root / "metadata").mkdir()
    info.dump(str(root / "metadata/composeinfo.json"))


def tree_info(path, variant):
    """Write ``.treeinfo`` with productmd, as an installation tree has it."""
    from productmd.treeinfo import TreeInfo, Variant

    info = TreeInfo()
    info.release.name, info.release.short, info.release.version = "Red Hat Enterprise Linux", "RHEL", "9.2"
    info.tree.arch, info.tree.build_timestamp, info.tree.platforms = "x86_64", 1669000000, {"x86_64"}
    found = Variant(info)
    found.id = found.uid = found.name = variant
    found.type = "variant"
    found.paths.packages, found.paths.repository = "Packages", "."
    info.variants.add(found)
    info.dump(str(path))


@pytest.fixture
def compose(tmp_path):
    pytest.importorskip("productmd")
    root = tmp_path / "compose"
    for variant, names in {"BaseOS": ["bash-like", "c++-like"], "AppStream": ["vim-like"]}.items():
        tree = root / variant / "x86_64" / "os"
        build_packages(tree / "Packages", names)
        subprocess.run(["createrepo_c", "--quiet", tree], check=True)
        tree_info(tree / ".treeinfo", variant)
    compose_info(root, ["BaseOS", "AppStream"])
    return root


@needs("nginx", "rpmbuild", "createrepo_c", "dnf")
def test_dnf_installs_from_the_published_compose(real, compose, tmp_path):
    topic = real.catalog.add_topic("RHEL-9.2", component_types=("compose",))
    real.publish(topic, "RHEL-9.2.0-20221121.2", compose, symlinks={"BaseOS/x86_64/os/p": "Packages"})
    done = real.run("RHEL-9.2", tmp_path / "dci")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    published = tmp_path / "dci/RHEL-9.2/compose"

    subprocess.run(["diff", "-r", "--exclude=p", compose, published], check=True)
    assert (published / "BaseOS/x86_64/os/p/bash-like.rpm").is_file()
    dnf = ["dnf", "--quiet", "--setopt=reposdir=/dev/null", f"--setopt=cachedir={tmp_path}/cache", "--releasever=9"]
    dnf += [
        f"--installroot={tmp_path}/root",
        f"--repofrompath=mirror,file://{published}/BaseOS/x86_64/os",
        "--repo=mirror",
    ]
    listed = subprocess.run([*dnf, "repoquery"], check=True, capture_output=True, text=True).stdout
    assert "bash-like-0:1.0-1.noarch" in listed
    assert "c++-like-0:1.0-1.noarch" in listed
    download = ["install", "--assumeyes", "--nogpgcheck", "--downloadonly", f"--downloaddir={tmp_path}", "c++-like"]
    subprocess.run([*dnf, *download], check=True, capture_output=True)
    original = compose / "BaseOS/x86_64/os/Packages/c++-like.rpm"
    assert (tmp_path / "c++-like.rpm").read_bytes() == original.read_bytes()


@needs("nginx", "rpmbuild", "createrepo_c")
def test_productmd_opens_the_published_compose(real, compose, tmp_path):
    from productmd.compose import Compose
    from productmd.treeinfo import TreeInfo

    topic = real.catalog.add_topic("RHEL-9.2", component_types=("compose",))
    real.publish(topic, "RHEL-9.2.0-20221121.2", compose)
    real.report("RHEL-9.2", tmp_path / "dci", "--variant", "BaseOS")
    published = tmp_path / "dci/RHEL-9.2/compose"
    assert Compose(str(published)).info.compose.id == "RHEL-9.2.0-20221121.2"
    tree = TreeInfo()
    tree.load(str(published / "BaseOS/x86_64/os/.treeinfo"))
    assert list(tree.variants.variants) == ["BaseOS"]
    assert not (published / "AppStream").exists()


ODD = [
    "a+b",
    "til~de",
    "caret^",
    "per%cent",
    "per%41cent",
    "per%2541",
    "ha#sh",
    "what?",
    "a&b",
    "two words",
    "ümlaut",
    "日本語",
]


def test_300_files_with_odd_names_arrive_under_exactly_these_names(real, tmp_path):
    source = tmp_path / "odd"
    (source / "so so+%#").mkdir(parents=True)
    for number in range(300):
        (source / "so so+%#" / f"{ODD[number % len(ODD)]}-{number}").write_text(f"content {number}")
    topic = real.catalog.add_topic("RHEL 7 ELS", component_types=("odd",))
    real.publish(topic, "odd-1", source, type="odd")
    report = real.report("RHEL 7 ELS", tmp_path / "dci")
    assert report["files_downloaded"] == 300
    subprocess.run(["diff", "-r", source, tmp_path / "dci/RHEL_7_ELS/odd"], check=True)


def test_a_second_run_fetches_no_file_byte_and_the_next_nightly_only_what_changed(real, tmp_path):
    topic = real.catalog.add_topic("RHEL-9.2", component_types=("nightly",))
    for night in (1, 2):
        folder = tmp_path / f"night{night}"
        folder.mkdir()
        for number in range(100):
            text = f"night {night}" if number < 5 else "always"
            (folder / f"file-{number}").write_text(f"{number} {text}" * 100)
    real.publish(topic, "one", tmp_path / "night1", type="nightly")
    assert real.report("RHEL-9.2", tmp_path / "dci")["files_downloaded"] == 100
    before = len(real.log.read_text().splitlines())
    again = real.report("RHEL-9.2", tmp_path / "dci")
    assert (again["files_downloaded"], again["topics"][0]["components"][0]["outcome"]) == (0, "unchanged")
    asked = real.log.read_text().splitlines()[before:]
    assert [line.split('"')[2].split()[0] for line in asked if "dci_files_list" in line] == ["304"]
    assert not [line for line in asked if "/file-" in line]
    real.publish(topic, "two", tmp_path / "night2", type="nightly")
    changed = real.report("RHEL-9.2", tmp_path / "dci")
    assert (changed["files_downloaded"], changed["files_reused"]) == (5, 95)
    subprocess.run(["diff", "-r", tmp_path / "night2", tmp_path / "dci/RHEL-9.2/nightly"], check=True)
