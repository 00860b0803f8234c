"""Whatever others wrote into a mirror, nothing outside it is opened, read, changed, linked or removed.

The mirror belongs to an ordinary user, who puts there what he likes; then root works in it, under strace. What strace
saw is held against the same work in an honest mirror: nothing may have been opened beside that. What is outside keeps
its content, links, modes and times, of change and of access.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dci_downloader.mirror.version import identity
from dci_downloader.models import Component, FileEntry, Manifest, SymlinkEntry
from tests.unit.samples import FIRST, SECOND, Sample

STRACE = shutil.which("strace")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be two users"),
    pytest.mark.skipif(STRACE is None, reason="needs strace"),
]

USER = 1000
FETCHING = f"{hashlib.sha256(b'T1/compose').hexdigest()[:32]}.json"
ROOT = Path(__file__).parents[2]
SECRET = b"only root may read this\n"
SECRET_DIGEST = hashlib.sha256(SECRET).hexdigest()
WORK = """
import contextlib, sys
from dci_downloader import DownloaderError, Mirror, UpstreamMirror
from dci_downloader import hold, prune, release, remove, rollback, status, verify
from dci_downloader.mirror.adopt import adopt
from dci_downloader.mirror.fetching import recorded_fetching
from dci_downloader.mirror.history import record_run
from dci_downloader.mirror.publish import publish
from dci_downloader.mirror.restore import rebuild_damaged
from dci_downloader.mirror.recovery import recover
from dci_downloader.mirror.retention import retire
from dci_downloader.hooks import NullProgress
from dci_downloader.page.page import page
from tests.unit.samples import FIRST, SECOND, component_of, entry_of, manifest_of

def work(mirror):
    yield lambda: print(status(mirror), page(mirror))
    upstream = UpstreamMirror(mirror.root)
    for topic in mirror.topics():
        yield lambda: print(*upstream.topics(), *upstream.components(topic.name))
    yield lambda: print(verify(mirror, workers=1), *(each.damages for each in verify(mirror, workers=2)))
    for topic in mirror.topics():
        yield lambda: rollback(mirror, topic.name)
    yield lambda: print(rebuild_damaged(mirror, verify(mirror), lambda *_: None))
    for topic in mirror.topics():
        yield lambda: hold(mirror, topic.name)
        yield lambda: release(mirror, topic.name)
        yield lambda: sync(mirror, topic)
    yield lambda: record_run(mirror, [], 1.0)
    for files in (FIRST, SECOND):
        for path, content in files.items():
            yield lambda: begin(mirror, entry_of(path, content))
    yield lambda: prune(mirror, 0, now=lambda: 10.0**10)
    yield lambda: print(status(mirror), verify(mirror))
    later = Mirror(mirror.root, boot="boot-2")
    yield lambda: recover(later.store, later.root, 0)
    for topic in mirror.topics():
        yield lambda: remove(mirror, topic.name, timeout=0)

def begin(mirror, entry):
    mirror.prepare()
    mirror.store.open_partial(entry).close()

def sync(mirror, topic):
    with topic.lock(0):
        component, wanted = component_of("c3"), manifest_of(SECOND)
        adopt(topic.link("compose"), wanted, mirror.store)
        with recorded_fetching(topic, component, mirror.plan(component, wanted), NullProgress()):
            for entry in mirror.plan(component, wanted).missing:
                mirror.store.add(entry, [SECOND[entry.path]])
        publish(topic, component, None, wanted)
        retire(topic, "compose", 1)

for step in work(Mirror(sys.argv[1])):
    with contextlib.suppress(DownloaderError):
        step()
