"""Live sync: webhooks of the stand-ins by their own signatures, landed, fetched, done.

``./run proof live`` is the whole, with the quantiles.
"""

from __future__ import annotations

import random
from pathlib import Path

import httpx2
import pytest
from tests.connect.customer import Customer, customer, wait_for
from tests.proof.live_sync import prove, serving, settled

from meterstone.connect.hooks import Hooks
from meterstone.sandbox.kit import Books
from meterstone.sandbox.network import preset, simulate

SENDERS = ("clover", "quickbooks", "salesforce")


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Books:
    folder = tmp_path_factory.mktemp("network")
    simulate(preset("honest", shops=2, months=3, telemetry_days=None, seed=1), folder)
    return Books(folder)


def subscribe(at: Customer, name: str, address: str) -> None:
    """Register at the vendor as a person does, with its handshake where it asks for one."""
    hooks = Hooks(at.home.ledger, at.home.connectors, "test")
    added = hooks.add(name, address)
    spec = at.home.connectors[name].webhooks
    assert spec is not None
    target = (
        httpx2.post(f"{at.addresses[name]}/_sandbox/webhooks", json={"url": added.url})
        .raise_for_status()
        .json()
    )
    if spec.scheme.has_key:
        hooks.set_key(added.hook.id, target["secret"])
    if spec.scheme.handshake:
        wait_for(lambda: bool(hooks.all()[0].handshake))
        httpx2.post(
            f"{at.addresses[name]}/_sandbox/webhooks/{target['id']}/confirm",
            json={"code": hooks.all()[0].handshake},
        ).raise_for_status()


@pytest.mark.parametrize("name", SENDERS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of uvicorn's event loop
def test_what_changes_at_a_vendor_comes_by_its_webhook(
    name: str, books: Books, tmp_path: Path
) -> None:
    with customer(tmp_path, books, name) as at:
        vendor = at.vendors[name]
        assert vendor.sender is not None
        assert vendor.live is not None
        at.sync(name)
        with serving(at) as address:
            subscribe(at, name, address)
            chance = random.Random(3)
            for _ in range(6):
                vendor.live.happen(chance)
            sent = [e for e in vendor.sender.events if e.about]
            wait_for(lambda: all(e.state == "delivered" for e in sent))
            assert settled(at) == 0
        (hook,) = Hooks(at.home.ledger, at.home.connectors, "test").all()
        assert hook.taken >= len({e.id for e in sent}) > 0
        assert hook.refused == 0
        rows = at.facts("webhook_delivery", integration=name)
        assert {row["status"] for row in rows} == {"delivered"}
        lags = at.facts("sync_lag", integration=name)
        assert lags


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of uvicorn's event loop
def test_every_change_is_a_fact_and_every_lost_webhook_is_found(
    books: Books, tmp_path: Path
) -> None:
    """How soon is measured by the proof: docs/proofs/live_sync.md."""
    found = prove(tmp_path, books, seconds=3, per_s=5, lost_share=0.5, seed=7)
    assert found.open == 0
    assert len(found.all.seconds) >= 10
    assert found.missed == found.missed_right == found.lost_records
