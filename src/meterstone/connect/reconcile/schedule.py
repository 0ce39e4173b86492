"""When what is reconciled: jobs of the queue, so that it goes on across restarts and workers.

``reconcile_plan`` runs every so often, queues a job for each stream of each connection that gives
facts and for each book of sales, and queues itself again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from meterstone.connect.reconcile.reconciler import Reconciler
from meterstone.connect.reconcile.rules import Rules
from meterstone.connect.reconcile.sales import ENTITY
from meterstone.ledger import Change, Connection, Job, Ledger, Priority

PLAN, RECONCILE = "reconcile_plan", "reconcile"
_KEPT = "(reconcile)"


class Schedule:
    """The jobs of reconciliation.

    Args:
        ledger: the queue.
        reconciler: does the work.
        rules: how often.
    """

    def __init__(self, ledger: Ledger, reconciler: Reconciler, rules: Rules) -> None:
        self._ledger = ledger
        self._reconciler = reconciler
        self._rules = rules

    @property
    def handlers(self) -> Mapping[str, Callable[[Job], None]]:
        """What a worker does for each kind of job."""
        return {PLAN: self._plan, RECONCILE: self._reconcile}

    def begin(self) -> None:
        """Queue the first plan, unless one waits."""
        with self._ledger.change("reconciliation") as change:
            change.queue.put(PLAN, {}, dedupe=PLAN, priority="backfill")

    def _plan(self, _job: Job) -> None:
        """Queue what is due, say what is still open of yesterday, and come again."""
        with self._ledger.change("reconciliation") as change:
            for connection, entity in self._reconciler.entities():
                full = self._is_full_due(change, connection, entity)
                queue(change, connection.id, entity, full=full)
            change.queue.put(
                PLAN, {}, dedupe=PLAN, priority="backfill", at=change.now + self._rules.every.sample
            )
        self._reconciler.follow_up()

    def _is_full_due(self, change: Change, connection: Connection, entity: str) -> bool:
        kept = change.cursors.get(connection.id, f"{_KEPT} {entity}")
        if kept is None:
            return True
        return datetime.fromisoformat(kept.value["full_at"]) + self._rules.every.full <= change.now

    def _reconcile(self, job: Job) -> None:
        asked: Mapping[str, Any] = job.payload
        connection, entity = asked["connection"], asked["entity"]
        if entity == ENTITY:
            results = self._reconciler.sales(connection)
        else:
            results = [self._reconciler.stream(connection, entity, full=bool(asked.get("full")))]
        if all(result.method == "full" for result in results):
            with self._ledger.change("reconciliation") as change:
                value = {"full_at": change.now.isoformat()}
                change.cursors.put(connection, f"{_KEPT} {entity}", value)


def queue(
    change: Change, connection: str, entity: str, *, full: bool, priority: Priority = "backfill"
) -> None:
    """Queue one comparison; the comparisons of a connection run one after another."""
    group = f"{RECONCILE}:{connection}"
    change.queue.limit(group, 1)
    change.queue.put(
        RECONCILE, {"connection": connection, "entity": entity, "full": full},
        dedupe=f"{group}:{entity}:{'full' if full else 'sample'}", priority=priority,
        group=group, most_attempts=3,
    )  # fmt: skip
