import pytest

from dci_downloader.control.ids import beginning_as_query, is_id

ID = "5b5cbb32-4a79-4a39-9c0c-e6bb1bf7e0d5"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (ID, True),
        (ID.upper(), True),
        (ID[:-1], False),
        (f"{ID}0", False),
        ("c1", False),
        ("", False),
        ("٣" * 36, False),
    ],
)
def test_an_id_has_its_form(text, found):
    assert is_id(text) == found


def test_every_beginning_of_an_id_asks_for_what_begins_so():
    for length in range(1, len(ID) + 1):
        query = beginning_as_query(ID[:length].upper())
        lowest, highest = query[len("and(ge(id,") :].rstrip(")").split("),le(id,")
        assert is_id(lowest)
        assert is_id(highest)
        assert lowest.startswith(ID[:length])
        assert highest.startswith(ID[:length])
        assert lowest <= ID <= highest


@pytest.mark.parametrize("text", ["", "RHEL-9.2", "5b5cbb324", "5b5-", "-", f"{ID}0", "g", "5b,)"])
def test_what_no_id_begins_with_asks_for_nothing(text):
    assert beginning_as_query(text) == ""
