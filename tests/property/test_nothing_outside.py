"""Whatever a server says, nothing is written outside the mirror, and what is accepted is there under its own name."""

import hashlib
import json
import os
import tempfile
from pathlib import Path

from hypothesis import event, given, settings
from hypothesis import strategies as st

from dci_downloader.content.manifest import parse_manifest
from dci_downloader.errors import DownloaderError
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.publish import publish
from dci_downloader.models import Component

CONTENT = b"content"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
part = st.sampled_from(["a", "b", "c", "d"]) | st.sampled_from(
    ["a", "b", "B", "..", ".", "", "é", "e\u0301", "a b", ".new-1", ".lock", "x" * 255, "x" * 256, "\0", "a/b"]
)
path = (
    st.lists(st.sampled_from("abcd"), max_size=2).map("/".join)
    | st.lists(part, max_size=4).map("/".join)
    | st.sampled_from(["/", "/etc", "../..", "a/../../b", "a//b", "a/"])
)
destination = path | st.sampled_from(["../a", "../../outside", "/etc/passwd", "a/../..", "."])
name = st.sampled_from("abcdefgh") | part | st.sampled_from(["/etc/passwd", "../outside", "dci_files_list.json"])
document = st.fixed_dictionaries(
    {
        "files": st.lists(st.fixed_dictionaries({"path": path, "name": name}), max_size=6),
        "symlinks": st.lists(
            st.fixed_dictionaries({"path": path, "name": name, "destination": destination}), max_size=4
        ),
    }
)


def everything(root):
    return {str(found.relative_to(root)) for found in root.rglob("*")}


@given(document=document, component_name=name, topic_name=name, component_type=name)
@settings(max_examples=150, deadline=None)
def test_a_mirror_never_writes_outside_its_root(document, component_name, topic_name, component_type):
    for entry in document["files"]:
        entry.update(sha256=DIGEST, size=len(CONTENT))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "one" / "two" / "mirror"
        root.parent.mkdir(parents=True)
        (Path(folder) / "outside").write_text("mine")
        before = everything(Path(folder))
        try:
            wanted = parse_manifest(json.dumps(document).encode(), component_type)
            mirror = Mirror(root)
            topic = mirror.topic(topic_name)
            with topic.lock(0):
                for entry in wanted.files[:1]:
                    mirror.store.add(entry, [CONTENT])
                publish(topic, Component("id", component_name, component_type, "topic"), {}, wanted)
        except DownloaderError:
            event("refused")
        else:
            event("accepted")
            for entry in wanted.files:
                assert (topic.link(component_type) / entry.path).read_bytes() == CONTENT
            for link in wanted.symlinks:
                place = topic.link(component_type) / link.path
                assert os.readlink(place) == link.destination
                assert place.resolve().is_relative_to(root.resolve())
        changed = everything(Path(folder)) - before
        assert {name for name in changed if not name.startswith("one/two/mirror")} == set()
        assert (Path(folder) / "outside").read_text() == "mine"
