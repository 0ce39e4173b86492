"""What goes wrong in the demonstration: one stand-in after the other stops answering for a while,
and the simulated probes of its integration fail as long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from meterstone.sandbox.kit import Faults

_ORDER = (
    "square", "quickbooks", "clover", "salesforce", "franconnect", "ifpg", "fransmart", "powerbi",
    "tableau",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trouble:
    """One vendor answers nothing but 503 from ``since`` on until ``until``."""

    vendor: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Troubles:
    """A timetable of trouble: the same distances each time, another vendor each time.

    Attributes:
        since: from when on.
        after: until the first one begins.
        every: from the beginning of one to that of the next.
        lasts: each of them.
    """

    since: datetime
    after: timedelta = timedelta(minutes=2)
    every: timedelta = timedelta(minutes=8)
    lasts: timedelta = timedelta(minutes=3)

    def at(self, moment: datetime) -> Trouble | None:
        """The trouble that there is at a moment."""
        number, into = divmod(moment - self.since - self.after, self.every)
        if number < 0 or into >= self.lasts:
            return None
        begun = moment - into
        return Trouble(_ORDER[number % len(_ORDER)], begun, begun + self.lasts)

    def probe(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """A row of simulated probes as it is while there is trouble."""
        trouble = self.at(row["at"])
        if trouble is None or row.get("integration") != trouble.vendor:
            return row
        return {**row, "ok": False, "fail_reason": "provider_down", "latency_ms": 10_000.0}


class Strikes:
    """Switches the trouble of a timetable on, in the faults of the stand-ins by vendor."""

    def __init__(self, troubles: Troubles, faults: Mapping[str, Faults]) -> None:
        self._troubles, self._faults = troubles, faults
        self._last: Trouble | None = None

    def look(self, now: datetime) -> None:
        """Switch on what is due; it ends by itself."""
        trouble = self._troubles.at(now)
        if trouble is not None and trouble != self._last:
            left = (trouble.until - now).total_seconds()
            self._faults[trouble.vendor].switch_on("error", for_s=left)
            self._last = trouble
