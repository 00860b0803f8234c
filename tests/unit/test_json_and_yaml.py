"""JSON and YAML of others: bounded in values, numbers and nesting, and nothing made of text that looks like more."""

from __future__ import annotations

import contextlib
import json
import time
import tracemalloc

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dci_downloader.network import json_and_yaml
from dci_downloader.network.json_and_yaml import read_json, read_yaml_texts

MIB = 2**20


@pytest.fixture(params=["CBaseLoader", "BaseLoader"])
def loader(request, monkeypatch):
    if not hasattr(yaml, request.param):
        pytest.skip("PyYAML was built without libyaml")
    monkeypatch.setattr(json_and_yaml, "_YAML_LOADER", getattr(yaml, request.param))


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


@pytest.mark.parametrize(
    ("document", "texts"),
    [
        (b"- a\n- 'b'\n- \"c\"\n", ["a", "b", "c"]),
        (b"[a, b]", ["a", "b"]),
        (b"[]", []),
        (b"--- [a]\n...\n", ["a"]),
        (b"\xef\xbb\xbf- a", ["a"]),
        (b"- 1:30:00\n- 2026-11-27\n- 010\n- yes", ["1:30:00", "2026-11-27", "010", "yes"]),
        (b"- ~\n- 0x1F\n- 1e5\n- =", ["~", "0x1F", "1e5", "="]),
        (b"- !!str 5\n- ! 6\n- &a x", ["5", "6", "x"]),
    ],
)
def test_plain_yaml_is_text_whatever_it_looks_like(loader, document, texts):
    assert read_yaml_texts(document, 10) == texts


@pytest.mark.parametrize(
    "document",
    [
        *(b"", b"~", b"a", b"a: b", b"- a: b", b"- [a]", b"- {}", b"- &a x\n- *a", b"- !!int 5", b"- !!binary YQ=="),
        *(b"- !!python/object/apply:os.system [x]", b"--- [a]\n--- [b]", b"[a", b"- a\n b: c\n- d: [", b"\xff\xfe\xff"),
        *(
            b"- a\x00",
            b"- *a",
            b"<<: *a",
            b"- " + b"[" * 10**5,
            b"[" * 10**5,
            b"? " * 10**5,
            b"{" * 10**5,
            b"%YAML 9.9",
        ),
        *(b"- a\n" * 11, b"[" + b"a," * 11 + b"]", b'- "\\uD800', b"- '"),
    ],
    ids=lambda document: ascii(document[:20]),
)
def test_yaml_that_is_no_list_of_texts_is_a_value_error(loader, document):
    with pytest.raises(ValueError):
        read_yaml_texts(document, 10)


@pytest.mark.parametrize(
    "document",
    [
        *(b"- " + b"1:" * (MIB // 2) + b"1", b"- a\n" * (MIB // 4), b"[" + b"a," * (MIB // 2) + b"]"),
        *(b"#" * MIB, b"- '" + b"a" * MIB + b"'", b"- " + b"9" * MIB, b"- " + b"1_" * (MIB // 2), b"\n" * MIB),
        b"x: &x [a]\n" + b"".join(b"%d: &%d [*x,*x]\n" % (n, n) for n in range(50_000)),
    ],
    ids=lambda document: ascii(document[:8]),
)
def test_a_megabyte_of_yaml_takes_seconds_at_most(loader, document):
    began = time.process_time()
    with contextlib.suppress(ValueError):
        read_yaml_texts(document, 10_000)
    assert time.process_time() - began < 10


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_value_error(document):
    for read in (read_json, read_yaml_texts):
        with contextlib.suppress(ValueError):
            read(document, 50)


@settings(deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text(), st.lists))
def test_what_is_json_is_read_as_python_reads_it(value):
    assert read_json(json.dumps(value), 10**6) == value
