"""A small sample topic: RHEL-9.2 with two successive nightlies and a hwcert component.

The content is made up and always the same: names, folders and metadata are those of a RHEL compose, so that dnf can
read it; the packages hold noise. The second nightly updates a few packages; about 95 % of its bytes are those of the
first.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import datetime, timezone

from dci_downloader.demo.catalog import Catalog
from dci_downloader.demo.payloads import Bytes, Pattern, Payload
from dci_downloader.demo.repodata import Package, repodata
from dci_downloader.demo.site import DemoSite

TOPIC = "RHEL-9.2"
NIGHTLIES = ("RHEL-9.2.0-20221120.1", "RHEL-9.2.0-20221121.2")
VARIANTS = {
    "BaseOS": (
        "acl audit bash bzip2 ca-certificates coreutils cpio cryptsetup curl dbus dnf dracut e2fsprogs file findutils "
        "firewalld glibc gnupg2 grep grub2-efi gzip hwdata iproute kernel-core kmod libselinux libstdc++ lvm2 ncurses "
        "linux-firmware NetworkManager nftables openssh openssl pam parted procps-ng python3 rpm sed selinux-policy "
        "setup shadow-utils sqlite-libs sudo systemd tar tuned tzdata util-linux vim-minimal xfsprogs xz zlib"
    ),
    "AppStream": (
        "ansible-core boost cmake compat-openssl11 container-selinux cups dotnet-host emacs flatpak gcc gcc-c++ git "
        "go-toolset grafana httpd ImageMagick java-17-openjdk libreoffice-core llvm mariadb mesa-libGL nginx nodejs "
        "perl-interpreter podman postgresql qemu-kvm redis ruby rust skopeo stunnel tigervnc tomcat toolbox varnish "
        "wireshark"
    ),
}
ARCHS = ("x86_64", "aarch64")
ISO_BYTES = 6 * 1024 * 1024

_UPDATED = frozenset({"bash", "curl", "kernel-core", "httpd", "podman"})
_NOARCH = frozenset(
    {"ca-certificates", "firewalld", "hwdata", "selinux-policy", "setup", "tzdata", "container-selinux"}
)
_NOISE = random.Random(92).randbytes(4 * 1024 * 1024)  # noqa: S311 - always the same on purpose


def sample_site() -> DemoSite:
    """The embedded servers with the sample catalogue; enter it as a context."""
    return DemoSite(sample_catalog())


def sample_catalog(nightlies: int = 2) -> Catalog:
    """The sample topic.

    Args:
        nightlies: 1 for the first alone; :func:`add_nightly` adds the second later.
    """
    catalog = Catalog()
    topic = catalog.add_topic(
        TOPIC, component_types=("compose", "hwcert"), created_at=datetime(2022, 10, 4, tzinfo=timezone.utc)
    )
    catalog.add_component(
        topic,
        name="hwcert-1679572343",
        type="hwcert",
        files={"Packages/redhat-certification-9.2-1.el9.noarch.rpm": _noise("hwcert", 40_000)},
        created_at=datetime(2022, 11, 2, 7, 30, tzinfo=timezone.utc),
    )
    for number in range(nightlies):
        add_nightly(catalog, number)
    return catalog


def add_nightly(catalog: Catalog, number: int) -> None:
    """Attach a nightly, 0 or 1, to the sample topic."""
    (topic,) = (topic for topic in catalog.topics.values() if topic.name == TOPIC)
    catalog.add_component(
        topic,
        name=NIGHTLIES[number],
        tags=("nightly", f"kernel:5.14.0-{_release('kernel-core', number)}"),
        files=nightly(number),
        symlinks={f"{variant}/{arch}/os/latest": "Packages" for variant in VARIANTS for arch in ARCHS},
        created_at=datetime(2022, 11, 20 + number, 4, 12, tzinfo=timezone.utc),
        fields={
            "display_name": f"RHEL 9.2 nightly of {NIGHTLIES[number][-10:-2]}",
            "url": f"https://composes.example.com/{NIGHTLIES[number]}",
            "data": {"architectures": sorted(ARCHS), "channel": "nightly"},
        },
    )


def nightly(number: int) -> dict[str, Bytes]:
    """The files of a nightly, 0 or 1, by path."""
    files: dict[str, Bytes] = {".composeinfo": _composeinfo(number), "COMPOSE_ID": NIGHTLIES[number].encode()}
    files["metadata/composeinfo.json"] = files[".composeinfo"]
    rpms: dict[str, list[str]] = {}
    for variant, names in VARIANTS.items():
        for arch in ARCHS:
            files.update(_tree(variant, arch, names.split(), number))
        files.update(_repository(f"{variant}/source/tree", "src", names.split()[::4], number))
        rpms[variant] = sorted(path for path in files if path.startswith(variant) and path.endswith(".rpm"))
    files["metadata/rpms.json"] = json.dumps({"payload": {"rpms": rpms}}, indent=1).encode()
    return files


def _tree(variant: str, arch: str, names: list[str], number: int) -> Iterator[tuple[str, Bytes]]:
    base = f"{variant}/{arch}"
    yield from _repository(f"{base}/os", arch, names, number).items()
    yield from _repository(f"{base}/debug/tree", arch, [f"{name}-debuginfo" for name in names[::3]], number).items()
    yield f"{base}/os/.treeinfo", _treeinfo(variant, arch)
    if variant == "BaseOS":
        yield f"{base}/os/images/pxeboot/vmlinuz", _noise(f"vmlinuz {arch} {number}", 120_000)
        yield f"{base}/os/images/pxeboot/initrd.img", _noise(f"initrd {arch}", 900_000)
        yield f"{base}/os/images/install.img", _noise(f"install {arch}", 1_500_000)
        yield f"{base}/iso/{NIGHTLIES[number]}-{variant}-{arch}-boot.iso", _ISOS[arch]


def _repository(base: str, arch: str, names: list[str], number: int) -> dict[str, Bytes]:
    """Packages and their repodata, below ``base``."""
    packages = [_package(name, arch, number) for name in names]
    files = {package.path: package.content for package in packages}
    return {f"{base}/{path}": content for path, content in {**files, **repodata(packages)}.items()}


def _package(name: str, arch: str, number: int) -> Package:
    arch = "noarch" if name in _NOARCH and arch != "src" else arch
    version, release = f"5.{len(name)}", f"{_release(name.replace('-debuginfo', ''), number)}.el9"
    file_name = f"{name}-{version}-{release}.{arch}.rpm"
    size = int(2 ** random.Random(file_name).uniform(11, 18))  # noqa: S311 - 2 KiB to 256 KiB
    path = f"Packages/{name[0].lower()}/{file_name}"
    return Package(name, version, release, arch, path, _noise(file_name, size))


def _release(name: str, number: int) -> int:
    return 100 + len(name) + (number if name in _UPDATED else 0)


def _noise(name: str, size: int) -> bytes:
    """Bytes that differ from name to name, and are the same in every run."""
    start = random.Random(name).randrange(len(_NOISE) - size)  # noqa: S311
    return f"{name}\n".encode() + _NOISE[start : start + size]


def _composeinfo(number: int) -> bytes:
    date, _, respin = NIGHTLIES[number].rpartition("-")[2].partition(".")
    release = {"name": "Red Hat Enterprise Linux", "short": "RHEL", "version": "9.2.0", "type": "ga", "internal": False}
    payload = {
        "compose": {"id": NIGHTLIES[number], "date": date, "respin": int(respin), "type": "production"},
        "release": {**release, "is_layered": False},
        "variants": {variant: _variant(variant) for variant in VARIANTS},
    }
    return json.dumps({"header": {"type": "productmd.composeinfo", "version": "1.2"}, "payload": payload}).encode()


def _variant(variant: str) -> dict[str, object]:
    paths = {"os_tree": "os", "packages": "os/Packages", "repository": "os", "debug_tree": "debug/tree", "isos": "iso"}
    return {
        "id": variant,
        "uid": variant,
        "name": variant,
        "type": "variant",
        "arches": sorted(ARCHS),
        "paths": {key: {arch: f"{variant}/{arch}/{path}" for arch in ARCHS} for key, path in paths.items()},
    }


def _treeinfo(variant: str, arch: str) -> bytes:
    sections = {
        "header": {"type": "productmd.treeinfo", "version": "1.2"},
        "release": {"name": "Red Hat Enterprise Linux", "short": "RHEL", "version": "9.2"},
        "tree": {"arch": arch, "build_timestamp": "1668988800", "platforms": f"{arch},xen", "variants": variant},
        f"variant-{variant}": {
            "id": variant,
            "uid": variant,
            "name": variant,
            "type": "variant",
            "packages": "Packages",
            "repository": ".",
        },
    }
    lines = [
        f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in body.items()) for name, body in sections.items()
    ]
    return "\n".join(lines).encode()


_ISOS: dict[str, Payload] = {arch: Pattern(_noise(f"iso {arch}", 65_521), ISO_BYTES) for arch in ARCHS}
