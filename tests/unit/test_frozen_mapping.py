import copy
import json
import pickle

import pytest

from dci_downloader.frozen_mapping import DEEPEST, FrozenMapping

GIVEN = {"archs": ["x86_64", {"deep": [1]}], "channel": "nightly", "more": {"a": None}}


def test_it_reads_like_what_it_was_made_of():
    frozen = FrozenMapping(GIVEN)
    assert (frozen["channel"], frozen["more"]["a"], frozen["archs"][1]["deep"]) == ("nightly", None, (1,))
    assert (len(frozen), list(frozen), "more" in frozen, frozen.get("x", 1)) == (3, list(GIVEN), True, 1)
    assert frozen["more"] == {"a": None}
    assert repr(FrozenMapping({"a": {"b": [1]}})) == "{'a': {'b': (1,)}}"
    assert json.loads(json.dumps(frozen.to_json())) == GIVEN


def test_nothing_in_it_can_change():
    source = copy.deepcopy(GIVEN)
    frozen = FrozenMapping(source)
    source["archs"].append("later")
    assert frozen.to_json() == GIVEN
    for change in (
        lambda: frozen.__setitem__("a", 1),
        lambda: frozen["more"].__setitem__("a", 1),
        lambda: frozen["archs"].append(1),
        lambda: setattr(frozen, "a", 1),
    ):
        with pytest.raises((AttributeError, TypeError)):
            change()
    frozen.to_json()["archs"].clear()
    assert frozen.to_json() == GIVEN


def test_copies_are_equal_also_in_another_process():
    frozen = FrozenMapping(GIVEN)
    assert copy.deepcopy(frozen) == pickle.loads(pickle.dumps(frozen)) == frozen == FrozenMapping(GIVEN)
    assert FrozenMapping() == {}


def test_numbers_that_json_does_not_have_are_none():
    frozen = FrozenMapping({"a": float("inf"), "b": [float("nan")], "c": 1.5})
    assert frozen == {"a": None, "b": (None,), "c": 1.5}


def test_it_is_not_nested_deeper_than_whatever_reads_it_can_stand():
    value = {}
    for _ in range(DEEPEST):
        value = {"a": value}
    with pytest.raises(ValueError, match="deep"):
        FrozenMapping({"a": value})
    assert repr(FrozenMapping(value))
