"""What happens at Square while it runs: sales, refunds, bookings and what becomes of them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from meterstone.sandbox.kit import Clock, Entity, Record, rfc3339, token
from meterstone.sandbox.square.forms import Shops
from meterstone.sandbox.square.sales import order, payment, refund_id


def happen(records: Mapping[str, Entity], clock: Clock, chance: random.Random) -> None:
    """One event: mostly a sale, now and then a booking, a change of one, or a refund."""
    kind = chance.choices(("sale", "booking", "change", "refund"), (70, 15, 12, 3))[0]
    {"sale": sell, "booking": book, "change": change_booking, "refund": give_back}[kind](
        records, clock, chance
    )


def sell(records: Mapping[str, Entity], clock: Clock, chance: random.Random) -> Record:
    """A payment and its order."""
    shop = _shop(records, chance)
    now = clock.now()
    gross = chance.randrange(2000, 18000) / 100
    row: dict[str, Any] = {
        "payment_id": f"P-{shop['name']}-{token(shop['name'], now, length=10)}",
        "franchise_id": shop["name"], "paid_at": now, "gross": gross,
        "discount": round(gross * 0.06, 2) if chance.random() < 0.4 else 0.0, "refund": 0.0,
        "tax": round(gross * 0.08, 2), "tip": round(gross * 0.03, 2),
        "currency": shop["currency"], "status": "completed",
    }  # fmt: skip
    shops = Shops({shop["name"]: shop["id"]}, {shop["name"]: shop["currency"]})
    records["orders"].put(order(row, shops, now), at=now)
    return records["payments"].put(payment(row, shops, now), at=now)


def give_back(records: Mapping[str, Entity], clock: Clock, chance: random.Random) -> Record | None:
    """A refund of a recent payment, whole; its order and payment change with it."""
    found = records["payments"].select(descending=True).page(0, 50)
    paid = [p for p in found if p["status"] == "COMPLETED" and "refund_ids" not in p]
    if not paid:
        return None
    of, now = chance.choice(paid), clock.now()
    amount, id_ = of["amount_money"], refund_id(of["id"])
    stamped = {"created_at": rfc3339(now), "updated_at": rfc3339(now)}
    sold = records["orders"].get(of["order_id"]) or {}
    records["orders"].edit(
        of["order_id"],
        {
            "refunds": [
                {
                    "id": id_, "location_id": of["location_id"], "transaction_id": of["order_id"],
                    "tender_id": sold["tenders"][0]["id"], "created_at": stamped["created_at"],
                    "reason": "Returned goods", "amount_money": amount, "status": "APPROVED",
                }
            ]
        },
        at=now,
    )  # fmt: skip
    records["payments"].edit(of["id"], {"refunded_money": amount, "refund_ids": [id_]}, at=now)
    return records["refunds"].put(
        {
            "id": id_, "status": "COMPLETED", **stamped, "location_id": of["location_id"],
            "amount_money": amount, "payment_id": of["id"], "order_id": of["order_id"],
            "reason": "Returned goods",
        },
        at=now,
    )  # fmt: skip


def book(records: Mapping[str, Entity], clock: Clock, chance: random.Random) -> Record:
    """A new booking for one of the next days."""
    shop, now = _shop(records, chance), clock.now()
    starts = (now + timedelta(hours=chance.randrange(20, 100))).replace(
        minute=0, second=0, microsecond=0
    )
    staff = records["team_members"].select().page(0, 1)[0]
    return records["bookings"].put(
        {
            "id": f"B-{shop['name']}-{token(shop['name'], now, length=10)}", "version": 0,
            "status": "PENDING", "start_at": rfc3339(starts), "location_id": shop["id"],
            "customer_id": records["customers"].id_at(chance.randrange(40)),
            "seller_note": f"{chance.randrange(2000, 18000) / 100:.2f} USD",
            "appointment_segments": [
                {
                    "duration_minutes": 30, "team_member_id": staff["id"],
                    "service_variation_id": token("service", shop["name"], length=24),
                    "service_variation_version": 1, "any_team_member": False,
                }
            ],
            "location_type": "BUSINESS_LOCATION", "source": "FIRST_PARTY_BUYER", "all_day": False,
        },
        at=now,
    )  # fmt: skip


def change_booking(
    records: Mapping[str, Entity], clock: Clock, chance: random.Random
) -> Record | None:
    """A recent booking is accepted or called off."""
    recent = records["bookings"].select(descending=True).page(0, 50)
    waiting = [b for b in recent if b["status"] == "PENDING"]
    if not waiting:
        return None
    status = chance.choices(("ACCEPTED", "CANCELLED_BY_CUSTOMER"), (9, 1))[0]
    return records["bookings"].edit(
        chance.choice(waiting)["id"], {"status": status}, at=clock.now()
    )


def _shop(records: Mapping[str, Entity], chance: random.Random) -> Record:
    locations = records["locations"]
    return locations.get(locations.id_at(chance.randrange(len(locations)))) or {}
