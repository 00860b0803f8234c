"""Records the system calls that decide what is left after a power cut, in their order."""

import os
import re

from dci_downloader.mirror import files


class _Libc:
    """The C library, whose syncfs is recorded."""

    def __init__(self, real, record):
        self._real, self._record = real, record

    def __getattr__(self, name):
        return getattr(self._real, name)

    def syncfs(self, fd):
        result = self._real.syncfs(fd)
        self._record("syncfs", fd)
        return result


def record_calls(monkeypatch, root):
    """Watch calls from now on.

    Returns:
        A list that grows: the name of each call, and the path it is about, relative to ``root`` and with ``*`` for
        what is random. Of a rename, the new name.
    """
    calls = []

    def record(name, target):
        path = os.readlink(f"/proc/self/fd/{target}") if isinstance(target, int) else os.fspath(target)
        calls.append((name, re.sub(r"[0-9a-f]{8,}", "*", os.path.relpath(path, root))))

    def watch(name, position):
        real = getattr(os, name)

        def call(*arguments, **named):
            result = real(*arguments, **named)  # one that fails changes nothing
            record(name, arguments[position])
            return result

        monkeypatch.setattr(os, name, call)

    for name, position in {"fsync": 0, "fdatasync": 0, "rename": 1, "unlink": 0}.items():
        watch(name, position)
    monkeypatch.setattr(files, "_libc", _Libc(files._libc, record))
    return calls
