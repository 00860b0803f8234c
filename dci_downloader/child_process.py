"""Child processes that do not outlive this one, however it ends.

The kernel kills such a child with the thread that started it (prctl(2), PR_SET_PDEATHSIG). A short Python program asks
for that in the child, before it becomes the program that is wanted: between fork and exec, in a process with threads,
nothing else is safe.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1
_START = f"""
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl({_PR_SET_PDEATHSIG}, signal.SIGKILL)
if os.getppid() == int(sys.argv[1]):  # else that process has ended already
    try:
        os.execvp(sys.argv[2], sys.argv[2:])
    except OSError as error:
        print(f"{{sys.argv[2]}}: {{error.strerror}}", file=sys.stderr, flush=True)
        os._exit(127)
"""


def killed_with_caller(command: Sequence[str]) -> list[str]:
    """The command that runs a program which the kernel kills when the calling thread ends.

    Args:
        command: program and arguments. Where it cannot be started, standard error says why, and the exit code is 127.
    """
    return [sys.executable, "-I", "-S", "-c", _START, str(os.getpid()), *command]
