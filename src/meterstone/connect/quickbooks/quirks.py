"""What is odd about QuickBooks: lines that say more than they have fields for, two webhook forms.

See the head of ``connector.yaml`` for what a company keeps where.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec

Record = Mapping[str, Any]
Context = Mapping[str, str]

_REF = re.compile(
    r"\(ref (?P<ref>[^,)\s]+)"
    r"(?:, (?P<begins>\d{4}-\d\d-\d\d)/(?P<ends>\d{4}-\d\d-\d\d))?"
    r"(?:, (?P<amount>\d+(?:\.\d+)?))?"
    r"(?:, (?P<hours>\d+(?:\.\d+)?) h)?\)"
)
_CREDIT = re.compile(r"Credit for (?P<ref>\S+)(?: \((?P<amount>\d+(?:\.\d+)?)\))?")
_EXPENSES = ("AccountBasedExpenseLineDetail", "ItemBasedExpenseLineDetail")
_CENT = Decimal("0.01")
_OPERATIONS = {
    "Create": "created", "Update": "updated", "Delete": "deleted", "Merge": "merged",
    "Void": "voided", "Emailed": "emailed",
}  # fmt: skip


def invoice_lines(record: Record, _context: Context) -> Iterator[dict[str, Any]]:
    """What is sold on an invoice, each line with what was credited of it.

    Yields:
        ``ref, line, item, class, client, partner, begins, ends, served, amount, credited,
        net_usd``; of a voided line the amounts before it was voided, where its text has them.
    """
    sold = [line for line in record.get("Line", ()) if "SalesItemLineDetail" in line]
    void = invoice_status(record, {}) == "void"
    credits: dict[str, Decimal] = {}
    for line in sold:
        if credit := _CREDIT.match(line.get("Description", "")):
            amount = _amount(credit["amount"] if void else -_decimal(line["Amount"]))
            credits[credit["ref"]] = credits.get(credit["ref"], Decimal(0)) + amount
    rate = _decimal(record.get("ExchangeRate", 1))
    client, partner = _payer(record.get("CustomerRef", {}).get("name", ""))
    for line in sold:
        text, detail = line.get("Description", ""), line["SalesItemLineDetail"]
        if _CREDIT.match(text):
            continue
        told = _told(text)
        amount = _amount(told.get("amount")) if void else _decimal(line["Amount"])
        credited = credits.get(told.get("ref", ""), Decimal(0))
        yield {
            **told,
            "line": line.get("Id"), "item": _name(detail, "ItemRef"),
            "class": _name(detail, "ClassRef"), "client": client, "partner": partner,
            "served": detail.get("ServiceDate"), "amount": amount, "credited": credited,
            "net_usd": ((amount - credited) * rate).quantize(_CENT),
        }  # fmt: skip


def cost_lines(record: Record, _context: Context) -> Iterator[dict[str, Any]]:
    """What a purchase or bill was for.

    Yields:
        ``ref, line, name`` (of the account or item), ``class, customer, amount, net_usd, hours``.
    """
    rate = _decimal(record.get("ExchangeRate", 1))
    sign = -1 if record.get("Credit") is True else 1
    for line in record.get("Line", ()):
        detail = next((line[kind] for kind in _EXPENSES if kind in line), None)
        if detail is None:
            continue
        told = _told(line.get("Description", ""))
        item = _name(detail, "ItemRef")
        amount = sign * _decimal(line["Amount"])
        yield {
            "ref": told.get("ref"), "line": line.get("Id"),
            "name": item or _name(detail, "AccountRef"), "class": _name(detail, "ClassRef"),
            "customer": _name(detail, "CustomerRef"), "amount": amount,
            "net_usd": (amount * rate).quantize(_CENT),
            "hours": detail.get("Qty") if item and "hours" in item else told.get("hours"),
        }  # fmt: skip


def invoice_status(record: Record, _context: Context) -> str:
    """``void`` and ``written_off`` by the private note, else by the balance."""
    note = str(record.get("PrivateNote", ""))
    if note.startswith("Voided"):
        return "void"
    if note.startswith("Written off"):
        return "written_off"
    return "paid" if _decimal(record.get("Balance", 0)) == 0 else "open"


def entered_at(record: Record, _context: Context) -> str | None:
    """When an invoice was issued: when it was entered, if that was on its own date; else the
    beginning of that date (an invoice that was imported or dated back)."""
    created = record.get("MetaData", {}).get("CreateTime")
    day = record.get("TxnDate")
    if day is None or (created is not None and str(created).startswith(day)):
        return created  # type: ignore[no-any-return]  # JSON
    return f"{day}T00:00:00Z"


def events(body: bytes, _context: Context) -> Iterator[dict[str, Any]]:
    """Events of a notification: CloudEvents, or the older ``eventNotifications``.

    Yields:
        ``id, type`` (such as ``invoice.updated``), ``at, account, record`` (id of the record). The
        older form has no ids: record, operation and time stand for one.
    """
    content = msgspec.json.decode(body)
    if isinstance(content, list):
        for event in content:
            _, entity, what, *_ = str(event["type"]).split(".")
            yield {
                "id": event["id"], "type": f"{entity}.{what}", "at": event.get("time"),
                "account": event["intuitaccountid"], "record": event["intuitentityid"],
            }  # fmt: skip
        return
    for notified in content["eventNotifications"]:
        for entity in notified["dataChangeEvent"]["entities"]:
            what = _OPERATIONS.get(entity["operation"], "updated")
            yield {
                "id": ":".join((entity["name"], entity["id"], what, entity["lastUpdated"])),
                "type": f"{entity['name'].lower()}.{what}", "at": entity["lastUpdated"],
                "account": notified["realmId"], "record": entity["id"],
            }  # fmt: skip


def _told(text: str) -> dict[str, str]:
    match = _REF.search(text)
    return {k: v for k, v in match.groupdict().items() if v is not None} if match else {}


def _payer(name: str) -> tuple[str | None, str | None]:
    """Client and partner of a customer's full name; ``Others`` is nobody in particular."""
    above, _, own = name.rpartition(":")
    if above == "Partners":
        return None, own
    return (None if name in ("", "Others") else name), None


def _name(detail: Record, reference: str) -> str | None:
    name: str | None = detail.get(reference, {}).get("name")
    return name


def _amount(value: Any) -> Decimal:
    return Decimal(0) if value is None else _decimal(value)


def _decimal(value: Any) -> Decimal:
    return Decimal(str(value))
