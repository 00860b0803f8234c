"""What ends a run before all of its files are complete or given up: rules without I/O.

* A certificate that cannot be trusted, and whatever else is final for the whole run.
* Access that the control server denies to many files in a row: its secret was revoked, say.
* Nothing that arrived for as long as the patience of the run.
"""

from __future__ import annotations

from typing import Optional

from dci_downloader.errors import AccessError
from dci_downloader.models import FileEntry
from dci_downloader.results import Failure
from dci_downloader.transfer.verdict import Action, Verdict


class Ending:
    """Watches for the end of a run.

    Args:
        most_access_errors: files in a row that may be denied access.

    Attributes:
        verdict: why the run ends; None while it does not.
        trouble: what went wrong last.
    """

    def __init__(self, most_access_errors: int) -> None:
        self.verdict: Optional[Verdict] = None
        self.trouble = "no answer"
        self._most_access_errors = most_access_errors
        self._access_errors = 0

    def located(self) -> None:
        """Note that the control server gave access to a file."""
        self._access_errors = 0

    def failed(self, verdict: Verdict) -> None:
        """Note the verdict about a response of the control server or the object store."""
        self.trouble = verdict.reason
        self._access_errors += verdict.exit_code == AccessError.exit_code
        if verdict.action is Action.ABORT or self._access_errors >= self._most_access_errors:
            self.verdict = self.verdict or verdict

    def lose_patience(self, patience: float) -> None:
        """Note that nothing has arrived for so many seconds."""
        reason = f"nothing arrived for {patience:g} s; last trouble: {self.trouble}"
        self.verdict = self.verdict or Verdict(Action.ABORT, reason)

    def failure(self, entry: FileEntry) -> Failure:
        """The failure of a file that is not complete when the run ends."""
        assert self.verdict is not None
        return Failure(entry.path, self.verdict.reason, self.verdict.exit_code, self.verdict.hint)
