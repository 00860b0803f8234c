"""Names that can be folders of a mirror, and how foreign text is shown."""

import pytest

from dci_downloader.content.names import check_name, quoted
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


def test_quoted_text_is_printable_and_short() -> None:
    assert quoted("é\n\x1b\ud800") == "'é\\n\\x1b\\ud800'"
    assert len(quoted("x" * 1000)) == 122
