"""Rows of facts that are sent again, with something changed: revisions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from meterstone.facts import vocabulary

_NOT_SENT = frozenset({"recorded_at", "revision", "evidence", "retracted"})


def sent(fact: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row to send again as a revision."""
    known = vocabulary()[fact].columns
    kept = {k: v for k, v in row.items() if k in known and k not in _NOT_SENT and v is not None}
    return {"fact": fact} | {k: text(v) if isinstance(v, datetime) else v for k, v in kept.items()}


def text(at: datetime) -> str:
    """A moment in UTC as facts are sent."""
    return at.isoformat().replace("+00:00", "Z")
