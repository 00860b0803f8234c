"""Images that are put together from what is here, beside the same program that fetches them as they are."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from tests.benchmarks import programs
from tests.benchmarks.measure import Program, Usage, alternate, median, ratio
from tests.benchmarks.place import Place, Row
from tests.benchmarks.programs import OURS
from tests.benchmarks.site import File, Site, rpm_sizes

PLAIN = "as it is"
DVD, BOOT = "BaseOS/x86_64/iso/dvd.iso", "BaseOS/x86_64/os/images/boot.iso"
PACKAGES = 1500
SIZE = 1_000_000_000
EFIBOOT = 10_000_000  # bytes of efiboot.img in a boot.iso of 200 MB; in a DVD of 1 GB, a tenth of the real one
GENISOIMAGE = ["genisoimage", "-quiet", "-untranslated-filenames", "-J", "-joliet-long", "-rational-rock"]
GENISOIMAGE += ["-translation-table", "-input-charset", "utf-8"]
XORRISO = ["xorriso", "-as", "mkisofs", "-quiet", "-J", "-joliet-long", "-R"]
GIGABIT, ROUND_TRIP = 125e6, 0.04


def _file(site: Site, path: str) -> File:
    """A file that was written beside those of the site."""
    digest = sha256()
    with (site.folder / path).open("rb") as content:
        while chunk := content.read(1 << 24):
            digest.update(chunk)
    return File(path, digest.hexdigest(), (site.folder / path).stat().st_size)


def add_noise(site: Site, path: str, size: int) -> File:
    """Write a file of random bytes beside those of the site."""
    (site.folder / path).parent.mkdir(parents=True, exist_ok=True)
    (site.folder / path).write_bytes(random.Random(path).randbytes(size))
    return _file(site, path)


def _noise(site: Site, number: int, kind: str) -> File:
    return add_noise(site, f"CRB/x86_64/os/Packages/{number}.{kind}", 20_000)


def add_image(
    site: Site, path: str, parts: Sequence[File], way: Sequence[str], *, sums: bool = True, differs: bool = False
) -> File:
    """Build an image of files of the site, with other files for booting than theirs.

    Args:
        site: where the image is served, too.
        path: of the image.
        parts: what it holds.
        way: the program that builds it, and its options.
        sums: whether implantisomd5 leaves its sums in it.
        differs: whether one of the files has another byte in the image.
    """
    tree, image = site.folder / "tree", site.folder / path
    image.parent.mkdir(parents=True, exist_ok=True)
    for part in parts:
        name = "/".join(part.path.split("/")[3:])
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        os.link(site.folder / part.path, tree / name)
    if differs:
        (tree / name).unlink()
        (tree / name).write_bytes(_differing(site, part))
    (tree / "images").mkdir(exist_ok=True)
    efiboot = EFIBOOT if path == BOOT else EFIBOOT // 10
    (tree / "images" / "efiboot.img").write_bytes(random.Random(path).randbytes(efiboot))
    subprocess.run([*way, "-o", image, tree], check=True, stderr=subprocess.DEVNULL)
    shutil.rmtree(tree)
    if sums:
        subprocess.run(["implantisomd5", image], check=True, stdout=subprocess.DEVNULL)
    return _file(site, path)


def _differing(site: Site, file: File) -> bytes:
    content = (site.folder / file.path).read_bytes()
    return bytes([content[0] ^ 1]) + content[1:]


def _fill_store(site: Site, files: Sequence[File], dest: Path, wrong: int = 0) -> None:
    """Have a mirror hold files already; some of them with other bytes than they should."""
    for number, file in enumerate(files):
        target = dest / ".dci-downloader" / "objects" / file.sha256[:2] / file.sha256
        target.parent.mkdir(parents=True, exist_ok=True)
        if number < wrong:
            target.write_bytes(_differing(site, file))
        else:
            os.link(site.folder / file.path, target)


def assembling(site: Site, image: File, held: Sequence[File], wrong: int = 0) -> Program:
    """This program, where the store holds files of the build."""

    def prepare(dest: Path) -> None:
        site.offer([*held, image])
        _fill_store(site, held, dest, wrong)

    return replace(programs.ours(site, "--json", "--quiet"), prepare=prepare)


def as_it_is(site: Site, image: File, held: Sequence[File] = ()) -> Program:
    """The same, where nothing in the manifest can be in the image; it may list files that are here."""

    def prepare(dest: Path) -> None:
        site.offer([*held, image])
        _fill_store(site, held, dest)

    return replace(programs.ours(site, "--json", "--quiet"), name=PLAIN, prepare=prepare)


class Comparison:
    """Runs of this program with and without what it can put an image together from."""

    def __init__(self, place: Place, image: File) -> None:
        self._place, self._image = place, image
        self.used: dict[str, list[Usage]] = {}
        self.fetched: dict[str, list[int]] = {}

    def run(self, contestants: Sequence[Program], runs: int = 0) -> float:
        """Run them in turn; the time of the first, of that of the last."""
        fetched: dict[str, list[int]] = {program.name: [] for program in contestants}

        def complete(program: Program, folder: Path) -> None:
            report = json.loads((folder.parent / "said").read_text())
            fetched[program.name].append(report["bytes_downloaded"])
            (found,) = folder.glob(f".dci-downloader/objects/*/{self._image.sha256}")
            if found.stat().st_size != self._image.size:
                raise RuntimeError(f"{program.name} did not bring the image")

        runs = runs or self._place.runs
        self.used = alternate(contestants, runs, self._place.memory / "dest", complete)
        self.fetched = fetched
        for name, usages in self.used.items():
            wall, cpu, peak = (median(usages, figure) for figure in ("wall", "cpu", "peak"))
            share = 100 * max(fetched[name]) / self._image.size
            self._place.told(f"    {name:24} {wall:7.2f} s  {cpu:6.2f} s CPU  {peak / 2**20:5.0f} MiB  {share:6.2f} %")
        return ratio(self.used[contestants[0].name], self.used[contestants[-1].name])

    def share(self) -> float:
        """Percent of the image that this program fetched, at the most."""
        return 100 * max(self.fetched[OURS]) / self._image.size

    def more_memory(self) -> float:
        """Megabytes that this program held more."""
        return (median(self.used[OURS], "peak") - median(self.used[PLAIN], "peak")) / 1e6


@contextmanager
def _site(place: Place, **line: float) -> Iterator[Site]:
    with place.site(rpm_sizes(PACKAGES, SIZE), **line) as (site, _):
        yield site


def images(place: Place) -> Iterator[Row]:
    """A DVD of 1 GB and a boot.iso of 200 MB, with the files of the build in the store."""
    with _site(place, round_trip=ROUND_TRIP, line_rate=GIGABIT) as site:
        yield from _at_a_gigabit(place, site)
    with _site(place, round_trip=ROUND_TRIP, line_rate=GIGABIT / 10) as site:
        dvd = add_image(site, DVD, site.files, XORRISO)
        compared = Comparison(place, dvd)
        time = compared.run([assembling(site, dvd, site.files), as_it_is(site, dvd)], 1)
        yield Row("DVD, 100 Mbit/s, 40 ms", "time, fetched as it is", time, "×", 0.1)
    with _site(place) as site:
        dvd = add_image(site, DVD, site.files, GENISOIMAGE)
        compared = Comparison(place, dvd)
        time = compared.run([assembling(site, dvd, site.files), as_it_is(site, dvd)])
        yield Row("DVD, no limit", "time, fetched as it is", time, "×", 1.2)
        yield Row("DVD, no limit", "peak memory", compared.more_memory(), "MB more", 10)


def _at_a_gigabit(place: Place, site: Site) -> Iterator[Row]:
    case = "DVD, 1 Gbit/s, 40 ms"
    for name, way in (("genisoimage", GENISOIMAGE), ("xorriso", XORRISO)):
        dvd = add_image(site, DVD, site.files, way, sums=name == "genisoimage")
        plain, compared = as_it_is(site, dvd), Comparison(place, dvd)
        time = compared.run([assembling(site, dvd, site.files), plain])
        yield Row(f"{case}, {name}", "fetched of the image", compared.share(), "%", 2)
        yield Row(f"{case}, {name}", "time, fetched as it is", time, "×", 0.4)
        time = compared.run([assembling(site, dvd, site.files, wrong=1), plain])
        sums, limit = ("with sums", 0.8) if name == "genisoimage" else ("without sums", 1.2)
        yield Row(f"{case}, one object wrong, {sums}", "time, fetched as it is", time, "×", limit)
        yield Row(f"{case}, one object wrong, {sums}", "fetched of the image", compared.share(), "%", 2.5)
        other = add_image(site, DVD, site.files, way, sums=name == "genisoimage", differs=True)
        compared = Comparison(place, other)
        time = compared.run([assembling(site, other, site.files), as_it_is(site, other)])
        yield Row(f"{case}, one file another, {sums}", "time, fetched as it is", time, "×", limit)
        yield Row(f"{case}, one file another, {sums}", "fetched of the image", compared.share(), "%", 100.1)
    dvd = add_image(site, DVD, site.files, XORRISO, sums=False)
    compared = Comparison(place, dvd)
    held = [file for number, file in enumerate(site.files) if number % 20]
    lacking = 100 * sum(file.size for file in site.files[::20]) / dvd.size
    compared.run([assembling(site, dvd, held)], 1)
    yield Row(f"{case}, 5 % of the packages missing", "fetched of the image", compared.share() - lacking, "% more", 2.5)
    # enough to have the image looked into, beside as many files that no image is looked into for
    packages, texts = ([_noise(site, number, kind) for number in range(1000)] for kind in ("rpm", "txt"))
    time = compared.run([assembling(site, dvd, packages), as_it_is(site, dvd, texts)])
    yield Row(f"{case}, nothing to match", "time, fetched as it is", time, "×", 1.05)
    parts = [add_noise(site, f"BaseOS/x86_64/os/images/{name}", size) for name, size in _BOOT_FILES.items()]
    boot = add_image(site, BOOT, parts, XORRISO)
    compared = Comparison(place, boot)
    time = compared.run([assembling(site, boot, parts), as_it_is(site, boot)])
    yield Row("boot.iso, 1 Gbit/s, 40 ms", "fetched of the image", compared.share(), "%", 8)
    yield Row("boot.iso, 1 Gbit/s, 40 ms", "time, fetched as it is", time, "×")


_BOOT_FILES = {"install.img": 110_000_000, "pxeboot/initrd.img": 70_000_000, "pxeboot/vmlinuz": 12_000_000}


def nightly(place: Place) -> Iterator[Row]:
    """A build mirrored with its DVD, then the next with 5 % of its packages changed."""
    with _site(place) as site:
        first = add_image(site, DVD, site.files, GENISOIMAGE)
        changed = [add_noise(site, f"{file.path[:-4]}.1.rpm", file.size) for file in site.files[::20]]
        files = [*changed, *(file for number, file in enumerate(site.files) if number % 20)]
        second = add_image(site, "BaseOS/x86_64/iso/next.iso", files, GENISOIMAGE)

        def prepare(dest: Path) -> None:
            site.offer([*files, second])
            _fill_store(site, [*site.files, first], dest)

        compared = Comparison(place, second)
        compared.run([replace(programs.ours(site, "--json", "--quiet"), prepare=prepare)], 1)
    new = sum(file.size for file in changed)
    fetched = max(compared.fetched[OURS]) / new
    yield Row("next build, 5 % of it changed, with its DVD", "fetched, of the changed packages", fetched, "×", 1.1)
