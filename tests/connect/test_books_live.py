"""A change at QuickBooks or Salesforce is told by their webhook, fetched, and a fact."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.connect.customer import Customer, customer
from tests.sandbox.vendors import small_books

from meterstone.connect.deliveries import Deliveries
from meterstone.connect.hooks import Hooks, shown
from meterstone.connect.schemes import WebhookRefused
from meterstone.connect.worker import Worker

KEY = "verifier-token"


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Customer]:
    folder: Path = tmp_path_factory.mktemp("live")
    with customer(
        folder / "home", small_books(folder / "facts"), "quickbooks", "salesforce"
    ) as made:
        made.sync()
        yield made


@contextmanager
def hooked(at: Customer, vendor: str, secret: str = KEY) -> Iterator[Hooks]:
    """The vendor sends to this home while the block runs."""
    deliveries = Deliveries(at.home.ledger, at.home.log, at.home.mappings)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            try:
                taken = deliveries.take(vendor, self.path.rpartition("/")[2], headers, body)
                status, content = 200, taken.body
            except WebhookRefused:
                status, content = 401, b"{}"
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    hooks = Hooks(at.home.ledger, at.home.connectors, "test")
    added = hooks.add(vendor, f"http://127.0.0.1:{server.server_port}", key=KEY)
    sender = at.vendors[vendor].sender
    assert sender is not None
    target = sender.subscribe(added.url, secret=secret)
    try:
        yield hooks
    finally:
        sender.unsubscribe(target.id)
        hooks.remove(added.hook.id)
        server.shutdown()
        thread.join()
        server.server_close()


def wait_for(at: Customer, vendor: str, state: str, wanted: int) -> None:
    """Until the vendor's sender has so many events in a state."""
    sender, pause = at.vendors[vendor].sender, threading.Event()
    assert sender is not None
    for _ in range(6000):
        events = sender.state()["events"]
        if state == "refused" and any(e["last"] == "401" for e in events):
            return
        if sender.state().get(state, 0) >= wanted:
            return
        pause.wait(0.01)
    raise AssertionError(sender.state())


def delivered(at: Customer, vendor: str) -> int:
    sender = at.vendors[vendor].sender
    assert sender is not None
    return int(sender.state()["delivered"])


@pytest.mark.parametrize("form", ["cloudevents", "legacy"])
def test_a_paid_invoice_is_a_fact_when_quickbooks_tells(at: Customer, form: str) -> None:
    url = at.addresses["quickbooks"]
    httpx2.post(f"{url}/_sandbox/webhook_form", json={"form": form}).raise_for_status()
    invoices = at.vendors["quickbooks"].entities["Invoice"]
    records = invoices.select().page(0, 200)
    held = next(record for record in records if record["Balance"] > 0)
    before = delivered(at, "quickbooks")
    with hooked(at, "quickbooks"):
        invoices.edit(held["Id"], {"Balance": 0})
        wait_for(at, "quickbooks", "delivered", before + 1)
    assert Worker(at.hub).run_once() >= 1
    rows = [row for row in at.facts("invoice") if row["source_ref"] == held["Id"]]
    assert {row["status"] for row in rows} == {"paid"}


def test_a_deleted_invoice_is_withdrawn_when_quickbooks_tells(at: Customer) -> None:
    invoices = at.vendors["quickbooks"].entities["Invoice"]
    held = invoices.select().page(0, 1)[0]
    before = delivered(at, "quickbooks")
    with hooked(at, "quickbooks"):
        invoices.delete(held["Id"])
        wait_for(at, "quickbooks", "delivered", before + 1)
    assert Worker(at.hub).run_once() >= 1
    assert not [row for row in at.facts("invoice") if row["source_ref"] == held["Id"]]


def test_a_deal_that_moves_is_a_fact_when_salesforce_tells(at: Customer) -> None:
    deals = at.vendors["salesforce"].entities["Opportunity"]
    held = deals.select().page(0, 1)[0]
    with hooked(at, "salesforce"):
        deals.edit(held["Id"], {"StageName": "negotiation"})
        wait_for(at, "salesforce", "delivered", 1)
    assert Worker(at.hub).run_once() >= 1
    [row] = [row for row in at.facts("deal") if row["source_ref"] == held["Id"]]
    assert (row["stage"], row["client_id"] is not None) == ("negotiation", True)


def test_a_forged_notification_is_refused(at: Customer) -> None:
    invoices = at.vendors["quickbooks"].entities["Invoice"]
    with hooked(at, "quickbooks", secret="another") as hooks:  # noqa: S106
        invoices.edit(invoices.select().page(0, 1)[0]["Id"], {"PrivateNote": "x"})
        wait_for(at, "quickbooks", "refused", 1)
        [hook] = hooks.all()
        assert (shown(hook)["events"], shown(hook)["last_refusal"]) == (0, "forged")
    assert Worker(at.hub).run_once() == 0
