"""The programs that are compared, each told to fetch the files of a site into ``{dest}``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.benchmarks.measure import Program
from tests.benchmarks.site import Site

OURS = "dci-downloader"
PREVIOUS = "dci-downloader 3.2.0"


def _environ(site: Site) -> dict[str, str]:
    return {
        "DCI_CLIENT_ID": "remoteci/66194b70-46c5-1707-a2bb-9dde8d5d4212",
        "DCI_API_SECRET": "benchmark" * 7,
        "DCI_CS_URL": site.control,
        "REQUESTS_CA_BUNDLE": str(site.authority),
    }


def ours(site: Site, *options: str) -> Program:
    """This program, as users start it."""
    command = [str(Path(sys.executable).with_name("dci-downloader")), "RHEL-9.2", "{dest}", "--all", *options]
    return Program(OURS, command, _environ(site))


def previous(site: Site, installed: Path) -> Program:
    """The previous downloader."""
    command = [str(installed / "bin" / "dci-downloader"), "RHEL-9.2", "{dest}", "--all"]
    return Program(PREVIOUS, command, _environ(site))


def curl(site: Site, root: Path, parallel: int, *, redirected: bool = False, flushes: bool = False) -> Program:
    """curl, which checks nothing, from the object store directly or through both hops."""
    listed = root / f"curl-{redirected:d}"
    url = site.redirected if redirected else site.direct
    # a configuration file has no placeholder for the folder: paths are relative to where curl is started
    listed.write_text("".join(f'url="{url(file)}"\noutput="{file.path}"\n' for file in site.files))
    command = f"cd {{dest}} && exec curl --parallel --parallel-max {parallel} --silent --show-error --fail"
    command += f" --create-dirs --cacert {site.authority} {'--location ' if redirected else ''}--config {listed}"
    name = f"curl -Z {parallel}{' -L' if redirected else ''}{', sync -f' if flushes else ''}"
    return Program(name, ["sh", "-c", command], flushes=flushes)


def by_hand(site: Site, root: Path, parallel: int) -> Program:
    """curl through both hops, and then sha256sum of everything, as many at once as there are cores."""
    _, _, fetch = curl(site, root, parallel, redirected=True).command
    digests = f"find . -type f -print0 | xargs -0 -P {os.cpu_count()} -n 250 sha256sum > /dev/null"
    return Program(f"curl -Z {parallel} -L, sha256sum", ["sh", "-c", f"({fetch}) && cd {{dest}} && {digests}"])


def aria2c(site: Site, root: Path, *options: str) -> Program:
    """aria2c, which checks what it fetched, from the object store directly."""
    listed = root / "aria2c"
    listed.write_text(
        "".join(f"{site.direct(file)}\n  out={file.path}\n  checksum=sha-256={file.sha256}\n" for file in site.files)
    )
    always = ["--quiet", "--file-allocation=none", f"--ca-certificate={site.authority}", "--dir={dest}"]
    return Program(f"aria2c {' '.join(options)}", ["aria2c", *options, *always, f"--input-file={listed}"])


def rclone(site: Site, root: Path, parallel: int) -> Program:
    """rclone, from the object store directly."""
    listed = root / "rclone"
    listed.write_text("".join(f"{file.path}\n" for file in site.files))
    how = ["--transfers", str(parallel), "--checkers", str(parallel), "--ca-cert", str(site.authority), "--quiet"]
    what = ["--http-url", site.store, "--files-from-raw", str(listed), "--no-traverse"]
    return Program(f"rclone --transfers {parallel}", ["rclone", "copy", ":http:", "{dest}", *what, *how])
