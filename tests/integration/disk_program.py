"""The whole program as a process of an ordinary user, and file systems of their own for it."""

import os
import subprocess
import sys
from contextlib import ExitStack

import pytest

from tests.unit.ordinary_user import USER

TOPIC = "RHEL-9.2"


class DiskProgram:
    """The program against the embedded site, and a destination.

    Attributes:
        lab: the site.
        dest: the mirror.
    """

    def __init__(self, lab, dest):
        self.lab = lab
        self.dest = dest
        self.number = 0

    def build(self, files=None, **more):
        """Attach the next build; the files of the one before, but for one, are in it, too."""
        self.number += 1
        files = {"same": b"same", "a/b/own": b"build %d" % self.number, **(files or {})}
        self.files = files
        return self.lab.build(files, number=self.number, **more)

    def run(self, *arguments, user=USER, group=USER, environment=None, **more):
        """Run it; gives exit code, standard output and standard error."""
        program = [sys.executable, "-m", "dci_downloader"]
        identity = {} if os.geteuid() else {"user": user, "group": group, "extra_groups": []}
        try:
            done = subprocess.run(
                [*program, *map(str, arguments)],
                env={**os.environ, **self.lab.site.environment(), **(environment or {})},
                capture_output=True,
                encoding="utf-8",
                errors="surrogateescape",
                **{**identity, "cwd": "/", **more},
            )
        except PermissionError as error:
            if error.filename != sys.executable:
                raise
            pytest.skip("this Python is where an ordinary user may not go")
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        assert done.returncode != 1, done.stderr
        return done.returncode, done.stdout, done.stderr

    def sync(self, *arguments, code=0, **more):
        """Mirror the newest build; gives what was said."""
        ended, out, err = self.run(TOPIC, self.dest, "--all", *arguments, **more)
        assert ended == code, out + err
        return out + err

    @property
    def link(self):
        """What agents read."""
        return self.dest / TOPIC / "compose"

    @property
    def versions(self):
        """The folder of the versions."""
        return self.dest / TOPIC / ".versions" / "compose"

    def read(self):
        """What they find."""
        return {str(path.relative_to(self.link)): path.read_bytes() for path in self.link.rglob("*") if path.is_file()}

    def assert_published(self):
        """The newest build is what they find."""
        assert self.read() == self.files


class Mounts:
    """File systems that are mounted for a test; without permission, or without such a file system, it is skipped."""

    def __init__(self):
        self._mounted = ExitStack()

    def mount(self, folder, *arguments):
        """mount(8) with arguments, at a folder, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid():
            pytest.skip("mounting needs root")
        done = subprocess.run(["mount", *map(str, arguments), str(folder)], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"cannot be mounted here: {done.stderr.strip()}")
        self._mounted.callback(subprocess.run, ["umount", "-l", str(folder)], capture_output=True)
        return folder

    def tmpfs(self, folder, options="size=64m"):
        """A small file system in memory."""
        return self.mount(folder, "-t", "tmpfs", "-o", options, "none")

    def close(self):
        self._mounted.close()
