"""The cases of ``--from``: over nginx, and from a folder on the same file system."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks import programs
from tests.benchmarks.measure import Program, ratio, run_command
from tests.benchmarks.place import Place, Row
from tests.benchmarks.programs import OURS
from tests.benchmarks.site import Site, rpm_sizes

_LINKED = "cp -al, then sha256sum on each core"


def mirrored(place: Place) -> Iterator[Row]:
    """From another mirror, beside the object store, curl, and links that are hashed."""
    case = "5,000 packages, 1.4 GB, from another mirror"
    with place.site(rpm_sizes(5000, 1_400_000_000)) as (site, root):
        mirror = root / "peer"
        _fill(site, mirror)
        web, folder = _from(site, site.peer), _from(site, str(mirror))
        curl, linked = programs.curl(site, root, 16), Program(_LINKED, ["sh", "-c", _copy(mirror)])
        used = place.race(site, [programs.ours(site), web, curl, folder, linked])
    yield Row(case, "over nginx: time, from the object store", ratio(used[web.name], used[OURS]), "×", 1.0)
    yield Row(case, f"over nginx: time, {curl.name} (unchecked)", ratio(used[web.name], used[curl.name]), "×", 1.3)
    yield Row(case, f"from a folder: time, {_LINKED}", ratio(used[folder.name], used[_LINKED]), "×", 1.2)


def _fill(site: Site, mirror: Path) -> None:
    """Mirror the site into a folder that a web server of it serves."""
    program = programs.ours(site)
    command = [part.replace("{dest}", str(mirror)) for part in program.command]
    status, _ = run_command(command, {**os.environ, **program.environ}, mirror.with_name("said"))
    if status:
        raise RuntimeError(f"the mirror could not be made: {mirror.with_name('said').read_text()}")


def _from(site: Site, address: str) -> Program:
    """This program, told to take everything from a mirror."""
    command = [str(Path(sys.executable).with_name("dci-downloader")), "RHEL-9.2", "{dest}", "--all"]
    name = f"{OURS} --from {'URL' if '://' in address else 'FOLDER'}"
    return Program(name, [*command, "--from", address], {"REQUESTS_CA_BUNDLE": str(site.authority)})


def _copy(mirror: Path) -> str:
    cores = len(os.sched_getaffinity(0))
    hashed = f"find {{dest}}/.dci-downloader/objects -type f -print0 | xargs -0 -P {cores} -n 64 sha256sum"
    return f"cp -al {mirror}/. {{dest}} && {hashed} > /dev/null"
