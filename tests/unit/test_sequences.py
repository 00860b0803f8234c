"""One value where several are due is an error that says so."""

import pytest

from dci_downloader import Filter, Selection, SettingsError, SyncOptions, TransferOptions
from dci_downloader.sequences import as_tuple


@pytest.mark.parametrize(
    ("make", "says", "hint"),
    [
        *(
            (lambda name=name: Selection(**{name: "BaseOS"}), f"{name} takes several", f"write {name}=['BaseOS']")
            for name in ("archs", "variants", "packages", "include", "exclude")
        ),
        (lambda: Filter("compose", "nightly"), "tags takes several", "write tags=['nightly']"),
        (
            lambda: SyncOptions(filters=Filter("compose")),
            "filters takes several values, not one Filter",
            "write a list",
        ),
        (
            lambda: SyncOptions(login_registries="quay.io"),
            "login_registries takes",
            "write login_registries=['quay.io']",
        ),
        (lambda: TransferOptions(peers="http://lab1/dci"), "peers takes", "write peers=['http://lab1/dci']"),
        (lambda: Selection(archs=None), "archs takes several values, not one NoneType", "write a list"),
        (lambda: Selection(archs=b"x86_64"), "archs takes several values, not one bytes", "write a list"),
    ],
)
def test_one_value_where_several_are_due_is_2(make, says, hint):
    with pytest.raises(SettingsError, match=says) as caught:
        make()
    assert (caught.value.exit_code, caught.value.hint) == (2, hint)


@pytest.mark.parametrize("given", [["a", "b"], ("a", "b"), iter("ab"), {"a": 1, "b": 2}])
def test_whatever_can_be_gone_through_becomes_a_tuple(given):
    assert as_tuple(given, "x") == ("a", "b")


def test_lists_are_taken_and_equal_to_tuples():
    assert Selection(variants=["BaseOS"]) == Selection(variants=("BaseOS",))
    assert hash(SyncOptions(filters=[Filter("compose", ["nightly"])]))
