"""Where Clover is odd: discounts are told of an order and not of its payments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from meterstone.connect.amounts import in_usd, shares
from meterstone.connect.values import minor


def payments(order: Mapping[str, Any], context: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """One for each payment of an order, amounts in minor units.

    Discounts (negative at Clover) belong to the order; where it was paid in parts they are shared
    out by what each part paid. Gross is what was sold before discounts, without tax and tip; a
    refund is without tax too.
    """
    paid = _elements(order, "payments")
    weights = [int(payment.get("amount") or 0) for payment in paid]
    discount = -sum(int(entry.get("amount") or 0) for entry in _elements(order, "discounts"))
    discounts = shares(discount, weights)
    currency = order["currency"]
    for nth, payment in enumerate(paid):
        tax, refund = int(payment.get("taxAmount") or 0), _refunded(order, payment["id"])
        gross = weights[nth] - tax + discounts[nth]
        yield {
            **payment,
            "gross": gross, "discount": discounts[nth], "tax": tax, "refund": refund,
            "tip": int(payment.get("tipAmount") or 0), "currency": currency,
            "net_sales_usd": in_usd(
                minor(gross - discounts[nth] - refund, currency), currency, context
            ),
        }  # fmt: skip


def events(body: bytes, _context: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Events of a delivery, which may be of several merchants.

    Yields:
        ``id, type`` (such as ``O.UPDATE``), ``at, merchant, object`` (the id). Clover gives an
        event no id: merchant, object, type and time stand for one.
    """
    for merchant, told in msgspec.json.decode(body)["merchants"].items():
        for event in told:
            kind, _, id_ = str(event["objectId"]).partition(":")
            yield {
                "id": f"{merchant}:{kind}:{id_}:{event['type']}:{event['ts']}",
                "type": f"{kind}.{event['type']}", "at": event["ts"], "merchant": merchant,
                "object": id_,
            }  # fmt: skip


def _refunded(order: Mapping[str, Any], payment: str) -> int:
    return sum(
        int(refund.get("amount") or 0) - int(refund.get("taxAmount") or 0)
        for refund in _elements(order, "refunds")
        if (refund.get("payment") or {}).get("id") == payment
    )


def _elements(of: Mapping[str, Any], name: str) -> list[Any]:
    """An expanded list: ``{"elements": […]}``, or the plain list of some descriptions."""
    found = of.get(name) or {}
    return list(found.get("elements") or [] if isinstance(found, Mapping) else found)