"""


class Site(NamedTuple):
    """A folder with a mirror of some topics, and what is outside it.

    Attributes:
        dest: the mirror; belongs to the ordinary user.
        outside: belongs to root, who alone may enter it.
    """

    dest: Path
    outside: Path

    def topic(self, number: int) -> Path:
        return self.dest / f"T{number}"

    def record(self, number: int) -> Path:
        return self.topic(number) / ".versions/compose/c2.json"

    def tree(self, number: int) -> Path:
        return self.topic(number) / ".versions/compose/c2"

    @property
    def store(self) -> Path:
        return self.dest / ".dci-downloader"


def make_site(folder: Path, topics: int) -> Site:
    site = Site(folder / "dci", folder / "outside")
    for number in range(topics):
        sample = Sample(site.dest, boot="boot-1")
        sample.topic = sample.mirror.topic(f"T{number}")
        sample.publish("c1", FIRST)
        sample.publish("c2", SECOND)
    site.outside.mkdir()
    for name in ("secret", "victim", SECRET_DIGEST):
        (site.outside / name).write_bytes(SECRET)
        os.chmod(site.outside / name, 0o600)
    (site.outside / "folder").mkdir()
    (site.outside / "folder" / "f").write_bytes(SECRET)
    os.chmod(site.outside, 0o711)  # that its names lead somewhere, even for others
    for path in (site.outside, *site.outside.rglob("*")):
        os.utime(path, (10**9, 10**9 + 1))  # not read since it was written: the next access counts
    for path in (site.dest, *site.dest.rglob("*")):
        os.chown(path, USER, USER, follow_symlinks=False)
    folder.chmod(0o755)
    return site


def as_user(action: Callable[[], Any]) -> bool:
    """Do something as the ordinary user; whether he could."""
    child = os.fork()
    if not child:
        os.setgroups([])
        os.setresgid(USER, USER, USER)
        os.setresuid(USER, USER, USER)
        with suppress(BaseException):
            action()
            os._exit(0)
        os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def snapshot(folder: Path) -> dict[str, Any]:
    """All that can be known about a folder without touching it."""
    found = {}
    for path in sorted((folder, *folder.rglob("*"))):
        status = path.lstat()
        accessed = status.st_atime_ns if not path.is_dir() else 0
        found[str(path)] = (
            *(status.st_mode, status.st_uid, status.st_ino, status.st_nlink, status.st_size),
            *(status.st_mtime_ns, status.st_ctime_ns, accessed),
        )
    return found


OPENED = re.compile(r"^(?:\[pid +\d+\] |\d+ +)?(?:openat|open|openat2|creat)\(.*\) = \d+<(.*)>$")


def opened(log: str, dest: Path) -> set[str]:
    """The real paths, outside the mirror, of whatever was opened."""
    paths = {match.group(1) for match in map(OPENED.match, log.splitlines()) if match}
    outside = {re.sub(r"\d+", "#", path) for path in paths if path != str(dest) and not path.startswith(f"{dest}/")}
    # what Python imports late, and compiled where another test has left that meanwhile
    imported = [re.sub(r"\d+", "#", path) for path in (sysconfig.get_path("stdlib"), f"{ROOT}/dci_downloader/")]
    return {
        path for path in outside if not path.startswith((*imported, "pipe:", "socket:", "anon_inode:", "/dev/null"))
    }


def work_in(site: Site) -> tuple[str, set[str]]:
    """Work in a mirror as root; gives what was printed, and what was opened outside."""
    with tempfile.NamedTemporaryFile() as log:
        strace = [STRACE or "", "-f", "-y", "-e", "trace=open,openat,openat2,creat", "-o", log.name]
        done = subprocess.run(
            [*strace, sys.executable, "-B", "-c", WORK, str(site.dest)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        text = Path(log.name).read_text(errors="replace")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr[-2000:]
    return done.stdout, {path.replace(str(site.dest.parent), "FOLDER") for path in opened(text, site.dest)}


@pytest.fixture(scope="module")
def honest() -> set[str]:
    """What is opened outside when nobody means ill."""
    with tempfile.TemporaryDirectory() as folder:
        said, paths = work_in(make_site(Path(folder), 2))
    assert "VersionCheck" in said
    assert not any("outside" in path for path in paths)
    return paths


def check(site: Site, honest: set[str]) -> None:
    before = snapshot(site.outside)
    said, paths = work_in(site)
    beside = paths - honest
    assert not beside
    assert snapshot(site.outside) == before
    assert f"found='sha256 {SECRET_DIGEST}" not in said
    files = [path for path in site.dest.rglob("*") if path.is_file() and not path.is_symlink()]
    small = [path for path in files if path.stat().st_size < 1 << 30]  # others an attack has put there
    assert not [path for path in small if SECRET in path.read_bytes()], "and nothing of it is in the mirror"


# What stands in a record


def rewrite(record: Path, forge: bool, **changes: Any) -> None:
    """Change fields of a record; whoever can do that can make the identity fit, too."""
    fields = {**json.loads(record.read_text()), **changes}
    if forge:
        with suppress(Exception):
            component = Component(**{**fields["component"], "tags": ()})
            files = tuple(FileEntry(*each) for each in fields["files"])
            links = tuple(SymlinkEntry(*each) for each in fields["symlinks"])
            fields["identity"] = identity(component, fields["selection"], Manifest("compose", files, links))
    record.write_text(json.dumps(fields))


LEADING_OUT = [
    "../" * depth + name for depth in range(1, 8) for name in ("outside/secret", "outside/victim", "outside/folder/f")
]
DIGESTS = st.sampled_from(
    [
        *LEADING_OUT,
        "ab/../" + LEADING_OUT[6],
        "a" * 64,
        "A" * 64,
        "abc",
        "",
        "a" * 63 + "/",
        SECRET_DIGEST,
    ]
)
PATHS = st.sampled_from(
    [*LEADING_OUT, "same", ".composeinfo", "BaseOS/x86_64", "l/secret", "l", "/etc/passwd", "", ".", "a/../b", "x/y"]
)
SIZES = st.sampled_from([len(SECRET), 0, 1, -1, True, "24", None, 2**70, 1.5])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(LEADING_OUT),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "files": st.lists(st.tuples(PATHS, DIGESTS, SIZES).map(list), max_size=3) | JSON,
        "symlinks": st.lists(st.tuples(PATHS, PATHS).map(list), max_size=2) | JSON,
        "copies": st.lists(PATHS, max_size=3) | JSON,
        "topic": st.sampled_from([*LEADING_OUT, "T1", "/etc"]) | JSON,
        "component": st.fixed_dictionaries({"id": JSON, "name": PATHS, "type": PATHS, "topic_id": JSON, "tags": JSON})
        | JSON,
        "selection": JSON,
        "published_at": st.sampled_from(["9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+00:00"]) | JSON,
        "last_verified": JSON,
        "number": st.sampled_from([2**53 - 1, 2**60, -1]) | JSON,
        "etag": JSON,
        "format": JSON,
        "identity": DIGESTS | JSON,
    },
)
RECORDS = st.tuples(st.booleans(), FIELDS) | st.binary(max_size=50) | st.integers(0, 800)
"""Fields and whether the identity is made to fit; or other bytes; or so many of the bytes that were there."""


def put_record(record: Path, hostile: Any) -> None:
    if isinstance(hostile, bytes):
        record.write_bytes(hostile)
    elif isinstance(hostile, int):
        record.write_bytes(record.read_bytes()[:hostile])
    else:
        rewrite(record, hostile[0], **hostile[1])


JOURNALS = st.binary(max_size=30) | st.fixed_dictionaries(
    {
        "size": st.sampled_from([5, 6, 3, 400, "5", -1, True, 2**70]) | JSON,
        "boot": st.just("boot-1") | JSON,
        "done": st.lists(st.tuples(st.integers(-5, 500), st.integers(-5, 500)).map(list), max_size=3) | JSON,
        "flushed": st.lists(st.tuples(st.integers(-5, 500), st.integers(-5, 500)).map(list), max_size=3) | JSON,
    }
)


def put_journals(site: Site, journals: list[Any]) -> None:
    for hostile, content in zip(journals, {*FIRST.values(), *SECOND.values()}):
        path = site.store / "partial" / hashlib.sha256(content).hexdigest()
        path.write_bytes(b"?" * len(content))
        journal = hostile if isinstance(hostile, bytes) else json.dumps(hostile).encode()
        path.with_name(path.name + ".json").write_bytes(journal)


@settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink would take minutes
    suppress_health_check=list(HealthCheck),
)
@given(records=st.lists(RECORDS, min_size=8, max_size=8), journals=st.lists(JOURNALS, min_size=4, max_size=4))
@pytest.mark.timeout(600)
def test_whatever_stands_in_records_and_journals_nothing_outside_is_touched(
    honest: set[str], records: list[Any], journals: list[Any]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        site = make_site(Path(folder), len(records))

        def put_all() -> None:
            put_journals(site, journals)
            for number, hostile in enumerate(records):
                with suppress(OSError):
                    put_record(site.record(number), hostile)

        assert as_user(put_all)
        check(site, honest)


# What stands in the place of a record, a tree, an object, a lock, a marker, a link


def forget(path: Path) -> Path:
    """Make room for something else under a path."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return path


