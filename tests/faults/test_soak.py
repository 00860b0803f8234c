"""Everything at once for minutes: runs side by side, kills, faults, damage, a small disk; then all must be whole.

``SOAK_SECONDS`` (120) says for how long, ``SOAK_SEED`` which course it takes; the seed of a failure is in its message.
After each round nothing new happens any more: then the next runs must make every published tree equal to its build,
with nothing stray, nothing left running, no code 1 and no traceback. A reader looks all the time.
"""

from __future__ import annotations

import json
import os
import random
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pytest

from tests.integration.disk_program import Mounts
from tests.other_user import require_python_for_others

SECONDS = float(os.environ.get("SOAK_SECONDS", "120"))
SEED = int(os.environ.get("SOAK_SEED", "20221121"))
USER = 1077  # whose processes are looked for by his number
TOPICS = ("RHEL-9.2", "RHEL 8.8")
ENDINGS = {0, 2, 4, 5, 6, 7, 75, 130}
QUIET = {"RHEL-9.2": "RHEL-9.2", "RHEL 8.8": "RHEL_8.8"}


class Run(NamedTuple):
    """A process of the program."""

    arguments: tuple[str, ...]
    process: subprocess.Popen[bytes]
    output: Path


class Soak:
    """The site, a mirror on a small disk, and what goes on there.

    Attributes:
        builds: the files of every build, by its name.
        newest: the newest build's name, by topic.
        log: what was done, for the message of a failure.
        touched: whether content was damaged, so that a reader may see it until it is repaired.
    """

    def __init__(self, lab: Any, dest: Path, outputs: Path) -> None:
        self.lab, self.dest, self.outputs = lab, dest, outputs
        self.random = random.Random(SEED)
        self.builds: dict[str, Mapping[str, bytes]] = {}
        self.newest: dict[str, str] = {}
        self.log: list[str] = []
        self.touched = False
        self.errors = 0.0
        self.runs = 0
        self.topics = {
            name: lab.topic if name == lab.topic.name else lab.catalog.add_topic(name, component_types=("compose",))
            for name in TOPICS
        }
        self._processes: list[subprocess.Popen[bytes]] = []
        self._serve = lab.site.store.respond
        lab.site.store.respond = self._respond

    def _respond(self, exchange: Any) -> None:
        """Answer a request to the object store, or fail as one does."""
        if random.random() < self.errors:
            exchange.answer(random.choice([500, 502, 503]))
        else:
            self._serve(exchange)

    # What happens

    def build(self, topic: str) -> None:
        """Attach a new build; half of its files are those of the one before."""
        number = len(self.builds) + 1
        files = dict(self.builds.get(self.newest.get(topic, ""), {}))
        for path in self.random.sample(sorted(files), len(files) // 2):
            del files[path]
        for index in range(self.random.randrange(8, 16)):
            folder = "/".join(self.random.choices("abc", k=self.random.randrange(3)))
            name = f"{folder}/{number}-{index}".lstrip("/")
            files[name] = self.random.randbytes(self.random.choice([0, 10, 5_000, 200_000]))
        files[f"big/{number}.iso"] = self.random.randbytes(self.random.choice([300_000, 3_000_000]))
        name = f"{QUIET[topic]}.0-{number}"
        self.lab.build(files, name=name, number=number, topic=self.topics[topic])
        self.builds[name], self.newest[topic] = files, name

    def start(self, *arguments: str) -> Run:
        """Start the program as an ordinary user."""
        self.runs += 1
        output = self.outputs / f"{self.runs}"
        self.log.append(f"{self.runs}: {' '.join(arguments)}")
        identity: dict[str, Any] = {} if os.geteuid() else {"user": USER, "group": USER, "extra_groups": []}
        with open(output, "wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "dci_downloader", *arguments],
                env={**os.environ, **self.lab.site.environment(), "HOME": "/"},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                cwd="/",
                start_new_session=True,
                **identity,
            )
        self._processes.append(process)
        return Run(arguments, process, output)

    def command(self) -> tuple[str, ...]:
        """Some command."""
        topic, dest = self.random.choice(TOPICS), str(self.dest)
        return self.random.choice(
            [
                (topic, dest, "--all", "--keep", self.random.choice("01")),
                (topic, dest, "--all", "--connections", "2"),
                ("verify", dest),
                ("verify", dest, "--repair"),
                ("rollback", dest, topic),
                ("prune", dest, "--keep", "1"),
                ("status", dest, "--json"),
            ]
        )

    def kill(self, run: Run) -> None:
        """End a run, or the second process of one, as a machine or an admin does."""
        children = _children(run.process.pid)
        victim = self.random.choice([run.process.pid, *children])
        number = self.random.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
        self.log.append(f"   {number.name} to {'a child of ' if victim != run.process.pid else ''}{run.arguments}")
        with suppress(ProcessLookupError):
            os.kill(victim, number)

    def damage(self) -> None:
        """Do something to the mirror that disks, crashes and people do."""
        objects = sorted((self.dest / ".dci-downloader" / "objects").glob("??/*"))
        trees = sorted(self.dest.glob("*/.versions/*/*"))
        folders = [path for path in trees if path.is_dir()]
        records = [path for path in trees if path.suffix == ".json"]
        inside = [path for folder in folders for path in folder.rglob("*") if not path.is_symlink()]
        if not (objects and folders and records and inside):
            return
        kind = self.random.choice(
            [self._rot, self._cut, self._lose, self._part, self._record, self._mode, self._litter, self._link]
        )
        place = kind(objects, folders, records, inside)
        self.log.append(f"   {kind.__name__.strip('_')}: {place}")

    def _rot(self, objects: list[Path], *_: list[Path]) -> Path:
        path = self.random.choice(objects)
        self.touched = True
        if size := path.stat().st_size:
            os.chmod(path, 0o644)
            with open(path, "r+b") as file:
                file.seek(self.random.randrange(size))
                file.write(b"\0rot"[: size or 4])
            os.chmod(path, 0o444)
        return path

    def _cut(self, objects: list[Path], *_: list[Path]) -> Path:
        path = self.random.choice(objects)
        self.touched = True
        os.chmod(path, 0o644)
        os.truncate(path, path.stat().st_size // 2)
        os.chmod(path, 0o444)
        return path

    def _lose(self, objects: list[Path], folders: list[Path], records: list[Path], inside: list[Path]) -> Path:
        self.touched = True
        path = self.random.choice([*objects, *(path for path in inside if path.is_file())])
        os.unlink(path)
        return path

    def _part(self, objects: list[Path], folders: list[Path], records: list[Path], inside: list[Path]) -> Path:
        """As rsync without -H: a file of a tree becomes one of its own."""
        path = self.random.choice([path for path in inside if path.is_file()])
        content, status = path.read_bytes(), path.stat()
        new = path.with_name(".apart")
        new.write_bytes(content)
        os.chmod(new, 0o444)
        os.chown(new, status.st_uid, status.st_gid)
        os.rename(new, path)
        return path

    def _record(self, objects: list[Path], folders: list[Path], records: list[Path], inside: list[Path]) -> Path:
        path = self.random.choice(records)
        content = path.read_bytes()
        status = path.stat()
        for_it = self.random.choice([content[: len(content) // 2], bytes(len(content)), b"", b"{}", None])
        os.unlink(path)
        if for_it is not None:
            path.write_bytes(for_it)
            os.chown(path, status.st_uid, status.st_gid)
        return path

    def _mode(self, objects: list[Path], folders: list[Path], records: list[Path], inside: list[Path]) -> str:
        places = [*inside, *folders, *(path.parent for path in (*folders, *objects)), *records, *objects]
        path = self.random.choice(places)
        mode = self.random.choice([0, 0o555, 0o700, 0o500, 0o400] if path.is_dir() else [0, 0o600, 0o775, 0o666])
        self.touched = True  # nobody else may read it then
        os.chmod(path, mode)
        return f"{path} {mode:o}"

    def _litter(self, objects: list[Path], folders: list[Path], records: list[Path], inside: list[Path]) -> Path:
        """As a killed run of another machine leaves it."""
        path = self.random.choice(folders).parent / f".new-{self.random.randrange(1 << 32):08x}"
        path.mkdir()
        (path / "file").touch()
        for each in (path, path / "file"):
            os.chown(each, *((USER, USER) if os.geteuid() == 0 else (-1, -1)))
        os.chmod(path, 0o555)
        return path

    def _link(self, *_: list[Path]) -> str:
        """Somebody removes the published link, or it leads to nothing."""
        link = self.dest / QUIET[self.random.choice(TOPICS)] / "compose"
        self.touched = True
        link.unlink(missing_ok=True)
        if target := self.random.choice(["", ".versions/compose/nothing", "/nowhere"]):
            link.symlink_to(target)
        return f"{link} -> {target or 'removed'}"

    def end(self) -> None:
        """End what was started, after a failure too."""
        for process in self._processes:
            process.kill()
            process.wait()

    # What must hold

    def finish(self, run: Run, killed: bool = False) -> int:
        """Wait for a run; it ended as runs may."""
        try:
            code = run.process.wait(90)
        except subprocess.TimeoutExpired:
            self.fail(f"does not end: {run.arguments}")
        text = run.output.read_text(errors="replace")
        self.log.append(f"   {run.output.name} ended with {code}")
        if (
            killed
            and code in (0, 1, -signal.SIGINT)
            and "KeyboardInterrupt" in text
            and "dci_downloader/cli/" not in text
        ):
            return code  # the interpreter itself was interrupted, before the program began
        if "Traceback" in text or code == 1 or (code < 0 and not killed) or (code >= 0 and code not in ENDINGS):
            self.fail(f"{run.arguments} ended with {code}:\n{text}")
        return code

    def fail(self, what: str) -> NoReturn:
        """End the test, with the way there."""
        done = "\n".join(self.log[-60:])
        pytest.fail(f"SOAK_SEED={SEED}, run {self.runs}: {what}\nWhat was done:\n{done}", pytrace=False)

    def succeed(self, *arguments: str, tries: int = 1) -> None:
        """Run a command that has to end with 0, at the latest the so many-th time."""
        for _ in range(tries):
            run = self.start(*arguments)
            if self.finish(run) == 0:
                return
        self.fail(f"{arguments} does not succeed:\n{run.output.read_text(errors='replace')}")

    def calm(self) -> None:
        """Nothing happens any more: the next runs bring everything right."""
        deadline = time.monotonic() + 30
        while left := _processes_of(USER):
            if time.monotonic() > deadline:
                self.fail(f"left running: {left}")
            time.sleep(0.05)
        dest = str(self.dest)
        for topic in TOPICS:
            self.succeed(topic, dest, "--all", "--keep", "1", tries=2)
        self.succeed("verify", dest, "--repair", tries=2)
        self.succeed("verify", dest)
        self.succeed("prune", dest, "--keep", "1")
        for topic in TOPICS:
            self.succeed(topic, dest, "--all", "--keep", "1")
        self.touched = False
        for topic, name in self.newest.items():
            link = self.dest / QUIET[topic] / "compose"
            if _content(link) != self.builds[name]:
                self.fail(f"{link} is not {name}")
        self.nothing_stray()

    def record(self, path: Path) -> dict[str, Any]:
        """What a record says."""
        try:
            record: dict[str, Any] = json.loads(path.read_bytes())
        except ValueError:
            beside = [str(each) for each in path.with_suffix("").rglob("*")]
            self.fail(f"{path} is no record: {path.read_bytes()[:80]!r}; its tree: {beside}")
        return record

    def nothing_stray(self) -> None:
        """Only what versions need is there, and what is published can be read by everybody."""
        store = self.dest / ".dci-downloader"
        stray = [str(path) for name in ("partial", "unflushed") for path in (store / name).iterdir()]
        needed: set[str] = set()
        published: set[str] = set()  # a version that is only kept may lack what somebody has taken from it
        for topic in QUIET.values():
            stray += [str(path) for path in (self.dest / topic).iterdir() if path.name.startswith((".new", ".old"))]
            for path in (self.dest / topic / ".versions" / "compose").iterdir():
                if path.suffix == ".json":
                    digests = {entry[1] for entry in self.record(path)["files"]}
                    needed |= digests
                    published |= digests if path.stem in self.newest.values() else set()
                elif path.suffix in (".head", ".digests"):  # beside a record
                    if not path.with_name(f"{path.stem[1:]}.json").exists():
                        stray.append(str(path))
                elif path.name not in self.builds:
                    stray.append(str(path))
                elif path.name in self.newest.values() and len(stray) < 5:
                    stray += [
                        f"{each} {stat.S_IMODE(each.stat().st_mode):o}"
                        for each in (path, *path.rglob("*"))
                        if each.stat().st_mode & (0o755 if each.is_dir() else 0o444)
                        != (0o755 if each.is_dir() else 0o444)
                    ]
        stored = {path.name for path in (store / "objects").glob("??/*")}
        if stray or stored - needed or published - stored:
            self.fail(f"stray: {stray} {sorted(stored - needed)}, missing: {sorted(published - stored)}")


def _content(tree: Path) -> dict[str, bytes]:
    return {str(path.relative_to(tree)): path.read_bytes() for path in tree.rglob("*") if path.is_file()}


def _processes_of(user: int) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.geteuid() == 0 and path.stat().st_uid == user:
                found.append((path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


def _children(process: int) -> list[int]:
    with suppress(OSError):
        return list(map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split()))
    return []


class Reader(threading.Thread):
    """Looks at what is published, as agents do: what a link leads to is one whole version, as long as nobody rots it.

    Attributes:
        seen: what was wrong.
        looks: how many whole versions it saw.
    """

    def __init__(self, soak: Soak) -> None:
        super().__init__(daemon=True)
        self._soak = soak
        self._over = threading.Event()
        self.seen: list[str] = []
        self.looks = 0

    def run(self) -> None:
        while not self._over.wait(0.02):
            for topic in QUIET.values():
                self._look(self._soak.dest / topic / "compose")

    def _look(self, link: Path) -> None:
        try:
            target = os.readlink(link)
            fd = os.open(link, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return
        try:
            found = {
                os.path.normpath(f"{parent}/{name}")
                for parent, _, names, _ in os.fwalk(".", dir_fd=fd)
                for name in names
            }
            whole = os.readlink(link) == target  # else the version may have been retired while it was read
        except OSError:
            return
        finally:
            os.close(fd)
        name = target.rpartition("/")[2].partition("+")[0]
        if whole and not self._soak.touched and found != set(self._soak.builds[name]):
            self.seen.append(f"{link} -> {target}: {len(found)} of {len(self._soak.builds[name])} files")
        self.looks += 1

    def end(self) -> None:
        self._over.set()
        self.join()


@pytest.fixture
def soak(lab: Any, public_path: Path) -> Iterator[Soak]:
    mounts = Mounts()
    dest = public_path / "disk"
    require_python_for_others()
    if os.geteuid() == 0:
        mounts.tmpfs(dest, "size=48m,mode=755")
        os.chown(dest, USER, USER)
    else:
        dest.mkdir()
    outputs = public_path / "outputs"
    outputs.mkdir()
    soak = Soak(lab, dest, outputs)
    yield soak
    soak.end()
    mounts.close()


@pytest.mark.slow
@pytest.mark.timeout(int(SECONDS) + 300)
def test_whatever_happens_side_by_side_the_next_runs_make_everything_whole(soak: Soak):
    deadline = time.monotonic() + SECONDS
    rounds = 0
    for topic in TOPICS:
        soak.build(topic)
    soak.calm()
    reader = Reader(soak)
    reader.start()
    try:
        while time.monotonic() < deadline:
            rounds += 1
            _round(soak)
            if reader.seen:
                soak.fail(f"a reader saw {reader.seen[0]}")
    finally:
        reader.end()
    print(f"{rounds} rounds, {soak.runs} runs, {reader.looks} looks, {len(soak.builds)} builds")
    assert rounds > 0
    assert reader.looks > 0


def _round(soak: Soak) -> None:
    soak.log.append("round")
    choose = soak.random.random
    filler = soak.dest / "filler"
    if choose() < 0.6:
        soak.build(soak.random.choice(TOPICS))
    for _ in range(soak.random.choice([0, 0, 1, 1, 2, 5])):
        soak.damage()
    soak.errors = soak.random.choice([0, 0, 0.05, 0.3])
    if choose() < 0.2:
        room = os.statvfs(soak.dest)
        with open(filler, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, int(room.f_bavail * room.f_frsize * 0.98) + 1)
        soak.log.append("   the disk is full")
    runs = [soak.start(*soak.command()) for _ in range(soak.random.randrange(1, 5))]
    killed = set()
    for run in runs:
        if choose() < 0.4:
            time.sleep(choose() * 1.5)
            soak.kill(run)
            killed.add(run.process.pid)
    for run in runs:
        soak.finish(run, killed=run.process.pid in killed)
    soak.errors = 0
    filler.unlink(missing_ok=True)
    soak.calm()


def test_the_reader_notices_a_version_that_is_not_whole(soak: Soak):
    soak.build(TOPICS[0])
    name = soak.newest[TOPICS[0]]
    tree = soak.dest / QUIET[TOPICS[0]] / ".versions" / "compose" / name
    for path, content in soak.builds[name].items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(content)
    link = soak.dest / QUIET[TOPICS[0]] / "compose"
    link.symlink_to(f".versions/compose/{name}")
    reader = Reader(soak)
    reader._look(link)
    assert (reader.seen, reader.looks) == ([], 1)
    next(path for path in tree.rglob("*") if path.is_file()).unlink()
    reader._look(link)
    assert len(reader.seen) == 1
