"""Money that cannot be: each row is refused by name with its mend, and the rest goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from meterstone.app import Home
from meterstone.record.model import Incoming
from meterstone.record.strangers import facts_of_franchises

PAYMENT: dict[str, Any] = {
    "fact": "payment", "payment_id": "p1", "franchise_id": "F1", "paid_at": "2026-05-01T12:00:00Z",
    "gross": 100, "discount": 10, "refund": 0, "tax": 8, "tip": 0, "currency": "USD",
    "net_sales_usd": 90, "status": "completed", "origin": "pos",
}  # fmt: skip
FRANCHISE: dict[str, Any] = {
    "fact": "franchise", "franchise_id": "F1", "status_at": "2026-01-01T00:00:00Z",
    "client_id": "K1", "client_segment": "small", "status": "opened", "region": "US-CA",
    "country": "US",
}  # fmt: skip
CONTRACT: dict[str, Any] = {
    "fact": "franchise_contract", "contract_id": "c1", "agreement": "platform_contract",
    "client_id": "K1", "signed_at": "2026-01-01T00:00:00Z", "starts_on": "2026-02-01",
    "ends_on": "2027-01-31",
}  # fmt: skip
INVOICE: dict[str, Any] = {
    "fact": "invoice", "invoice_line_id": "i1", "invoice_id": "n1", "kind": "usage",
    "issued_at": "2026-05-01T12:00:00Z", "deal_kind": "none", "service_from": "2026-04-01",
    "service_to": "2026-04-30", "amount": 10, "credited": 0, "currency": "EUR", "net_usd": 11,
    "due_on": "2026-06-01", "status": "open",
}  # fmt: skip


def land(home: Home, *rows: dict[str, Any]) -> None:
    body = "".join(json.dumps(row) + "\n" for row in rows).encode()
    home.recorder.land(Incoming(body, "facts_jsonl", "application/x-ndjson", "file", "m.jsonl", {}))
    home.recorder.map_new()


CASES = {
    "an unknown currency": (
        PAYMENT | {"currency": "XBT"},
        "currency is 'XBT', which is no code of ISO 4217", "did you mean 'BTN'?",
    ),
    "a currency in small letters": (
        INVOICE | {"currency": "eur"},
        "currency is 'eur', which is no code of ISO 4217", "did you mean 'EUR'?",
    ),
    "a currency by its sign": (
        PAYMENT | {"currency": "$"},
        "currency is '$', which is no code of ISO 4217", "write a code of ISO 4217, such as ZWG",
    ),
    "a refund larger than its sale": (
        PAYMENT | {"refund": 90.01, "net_sales_usd": -0.01},
        "refund + discount 100.01 and gross 100.00 break the rule refund + discount <= gross",
        "correct refund or discount or gross at the source and send the row again",
    ),
    "a contract that ends before it starts": (
        CONTRACT | {"ends_on": "2026-01-31"},
        "ends_on 2026-01-31 and starts_on 2026-02-01 break the rule ends_on >= starts_on",
        "correct ends_on or starts_on at the source and send the row again",
    ),
    "a service period that ends before it starts": (
        INVOICE | {"service_to": "2026-03-31"},
        "service_to 2026-03-31 and service_from 2026-04-01 break the rule "
        "service_to >= service_from",
        "correct service_to or service_from at the source and send the row again",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_by_name_and_the_rest_goes_on(home: Home, case: str) -> None:
    wrong, reason, mend = CASES[case]
    around = [PAYMENT | {"payment_id": "p8"}, CONTRACT | {"contract_id": "c8"}]
    land(home, around[0], wrong, around[1])
    [refused] = home.log.quarantined()
    assert (refused.item, refused.fact) == (2, wrong["fact"])
    assert (refused.reason, refused.mend) == (reason, mend)
    assert home.warehouse.count("payment") == home.warehouse.count("franchise_contract") == 1


def test_a_whole_sale_may_be_given_back(home: Home) -> None:
    land(home, PAYMENT | {"refund": 90, "net_sales_usd": 0})
    assert home.log.quarantined() == []


def test_a_franchise_nobody_knows_is_kept_and_named(home: Home) -> None:
    land(home, FRANCHISE, PAYMENT)
    assert home.strangers() == []
    stray = PAYMENT | {"franchise_id": "F9"}
    land(home, stray | {"payment_id": "p2"}, stray | {"payment_id": "p3"})
    [stranger] = home.strangers()
    assert stranger.reason == "franchise 'F9' of 2 rows of payment is in no register"
    assert stranger.mend.startswith("send its rows of fact franchise, or send the payment again")
    assert home.warehouse.count("payment") == 3
    assert home.log.quarantined() == []
    land(home, FRANCHISE | {"franchise_id": "F9"})
    assert home.strangers() == []  # the register came in: nothing has to be sent again


def test_rows_that_never_count_name_no_strangers(home: Home) -> None:
    land(
        home,
        PAYMENT | {"environment": "staging"},
        PAYMENT | {"payment_id": "p2", "synthetic": True},
    )
    assert home.strangers() == []


def test_the_facts_that_need_a_franchise(home: Home) -> None:
    needed = ["payment", "subscription", "booking", "onboarding"]
    assert facts_of_franchises(home.subject.vocabulary) == needed
