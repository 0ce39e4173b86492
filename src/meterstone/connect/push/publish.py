"""One publication, told as facts: a run of a sync outwards, and a report that people can open."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from meterstone.connect.auth.base import AuthError
from meterstone.connect.egress import EgressRefused
from meterstone.connect.problems import VendorError
from meterstone.connect.push.publisher import Publisher, Pushed, PushError
from meterstone.connect.push.table import Table

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Published:
    """A publication that was tried: what the vendor has now, or why not; and the facts of it."""

    pushed: Pushed | None
    error: VendorError | PushError | AuthError | EgressRefused | None
    facts: tuple[Row, ...]


def publish(
    publisher: Publisher,
    table: Table,
    *,
    connector: str,
    connection: str,
    interval_s: float,
    due_at: datetime | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Published:
    """Publish a table and tell of it; a failure is told as well, and given, not raised.

    Args:
        connector, connection: over which.
        interval_s: the declared schedule, seconds.
        due_at: since when the numbers were there to be published; default now. From it to the end
            of the vendor's work counts as the time that the report took.
    """
    started = now()
    pushed, error = None, None
    try:
        pushed = publisher.publish(table)
    except (VendorError, PushError, AuthError, EgressRefused) as failed:
        error = failed
    finished = now()
    run = secrets.token_hex(16)
    base = {"source": "hub", "integration": connector}
    written = pushed.rows if pushed else 0
    sync = {
        "fact": "sync_run", **base, "run_id": run, "connection_id": connection,
        "started_at": started, "finished_at": finished, "direction": "out",
        "entity": table.name, "mode": "full", "interval_s": int(interval_s),
        "status": "success" if pushed else "failed", "records_read": len(table.rows),
        "records_written": written, "records_failed": len(table.rows) - written, "backlog": 0,
    }  # fmt: skip
    report = {
        "fact": "report_run", **base, "run_id": run, "report_key": f"{connector}:{table.name}",
        "requested_at": due_at or started, "available_at": finished if pushed else None,
        "kind": "scheduled", "automated": True,
    }  # fmt: skip
    return Published(pushed, error, (sync, report))
