"""What was found is put on record: the work list, and the fact ``reconciliation``."""

from __future__ import annotations

from collections.abc import Sequence

from meterstone.connect.hub import Hub
from meterstone.connect.reconcile.compare import plain
from meterstone.connect.reconcile.result import Reconciliation
from meterstone.ledger import Connection


def tell(hub: Hub, connection: Connection, entity: str, results: Sequence[Reconciliation]) -> None:
    """Note each difference with its outcome, close what a full comparison did not find again, and
    tell one fact a comparison."""
    with hub.ledger.change("reconciliation") as change:
        for result in results:
            for each in result.differences:
                change.discrepancies.note(
                    recon=result.id, connection=connection.id, entity=entity, key=each.key,
                    kind=each.kind, outcome=each.outcome, reason=each.reason, amount=each.amount,
                    detail={name: [plain(a), plain(b)] for name, (a, b) in each.fields.items()},
                )  # fmt: skip
        if all(result.method == "full" for result in results):
            still = {each.key for result in results for each in result.differences}
            change.discrepancies.close_gone(connection.id, entity, still)
    for result in results:
        row = result.as_fact(connection.environment, connection.franchise_id)
        hub.telemetry.add("reconciliation", row)
    hub.telemetry.flush()
