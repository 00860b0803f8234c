"""The whole program between servers that misbehave, and what a reader of its mirror sees meanwhile.

In front of the embedded control server and object store, which check signatures and presigned URLs, stands one fault
server each. Whenever a request for a file arrives somebody looks at what is published.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, Optional

from dci_downloader.demo.catalog import Catalog, CatalogComponent
from dci_downloader.demo.control_server import DemoControl
from dci_downloader.demo.object_store import DemoObjectStore
from tests.faults.rows import OTHERS, SIZES, VICTIM
from tests.faults.server import Asked, FaultServer, Response, Well, forwarding
from tests.faults.sizes import SMALL

TOPIC = "RHEL-9.2"
COOKIE = "c00kie"
VICTIMS = {size: f"{VICTIM} {size}" for size in SIZES}
MANIFEST = "dci_files_list.json"


class Done(NamedTuple):
    """How a run ended: exit code, the JSON object on standard output, and the words on standard error."""

    code: int
    report: dict[str, Any]
    words: str

    @property
    def component(self) -> dict[str, Any]:
        """The report on the only component of the only topic."""
        (topic,) = self.report["topics"]
        (component,) = topic["components"]
        return component

    @property
    def failures(self) -> dict[str, dict[str, Any]]:
        """The component's failures by path."""
        return {failure["path"]: failure for failure in self.component["failures"]}


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Program:
    """A mirror that holds an older version, and a site that has a newer one.

    Attributes:
        old: what was published before, by path.
        new: what the newest build holds.
        control: the fault server before the control server.
        store: that before the object store.
        seen: what somebody who looked at the mirror saw that is neither the old nor the new version.
        waits: seconds between tries, as they would have been.
        waited: called before each of them.
        seconds: what the run took that published the older build.
        run: the command line, in this process; set by the fixture.
    """

    run: Callable[..., Done]

    def __init__(self, root: Path, **tls: Any) -> None:
        self.root = root
        self.catalog = Catalog()
        self.topic = self.catalog.add_topic(TOPIC, component_types=("compose",))
        self.seen: list[str] = []
        self.waits: list[float] = []
        self.waited: Callable[[], object] = list
        self.seconds = 0.0
        self._random = random.Random(20221121)
        self._running = ExitStack()
        self.objects = self._running.enter_context(DemoObjectStore(self.catalog))
        self.store = FaultServer(self._watched(forwarding(self.objects.url)), tls.get("store"))
        self._running.callback(self.store.close)
        self._control = self._running.enter_context(DemoControl(self.catalog, self.store.url))
        self.control = FaultServer(self._watched(with_cookie(forwarding(self._control.url))), tls.get("control"))
        self._running.callback(self.control.close)
        self.old: Mapping[str, bytes] = {}
        self.new: Mapping[str, bytes] = {}
        self.secrets = [self.catalog.remoteci.api_secret, COOKIE, "X-Amz", "Signature", "Traceback"]

    def restart(self, side: str, tls: Any) -> None:
        """Have a server go down and come back with another certificate."""
        server: FaultServer = getattr(self, side)
        server.refuse()
        server.tls = tls
        server.listen()

    def environment(self) -> dict[str, str]:
        """What ``dcirc.sh`` sets."""
        remoteci = self.catalog.remoteci
        return {
            "DCI_CLIENT_ID": remoteci.client_id,
            "DCI_API_SECRET": remoteci.api_secret,
            "DCI_CS_URL": self.control.url,
        }

    def content(self, size: int) -> bytes:
        """Bytes that are nowhere else."""
        return self._random.randbytes(size)

    def build(self, files: Mapping[str, bytes]) -> CatalogComponent:
        """Attach a component, newer than those there are."""
        name = f"{TOPIC}.0-{len(self.catalog.components)}"
        self.newest = self.catalog.add_component(self.topic, name=name, files=files)
        self.old, self.new = self.new, dict(files)
        return self.newest

    def two_builds(self, sizes: Iterable[str] = SIZES) -> list[str]:
        """One is published; the newer has what a fault is about, in these sizes. The paths of that are returned."""
        victims = [VICTIMS[size] for size in sizes]
        others = {path: self.content(SMALL) for path in OTHERS}
        self.build({**others, **{path: b"old " + path.encode() for path in victims}})
        began = time.monotonic()
        assert self.run().code == 0
        self.seconds = time.monotonic() - began
        self.build({**others, **{VICTIMS[size]: self.content(SIZES[size]) for size in sizes}, "new": b"new"})
        self.assert_old_is_visible()
        return victims

    def heal(self) -> None:
        """Everything behaves from now on."""
        for server in (self.control, self.store):
            server.scripts.clear()
        for path, content in self.new.items():
            self.catalog.put(self.newest, path, content)

    def for_file(self, path: str) -> tuple[str, str]:
        """The paths under which control server and object store are asked for a file of the newest build."""
        return f"api/v1/components/{self.newest.id}/files/{path}", f"{self.newest.id}/{path}"

    def asked_for(self, paths: Mapping[str, bytes]) -> list[Asked]:
        """The requests to the object store for these files of the newest build."""
        wanted = {self.for_file(path)[1] for path in paths}
        return [asked for asked in self.store.log if asked.path in wanted]

    def visible(self) -> Optional[dict[str, bytes]]:
        """What a reader finds in the published version; None where there is none."""
        link = self.root / TOPIC / "compose"
        return tree(link.parent / os.readlink(link)) if link.is_symlink() else None

    def partials(self) -> list[str]:
        """What is left of files on their way."""
        return os.listdir(self.root / ".dci-downloader" / "partial")

    def assert_old_is_visible(self) -> None:
        assert self.seen == []
        assert self.visible() == (dict(self.old) or None)

    def assert_new_is_visible(self, *, killed: bool = False) -> None:
        """It is, and nothing is on its way; after a kill in the middle of a write ``prune`` finds what that left."""
        assert self.seen == []
        assert self.visible() == self.new
        left = self.partials()
        if killed:
            left = [name for name in left if not name.startswith(".") and not name.endswith(".tmp")]
        assert left == []

    def assert_no_secret(self, *texts: str) -> None:
        """No secret was printed, and nothing that tells who asks reached the object store."""
        assert [secret for secret in self.secrets for text in texts if secret in text] == []
        sent = {name for asked in self.store.log for name in asked.headers}
        assert sent <= {"host", "user-agent", "accept", "accept-encoding", "connection", "range", "if-none-match"}
        assert all("cookie" not in asked.headers for asked in self.control.log)

    def close(self) -> None:
        self._running.close()

    def _watched(self, well: Well) -> Well:
        def look(asked: Asked) -> Response:
            now = self.visible()
            if now not in (dict(self.old) or None, self.new):
                self.seen.append(f"at {asked.path}: {sorted(now or ())}")
            return well(asked)

        return look


def with_cookie(well: Well) -> Well:
    """The same, with a cookie for every server of this host."""

    def answer(asked: Asked) -> Response:
        found = well(asked)
        return found._replace(headers=(*found.headers, ("Set-Cookie", f"session={COOKIE}; Path=/")))

    return answer


def ended(code: int, out: str, err: str) -> Done:
    """What a run said, with everything about secrets checked by the caller."""
    return Done(code, json.loads(out), err)
