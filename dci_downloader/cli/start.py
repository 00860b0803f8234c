"""The first thing that a process of the program runs. It imports next to nothing, as nothing handles signals yet."""

import signal


def main() -> int:
    """Run the program, and hold signals until it handles them: while it is imported they would end with a traceback.

    Returns:
        The exit code, as the README lists them.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    from dci_downloader.cli.main import main as run

    return run()
