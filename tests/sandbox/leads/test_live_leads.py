"""Leads by signed webhook: a change and a withdrawal are facts, a forged delivery is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.connect.customer import Customer, customer, wait_for
from tests.proof.live_sync import serving, settled

from meterstone.connect.hooks import AddedHook, Hooks
from meterstone.sandbox.kit import Books

FORGED = {"webhook-id": "msg_1", "webhook-timestamp": "1", "webhook-signature": "v1,x"}


def subscribe(at: Customer, name: str, address: str) -> AddedHook:
    """The address and the key that the home made, given to the automation service."""
    added = Hooks(at.home.ledger, at.home.connectors, "test").add(name, address)
    asked = {"url": added.url, "secret": added.key}
    httpx2.post(f"{at.addresses[name]}/_sandbox/webhooks", json=asked).raise_for_status()
    return added


def deals(at: Customer, name: str) -> dict[str, Any]:
    return {row["deal_id"]: row["outcome"] for row in at.facts("deal", source=name)}


@pytest.mark.parametrize("name", ["fransmart", "ifpg"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of uvicorn's event loop
def test_a_change_and_a_withdrawal_come_by_webhook(name: str, books: Books, tmp_path: Path) -> None:
    with customer(tmp_path, books, name) as at:
        vendor = at.vendors[name]
        sender, leads = vendor.sender, vendor.entities["lead"]
        assert sender is not None
        at.sync(name)
        before = deals(at, name)
        won, gone = (record["lead_id"] for record in leads.select(descending=True).page(0, 2))
        with serving(at) as address:
            added = subscribe(at, name, address)
            at_ = "2026-11-03T10:00:00Z"
            leads.edit(won, {"stage": "won", "outcome": "won", "stage_at": at_, "closed_at": at_})
            leads.delete(gone)
            wait_for(lambda: [e.state for e in sender.events] == ["delivered"] * 2)
            body = {"type": "lead.deleted", "data": {"lead_id": won, "stage_at": at_}}
            forged = httpx2.post(added.url, json=body, headers=FORGED)
            assert forged.status_code in (400, 401, 403)
            assert settled(at) == 0
        after = deals(at, name)
        assert after == {**{k: v for k, v in before.items() if k != gone}, won: "won"}
        delivered = at.facts("webhook_delivery", integration=name)
        assert [row["status"] for row in delivered].count("delivered") == 2
