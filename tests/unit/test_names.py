"""Names that can be folders of a mirror, and how foreign text is shown."""

from urllib.parse import unquote

import pytest

from dci_downloader.content.names import check_name, quoted, version_folder
from dci_downloader.errors import ManifestError


@pytest.mark.parametrize("name", ["RHEL-9.2", "RHEL 7 ELS", "compose-noinstall", "größe", "x" * 255, "a..b"])
def test_name_that_can_be_a_folder_is_returned(name: str) -> None:
    assert check_name(name, "topic") == name


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/", "\x00", "a\nb", ".versions", "x" * 256, "\ud800"])
def test_name_that_cannot_be_a_folder_is_refused(name: str) -> None:
    with pytest.raises(ManifestError, match=r"^topic '.*' cannot be a folder: ") as caught:
        check_name(name, "topic")
    assert caught.value.hint
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("RHEL-9.2.0-20221121.2", "RHEL-9.2.0-20221121.2"),
        ("older – é", "older – é"),
        ("a..b", "a..b"),
        ("quay.io/org/app:4.18", "quay.io%2Forg%2Fapp%3A4.18"),
        (".hidden", "%2Ehidden"),
        ("..", "%2E%2E"),
        ("v1.", "v1%2E"),
        ("v1. ", "v1.%20"),
        ('<|>?*"\\', "%3C%7C%3E%3F%2A%22%5C"),
        ("../../etc", "%2E.%2F..%2Fetc"),
        ("a%2Fb", "a%252Fb"),
        ("a\nb\x85", "a%0Ab%C2%85"),
        ("x" * 200, "x" * 200),
    ],
)
def test_any_name_has_a_folder_that_tells_it(name: str, folder: str) -> None:
    assert version_folder(name) == folder
    assert unquote(folder) == name


@pytest.mark.parametrize("name", ["", "x" * 201, "é" * 150, "/" * 300, "\ud800" * 99, "%" * 4000])
def test_a_name_that_is_too_long_has_a_folder_of_its_own(name: str) -> None:
    folder = version_folder(name)
    assert check_name(folder, "version") == folder
    assert len(folder.encode()) <= 200
    assert folder != version_folder(name + "x")
    assert folder.partition("%~")[0] in version_folder(name[:60]) + name


def test_quoted_text_is_printable_and_short() -> None:
    assert quoted("é\n\x1b\ud800") == "'é\\n\\x1b\\ud800'"
    assert len(quoted("x" * 1000)) == 122
