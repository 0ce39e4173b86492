"""Creating, updating, voiding and deleting records, and what QuickBooks works out itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meterstone.sandbox.kit import Entity, Record
from meterstone.sandbox.quickbooks.answers import Fault, missing, not_found
from meterstone.sandbox.quickbooks.company import LISTS, Company

_NEEDED: Mapping[str, tuple[str, ...]] = {
    "Invoice": ("CustomerRef", "Line"), "SalesReceipt": ("Line",),
    "Payment": ("CustomerRef", "TotalAmt"), "Purchase": ("PaymentType", "AccountRef", "Line"),
    "Bill": ("VendorRef", "Line"),
    "Customer": ("DisplayName",), "Account": ("Name",), "Item": ("Name",), "Class": ("Name",),
    "Department": ("Name",), "Vendor": ("DisplayName",),
}  # fmt: skip
_UNIQUE = ("DisplayName", "Name")


def save(company: Company, name: str, given: Record) -> Record:
    """Create a record, or update the one whose Id is given.

    Raises:
        Fault: a field is missing, the name is taken, the record is not there (610), or its
            SyncToken is not the newest (5010).
    """
    entity = company.entities[name]
    if given.get("Id"):
        return _update(company, name, given)
    for field in _NEEDED[name]:
        if not given.get(field):
            raise missing(field)
    _refuse_taken(entity, given)
    new = {key: value for key, value in given.items() if key not in ("Id", "SyncToken", "MetaData")}
    new["Id"] = company.new_id()
    _work_out(company, name, new, None)
    kept = entity.put(new)
    if name == "Payment":
        _apply(company, kept)
    return kept


def remove(company: Company, name: str, given: Record) -> Record:
    """Delete a transaction. Lists are made inactive instead.

    Raises:
        Fault: as for an update; or the entity is a list.
    """
    if name in LISTS:
        raise Fault("Operation Not Supported", f"{name} cannot be deleted", "500")
    held = _newest(company.entities[name], name, given)
    company.entities[name].delete(held["Id"])
    return {"domain": "QBO", "status": "Deleted", "Id": held["Id"]}


def void(company: Company, name: str, given: Record) -> Record:
    """Void a transaction: every amount becomes 0, and the note says so."""
    held = _newest(company.entities[name], name, given)
    note = held.get("PrivateNote", "")
    return company.entities[name].put({
        **held,
        "Line": [_emptied(line) for line in held.get("Line", [])],
        "TotalAmt": 0, "Balance": 0,
        "PrivateNote": f"Voided {note}".strip(),
    })  # fmt: skip


def _update(company: Company, name: str, given: Record) -> Record:
    entity = company.entities[name]
    held = _newest(entity, name, given)
    own = {"Id": held["Id"], "SyncToken": held["SyncToken"], "MetaData": held["MetaData"]}
    new = {**held, **given, **own} if given.get("sparse") else {**given, **own}
    for field in _NEEDED.get(name, ()):
        if not new.get(field):
            raise missing(field)
    _work_out(company, name, new, held)
    return entity.put(new)


def _newest(entity: Entity, name: str, given: Record) -> Record:
    held = entity.get(str(given.get("Id", "")))
    if held is None:
        raise not_found(f"{name} {given.get('Id')}")
    if "SyncToken" not in given:
        raise missing("SyncToken")
    if str(given["SyncToken"]) != held["SyncToken"]:
        raise Fault(
            "Stale Object Error",
            "Stale Object Error : someone else has changed this object since you read it",
            "5010",
        )
    return held


def _refuse_taken(entity: Entity, given: Record) -> None:
    for field in _UNIQUE:
        wanted = given.get(field)
        if wanted is None:
            continue
        for record in (found := entity.select()).page(0, len(found)):
            if str(record.get(field, "")).casefold() == str(wanted).casefold():
                raise Fault(
                    "Duplicate Name Exists Error",
                    "The name supplied already exists. : Another record uses this name", "6240",
                )  # fmt: skip


def _work_out(company: Company, name: str, new: Record, held: Record | None) -> None:
    """Fields that QuickBooks fills in itself."""
    if name in ("Invoice", "SalesReceipt", "Purchase", "Bill"):
        lines = [
            {"Id": str(nth), "LineNum": nth, **line} for nth, line in enumerate(new["Line"], 1)
        ]
        tax = float(new.get("TxnTaxDetail", {}).get("TotalTax", 0))
        total = tax + sum(
            float(line["Amount"]) for line in lines
            if line.get("DetailType") not in ("SubTotalLineDetail", "DescriptionOnly")
        )  # fmt: skip
        paid = float(held["TotalAmt"]) - float(held.get("Balance", 0)) if held else 0.0
        new |= {"Line": lines, "TotalAmt": round(total, 2)}
        if name != "Purchase":
            new["Balance"] = round(total - paid, 2) if name in ("Invoice", "Bill") else 0
    if name not in LISTS:
        new.setdefault("TxnDate", company.today())
        new.setdefault("CurrencyRef", {"value": "USD"})
    else:
        new.setdefault("Active", True)
        label = new.get("DisplayName") or new.get("Name")
        if label:
            new.setdefault("FullyQualifiedName", label)


def _apply(company: Company, payment: Record) -> None:
    """A payment lowers the balance of the invoices that it names."""
    invoices = company.entities["Invoice"]
    for line in payment.get("Line", []):
        for link in line.get("LinkedTxn", []):
            held = invoices.get(link["TxnId"]) if link.get("TxnType") == "Invoice" else None
            if held is not None:
                linked = {"TxnId": payment["Id"], "TxnType": "Payment"}
                invoices.edit(held["Id"], {
                    "Balance": round(max(float(held["Balance"]) - float(line["Amount"]), 0.0), 2),
                    "LinkedTxn": [*held.get("LinkedTxn", []), linked],
                })  # fmt: skip


def _emptied(line: Mapping[str, Any]) -> Record:
    emptied = {**line, "Amount": 0}
    detail = line.get("SalesItemLineDetail")
    if detail:
        emptied["SalesItemLineDetail"] = {**detail, "Qty": 0, "UnitPrice": 0}
    return emptied
