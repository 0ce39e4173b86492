"""What pages of operations read of the ledger beside board and `Now`, and change there."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime

from meterstone.detect.service import AlertPort
from meterstone.ledger import Discrepancy, Incident, Ledger
from meterstone.people.assigning import assign, helpers

_FRESH_S = 5.0
"""So long the work list is not read again, however many look."""


class LedgerKept:
    """Incidents and the work list of reconciliation. Thread-safe.

    Args:
        alerts: gives incidents.
        ledger: keeps the work list.
        called: how a person is called, by the id that the ledger has.
        clock: seconds.
    """

    def __init__(
        self,
        alerts: AlertPort,
        ledger: Ledger,
        called: Callable[[str], str] = str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._alerts, self._ledger, self._clock = alerts, ledger, clock
        self.called = called
        self._work: tuple[float, Sequence[Discrepancy]] | None = None

    def incidents(self, *, limit: int = 100) -> Sequence[Incident]:
        """Incidents, newest first."""
        return self._alerts.incidents(limit=limit)

    def work(self, at: datetime | None = None) -> Sequence[Discrepancy]:
        """The work list, the largest amount first; as it was some seconds ago at most, or at a
        moment (UTC)."""
        if at is not None:
            with self._ledger.read() as seen:
                return seen.past(at).work()
        kept = self._work
        if kept is None or self._clock() - kept[0] > _FRESH_S:
            with self._ledger.read() as seen:
                kept = (self._clock(), tuple(seen.discrepancies.open()))
            self._work = kept
        return kept[1]

    def accept(self, discrepancy: int, reason: str, actor: str) -> Discrepancy:
        """A person takes something off the work list; it is in the audit log with the reason.

        Raises:
            InputError: it is not open.
        """
        with self._ledger.change(actor) as change:
            done = change.discrepancies.accept(discrepancy, reason)
        self._work = None
        return done

    def helpers(self) -> Sequence[tuple[str, str]]:
        """Who may be given something of the work list: id and name."""
        with self._ledger.read() as seen:
            return [(each.id, each.called or each.name) for each in helpers(seen.people.all())]

    def assign(self, discrepancy: int, person: str, actor: str) -> Discrepancy:
        """Give something of the work list to a person; empty: to nobody.

        Raises:
            InputError: it is not open, or that person may not work on it.
        """
        with self._ledger.change(actor) as change:
            done = assign(change, discrepancy, person)
        self._work = None
        return done