def an_object(site: Site) -> Path:
    return next(path for path in sorted((site.store / "objects").glob("*/*")) if path.stat().st_size == 6)


def copies_through(site: Site, number: int) -> None:
    """A copy below a folder that leads outside: to hash it would print the digest of what is there."""
    (site.tree(number) / "d").symlink_to(site.outside)
    entry = ["d/secret", hashlib.sha256(b"first").hexdigest(), len(SECRET)]
    rewrite(site.record(number), True, files=[entry], symlinks=[], copies=["d/secret"])


def names_a_secret(site: Site, number: int) -> None:
    """The digest is right, so that a link from the tree would be taken into the store."""
    forget(site.tree(number) / "same").symlink_to(site.outside / "secret")
    entry = ["same", SECRET_DIGEST, len(SECRET)]
    rewrite(site.record(number), True, files=[entry], symlinks=[], copies=["same"])


def digests_that_climb(site: Site, number: int) -> None:
    names = [f"same{depth}" for depth in range(len(LEADING_OUT))]
    files = [[name, digest, len(SECRET)] for name, digest in zip(names, LEADING_OUT)]
    rewrite(site.record(number), True, files=files, symlinks=[], copies=[])


def paths_that_climb(site: Site, number: int) -> None:
    files = [[path, hashlib.sha256(b"%d" % at).hexdigest(), len(SECRET)] for at, path in enumerate(LEADING_OUT)]
    rewrite(site.record(number), True, files=files, symlinks=[], copies=LEADING_OUT)


