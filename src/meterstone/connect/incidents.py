"""Incidents that the hub opens and closes itself: a vendor that is down, a credential that broke.

An outage begins with its first failed call, is detected when the circuit opens, and is over with
the first good sync after the vendor answered again. Open incidents are found again in the facts, so
a restart forgets none.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

from meterstone.connect.breaker import Outage
from meterstone.connect.telemetry import Telemetry
from meterstone.warehouse.base import Warehouse

_PREFIX = "connect:"
_NOT_SENT = frozenset({"recorded_at", "revision", "evidence", "retracted"})


class Incidents:
    """Thread-safe.

    Args:
        telemetry: where rows go.
        warehouse: where open incidents of an earlier process are.
    """

    def __init__(self, telemetry: Telemetry, warehouse: Warehouse) -> None:
        self._telemetry = telemetry
        self._lock = threading.Lock()
        self._open: dict[str, dict[str, Any]] = _open_in(warehouse)

    def outage(self, connector: str, outage: Outage) -> None:
        """A vendor is down; told once an outage."""
        key = f"{connector}:{outage.error_class}:{outage.fault.replace(' ', '_')}"
        self._begin(connector, connector, {
            "kind": "availability", "severity": "sev3", "started_at": outage.started_at,
            "detected_at": outage.detected_at, "cause_key": key,
        })  # fmt: skip

    def broken(self, connector: str, connection: str, at: datetime) -> None:
        """A credential does not hold any more; a person has to mend it."""
        self._begin(connection, connector, {
            "kind": "error", "severity": "sev2", "started_at": at, "detected_at": at,
            "cause_key": f"{connector}:authentication:customer", "escalated": True,
        })  # fmt: skip

    def synced(self, connector: str, connection: str, at: datetime) -> None:
        """A good sync: what was open of this vendor and this connection is over."""
        for subject in (connector, connection):
            with self._lock:
                row = self._open.pop(subject, None)
            if row is None:
                continue
            by_itself = not row["escalated"]
            impact = max(0.0, (at - row["started_at"]).total_seconds())
            self._tell(
                {**row, "resolved_at": at, "auto_resolved": by_itself, "customer_impact_s": impact}
            )

    def open(self, subject: str) -> dict[str, Any] | None:
        """The open incident of a vendor or a connection."""
        return self._open.get(subject)

    def _begin(self, subject: str, connector: str, row: dict[str, Any]) -> None:
        with self._lock:
            if subject in self._open:
                return
            self._open[subject] = whole = {
                "incident_id": f"{_PREFIX}{subject}:{row['started_at']:%Y%m%dT%H%M%S%f}",
                "detected_by": "monitor", "auto_resolved": False, "escalated": False,
                "predicted": False, "integration": connector, "source": "hub", **row,
            }  # fmt: skip
        self._tell(whole)

    def _tell(self, row: dict[str, Any]) -> None:
        self._telemetry.add("incident", row)
        self._telemetry.flush()


def _open_in(warehouse: Warehouse) -> dict[str, dict[str, Any]]:
    relation = warehouse.relation("incident", None)
    rows = warehouse.query(
        f"SELECT k.* FROM {relation} AS k "
        f"WHERE k.resolved_at IS NULL AND k.incident_id LIKE '{_PREFIX}%'"
    ).to_pylist()
    found = {}
    for row in rows:
        subject = row["incident_id"].removeprefix(_PREFIX).rpartition(":")[0]
        found[subject] = {
            name: _utc(value)
            for name, value in row.items()
            if value is not None and name not in _NOT_SENT and not name.startswith("_")
        }
    return found


def _utc(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
