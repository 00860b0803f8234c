"""Progress that passes everything on: to several receivers, or only once there are news."""

from __future__ import annotations

from typing import Optional

from dci_downloader.hooks import Progress


class MultiProgress:
    """Passes everything on to several."""

    def __init__(self, *receivers: Progress) -> None:
        self._receivers = receivers

    def message(self, text: str) -> None:
        """Pass on a line."""
        for receiver in self._receivers:
            receiver.message(text)

    def detail(self, text: str) -> None:
        """Pass on a detail."""
        for receiver in self._receivers:
            receiver.detail(text)

    def begin(self, label: str, files: int, size: int) -> None:
        """Pass on that work begins."""
        for receiver in self._receivers:
            receiver.begin(label, files, size)

    def advance(self, files: int, size: int) -> None:
        """Pass on how much more is complete."""
        for receiver in self._receivers:
            receiver.advance(files, size)

    def waiting(self, seconds: float, limit: float) -> None:
        """Pass on that nothing arrives."""
        for receiver in self._receivers:
            receiver.waiting(seconds, limit)

    def end(self) -> None:
        """Pass on that the work is over."""
        for receiver in self._receivers:
            receiver.end()

    def phase(self, label: str) -> None:
        """Pass on which work without bytes begins or ends."""
        for receiver in self._receivers:
            receiver.phase(label)


class DeferredProgress(MultiProgress):
    """Holds lines back until something is fetched or they are released: a cron job without news sends no mail."""

    def __init__(self, receiver: Progress) -> None:
        super().__init__(receiver)
        self._held: Optional[list[str]] = []

    def message(self, text: str) -> None:
        """Hold a line back, or pass it on."""
        if self._held is None:
            super().message(text)
        else:
            self._held.append(text)

    def begin(self, label: str, files: int, size: int) -> None:
        """Release what was held back, for something is fetched."""
        self.release()
        super().begin(label, files, size)

    def phase(self, label: str) -> None:
        """Pass it on once there are news: what goes before them is no reason for a mail."""
        if self._held is None:
            super().phase(label)

    def release(self) -> None:
        """Pass on what was held back, and from now on everything. Safe to repeat."""
        held, self._held = self._held or (), None
        for text in held:
            super().message(text)