SMALL_FILES = {
    "of topics": [
        "T1/.compose.json",
        *(f"T{n}/.versions/compose/{name}" for n, name in enumerate((".c2.head", ".c2.digests", ".hold"), 2)),
    ],
    "of the store": [
        *("topics.json", "runs.json", "builds.json", "candidates/0123456789abcdef"),
        *(f"unsure/{SECRET_DIGEST}", f"fetching/{FETCHING}"),
    ],
    "to lock": ["topics.lock", "history.lock", "recovery.lock", "hashing.lock"],
}
SMALL_FILE_ATTACKS: dict[str, Callable[[Path, Path], Any]] = {
    "link": lambda path, secret: path.symlink_to(secret),
    "pipe": lambda path, secret: os.mkfifo(path),
    "folder": lambda path, secret: path.mkdir(),
    "device": lambda path, secret: path.symlink_to("/dev/zero"),
    "endless": lambda path, secret: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 1 << 30),
}
FOLDERS = ["candidates", "unsure", "fetching"]


Attack = Callable[[Site, int], Any]
ATTACKS: dict[str, Attack] = {
    "a record that is a link": lambda site, n: forget(site.record(n)).symlink_to(site.outside / "secret"),
    "a record that is a pipe": lambda site, n: os.mkfifo(forget(site.record(n))),
    "a record that is a folder": lambda site, n: forget(site.record(n)).mkdir(),
    "a record that is a link to a device": lambda site, n: forget(site.record(n)).symlink_to("/dev/zero"),
    "a record without an end": lambda site, n: os.truncate(site.record(n), 1 << 40),
    "a record that is a hard link": lambda site, n: os.link(site.outside / "secret", forget(site.record(n))),
    "a tree that is a link": lambda site, n: forget(site.tree(n)).symlink_to(site.outside),
    "a folder of a tree that is a link": lambda site, n: forget(site.tree(n) / "BaseOS").symlink_to(site.outside),
    "a file of a tree that is a link": lambda site, n: forget(site.tree(n) / "same").symlink_to(
        site.outside / "secret"
    ),
    "digests that climb": digests_that_climb,
    "paths that climb": paths_that_climb,
    "a copy below a link": copies_through,
    "a copy that is a link": names_a_secret,
    "a published link to elsewhere": lambda site, n: forget(site.topic(n) / "compose").symlink_to(site.outside),
    "a published link upwards": lambda site, n: forget(site.topic(n) / "compose").symlink_to(".versions/compose/.."),
    "an object that is a link": lambda site, n: forget(an_object(site)).symlink_to(site.outside / "secret"),
    "an object that is a pipe": lambda site, n: os.mkfifo(forget(an_object(site))),
    "a partial that is a link": lambda site, n: partial(site).symlink_to(site.outside / "victim"),
    "a journal that is a link": lambda site, n: journal(site).symlink_to(site.outside / "secret"),
    "a journal that is a pipe": lambda site, n: os.mkfifo(journal(site)),
    "a marker that is a link": lambda site, n: marker(site).symlink_to(site.outside / "secret"),
    "a marker that is a pipe": lambda site, n: os.mkfifo(marker(site)),
    "a mark that is a link": lambda site, n: (site.store / "damaged" / ("a" * 64)).symlink_to(site.outside / "secret"),
    "a lock that is a link": lambda site, n: forget(site.store / "lock").symlink_to(site.outside / "victim"),
    "a topic's lock that is a link": lambda site, n: forget(site.topic(n) / ".lock").symlink_to(
        site.outside / "victim"
    ),
    "objects elsewhere": lambda site, n: forget(an_object(site).parent).symlink_to(site.outside),
    "partials elsewhere": lambda site, n: forget(site.store / "partial").symlink_to(site.outside),
    "markers elsewhere": lambda site, n: forget(site.store / "unflushed").symlink_to(site.outside),
    "versions elsewhere": lambda site, n: forget(site.topic(n) / ".versions").symlink_to(site.outside),
    "versions of a type elsewhere": lambda site, n: forget(site.tree(n).parent).symlink_to(site.outside),
    "marks elsewhere": lambda site, n: forget(site.store / "damaged").symlink_to(site.outside),
}


