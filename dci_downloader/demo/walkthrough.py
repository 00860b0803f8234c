"""``dci-downloader demo``: two nightlies, an interruption and a verification, told in plain words."""

from __future__ import annotations

import shlex
import signal
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional

from dci_downloader.content.selection import Selection
from dci_downloader.control.client import ControlServer
from dci_downloader.demo.compose import NIGHTLIES, TOPIC, add_nightly, sample_catalog, sample_site
from dci_downloader.demo.site import DemoSite
from dci_downloader.errors import CancelledError, IntegrityError, SettingsError
from dci_downloader.formatting import count, duration
from dci_downloader.formatting import size as size_text
from dci_downloader.hooks import NeverStop, NullProgress, Stop
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.verify import verify
from dci_downloader.options import Credentials, Filter, SyncOptions, TransferOptions
from dci_downloader.results import ComponentReport, Report
from dci_downloader.sync import sync_topic

Say = Callable[[str], None]

_LINE = 4_000_000
"""Bytes per second of the line that is cut in the third act: slow enough that there is something to resume."""

_CUT_AFTER = 1_500_000


def tell(destination: Optional[str], say: Say) -> int:
    """Play the demo. Takes a few seconds and touches nothing but its destination.

    Args:
        destination: a folder that is empty or does not exist; None for a new temporary one. It stays.
        say: gets the story, line by line.

    Returns:
        The exit code.

    Raises:
        SettingsError: the destination holds something already.
    """
    root = Path(destination or tempfile.mkdtemp(prefix="dci-downloader-demo-"))
    if root.is_symlink() or (root.exists() and not (root.is_dir() and not any(root.iterdir()))):
        raise SettingsError(f"{root} is not an empty folder", hint="name an empty or a new one")
    with DemoSite(sample_catalog(nightlies=1)) as site:
        credentials = Credentials(site.client_id, site.api_secret, site.url)
        with ControlServer(credentials) as server:
            return _Walkthrough(site, server, Mirror(root), root, say).play()


def serve(say: Say) -> int:
    """Keep the embedded servers up, and say how to reach them, until SIGINT or SIGTERM.

    Args:
        say: gets the three ``export`` lines and a word about them.

    Returns:
        The exit code.
    """
    with sample_site() as site:
        for name, value in site.environment().items():
            say(f"export {name}={shlex.quote(value)}")
        say(f"# topic {TOPIC}; this server runs until Ctrl-C: source the lines above in another shell")
        ending = {signal.SIGINT, signal.SIGTERM}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ending)
        try:
            signal.sigwait(ending)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return 0


class _Cut(NullProgress):
    """A line that breaks after so many bytes: a progress that counts them and a stop that then asks to end."""

    def __init__(self, after: int) -> None:
        self._left = after

    def advance(self, files: int, size: int) -> None:
        self._left -= size

    def requested(self) -> bool:
        return self._left < 0

    def deferred(self) -> AbstractContextManager[None]:
        return nullcontext()


@dataclass(frozen=True)
class _Walkthrough:
    site: DemoSite
    server: ControlServer
    mirror: Mirror
    root: Path
    say: Say

    def play(self) -> int:
        self.say("A control server and an object store run inside this program, on 127.0.0.1. Signatures are checked")
        self.say(
            "with dciauth's own server code; file bytes come from the object store, which never sees a credential."
        )
        exit_code = max(self._first_nightly(), self._second_nightly(), self._interruption(), self._verification())
        self.say(f"\nThe files are in {self.root / TOPIC}: point an installer, dnf or an agent at compose/ there.")
        self.say("The same with your own account:  source dcirc.sh; dci-downloader RHEL-9.2 /srv/dci")
        return exit_code

    def _first_nightly(self) -> int:
        self.say(f"\n1. Mirror the newest build of {TOPIC}: {NIGHTLIES[0]}")
        report = self._sync()
        for component in report.components:
            self.say(f"   {component.type} {component.name}: {_fetched(component)} in {duration(report.seconds)}")
        self.say(
            "   Every byte was hashed on arrival and matches the manifest; then one link was swapped to publish it."
        )
        return report.exit_code

    def _second_nightly(self) -> int:
        self.say(f"\n2. The next night there is {NIGHTLIES[1]}")
        add_nightly(self.site.catalog, 1)
        report = self._sync()
        compose = next(component for component in report.components if component.type == "compose")
        self.say(f"   {_fetched(compose)}; {count(compose.files_reused, 'file')} were here already.")
        unchanged = self._sync()
        self.say(f"   Once more, with nothing new: {duration(unchanged.seconds)}, no file moved.")
        return max(report.exit_code, unchanged.exit_code)

    def _interruption(self) -> int:
        self.say("\n3. Fetch the ISO images too, over a slow line that breaks")
        cut = _Cut(_CUT_AFTER)
        try:
            self._sync(iso=True, stop=cut, progress=cut)
        except CancelledError:
            self.say(
                f"   Interrupted after {size_text(_CUT_AFTER)}. What is published is still the version without ISOs."
            )
        report = self._sync(iso=True)
        compose = report.components[0]
        before = compose.size - compose.bytes_reused - compose.bytes_downloaded
        self.say(
            f"   Run again: {size_text(compose.bytes_downloaded)} fetched, {size_text(before)} taken up from before."
        )
        return report.exit_code

    def _verification(self) -> int:
        self.say("\n4. Hash everything again, offline")
        checked = verify(self.mirror)
        files = sum(one.files for one in checked)
        size = sum(one.size for one in checked)
        damages = sum(len(one.damages) for one in checked)
        self.say(f"   {count(files, 'file')}, {size_text(size)}, {count(damages, 'damage')}.")
        return IntegrityError.exit_code if damages else 0

    def _sync(
        self, *, iso: bool = False, stop: Optional[Stop] = None, progress: Optional[NullProgress] = None
    ) -> Report:
        options = SyncOptions()
        if iso:
            options = replace(options, filters=(Filter("compose"),), transfer=TransferOptions(limit_rate=_LINE))
        return sync_topic(
            self.server,
            self.mirror,
            TOPIC,
            Selection(iso=iso),
            options=options,
            progress=progress or NullProgress(),
            stop=stop or NeverStop(),
        )


def _fetched(component: ComponentReport) -> str:
    files = count(component.files_downloaded, "file")
    return f"{files}, {size_text(component.bytes_downloaded)} fetched"
