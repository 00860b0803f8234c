import pytest

from dci_downloader.content.similarity import similar_name, similar_names

VARIANTS = ("AppStream", "BaseOS", "HighAvailability", "SAPHANA")
ARCHS = ("aarch64", "ppc64le", "s390x", "x86_64")


@pytest.mark.parametrize(
    ("given", "known", "meant"),
    [
        ("appstream", VARIANTS, "AppStream"),
        ("Baseos", VARIANTS, "BaseOS"),
        ("base", VARIANTS, "BaseOS"),
        ("High", VARIANTS, "HighAvailability"),
        ("sap-hana", VARIANTS, "SAPHANA"),
        ("x86-64", ARCHS, "x86_64"),
        ("x86", ARCHS, "x86_64"),
        ("amd64", ARCHS, "x86_64"),
        ("arm64", ARCHS, "aarch64"),
        ("amd64", ("s390x",), None),
        ("zzz", VARIANTS, None),
        ("", VARIANTS, None),
        ("x", (), None),
    ],
)
def test_the_name_that_was_meant(given, known, meant):
    assert similar_name(given, known) == meant


def test_several_names_each_once():
    assert similar_names(["appstream", "AppStreams", "zzz", "baseos"], iter(VARIANTS)) == "AppStream, BaseOS"
    assert similar_names(["zzz"], VARIANTS) == ""
