import json

import pytest

from dci_downloader.content.manifest import MANIFEST_NAME
from dci_downloader.demo.catalog import object_key
from dci_downloader.demo.compose import ISO_BYTES, NIGHTLIES, TOPIC, add_nightly, sample_catalog, sample_site


@pytest.fixture(scope="module")
def catalog():
    return sample_catalog()


@pytest.fixture(scope="module")
def nightlies(catalog):
    """The manifests of the two nightlies: (sha256, size) by path."""
    return [listed(catalog, component) for component in catalog.components.values() if component.name in NIGHTLIES]


def listed(catalog, component):
    content = catalog.objects[object_key(component, MANIFEST_NAME)]
    files = json.loads(b"".join(content.chunks(0, content.size)))["files"]
    return {f"{entry['path']}/{entry['name']}".lstrip("/"): (entry["sha256"], entry["size"]) for entry in files}


def read(catalog, path):
    component = next(item for item in catalog.components.values() if item.name == NIGHTLIES[0])
    content = catalog.objects[object_key(component, path)]
    return b"".join(content.chunks(0, content.size))


def test_the_sample_is_the_same_every_time(catalog):
    again = sample_catalog()
    assert {name: content.sha256 for name, content in again.objects.items()} == {
        name: content.sha256 for name, content in catalog.objects.items()
    }


def test_the_second_nightly_can_come_later(catalog):
    later = sample_catalog(nightlies=1)
    assert set(later.components) < set(catalog.components)
    add_nightly(later, 1)
    assert later.components.keys() == catalog.components.keys()


def test_the_topic_has_two_nightlies_and_the_second_is_newer(catalog):
    (topic,) = catalog.topics.values()
    assert (topic.name, topic.component_types) == (TOPIC, ("compose", "hwcert"))
    moments = [component.created_at for component in catalog.components.values()]
    assert moments == sorted(moments)
    assert [component.type for component in catalog.components.values()] == ["hwcert", "compose", "compose"]


def test_nightlies_share_about_95_percent(nightlies):
    first, second = nightlies
    old = {digest for digest, _ in first.values()}
    shared = sum(size for digest, size in second.values() if digest in old)
    assert 0.93 < shared / sum(size for _, size in second.values()) < 0.98


def test_what_is_installed_by_default_changes_little_too(nightlies):
    first, second = ({path: entry for path, entry in nightly.items() if "/x86_64/os/" in path} for nightly in nightlies)
    old = {digest for digest, _ in first.values()}
    new = sum(size for digest, size in second.values() if digest not in old)
    assert 0.01 < new / sum(size for _, size in second.values()) < 0.1


def test_the_sample_is_small_with_one_big_file_per_architecture(nightlies):
    assert all(20e6 < sum(size for _, size in nightly.values()) < 40e6 for nightly in nightlies)
    assert [size for path, (_, size) in nightlies[0].items() if path.endswith(".iso")] == [ISO_BYTES] * 2


@pytest.mark.parametrize(
    "path",
    [
        ".composeinfo",
        "metadata/rpms.json",
        "BaseOS/x86_64/os/.treeinfo",
        "BaseOS/x86_64/os/images/pxeboot/vmlinuz",
        "AppStream/aarch64/os/repodata/repomd.xml",
        "AppStream/x86_64/debug/tree/repodata/repomd.xml",
        "AppStream/source/tree/repodata/repomd.xml",
    ],
)
def test_the_layout_is_that_of_a_compose(nightlies, path):
    assert path in nightlies[0]


def test_packages_lie_under_their_first_letter(nightlies):
    packages = [path.split("/") for path in nightlies[0] if path.endswith(".rpm")]
    assert len(packages) > 200
    assert all(parts[-3] == "Packages" and parts[-2] == parts[-1][0].lower() for parts in packages)


def test_productmd_opens_the_compose(catalog, nightlies):
    composeinfo = pytest.importorskip("productmd.composeinfo").ComposeInfo()
    composeinfo.loads(read(catalog, ".composeinfo").decode())
    assert composeinfo.compose.id == NIGHTLIES[0]
    folders = {path.rpartition("/")[0] for path in nightlies[0]}
    for name in ("BaseOS", "AppStream"):
        variant = composeinfo.variants[name]
        assert variant.arches == {"x86_64", "aarch64"}
        assert all(any(folder.startswith(path) for folder in folders) for path in variant.paths.os_tree.values())


def test_productmd_opens_a_tree(catalog):
    treeinfo = pytest.importorskip("productmd.treeinfo").TreeInfo()
    treeinfo.loads(read(catalog, "BaseOS/x86_64/os/.treeinfo").decode())
    assert (treeinfo.tree.arch, list(treeinfo.variants)) == ("x86_64", ["BaseOS"])


def test_the_sample_site_serves_it():
    site = sample_site()
    with site:
        assert {component.name for component in site.catalog.components.values()} > set(NIGHTLIES)
