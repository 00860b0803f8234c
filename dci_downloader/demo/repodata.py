"""Repository metadata in the form of createrepo_c, so that dnf can read the sample compose.

It says of the packages what their names and bytes say: these are noise, which can be fetched and not installed.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from dci_downloader.demo.payloads import Blob

_XML = '<?xml version="1.0" encoding="UTF-8"?>'
_LINUX = "http://linux.duke.edu/metadata"
_BUILT = 1668988800  # seconds since the epoch: 2022-11-21, UTC


@dataclass(frozen=True)
class Package:
    """A package of a repository.

    Attributes:
        path: relative to the repository.
        content: its bytes.
    """

    name: str
    version: str
    release: str
    arch: str
    path: str
    content: bytes


def repodata(packages: Sequence[Package]) -> Mapping[str, bytes]:
    """The metadata files of a repository, by path relative to it; always the same for the same packages."""
    digests = [Blob(package.content).sha256 for package in packages]
    count = f'packages="{len(packages)}"'
    documents = {
        "primary": [
            f'<metadata xmlns="{_LINUX}/common" xmlns:rpm="{_LINUX}/rpm" {count}>',
            *map(_primary, packages, digests),
            "</metadata>",
        ],
        "filelists": [
            f'<filelists xmlns="{_LINUX}/filelists" {count}>',
            *map(_listed, packages, digests),
            "</filelists>",
        ],
    }
    files = {}
    entries = []
    for name, lines in documents.items():
        document = "\n".join([_XML, *lines, ""]).encode()
        path = f"repodata/{name}.xml.gz"
        files[path] = gzip.compress(document, mtime=0)
        entries.append(_entry(name, path, document, files[path]))
    repomd = [_XML, f'<repomd xmlns="{_LINUX}/repo">', *entries, "</repomd>", ""]
    return {**files, "repodata/repomd.xml": "\n".join(repomd).encode()}


def _primary(package: Package, digest: str) -> str:
    """A package in the list of packages."""
    size = len(package.content)
    provided = f'name={quoteattr(package.name)} flags="EQ" epoch="0" ver="{package.version}" rel="{package.release}"'
    return f"""<package type="rpm"><name>{escape(package.name)}</name><arch>{package.arch}</arch>{_version(package)}
<checksum type="sha256" pkgid="YES">{digest}</checksum>
<summary>Noise</summary><description>A package of the demo, which holds noise.</description><packager/><url/>
<time file="{_BUILT}" build="{_BUILT}"/><size package="{size}" installed="{size}" archive="{size}"/>
<location href={quoteattr(package.path)}/>
<format><rpm:license>Apache-2.0</rpm:license><rpm:provides><rpm:entry {provided}/></rpm:provides></format></package>"""


def _listed(package: Package, digest: str) -> str:
    """A package in the list of files."""
    named = f'pkgid="{digest}" name={quoteattr(package.name)} arch="{package.arch}"'
    return f"<package {named}>{_version(package)}</package>"


def _version(package: Package) -> str:
    return f'<version epoch="0" ver="{package.version}" rel="{package.release}"/>'


def _entry(name: str, path: str, document: bytes, compressed: bytes) -> str:
    """A metadata file in the list of them."""
    return f"""<data type="{name}">
<checksum type="sha256">{Blob(compressed).sha256}</checksum>
<open-checksum type="sha256">{Blob(document).sha256}</open-checksum>
<location href="{path}"/><timestamp>{_BUILT}</timestamp>
<size>{len(compressed)}</size><open-size>{len(document)}</open-size></data>"""
