import random
import shutil
import subprocess

import pytest

from dci_downloader.content.packages import Package, parse_package, version_order


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("kernel-5.14.0-284.11.1.el9_2.x86_64.rpm", Package("kernel", "5.14.0-284.11.1.el9_2", "x86_64")),
        ("python3.11-pip-wheel-22.3.1-2.el9.noarch.rpm", Package("python3.11-pip-wheel", "22.3.1-2.el9", "noarch")),
        ("libstdc++-11.3.1-4.3.el9.i686.rpm", Package("libstdc++", "11.3.1-4.3.el9", "i686")),
        ("glibc-2.34-60.el9.src.rpm", Package("glibc", "2.34-60.el9", "src")),
        ("nodejs-18-1.module+el9.1.0+17257+1a2b.i686.rpm", Package("nodejs", "18-1.module+el9.1.0+17257+1a2b", "i686")),
        ("a-1~rc1^git5-0.1.el9.noarch.rpm", Package("a", "1~rc1^git5-0.1.el9", "noarch")),
        ("repomd.xml", None),
        ("kernel.rpm", None),
        ("kernel-5.x86_64.rpm", None),
        ("-1-1.noarch.rpm", None),
        ("a-1-1.rpm", None),
        ("a--1.noarch.rpm", None),
        ("a-1-1.noarch.drpm", None),
        ("", None),
    ],
)
def test_a_file_name_tells_of_a_package(name, package):
    assert parse_package(name) == package


# the examples of rpm-version(7) and of rpm's own test suite, from old to new
IN_ORDER = [
    "1.0~rc1",
    "1.0~rc2",
    "1.0",
    "1.0^20160101",
    "1.0^20160102",
    "1.0a",
    "1.0b",
    "1.0.1",
    "1.0010",
    "1.11",
    "5.14.0-9",
    "5.14.0-10.el9",
    "5.14.0-284.el9",
    "5.14.0-284.el9_2",
    "5.14.0-284.11.1.el9_2",
    "10.1.1",
    "20101121",
]


def test_versions_are_ordered_as_rpm_does():
    shuffled = random.Random(1).sample(IN_ORDER, len(IN_ORDER))
    assert sorted(shuffled, key=version_order) == IN_ORDER


@pytest.mark.skipif(shutil.which("rpm") is None, reason="not installed here: rpm")
def test_rpm_itself_orders_them_so():
    pairs = [(one, other) for one in IN_ORDER if "-" not in one for other in IN_ORDER if "-" not in other]
    calls = "".join(f"print(rpm.vercmp('{one}', '{other}'), ' ')" for one, other in pairs)
    done = subprocess.run(["rpm", "--eval", f"%{{lua:{calls}}}"], capture_output=True, text=True, check=True)
    keys = [(version_order(one), version_order(other)) for one, other in pairs]
    assert list(map(int, done.stdout.split())) == [(one > other) - (one < other) for one, other in keys]


@pytest.mark.parametrize(("one", "other"), [("1.0", "1_0"), ("1.05", "1.5"), ("1.0+", "1.0"), ("a1", "a.1")])
def test_separators_and_zeros_in_front_do_not_count(one, other):
    assert version_order(one) == version_order(other)


def test_numbers_may_be_as_long_as_a_name():
    assert version_order("9" * 5000) < version_order("1" + "0" * 5000)
