"""What is measured of webhooks out: ``webhook_delivery`` facts from the ledger."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from meterstone.ledger.announced import Delivery
from meterstone.ledger.ledger import Change, Ledger

Tell = Callable[[bytes, str], None]
"""Lands JSON lines of facts under a name; when it returns they are on disk."""

_AT_ONCE = 500
_TEST = "webhook.test"


def tell_deliveries(ledger: Ledger, tell: Tell, window: timedelta) -> int:
    """Tell what became of deliveries since the last time; returns how many there were.

    The facts are on disk before the ledger notes it, so a crash between tells them again: the same
    rows, which have no effect.

    Args:
        window: from a message to its last attempt; its end is the deadline.
    """
    told = 0
    while True:
        with ledger.read() as seen:
            found = seen.outbox.untold(_AT_ONCE)
            rows = [_row(seen, delivery, window) for delivery in found]
        if not found:
            return told
        lines = b"".join(json.dumps(row, separators=(",", ":")).encode() + b"\n" for row in rows)
        tell(lines, "webhooks out")
        with ledger.change("webhooks") as change:
            change.outbox.tell(found)
        told += len(found)


def _row(seen: Change, delivery: Delivery, window: timedelta) -> dict[str, Any]:
    """One fact; what was delivered once stays delivered, also when it is sent again."""
    message = seen.outbox.message(delivery.message)
    attempts = seen.outbox.attempts(delivery.message, delivery.endpoint)
    taken = next((each.at for each in attempts if each.outcome == "delivered"), None)
    return {
        "fact": "webhook_delivery",
        "source": "hub",
        "event_id": delivery.message,
        "direction": "out",
        "subscription_id": delivery.endpoint,
        "created_at": _text(message.created_at),
        "deadline_at": _text(message.created_at + window),
        "attempts": delivery.attempts,
        "delivered_at": _text(taken) if taken else None,
        "status": "delivered" if taken else delivery.status,
        "found_by_reconciliation": False,
        "synthetic": message.type == _TEST,
    }


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
