"""The metadata of the sample repositories is what dnf expects: sound XML whose digests and sizes are right."""

import gzip
import hashlib
from xml.etree import ElementTree

from dci_downloader.demo.repodata import Package, repodata

PACKAGES = [
    Package("bash", "5.4", "105.el9", "x86_64", "Packages/b/bash-5.4-105.el9.x86_64.rpm", b"noise"),
    Package('a&"<', "1", "1", "noarch", "Packages/a/a&<.rpm", b""),
]
COMMON = "{http://linux.duke.edu/metadata/common}"
REPO = "{http://linux.duke.edu/metadata/repo}"


def test_each_file_is_listed_with_its_digests_and_sizes():
    files = repodata(PACKAGES)
    repomd = ElementTree.fromstring(files["repodata/repomd.xml"])
    kinds = []
    for entry in repomd.iter(f"{REPO}data"):
        kinds.append(entry.get("type"))
        content = files[entry.find(f"{REPO}location").get("href")]
        document = gzip.decompress(content)
        assert entry.findtext(f"{REPO}checksum") == hashlib.sha256(content).hexdigest()
        assert entry.findtext(f"{REPO}open-checksum") == hashlib.sha256(document).hexdigest()
        assert [int(entry.findtext(f"{REPO}{name}")) for name in ("size", "open-size")] == [len(content), len(document)]
        assert ElementTree.fromstring(document).get("packages") == "2"
    assert kinds == ["primary", "filelists"]


def test_each_package_is_described_whatever_its_name():
    primary = ElementTree.fromstring(gzip.decompress(repodata(PACKAGES)["repodata/primary.xml.gz"]))
    listed = list(primary.iter(f"{COMMON}package"))
    assert [one.findtext(f"{COMMON}name") for one in listed] == [package.name for package in PACKAGES]
    assert [one.find(f"{COMMON}location").get("href") for one in listed] == [package.path for package in PACKAGES]
    digests = [hashlib.sha256(package.content).hexdigest() for package in PACKAGES]
    assert [one.findtext(f"{COMMON}checksum") for one in listed] == digests
