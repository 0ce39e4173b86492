"""What all of Square's records share: money, moments, keys, places of the merchant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow.compute as pc

from meterstone.sandbox.kit import (
    CHANGED,
    Clock,
    Entity,
    Key,
    Record,
    Rows,
    micros,
    moment,
    rfc3339,
    spread,
    token,
)

MERCHANT = "MLSIMULATED001"
CUSTOMERS, STAFF = 40, 4
"""Of each shop."""
LAST = timedelta(milliseconds=1)
UPDATED = "updated_at"


@dataclass(frozen=True)
class Shops:
    """Locations of the merchant by franchise.

    Attributes:
        main: the merchant's main location: the first that takes payments.
    """

    location_of: Mapping[str, str]
    currency_of: Mapping[str, str]
    main: str = ""

    def customer(self, franchise: str, key: str) -> str:
        """One of the customers of a shop."""
        return token("customer", franchise, int(spread(key, 0, CUSTOMERS)), length=26)

    def staff(self, franchise: str, key: str) -> str:
        """One of the people of a shop."""
        return "TM" + token("team", franchise, int(spread(key, 0, STAFF)), length=14)


def shops_of(payments: Rows, bookings: Rows) -> Shops:
    """The locations of all that was sold or booked."""
    names = sorted({*payments.column("franchise_id"), *bookings.column("franchise_id")})
    pairs = zip(payments.column("franchise_id"), payments.column("currency"), strict=True)
    currency = dict.fromkeys(names, "USD") | dict(pairs)
    there = payments.table.filter(pc.invert(payments.retracted)).column("franchise_id").to_pylist()
    main = min(there, default=names[0] if names else "")
    return Shops({name: location_id(name) for name in names}, currency, location_id(main))


def location_id(franchise: str) -> str:
    """The location of a shop."""
    return "L" + token("location", franchise, length=12)


def location_ids(rows: Rows) -> list[str]:
    """The location of each row."""
    known: dict[str, str] = {}
    return [known.setdefault(f, location_id(f)) for f in rows.column("franchise_id")]


def end_of(*rows: Rows) -> datetime:
    """The end of the simulated history: the midnight after the last row."""
    newest = max(
        (int(r.micros(name).max()) for r, name in zip(rows, ("paid_at", "created_at"), strict=True)
         if len(r)),
        default=0,
    )  # fmt: skip
    day = moment(newest).replace(hour=0, minute=0, second=0, microsecond=0)
    return day + timedelta(days=1)


def money(amount: float, currency: str) -> Record:
    """An amount in minor units."""
    return {"amount": round(amount * 100), "currency": currency}


def stamp(record: Record, at: datetime) -> None:
    """Write the time of change; fill what a new record lacks."""
    record["updated_at"] = written(at)
    record.setdefault("created_at", written(at))
    if isinstance(record.get("version"), int):
        record["version"] += 1


def read(text: str) -> int:
    """A moment of a record as microseconds."""
    return micros(datetime.fromisoformat(text))


def keys_of(created: Any, changed: Any, locations: list[str]) -> dict[str, Key]:
    """By time of change, time of creation, and location."""
    return {
        CHANGED: Key(changed, lambda record: read(record[UPDATED])),
        "created": Key(created, lambda record: read(record["created_at"])),
        "location_id": Key(locations, lambda record: record.get("location_id"), text=True),
    }


def made(
    name: str, clock: Clock, records: list[Record], keys: dict[str, Key] | None = None
) -> Entity:
    """An entity of few records, made at once."""
    own = {CHANGED: Key([read(r[UPDATED]) for r in records], lambda r: read(r[UPDATED]))}
    return Entity(
        name, clock, ids=[r["id"] for r in records], rows=records, keys=own | (keys or {}),
        stamp=stamp,
    )  # fmt: skip


def written(at: datetime) -> str:
    """A moment as Square writes it."""
    return rfc3339(at)
