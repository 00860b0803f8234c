"""Work that another user of the machine does: a child process that gives up root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

OTHER = 1000
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def as_other(work: Callable[[], object], uid: int = OTHER) -> str:
    """What the work gives as another user, or the error that it raises with its hint, as text."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            try:
                said = str(work())
            except Exception as error:
                said = f"{error} {getattr(error, 'hint', '')}" if hasattr(error, "hint") else traceback.format_exc()
            os.write(writing, said.encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as said:
        text = said.read().decode()
    os.waitpid(child, 0)
    return text


def require_python_for_others() -> None:
    """Skip a test whose programs run as another user, where this interpreter lies in a folder closed to others."""
    if os.geteuid() == 0:
        try:
            subprocess.run([sys.executable, "-c", ""], check=True, user=OTHER, group=OTHER, extra_groups=[], cwd="/")
        except PermissionError:
            pytest.skip("this Python is where an ordinary user may not go")


@contextmanager
def open_folder(mode: int = 0o755) -> Iterator[Path]:
    """A folder that every user can reach, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp(prefix="open-"))
    try:
        folder.chmod(mode)
        yield folder
    finally:
        shutil.rmtree(folder)
