"""What happens at a vendor behind everybody's back: silent edits, silent deletions, records that
come up late with an old time of change. The times of change stay, so no sync can see them."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

from meterstone.sandbox.kit import Entity, Vendor

Record = dict[str, Any]
Injected = dict[str, str]
"""Kind of the difference by the vendor's id of the record."""


def _booking(record: Record, cents: int) -> None:
    record["seller_note"] = f"done; {cents / 100:.2f} USD"


def _square_order(record: Record, _cents: int) -> None:
    tender = record["tenders"][0]
    tender["card_details"] = {**tender.get("card_details", {}), "status": "VOIDED"}


def _clover_order(record: Record, cents: int) -> None:
    record["payments"]["elements"][0]["tipAmount"] += cents


def _line(record: Record, cents: int) -> None:
    record["Line"][0]["Amount"] = round(float(record["Line"][0]["Amount"]) + cents / 100, 2)


def _lead(record: Record, cents: int) -> None:
    record["forecastRevenue"] = f"{float(record['forecastRevenue'] or 0) + cents / 100:.2f}"


def _opportunity(record: Record, cents: int) -> None:
    record["Amount"] = float(record["Amount"] or 0) + cents / 100


EDITS: dict[tuple[str, str], Callable[[Record, int], None]] = {
    ("square", "bookings"): _booking,
    ("square", "orders"): _square_order,
    ("clover", "orders"): _clover_order,
    ("quickbooks", "Purchase"): _line,
    ("franconnect", "lead"): _lead,
    ("salesforce", "Opportunity"): _opportunity,
}
"""An edit that changes what is mapped by an amount, by vendor and kind of record."""

_NEW: dict[tuple[str, str], Callable[[Record, str], None]] = {
    ("square", "bookings"): lambda record, new: record.update(id=new),
    ("quickbooks", "Purchase"): lambda record, new: (
        record.update(Id=new),
        record["Line"][0].update(Description=f"Support (ref {new})"),
    ),
    ("franconnect", "lead"): lambda record, new: record.update(referenceId=new),
    ("salesforce", "Opportunity"): lambda record, new: record.update(Id=new, External_Id__c=new),
}
"""How a copy of a record becomes another one."""


def inject(vendor: Vendor, kind: str, chance: random.Random, share: float) -> Injected:
    """Edit, delete and add records of a kind silently, among the oldest half.

    Args:
        share: of the records that are touched.
    """
    entity = vendor.entities[kind]
    refs = [entity.id_at(nth) for nth in range(len(entity) // 2)]
    refs = [ref for ref in refs if _fits(vendor.name, kind, entity, ref)]
    count = max(3, round(share * len(refs)))
    chosen = chance.sample(refs, min(count, len(refs)))
    gone, edited = chosen[: len(chosen) // 3], chosen[len(chosen) // 3 :]
    done: Injected = {}
    for ref in gone:
        entity.delete(ref, silent=True)
        done[ref] = "extra"
    for ref in edited:
        record = copy.deepcopy(entity.get(ref) or {})
        EDITS[vendor.name, kind](record, chance.randint(101, 99_999))
        entity.edit(ref, record, silent=True)
        done[ref] = "mismatched"
    if (vendor.name, kind) in _NEW:
        record = copy.deepcopy(entity.get(edited[0]) or {})
        new = f"9{chance.randrange(10**8):08}"
        _NEW[vendor.name, kind](record, new)
        entity.put(record, silent=True)
        done[new] = "missing"
    return done


def _fits(name: str, kind: str, entity: Entity, ref: str) -> bool:
    """Records whose edit changes a fact: an order without a card has no card status, and one that
    is voided already stays so."""
    record = entity.get(ref) or {}
    if (name, kind) == ("square", "orders"):
        return record["tenders"][0].get("card_details", {}).get("status") == "CAPTURED"
    if (name, kind) == ("clover", "orders"):
        return bool(record["payments"]["elements"])
    if (name, kind) == ("square", "bookings"):
        return str(record.get("seller_note", "")).startswith("done")
    return True
