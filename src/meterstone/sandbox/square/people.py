"""Locations, customers and team members: few, and made at once."""

from __future__ import annotations

from datetime import datetime, timedelta

from meterstone.sandbox.kit import CHANGED, Clock, Entity, Key, Record, spread, token
from meterstone.sandbox.square.forms import CUSTOMERS, MERCHANT, STAFF, Shops, made, read, written


def locations(shops: Shops, clock: Clock, end: datetime) -> Entity:
    opened = written(end - timedelta(days=2000))
    records: list[Record] = [
        {
            "id": id_, "name": franchise, "timezone": "Etc/UTC", "status": "ACTIVE",
            "created_at": opened, "merchant_id": MERCHANT, "language_code": "en-US",
            "country": "CA" if shops.currency_of[franchise] == "CAD" else "US",
            "currency": shops.currency_of[franchise], "business_name": f"Shop {franchise}",
            "type": "PHYSICAL", "capabilities": ["CREDIT_CARD_PROCESSING"], "mcc": "7230",
        }
        for franchise, id_ in shops.location_of.items()
    ]  # fmt: skip
    times = [read(record["created_at"]) for record in records]
    return Entity(
        "locations", clock, ids=[r["id"] for r in records], rows=records,
        keys={CHANGED: Key(times, lambda record: read(record["created_at"]))},
        stamp=lambda record, at: record.setdefault("created_at", written(at)) and None,
    )  # fmt: skip


def customers(shops: Shops, clock: Clock, end: datetime) -> Entity:
    records: list[Record] = []
    for franchise in shops.location_of:
        for nth in range(CUSTOMERS):
            id_ = token("customer", franchise, nth, length=26)
            at = written(end - timedelta(seconds=int(spread(id_, 86_400, 86_400 * 300))))
            records.append(
                {
                    "id": id_, "created_at": at, "updated_at": at, "given_name": "Simulated",
                    "family_name": f"Customer {nth + 1} of {franchise}", "reference_id": franchise,
                    "creation_source": "APPOINTMENTS", "version": 0,
                    "email_address": f"{id_.lower()}@example.org",
                }
            )  # fmt: skip
    created = Key([read(r["created_at"]) for r in records], lambda r: read(r["created_at"]))
    return made("customers", clock, records, {"created": created})


def team(shops: Shops, clock: Clock, end: datetime) -> Entity:
    records: list[Record] = []
    for franchise, location in shops.location_of.items():
        for nth in range(STAFF):
            id_ = "TM" + token("team", franchise, nth, length=14)
            at = written(end - timedelta(seconds=int(spread(id_, 86_400, 86_400 * 900))))
            records.append(
                {
                    "id": id_, "is_owner": False, "status": "ACTIVE", "created_at": at,
                    "updated_at": at, "given_name": "Simulated", "reference_id": franchise,
                    "family_name": f"Barber {nth + 1} of {franchise}",
                    "assigned_locations": {
                        "assignment_type": "EXPLICIT_LOCATIONS", "location_ids": [location],
                    },
                }
            )  # fmt: skip
    return made("team_members", clock, records)
