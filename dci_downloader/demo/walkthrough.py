"""``dci-downloader demo``: two nightlies, an interruption and a verification, with a line about each step."""

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

_RATE = 4_000_000  # bytes per second of the interrupted transfer: slow enough that there is something to resume
_INTERRUPTED_AFTER = 1_500_000  # bytes


def run(destination: Optional[str], say: Say) -> int:
    """Run the demo. Takes a few seconds and touches nothing but its destination.

    Args:
        destination: a folder that is empty or does not exist; None for a new temporary one. It stays.
        say: gets each line of text.

    Returns:
        The exit code.

    Raises:
        SettingsError: the destination is not an empty folder.
    """
    root = Path(destination or tempfile.mkdtemp(prefix="dci-downloader-demo-"))
    if root.is_symlink() or (root.exists() and not (root.is_dir() and not any(root.iterdir()))):
        raise SettingsError(f"{root} is not an empty folder", hint="name an empty or a new one")
    with DemoSite(sample_catalog(nightlies=1)) as site:
        credentials = Credentials(site.client_id, site.api_secret, site.url)
        with ControlServer(credentials) as server:
            return _Walkthrough(site, server, Mirror(root), root, say).run()


def serve(say: Say) -> int:
    """Keep the embedded servers up until SIGINT or SIGTERM.

    Args:
        say: gets three ``export`` lines by which a shell reaches them, and comments.

    Returns:
        The exit code.
    """
    with sample_site() as site:
        for name, value in site.environment().items():
            say(f"export {name}={shlex.quote(value)}")
        for kind, environ in (("login and password", site.login_environment()), ("SSO", site.sso_environment())):
            variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in environ.items())
            say(f"# by {kind}, in place of DCI_CLIENT_ID and DCI_API_SECRET: export {variables}")
        say(f"# topic {TOPIC}; this server runs until Ctrl-C: paste the export lines into another shell")
        signals = {signal.SIGINT, signal.SIGTERM}
        previous = signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # sigwait takes only signals that are blocked
        try:
            signal.sigwait(signals)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, previous)
    return 0


class _Interruption(NullProgress):
    """Ends a run after so many bytes: a progress that counts them, and a stop that is then requested."""

    def __init__(self, size: int) -> None:
        self._left = size

    def advance(self, files: int, size: int) -> None:
        self._left -= size

    def requested(self) -> bool:
        return self._left < 0

    def deferred(self) -> AbstractContextManager[None]:
        return nullcontext()


@dataclass(frozen=True)
class _Walkthrough:
    """The steps of the demo; each returns an exit code."""

    site: DemoSite
    server: ControlServer
    mirror: Mirror
    root: Path
    say: Say

    def run(self) -> int:
        self.say("A control server and an object store run inside this program, on 127.0.0.1. Signatures are checked")
        self.say(
            "with dciauth's own server code; file bytes come from the object store, which never sees a credential."
        )
        exit_code = max(self._first_nightly(), self._second_nightly(), self._interruption(), self._verification())
        self.say(f"\nThe files are in {self.root / TOPIC}; the packages hold noise, but dnf can list and fetch them:")
        repository = (self.root / TOPIC / "compose/BaseOS/x86_64/os").absolute().as_uri()
        self.say(f"   dnf --repofrompath=demo,{shlex.quote(repository)} --repo=demo repoquery")
        self.say(f"Remove them:  rm -rf {shlex.quote(str(self.root))}")
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
        interruption = _Interruption(_INTERRUPTED_AFTER)
        try:
            self._sync(iso=True, stop=interruption, progress=interruption)
        except CancelledError:
            amount = size_text(_INTERRUPTED_AFTER)
            self.say(f"   Interrupted after {amount}. What is published is still the version without ISOs.")
        report = self._sync(iso=True)
        compose = report.components[0]
        resumed = compose.size - compose.bytes_reused - compose.bytes_downloaded - compose.bytes_assembled
        self.say(
            f"   Run again: {size_text(compose.bytes_downloaded)} fetched, {size_text(resumed)} taken up from before."
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
            options = replace(options, filters=(Filter("compose"),), transfer=TransferOptions(limit_rate=_RATE))
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
