"""JSON of others: bounded in values, numbers and nesting."""

from __future__ import annotations

import contextlib
import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dci_downloader.network.bounded_json import read_json

MIB = 2**20


@pytest.mark.parametrize(
    ("document", "value"),
    [
        (b'{"a": [1, -2, 3.5, null, true, "x"]}', {"a": [1, -2, 3.5, None, True, "x"]}),
        (b"\xef\xbb\xbf[]", []),
        ("[9223372036854775807]", [2**63 - 1]),
        ("[12345678901234567890]", [12345678901234567890.0]),
        ('"' + "," * 9 + '"', "," * 9),
    ],
)
def test_json_is_read(document, value):
    assert read_json(document, 20) == value


@pytest.mark.parametrize(
    "document",
    [
        *("[" + "0," * 20 + "0]", "[" + "[]," * 10 + "[]]", "[" + "{}," * 10 + "{}]", '{"a":' * 11 + "1" + "}" * 11),
        *("[" * 10**6, '{"a":' * 10**6, "9" * 1001, "-" + "9" * 10**6, "", "{", "nothing", b"\xff", "[1] [2]"),
    ],
    ids=lambda document: str(document)[:20],
)
def test_json_beyond_its_bounds_is_a_value_error(document):
    with pytest.raises(ValueError):
        read_json(document, 20)


def test_deep_nesting_within_the_bound_is_a_value_error_too():
    with pytest.raises(ValueError, match="nested"):
        read_json("[" * 10**5, 10**6)


@pytest.mark.parametrize("item", ["{}", "[]", '"ab"', "257", "1.5", '{"a":{}}'])
def test_a_document_of_many_small_values_takes_no_memory_before_it_is_refused(item):
    document = ("[" + ",".join([item] * (4 * MIB)) + "]").encode()
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="more than 1,000,000 values"):
            read_json(document, 10**6)
        assert tracemalloc.get_traced_memory()[1] < len(document) + MIB  # its text
    finally:
        tracemalloc.stop()


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_value_error(document):
    with contextlib.suppress(ValueError):
        read_json(document, 50)


@settings(deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text(), st.lists))
def test_what_is_json_is_read_as_python_reads_it(value):
    assert read_json(json.dumps(value), 10**6) == value
