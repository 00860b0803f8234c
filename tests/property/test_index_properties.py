"""Whatever a document of another mirror holds, reading it gives a value or a ManifestError, and soon."""

import json
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from dci_downloader.content.coverage import selection_of
from dci_downloader.errors import ManifestError
from dci_downloader.mirror.index import parse_index
from dci_downloader.mirror.topic_list import parse_topics

TEXT = st.text(max_size=8) | st.sampled_from(["..", ".lock", "a/b", "c1", "RHEL-9.2", "compose", "f" * 64])
SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
INSTANT = st.sampled_from(["2026-11-01T00:00:00+00:00", "2026-13-01T00:00:00+00:00", "0001-01-01T00:00:00+23:59"])
COMPONENT = st.fixed_dictionaries({"id": SCALAR, "name": SCALAR, "type": SCALAR, "topic_id": SCALAR, "tags": SCALAR})
VERSION = st.fixed_dictionaries(
    {
        "folder": SCALAR,
        "record": SCALAR,
        "size": SCALAR,
        "number": SCALAR,
        "published_at": INSTANT | SCALAR,
        "component": COMPONENT | SCALAR,
    }
)
INDEX = st.fixed_dictionaries(
    {
        "format": st.just(1) | SCALAR,
        "topic": SCALAR,
        "topic_id": SCALAR,
        "type": SCALAR,
        "number": SCALAR,
        "since": INSTANT | SCALAR,
        "published": SCALAR,
        "versions": st.lists(VERSION | SCALAR, max_size=3) | SCALAR,
    }
)
TOPIC = st.fixed_dictionaries({"name": SCALAR, "id": SCALAR, "created_at": INSTANT | SCALAR, "types": st.lists(SCALAR)})
TOPICS = st.fixed_dictionaries({"format": st.just(1) | SCALAR, "topics": st.lists(TOPIC | SCALAR, max_size=3) | SCALAR})


def read(parse, document):
    with suppress(ManifestError):
        parse(document)


@settings(max_examples=60)
@given(st.one_of(INDEX, TOPICS, SCALAR), st.binary(max_size=50))
def test_documents_are_read_or_refused(value, noise):
    document = json.dumps(value).encode()
    for parse in (parse_index, parse_topics):
        for content in (document, noise, document[: len(document) // 2], document + noise):
            read(parse, content)


@settings(max_examples=60)
@given(st.recursive(SCALAR, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=10))
def test_a_selection_is_read_or_none(value):
    selection_of(value)
