"""The sums in an image, and what they find."""

from __future__ import annotations

import hashlib
import random
import shutil
import subprocess

import pytest

from dci_downloader.content.isomd5 import STEP, SumCheck, read_sums, start_check
from tests.iso_images import SECTOR, compose, implant, implanted

SECTORS = 1400


def with_sums(seed=1):
    """An image, and the sums in it."""
    noise = random.Random(seed).randbytes((SECTORS - 60) * SECTOR)
    return implanted(compose({60: noise}, sectors=SECTORS))


def damage(image, repaired=None):
    """Where an image is wrong; each place is repaired before the search goes on."""
    image = bytearray(image)
    check, found = SumCheck(read_sums(bytes(image), len(image))), []
    while not check.complete:
        wrong = check.update(bytes(image[check.position : check.position + check.next_size()]))
        if wrong is not None:
            found.append(wrong)
            if repaired is None:
                break
            image[wrong.start : wrong.end] = repaired[wrong.start : wrong.end]
    return found


def flipped(image, *positions):
    changed = bytearray(image)
    for position in positions:
        changed[position] ^= 1
    return bytes(changed)


def test_an_image_that_is_right_has_no_damage():
    assert damage(with_sums()) == []


def test_damage_is_found_within_a_twentieth():
    image = with_sums()
    (wrong,) = damage(flipped(image, 1_500_000))
    assert wrong.start <= 1_500_000 < wrong.end
    assert wrong.size <= len(image) // 20 + 2 * STEP


def test_every_damage_is_found_once_what_comes_before_is_repaired():
    image, places = with_sums(), (300_000, 1_000_000, 1_001_000, len(with_sums()) - 16 * SECTOR)
    found = damage(flipped(image, *places), image)
    assert len(found) == 3
    assert all(any(wrong.start <= place < wrong.end for wrong in found) for place in places)


def test_the_last_sectors_are_not_covered():
    image = with_sums()
    assert damage(flipped(image, len(image) - 1)) == []


@pytest.mark.parametrize(
    "stated",
    [
        "",
        "ISO MD5SUM = " + "a" * 32,
        "ISO MD5SUM = " + "a" * 32 + ";SKIPSECTORS = 15;FRAGMENT SUMS = ;FRAGMENT COUNT = 20;",
        "ISO MD5SUM = " + "a" * 32 + ";SKIPSECTORS = 15;FRAGMENT SUMS = abc;FRAGMENT COUNT = 0;",
        "ISO MD5SUM = " + "a" * 32 + ";SKIPSECTORS = 15;FRAGMENT SUMS = abc;FRAGMENT COUNT = 20;",
        "ISO MD5SUM = " + "a" * 32 + ";SKIPSECTORS = 999999;FRAGMENT SUMS = " + "a" * 60 + ";FRAGMENT COUNT = 20;",
        "ISO MD5SUM = " + "z" * 32 + ";SKIPSECTORS = 15;FRAGMENT SUMS = " + "a" * 60 + ";FRAGMENT COUNT = 20;",
    ],
)
def test_sums_that_cannot_be_used_are_none(stated):
    image = implant(compose({SECTORS: b"end"}, sectors=SECTORS), stated)
    assert read_sums(image, len(image)) is None


def test_sums_about_more_than_the_image_are_none():
    image = with_sums()
    assert read_sums(image, len(image) // 2) is None


def test_without_md5_there_is_no_check(monkeypatch):
    def forbidden(*_, **__):
        raise ValueError("[digital envelope routines] unsupported")

    image = with_sums()
    assert start_check(image, len(image)) is not None
    assert start_check(compose({}), SECTOR * 1000) is None
    monkeypatch.setattr(hashlib, "md5", forbidden)
    assert start_check(image, len(image)) is None


@pytest.mark.skipif(shutil.which("implantisomd5") is None, reason="isomd5sum is not installed")
def test_the_sums_are_those_of_implantisomd5(tmp_path):
    image = tmp_path / "image.iso"
    image.write_bytes(with_sums(2))
    subprocess.run(["implantisomd5", "--force", image], check=True, stdout=subprocess.DEVNULL)
    content = image.read_bytes()
    assert read_sums(content, len(content)) == read_sums(with_sums(2), len(content))
    assert damage(content) == []
