"""What happens at Clover while it runs: sales, and refunds of them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from meterstone.sandbox.clover.records import Merchants, order, order_id, payment, refund_of
from meterstone.sandbox.kit import Clock, Entity, Record, token


def happen(
    records: Mapping[str, Entity], known: Merchants, clock: Clock, chance: random.Random
) -> None:
    """One event: mostly a sale, now and then a refund."""
    if chance.random() < 0.95:
        sell(records, known, clock, chance)
    else:
        give_back(records, clock, chance)


def sell(
    records: Mapping[str, Entity], known: Merchants, clock: Clock, chance: random.Random
) -> Record:
    """A payment and its order."""
    shop, now = chance.choice(list(known.id_of)), clock.now()
    gross = chance.randrange(2000, 18000) / 100
    row: dict[str, Any] = {
        "payment_id": f"P-{shop}-{token(shop, now, length=10)}", "franchise_id": shop,
        "paid_at": now, "gross": gross, "refund": 0.0, "status": "completed",
        "discount": round(gross * 0.06, 2) if chance.random() < 0.4 else 0.0,
        "tax": round(gross * 0.08, 2), "tip": round(gross * 0.03, 2),
        "currency": known.currency_of[shop],
    }  # fmt: skip
    records["orders"].put(order(row, known, now), at=now)
    return records["payments"].put(payment(row, known, now), at=now)


def give_back(records: Mapping[str, Entity], clock: Clock, chance: random.Random) -> Record | None:
    """A refund of a recent payment, whole; its order changes with it."""
    recent = records["payments"].select(descending=True).page(0, 50)
    paid = [p for p in recent if p["result"] == "SUCCESS" and "refunds" not in p]
    if not paid:
        return None
    of, now = chance.choice(paid), clock.now()
    refund = {"elements": [refund_of(of, now, of["amount"], of["taxAmount"])]}
    records["payments"].edit(of["id"], {"refunds": refund}, at=now)
    return records["orders"].edit(
        order_id(of["id"]), {"refunds": refund, "paymentState": "REFUNDED"}, at=now
    )
