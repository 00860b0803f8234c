"""Reports as JSON, for programs; as text they are in :mod:`~dci_downloader.cli.closing_lines`."""

from __future__ import annotations

import json
from collections.abc import Sequence

from dci_downloader.report_document import topic_document
from dci_downloader.results import Report


def to_json(reports: Sequence[Report], seconds: float, exit_code: int) -> str:
    """One JSON object for the whole run. Its keys are documented in ``docs/report.md``; new ones may join them.

    Args:
        reports: one for each topic.
        seconds: of the whole run.
        exit_code: what the program exits with.
    """
    components = [component for report in reports for component in report.components]
    document = {
        "topics": [topic_document(report) for report in reports],
        "files_downloaded": sum(component.files_downloaded for component in components),
        "bytes_downloaded": sum(component.bytes_downloaded for component in components),
        "bytes_resumed": sum(component.bytes_resumed for component in components),
        "files_assembled": sum(component.files_assembled for component in components),
        "bytes_assembled": sum(component.bytes_assembled for component in components),
        "files_reused": sum(component.files_reused for component in components),
        "bytes_reused": sum(component.bytes_reused for component in components),
        "failed": sum(len(report.failures) for report in reports),
        "seconds": round(seconds, 3),
        "exit_code": exit_code,
    }
    return json.dumps(document, indent=2, ensure_ascii=False)
