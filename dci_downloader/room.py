"""The room that the plans of a topic need: checked before the first byte, and made where the options allow that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Optional

from dci_downloader import formatting
from dci_downloader.errors import DiskFullError
from dci_downloader.hooks import Progress
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.room import make_room, removable
from dci_downloader.models import Plan
from dci_downloader.options import SyncOptions
from dci_downloader.results import ComponentReport, Removal


class Room:
    """The room of one topic's plans.

    Args:
        mirror: where they go.
        options: what is to stay free, whether older versions may go, and whether this is a dry run.
        beside: plans that need room too, of other topics; those of this one are appended.
        progress: gets a message about what is removed.
    """

    def __init__(self, mirror: Mirror, options: SyncOptions, beside: list[Plan], progress: Progress) -> None:
        self._mirror = mirror
        self._options = options
        self._beside = beside
        self._before = len(beside)
        self._progress = progress
        self._may_make = options.make_room
        self._expected = 0  # bytes that a run would free, in a dry run
        self._note = ""

    def add(self, plan: Plan) -> None:
        """Add a plan to those that need room.

        Raises:
            DiskFullError: there is too little for it beside those before it, and removing versions makes too little.
        """
        plans = [*self._beside, plan]
        try:
            self._check(plans)
        except DiskFullError as error:
            would_remove = removable(self._mirror, self._expected + _shortage(error)) if self._makes_later() else None
            if not (would_remove and would_remove.versions):
                if self._options.make_room:
                    error.hint = "older versions do not make enough room: free some of this disk, or select less"
                raise
            self._expected = would_remove.size
            self._say("would remove", would_remove)
        self._beside.append(plan)

    def shortage(self, plans: Sequence[Optional[Plan]]) -> int:
        """Bytes that all plans together lack and that :meth:`make` may free; 0 for none, and in a dry run."""
        if self._may_make and not self._options.dry_run:
            try:
                self._check([*self._beside[: self._before], *filter(None, plans)])
            except DiskFullError as error:
                return _shortage(error)
        return 0

    def make(self, shortage: int) -> None:
        """Remove older versions, once; then all has to be planned anew. To be called without the topic's lock."""
        self._may_make = False
        del self._beside[self._before :]
        removal = make_room(self._mirror, shortage, self._progress.message, self._options.lock_timeout)
        if removal.versions:
            self._say("removed", removal)

    def with_note(self, reports: Sequence[ComponentReport]) -> list[ComponentReport]:
        """The reports, with a note in the first that says what was removed to make room."""
        if not self._note or not reports:
            return list(reports)
        return [replace(reports[0], notes=(*reports[0].notes, self._note)), *reports[1:]]

    def _makes_later(self) -> bool:
        return self._may_make and self._options.dry_run

    def _check(self, plans: Sequence[Plan]) -> None:
        self._mirror.check_space(plans, self._options.reserve - self._expected)

    def _say(self, what: str, removal: Removal) -> None:
        self._note = f"{what} {', '.join(removal.versions)} to make room: {formatting.size(removal.size)}"
        self._progress.message(self._note)


def _shortage(error: DiskFullError) -> int:
    return (error.needed or 0) - (error.free or 0)
