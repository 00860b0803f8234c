"""The command line of a sync as values. :mod:`dci_downloader.cli.arguments` parses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional


@dataclass(frozen=True)
class CommandLine:
    """The options of a sync; those that are not given keep their defaults.

    Attributes:
        positional: TOPIC and DEST, either of which may be missing.
        topic_settings: the settings of a topic that options give, by name.
        settings: paths of settings files, later over earlier.
        local_repo: root of the mirror, where DEST does not name it.
        upstream: address of the mirror that takes the control server's place.
        job_id: of the job whose components are mirrored.
        set_state: set the states of that job, too.
        dcirc: path of the file that holds the credentials.
        dci_cs_url: address of the control server.
        tech_preview: name of the API for files, where it is not the usual one.
        dry_run: only say what would be done.
        lock_timeout: seconds to wait for another run; None for as long as it takes.
        json: print the report as JSON.
        quiet: say nothing but errors.
        verbose: say more.
        log_file: path of the log.
        log_format: ``text`` or ``json``.
        metrics_file: path of the file with figures for Prometheus.
    """

    positional: tuple[str, ...] = ()
    topic_settings: Mapping[str, Any] = field(default_factory=dict)
    settings: tuple[str, ...] = ()
    local_repo: str = ""
    upstream: str = ""
    job_id: str = ""
    set_state: bool = False
    dcirc: str = ""
    dci_cs_url: str = ""
    tech_preview: str = ""
    dry_run: bool = False
    lock_timeout: Optional[float] = None
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    log_file: str = ""
    log_format: str = "text"
    metrics_file: str = ""

    @property
    def says_what(self) -> bool:
        """Whether it says what to mirror, so that the topics of settings that are found do not count."""
        return bool(self.settings or self.positional or self.job_id or self.topic_settings.get("component_id"))
