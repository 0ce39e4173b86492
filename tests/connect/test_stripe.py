"""A tenth vendor by one file without Python, judged by a stand-in made of the published schemas.

The stand-in takes only parameters that the description of the operation names, and every answer is
held against the description's schema before it is sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jsonschema
import pytest
from tests.connect.acme import Acme, Handler, Scene, scene, serving
from tests.sandbox.vendors import spec, validate

from meterstone.connect.problems import VendorError

SPEC = "more/stripe.com__spec3__2023-09-12.yaml"
FILE = Path(__file__).parents[2] / "src/meterstone/connect/stripe/connector.yaml"
SPRING = 1_772_366_400


def charge(number: int, **change: Any) -> dict[str, Any]:
    """A charge of the published form."""
    return {
        "id": f"ch_{number:05}", "object": "charge", "amount": 2500, "amount_captured": 2500,
        "amount_refunded": 0, "billing_details": {}, "captured": True, "created": SPRING + number,
        "currency": "usd", "disputed": False, "livemode": True, "paid": True, "refunded": False,
        "metadata": {"franchise_id": "F0001"}, "status": "succeeded", **change,
    }  # fmt: skip


def invoice(number: int, **change: Any) -> dict[str, Any]:
    """An invoice with one line of the published form."""
    line = {
        "id": f"il_{number:05}", "object": "line_item", "amount": 9900, "currency": "usd",
        "amount_excluding_tax": 9900, "description": "Platform", "discountable": True,
        "discount_amounts": [{"amount": 900, "discount": "di_1"}], "discounts": [],
        "invoice_item": "", "livemode": True, "metadata": {},
        "period": {"start": SPRING, "end": SPRING + 2_592_000}, "proration": False,
        "proration_details": {}, "quantity": 1, "type": "subscription",
    }  # fmt: skip
    del line["invoice_item"]
    return {
        "id": f"in_{number:05}", "object": "invoice", "amount_due": 9000, "amount_paid": 9000,
        "amount_remaining": 0, "amount_shipping": 0, "attempt_count": 1, "attempted": True,
        "automatic_tax": {"enabled": False}, "billing_reason": "subscription_cycle",
        "collection_method": "charge_automatically", "created": SPRING + number,
        "currency": "usd", "customer": "cus_1", "default_tax_rates": [], "livemode": True,
        "lines": {"object": "list", "data": [line], "has_more": False, "url": "/v1/invoices/x"},
        "metadata": {"franchise_id": "F0001"}, "paid": True, "paid_out_of_band": False,
        "payment_settings": {}, "period_start": SPRING, "period_end": SPRING,
        "post_payment_credit_notes_amount": 0, "pre_payment_credit_notes_amount": 0,
        "starting_balance": 0, "status": "paid",
        "status_transitions": {"paid_at": SPRING + 60}, "subtotal": 9900, "total": 9000,
        "total_tax_amounts": [], **change,
    }  # fmt: skip


class StandIn:
    """Answers lists as the description says."""

    def __init__(self) -> None:
        self.charges = {c["id"]: c for c in map(charge, range(250))}
        self.invoices = {i["id"]: i for i in map(invoice, range(3))}

    def __call__(self, handler: Handler) -> bool:
        url = urlsplit(handler.path)
        operation = spec(SPEC)["paths"].get(url.path, {}).get("get")
        kept = {"/v1/charges": ("charge", self.charges), "/v1/invoices": ("invoice", self.invoices)}
        if operation is None or url.path not in kept:
            handler.give({"error": {"message": "Unrecognized request URL"}}, 404)
            return True
        assert handler.headers["Stripe-Version"] == spec(SPEC)["info"]["version"]
        query = dict(parse_qsl(url.query))
        problem = self._problem(operation, query)
        if problem:
            handler.give({"error": {"message": problem, "type": "invalid_request_error"}}, 400)
            return True
        kind, records = kept[url.path]
        handler.give(self._page(kind, records, query, url.path))
        return True

    def _problem(self, operation: dict[str, Any], query: dict[str, str]) -> str:
        for name, value in query.items():
            head, _, inner = name.rstrip("]").partition("[")
            known = {p["name"]: p["schema"] for p in operation["parameters"]}.get(head)
            if known is None:
                return f"Received unknown parameter: {name}"
            forms = known.get("anyOf", [known])
            form = next((f for f in forms if inner in f.get("properties", {"": 0})), None)
            if form is None:
                return f"Received unknown parameter: {name}"
            wanted = form["properties"][inner] if inner else form
            if wanted.get("type") == "integer" and not value.isdecimal():
                return f"Invalid integer: {value}"
        return ""

    def _page(
        self, kind: str, records: dict[str, Any], query: dict[str, str], path: str
    ) -> dict[str, Any]:
        """Newest first, as the API lists."""
        since, size = int(query.get("created[gte]", 0)), int(query.get("limit", 10))
        found = sorted((r for r in records.values() if r["created"] >= since),
                       key=lambda r: r["created"], reverse=True)  # fmt: skip
        ids = [record["id"] for record in found]
        start = ids.index(query["starting_after"]) + 1 if "starting_after" in query else 0
        page = found[start : start + size]
        for record in page:
            validate(record, kind, SPEC)
        return {"object": "list", "url": path, "data": page,
                "has_more": start + size < len(found)}  # fmt: skip


@pytest.fixture
def vendor() -> Iterator[tuple[Acme, StandIn]]:
    with serving() as acme:
        stand_in = StandIn()
        acme.faults.append(stand_in)
        yield acme, stand_in


@pytest.fixture
def at(tmp_path: Path, vendor: tuple[Acme, StandIn]) -> Iterator[Scene]:
    with scene(tmp_path, vendor[0], connector="stripe") as made:
        yield made


def test_there_is_one_file_and_no_python() -> None:
    assert [path.name for path in FILE.parent.iterdir() if path.name != "__pycache__"] == [
        "connector.yaml"
    ]


def test_charges_become_payments(at: Scene, vendor: tuple[Acme, StandIn]) -> None:
    vendor[1].charges["ch_00007"] |= {"amount_refunded": 500, "refunded": False}
    vendor[1].charges["ch_00008"] |= {"status": "failed", "amount_captured": 0, "paid": False}
    vendor[1].charges["ch_00009"] |= {"status": "pending", "paid": False}
    vendor[1].charges["ch_00010"] |= {"currency": "eur"}
    report = at.hub.sync(at.connection.id, "charges")
    assert (report.pages, report.read, report.failed) == (3, 250, 1)
    rows = {row["payment_id"]: row for row in at.facts("payment")}
    assert rows.keys() == vendor[1].charges.keys() - {"ch_00009", "ch_00010"}
    assert {row["integration"] for row in rows.values()} == {"stripe"}
    assert rows["ch_00007"]["net_sales_usd"] == Decimal("20.00")
    assert rows["ch_00008"]["status"] == "failed"
    [waiting] = at.log.quarantined("open")
    assert "'eur' is a word that the mapping does not know" in waiting.reason


def test_a_refund_is_found_by_the_look_back(at: Scene, vendor: tuple[Acme, StandIn]) -> None:
    at.hub.sync(at.connection.id, "charges")
    vendor[1].charges["ch_00100"] |= {"amount_refunded": 2500, "refunded": True}
    assert at.hub.sync(at.connection.id, "charges").mode == "incremental"
    rows = {row["payment_id"]: row for row in at.facts("payment")}
    assert rows["ch_00100"]["refund"] == Decimal("25.00")
    assert len(rows) == 250


def test_lines_of_invoices(at: Scene, vendor: tuple[Acme, StandIn]) -> None:
    at.hub.sync(at.connection.id, "invoices")
    rows = at.facts("invoice")
    assert len(rows) == 3
    row = next(row for row in rows if row["invoice_line_id"] == "il_00001")
    assert (row["amount"], row["credited"], row["net_usd"]) == (99, 9, 90)
    assert (row["deal_kind"], row["status"], row["kind"]) == ("renewal", "paid", "subscription")
    vendor[1].invoices["in_00001"]["lines"]["data"] = []  # a line that was taken off
    at.hub.sync(at.connection.id, "invoices")
    assert {r["invoice_line_id"] for r in at.facts("invoice")} == {"il_00000", "il_00002"}


def test_the_stand_in_judges(at: Scene, vendor: tuple[Acme, StandIn]) -> None:
    client = at.hub.client(at.connection)
    request = at.hub.connectors["stripe"].streams["charges"].request
    assert request is not None
    call = client.call(request).with_value("query.updated", 1)
    with pytest.raises(VendorError, match="Received unknown parameter: updated"):
        client.send(call)
    with pytest.raises(jsonschema.ValidationError):
        validate(charge(1, status="odd"), "charge", SPEC)
    del vendor
