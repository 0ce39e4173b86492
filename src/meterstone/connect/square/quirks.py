"""Where Square is odd: money of an order is not told by payment, and a visit that took place is no
status of a booking."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from meterstone.connect.amounts import in_usd, shares
from meterstone.connect.values import minor

_PRICE = re.compile(r"(\d+(?:\.\d\d)?) USD")
_DONE = re.compile(r"\bdone\b", re.IGNORECASE)


def payments(order: Mapping[str, Any], context: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """One for each tender of an order, amounts in minor units.

    Discounts and taxes belong to the order; where it was paid in parts they are shared out by what
    each part paid. Gross is what was sold, service charges among it, before discounts, without tax
    and tip; a refund is without tax too.
    """
    tenders = order.get("tenders") or []
    tips = [_amount(tender, "tip_money") for tender in tenders]
    paid = [_amount(tender, "amount_money") for tender in tenders]
    weights = [amount - tip for amount, tip in zip(paid, tips, strict=True)]
    discounts = shares(_amount(order, "total_discount_money"), weights)
    taxes = shares(_amount(order, "total_tax_money"), weights)
    for nth, tender in enumerate(tenders):
        currency = tender["amount_money"]["currency"]
        refund = _goods(_refunded(order, tender["id"]), weights[nth], taxes[nth])
        gross = weights[nth] - taxes[nth] + discounts[nth]
        yield {
            **tender,
            "payment_id": tender.get("payment_id") or tender["id"],
            "gross": gross, "discount": discounts[nth], "tax": taxes[nth], "tip": tips[nth],
            "refund": refund, "currency": currency,
            "net_sales_usd": in_usd(
                minor(gross - discounts[nth] - refund, currency), currency, context
            ),
        }  # fmt: skip


def booking_status(booking: Mapping[str, Any], _context: Mapping[str, str]) -> str:
    """The status; an accepted booking whose note says that it is done has taken place."""
    status: str = booking["status"]
    if status == "ACCEPTED":
        return "completed" if _DONE.search(booking.get("seller_note") or "") else "confirmed"
    return {
        "PENDING": "pending", "NO_SHOW": "no_show", "DECLINED": "cancelled",
        "CANCELLED_BY_CUSTOMER": "cancelled", "CANCELLED_BY_SELLER": "cancelled",
    }[status]  # fmt: skip


def booking_price(booking: Mapping[str, Any], _context: Mapping[str, str]) -> Decimal | None:
    """The price in the seller's note, such as ``45.00 USD``; a booking itself has none."""
    found = _PRICE.search(booking.get("seller_note") or "")
    return Decimal(found[1]) if found else None


def _amount(of: Mapping[str, Any], name: str) -> int:
    return int((of.get(name) or {}).get("amount") or 0)


def _goods(refund: int, paid: int, tax: int) -> int:
    """The part of a refund that is not tax: as in what was paid. What is beyond that is tip."""
    return round(min(refund, paid) * (paid - tax) / paid) if paid else 0


def _refunded(order: Mapping[str, Any], tender: str) -> int:
    return sum(
        _amount(refund, "amount_money")
        for refund in order.get("refunds") or []
        if refund.get("tender_id") == tender and refund.get("status") in ("APPROVED", "PENDING")
    )