def partial(site: Site) -> Path:
    return site.store / "partial" / hashlib.sha256(b"second").hexdigest()


def journal(site: Site) -> Path:
    partial(site).write_bytes(b"?" * 6)
    return partial(site).with_name(partial(site).name + ".json")


def marker(site: Site) -> Path:
    return site.store / "unflushed" / ("0" * 16)


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.timeout(180)
def test_nothing_in_a_mirror_leads_out_of_it(honest: set[str], name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:  # not pytest's, which only root may enter
        site = make_site(Path(folder), 2)
        if not as_user(lambda: ATTACKS[name](site, 1)):
            pytest.skip("the kernel does not let an ordinary user do that")
        check(site, honest)


@pytest.mark.parametrize("how", SMALL_FILE_ATTACKS)
@pytest.mark.parametrize("files", SMALL_FILES)
@pytest.mark.timeout(180)
def test_no_small_file_of_a_mirror_leads_out_of_it(honest: set[str], files: str, how: str) -> None:
    """Heads, digest lists, indexes, holds, histories and what else stands beside records and objects."""
    with tempfile.TemporaryDirectory() as folder:
        site = make_site(Path(folder), 5)

        def put_all() -> None:
            for name in SMALL_FILES[files]:
                path = (site.dest if name.startswith("T") else site.store) / name
                path.parent.mkdir(exist_ok=True)
                SMALL_FILE_ATTACKS[how](forget(path), site.outside / "secret")

        assert as_user(put_all)
        check(site, honest)


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.timeout(180)
def test_no_folder_of_the_store_leads_out_of_it(honest: set[str], name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        site = make_site(Path(folder), 2)
        assert as_user(lambda: forget(site.store / name).symlink_to(site.outside))
        check(site, honest)
