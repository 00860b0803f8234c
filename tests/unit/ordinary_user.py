"""Run something as an ordinary user, for whom the modes of files count; in a child, when the tests run as root."""

import os
import traceback

USER = 1000
OTHER = 1001


def as_user(function, *arguments, user=USER, group=USER):
    """Call a function as an ordinary user. What it asserts fails the test; what it returns is lost."""
    if os.geteuid():
        return function(*arguments)
    child = os.fork()
    if not child:
        status = 1
        try:
            os.setgroups([])
            os.setgid(group)
            os.setuid(user)
            function(*arguments)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0, "see above what failed as an ordinary user"
    return None


def give(path, user=USER, group=USER):
    """Give a folder with all it holds to a user."""
    if os.geteuid() == 0:
        for found in (path, *path.rglob("*")):
            os.chown(found, user, group, follow_symlinks=False)
