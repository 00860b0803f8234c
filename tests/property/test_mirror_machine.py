"""Sync, kill, rot, repair, prune and roll back in any order, and side by side: what is published stays complete.

There are two topics that share contents. What a process does ends at any change of the disk, or not at all.
"""

import contextlib
import hashlib
import os
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dci_downloader.errors import IntegrityError, NotFoundError
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.prune import prune
from dci_downloader.mirror.publish import publish
from dci_downloader.mirror.restore import rebuild_damaged
from dci_downloader.mirror.retention import retire
from dci_downloader.mirror.rollback import roll_back
from dci_downloader.mirror.tree import remove_tree
from dci_downloader.mirror.verify import verify
from dci_downloader.models import Component, FileEntry, Manifest, SymlinkEntry

BUILDS = {
    f"build-{number}": {
        **{f"os/p{name}": b"content %d" % (number // 2 if name < 3 else number) * (name + 1) for name in range(6)},
        "root": b"build %d" % number,
    }
    for number in range(4)
}
TOPICS = ("RHEL-9.2", "RHEL-9.3")
NEVER = 10**6
STEPS = ("rename", "link", "symlink", "mkdir", "unlink", "fsync", "open", "chmod", "rmdir")


def manifest(files):
    entries = [FileEntry(path, hashlib.sha256(content).hexdigest(), len(content)) for path, content in files.items()]
    return Manifest("compose", tuple(entries), (SymlinkEntry("os/first", "p0"),))


class MirrorMachine(RuleBasedStateMachine):
    """A mirror, and what it should hold."""

    @initialize()
    def begin(self):
        self.root = Path(tempfile.mkdtemp())
        self.now = datetime(2026, 1, 1, tzinfo=timezone.utc)
        self.rotten = set()
        self.boot = 0
        self.torn = False  # whether a repair died after it fetched contents and before it built the tree of them
        self.open()

    def open(self):
        """The mirror as a new process sees it."""
        self.mirror = Mirror(self.root / "dci", clock=lambda: self.now, boot=f"boot-{self.boot}")

    def teardown(self):
        if hasattr(self, "root"):
            remove_tree(self.root)

    def bring(self, name, topic_name=TOPICS[0], beside=lambda: None, keep=1):
        """What a sync does, with the transfer replaced by its result; ``beside`` happens after its first look."""
        self.now += timedelta(minutes=1)
        component = Component(name, name, "compose", "topic")
        wanted = manifest(BUILDS[name])
        topic = self.mirror.topic(topic_name)
        with topic.lock(0):
            missing = self.mirror.plan(component, wanted).missing
            beside()
            for entry in missing:
                self.mirror.store.add(entry, [BUILDS[name][entry.path]])
            publish(topic, component, {}, wanted)
            retire(topic, "compose", keep)
        if topic_name == TOPICS[0]:
            self.torn = False
            self.look_for_rot()

    def named(self, topics=TOPICS):
        """The digests that any version of these topics names."""
        return {
            entry.sha256
            for topic_name in topics
            for version in self.mirror.topic(topic_name).versions("compose")
            for entry in version.manifest.files
        }

    def sweep(self, keep=0):
        prune(self.mirror, keep, timeout=0, now=lambda: self.now.timestamp() + 10**9)

    @property
    def published(self):
        return self.mirror.topic("RHEL-9.2").published("compose")

    @rule(name=st.sampled_from(sorted(BUILDS)))
    def sync(self, name):
        self.bring(name)
        assert self.published.component.name == name

    @rule(name=st.sampled_from(sorted(BUILDS)), after=st.integers(0, 60))
    def sync_killed(self, name, after):
        self.killed(lambda: self.bring(name), after)

    @precondition(lambda self: not self.rotten)
    @rule(
        name=st.sampled_from(sorted(BUILDS)),
        other=st.sampled_from(sorted(BUILDS)),
        after=st.integers(0, 150) | st.just(NEVER),
    )
    def sync_while_another_topic_is_synced_and_pruned(self, name, other, after):
        """The other topic retires what the first run has found to be there, and a prune follows."""

        def others():
            self.killed(lambda: self.bring(other, TOPICS[1], keep=0), after)
            self.killed(self.sweep, after)

        self.killed(lambda: self.bring(name, TOPICS[1]), NEVER)
        self.bring(name, beside=others)
        assert self.published.component.name == name

    @precondition(lambda self: not self.rotten)
    @rule(
        names=st.tuples(*[st.sampled_from(sorted(BUILDS))] * 3),
        after=st.tuples(*[st.sampled_from([0, 10, 40, 80, 160, NEVER])] * 4),
        died=st.none() | st.integers(0, 40),
    )
    def all_at_once(self, names, after, died):
        """Two syncs, a later one of the same topic, and two prunes, each of which may die; perhaps after a power cut.

        Then the syncs recover what a run before, which died with the machine, had not flushed, beside the others.
        """
        if died is not None:
            self.cut_power(names[0], died)
        runs = [
            lambda: (self.bring(names[0], keep=0), self.bring(names[1], keep=0)),
            lambda: self.bring(names[2], TOPICS[1], keep=0),
            self.sweep,
            self.sweep,
        ]
        children = [self.started(run, steps) for run, steps in zip(runs, after)]
        for child in children:
            os.waitpid(child, 0)
        self.now += timedelta(minutes=5)
        if self.mirror.store.needs_recovery():  # every run that would have recovered it died
            self.bring(names[0])

    @precondition(lambda self: not self.rotten)
    @rule(name=st.sampled_from(sorted(BUILDS)), after=st.integers(0, 40), again=st.integers(0, 30))
    def power_cut(self, name, after, again):
        """What was not flushed is lost; a recovery may die, too."""
        self.cut_power(name, after)
        self.killed(lambda: self.bring(name), again)
        self.bring(name)

    def cut_power(self, name, after):
        """A sync dies with the machine, and what it had not flushed is lost."""
        self.killed(lambda: self.bring(name), after)
        self.boot += 1
        self.open()
        if self.mirror.store.needs_recovery():
            for sha256 in set(self.mirror.store.object_names()) - self.named():
                path = self.mirror.store.path(sha256)
                path.chmod(0o644)
                path.write_bytes(b"")

    @precondition(lambda self: self.published)
    @rule(keep=st.integers(0, 2), after=st.integers(0, 30))
    def prune_killed(self, keep, after):
        before = self.published
        self.killed(lambda: prune(self.mirror, keep, now=lambda: self.now.timestamp() + 10**9), after)
        assert self.published == before

    @rule(after=st.integers(0, 10))
    def rollback_killed(self, after):
        def roll_back():
            topic = self.mirror.topic("RHEL-9.2")
            with topic.lock(0):
                roll_back(topic, "compose")

        self.killed(roll_back, after)

    @precondition(lambda self: self.published)
    @rule(after=st.integers(0, 60))
    def repair_killed(self, after):
        self.torn |= bool(self.rotten)
        self.killed(self.mend, after)
        self.look_for_rot()

    def look_for_rot(self):
        """A repair that died left some contents mended, and some for the next sync to mend."""
        for digest in tuple(self.rotten):
            path = self.mirror.store.path(digest)
            if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == digest:
                self.rotten.discard(digest)

    def killed(self, action, after):
        """Let another process do something, and die at the so many-th change of the disk."""
        os.waitpid(self.started(action, after), 0)
        self.now += timedelta(minutes=2)

    def started(self, action, after):
        """The same without waiting for it; gives its id."""
        child = os.fork()
        if not child:
            self.open()
            self.die_after(after)
            with contextlib.suppress(BaseException):
                action()
            os._exit(0)
        return child

    def die_after(self, steps):
        """End this process, as ``kill -9`` does, at the so many-th call that changes the disk."""
        left = iter(range(steps, -1, -1))

        def dying(call):
            def step(*arguments, **named):
                if not next(left, 0):
                    os._exit(9)
                return call(*arguments, **named)

            return step

        for name in STEPS:
            setattr(os, name, dying(getattr(os, name)))

    @precondition(lambda self: self.published and not self.rotten)
    @rule(data=st.data())
    def rot(self, data):
        elsewhere = self.named([TOPICS[1]])  # what its trees hold is mended with them alone
        entries = [entry for entry in self.published.manifest.files if entry.sha256 not in elsewhere]
        if not entries:
            return
        entry = data.draw(st.sampled_from(entries))
        path = self.mirror.store.path(entry.sha256)
        path.chmod(0o644)
        path.write_bytes(b"?" * entry.size)
        self.rotten.add(entry.sha256)

    def mend(self):
        def bring(component, plan):
            for entry in plan.missing:
                self.mirror.store.add(entry, [BUILDS[component.name][entry.path]])

        checked = verify(self.mirror)
        rebuild_damaged(self.mirror, checked, bring)
        return {entry for one in checked for entry in one.damaged_objects}

    def is_right(self, sha256):
        path = self.mirror.store.path(sha256)
        return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256

    @precondition(lambda self: self.published)
    @rule()
    def repair(self):
        # a repair or a sync that was killed may have brought an object anew before
        self.rotten = {sha256 for sha256 in self.rotten if not self.is_right(sha256)}
        damaged = self.mend()
        assert damaged == self.rotten & {entry.sha256 for entry in self.published.manifest.files}
        self.rotten -= damaged
        self.torn = False
        assert not [one for one in verify(self.mirror) if one.damages]

    @precondition(lambda self: self.published)
    @rule(data=st.data())
    def somebody_deletes_a_file(self, data):
        """The next sync of the same build has to notice."""
        version = self.published
        entry = data.draw(st.sampled_from(version.manifest.files))
        (self.mirror.topic("RHEL-9.2").link("compose") / entry.path).unlink()
        self.bring(version.component.name)

    @rule()
    def roll_back(self):
        before = self.published
        topic = self.mirror.topic("RHEL-9.2")
        refusals = (NotFoundError, IntegrityError) if self.rotten else NotFoundError
        with topic.lock(0), contextlib.suppress(refusals):
            roll_back(topic, "compose")
            assert self.published.published_at < before.published_at

    @precondition(lambda self: self.published)
    @rule(keep=st.integers(0, 2))
    def prune(self, keep):
        before = self.published
        prune(self.mirror, keep, now=lambda: self.now.timestamp() + 10**9)
        assert self.published == before
        assert set(self.mirror.store.object_names()) <= self.named(), "no orphan survives prune"
        assert not self.mirror.store.candidates.read().digests
        assert not list((self.mirror.store.root / "partial").iterdir())

    @invariant()
    def what_is_published_is_complete(self):
        for topic_name in TOPICS if hasattr(self, "root") else ():
            topic = self.mirror.topic(topic_name)
            published = topic.published("compose")
            for path, content in BUILDS[published.component.name].items() if published else ():
                if hashlib.sha256(content).hexdigest() not in self.rotten and not self.torn:
                    assert (topic.link("compose") / path).read_bytes() == content
            assert published is None or os.readlink(topic.link("compose") / "os/first") == "p0"

    @invariant()
    def what_a_version_names_is_in_the_store(self):
        if hasattr(self, "root") and not self.torn:
            assert self.named() - self.rotten <= set(self.mirror.store.object_names())

    @invariant()
    def every_object_hashes_to_its_name(self):
        if not hasattr(self, "root"):
            return
        for path in (self.mirror.store.root / "objects").rglob("*"):
            if path.is_file() and path.name not in self.rotten:
                assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name


MirrorMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)
TestMirror = MirrorMachine.TestCase
