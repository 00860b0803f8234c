"""Topics and components as JSON: every field that the control server showed, but no secret among them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any, Union

from dci_downloader.models import Component, Topic

MASK = "********"
"""Stands in place of a secret."""
_SECRET = re.compile(r"registry|secret|passw|token|credential|private_key", re.IGNORECASE)
"""Names of what topics and components hold for their agents, and nobody else: logins of registries, pull secrets."""


def subject_document(subject: Union[Topic, Component]) -> dict[str, Any]:
    """A topic or a component as a JSON object."""
    shown = (field.name for field in fields(subject) if field.name != "registry")
    return {name: _plain(getattr(subject, name)) for name in shown}


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return subject_document(value)  # type: ignore[arg-type]  # a product, or the next topic
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {name: MASK if item and _SECRET.search(name) else _plain(item) for name, item in value.items()}
    return list(map(_plain, value)) if isinstance(value, tuple) else value
