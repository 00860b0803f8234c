"""Images as the programs make them that pungi and lorax call: the parser finds what xorriso finds in them."""

from __future__ import annotations

import mmap
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from dci_downloader.content.iso9660 import DESCRIPTORS, SECTOR, ImageFile, read_layout
from dci_downloader.content.rock_ridge import ImageError
from tests.iso_images import answered

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("xorriso", "genisoimage"))), reason="xorriso and genisoimage are not installed"
)

PUNGI = ["genisoimage", "-untranslated-filenames", "-volid", "RHEL-9", "-J", "-joliet-long", "-rational-rock"]
PUNGI += ["-translation-table", "-input-charset", "utf-8", "-quiet"]
LORAX = ["xorriso", "-as", "mkisofs", "-quiet", "-V", "RHEL-9", "-volset", "RHEL-9", "-J", "-joliet-long", "-R"]
WAYS = {
    "genisoimage": [*PUNGI, "-x", "./lost+found"],
    "xorriso": LORAX,
    "partition offset": [*LORAX, "-partition_offset", "16"],
    "no padding": ["genisoimage", "-quiet", "-R", "-no-pad"],
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """3,000 packages, some of them with long names, in folders; a folder that lies deep, links, and what DVDs hold."""
    root, chance = tmp_path_factory.mktemp("tree"), random.Random(1)
    for index in range(3000):
        folder = root / ("BaseOS", "AppStream")[index % 2] / "Packages" / "abcdefg"[index % 7]
        folder.mkdir(parents=True, exist_ok=True)
        long = "x" * (index % 60 if index % 50 else 0)
        (folder / f"package-{index}{long}-1.0-1.el9.x86_64.rpm").write_bytes(
            chance.randbytes(chance.randrange(1, 5000))
        )
    for path in ("images/install.img", "EFI/BOOT/grub.cfg", ".treeinfo", "1/2/3/4/5/6/7/8/9/deep.rpm", "é ü.rpm"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(path.encode() * 1000)
    os.link(root / "images/install.img", root / "linked.img")
    (root / "link").symlink_to("images")
    (root / "empty").touch()
    return root


def layout_of(image: Path) -> tuple[tuple[ImageFile, ...], int]:
    """The layout of an image, and how many requests it took."""
    with image.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        layout, asked = answered(read_layout(len(content)), content)
    return layout, len(asked)


def found_by_xorriso(image: Path) -> dict[str, list[tuple[int, int]]]:
    """First byte and size of each extent of every file of an image that has content, by path."""
    command = ["xorriso", "-indev", image, "-find", "/", "-type", "f", "-exec", "report_lba"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    files: dict[str, list[tuple[int, int]]] = {}
    for line in listed.splitlines():
        if line.startswith("File data lba:"):
            _, sector, _, size, path = (part.strip() for part in line.removeprefix("File data lba:").split(",", 4))
            if int(size):
                files.setdefault(path[2:-1], []).append((int(sector) * SECTOR, int(size)))
    return files


@pytest.mark.parametrize("way", sorted(WAYS))
def test_the_parser_agrees_with_xorriso(way, tree, tmp_path):
    image = tmp_path / "image.iso"
    subprocess.run([*WAYS[way], "-o", image, tree], check=True, stderr=subprocess.DEVNULL)
    layout, requests = layout_of(image)
    assert requests <= 2
    assert len(layout) >= 3000
    starts = {file.path: [(file.extents[0].start, file.size)] for file in layout}
    assert starts == found_by_xorriso(image)
    with image.open("rb") as content:
        for file in layout:
            if file.name != "TRANS.TBL":
                content.seek(file.extents[0].start)
                assert content.read(file.size) == (tree / file.path).read_bytes()


def test_names_of_any_length_are_read(tmp_path):
    names = [f"{'n' * length}.rpm" for length in range(1, 252, 2)]
    (tmp_path / "tree").mkdir()
    for name in names:
        (tmp_path / "tree" / name).write_bytes(name.encode())
    for program in (["genisoimage", "-quiet", "-R"], ["xorriso", "-as", "mkisofs", "-quiet", "-R"]):
        command = [*program, "-o", tmp_path / "image.iso", tmp_path / "tree"]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        assert sorted(file.name for file in layout_of(tmp_path / "image.iso")[0]) == sorted(names)


def test_an_image_that_another_was_made_from_is_read(tree, tmp_path):
    first, second = tmp_path / "first.iso", tmp_path / "second.iso"
    subprocess.run([*LORAX, "-o", first, tree / "images"], check=True, stderr=subprocess.DEVNULL)
    command = ["xorriso", "-indev", first, "-outdev", second, "-joliet", "on", "-map", tree / "BaseOS", "/BaseOS"]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    layout, _ = layout_of(second)
    assert {file.path: [(file.extents[0].start, file.size)] for file in layout} == found_by_xorriso(second)


@pytest.mark.parametrize("program", [["genisoimage", "-quiet"], ["xorriso", "-as", "mkisofs", "-quiet", "--norock"]])
def test_an_image_without_rock_ridge_is_not_read(program, tree, tmp_path):
    image = tmp_path / "image.iso"
    subprocess.run([*program, "-J", "-o", image, tree / "images"], check=True, stderr=subprocess.DEVNULL)
    with pytest.raises(ImageError, match="no Rock Ridge"):
        layout_of(image)


@pytest.mark.slow
def test_a_file_of_more_than_4_gib_is_one_file(tmp_path):
    (tmp_path / "tree").mkdir()
    with (tmp_path / "tree/big.img").open("wb") as big:
        big.truncate((4 << 30) + 5)
    (tmp_path / "tree/z.rpm").write_bytes(b"z")
    command = ["xorriso", "-as", "mkisofs", "-quiet", "-R", "-iso-level", "3", "-o", "-", tmp_path / "tree"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
        head = program.stdout.read(DESCRIPTORS + (1 << 20))
        program.stdout.close()  # the rest is zeros
        program.kill()
    layout, _ = answered(read_layout(5 << 30), head)
    sizes = {file.name: [extent.size for extent in file.extents] for file in layout}
    assert sum(sizes["big.img"]) == (4 << 30) + 5
    assert len(sizes["big.img"]) == 2
    assert sizes["z.rpm"] == [1]
