"""Webhooks in: durable before they are answered, doubles without effect, refusals counted."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook
from starlette.applications import Starlette
from starlette.testclient import TestClient

from meterstone.connect.catalogue import connectors
from meterstone.connect.clock import SystemClock
from meterstone.connect.deliveries import Deliveries, Taken, UnknownHook
from meterstone.connect.formats import Mappings, vendor_formats
from meterstone.connect.hooks import AddedHook, Hooks, shown
from meterstone.connect.hub import FETCH
from meterstone.connect.lag import Change
from meterstone.connect.missed import suspect
from meterstone.connect.schemes import WebhookRefused
from meterstone.connect.settling import Settler
from meterstone.connect.spec_webhooks import Scheme
from meterstone.connect.telemetry import Telemetry
from meterstone.connect.webhooks import WebhookReceiver
from meterstone.errors import FormatError, InputError
from meterstone.facts import vocabulary
from meterstone.ledger import Connection, Ledger
from meterstone.record.log import LandingLog
from meterstone.record.model import facts_of_ours
from meterstone.record.recorder import Recorder
from meterstone.warehouse.duckdb import DuckDBWarehouse

KEY = "the vendor's key"
ACME = Path(__file__).parent / "acme.yaml"


@dataclass
class Clock:
    now: datetime

    def __call__(self) -> datetime:
        return self.now


class Scene:
    """A home's parts, one connection to Acme, and its hook."""

    def __init__(self, folder: Path) -> None:
        (folder / "connectors" / "acme").mkdir(parents=True)
        (folder / "connectors" / "acme" / "connector.yaml").write_bytes(ACME.read_bytes())
        self.clock = Clock(datetime.now(UTC))
        self.connectors = connectors(folder)
        self.mappings = Mappings(lambda: self.connectors)
        self.ledger = Ledger.open(folder, clock=self.clock)
        self.log = LandingLog(folder / "landing.sqlite")
        self.warehouse = DuckDBWarehouse(folder / "warehouse.duckdb", vocabulary())
        self.recorder = Recorder(self.log, self.warehouse, vendor_formats(self.mappings))
        self.telemetry = Telemetry(self.log.land_soon, SystemClock())
        self.deliveries = Deliveries(self.ledger, self.log, self.mappings, now=self.clock)
        self.settler = Settler(self.ledger, self.log, self.warehouse, self.telemetry)
        self.hooks = Hooks(self.ledger, self.connectors, "test")
        self.connection = self.connect("M1", "F0001")
        self.hook = self.hooks.add("acme", "https://hub.example", key=KEY)

    def connect(self, account: str, franchise: str) -> Connection:
        with self.ledger.change("test") as change:
            return change.connections.add(
                connector="acme", account=account, name=account, franchise_id=franchise,
                status="active",
            )  # fmt: skip

    @property
    def token(self) -> str:
        return self.hook.url.rpartition("/")[2]

    def event(self, id_: str = "e1", **more: Any) -> dict[str, Any]:
        at = self.clock.now.isoformat().replace("+00:00", "Z")
        payment = {
            "id": "p1", "created_at": at, "updated_at": at, "location_id": "L1",
            "amount_money": {"amount": 1234, "currency": "USD"}, "status": "COMPLETED",
        }  # fmt: skip
        return {
            "event_id": id_, "type": "payment.updated", "created_at": at, "merchant_id": "M1",
            "data": {"id": "p1", "object": {"payment": payment}}, **more,
        }  # fmt: skip

    def signed(self, body: bytes, key: str = KEY, url: str = "") -> dict[str, str]:
        signed = (url or self.hook.url).encode() + body
        digest = hmac.digest(key.encode(), signed, "sha256")
        return {"x-acme-signature": base64.b64encode(digest).decode()}

    def send(self, event: dict[str, Any]) -> tuple[int, int]:
        """Deliver an event as the vendor does; new events and doubles."""
        body = json.dumps(event).encode()
        taken = self.deliveries.take("acme", self.token, self.signed(body), body)
        return taken.events, taken.doubles

    def settle(self) -> None:
        self.recorder.map_new()
        self.settler.settle()
        self.settler.tell()
        self.telemetry.flush()
        self.log.land(facts_of_ours(b"", f"after {self.log.last_seq()}", "test"))  # in order
        self.recorder.map_new()

    def rows(self, fact: str) -> list[dict[str, Any]]:
        relation = self.warehouse.relation(fact, None)
        found: list[dict[str, Any]] = self.warehouse.query(
            f"SELECT k.* FROM {relation} AS k"
        ).to_pylist()
        return found

    def counts(self) -> dict[str, Any]:
        return shown(self.hooks.all()[0])

    def close(self) -> None:
        self.ledger.close()
        self.log.close()
        self.warehouse.close()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.close()


def test_a_record_that_an_event_carries_is_a_fact_at_once(scene: Scene) -> None:
    assert scene.send(scene.event()) == (1, 0)
    scene.clock.now += timedelta(seconds=1)
    scene.settle()
    (payment,) = scene.rows("payment")
    assert (payment["payment_id"], float(payment["gross"])) == ("p1", 12.34)
    assert payment["franchise_id"] == "F0001"
    (delivery,) = scene.rows("webhook_delivery")
    assert (delivery["direction"], delivery["status"]) == ("in", "delivered")
    assert delivery["delivered_at"] is not None
    (lag,) = scene.rows("sync_lag")
    assert lag["applied_at"] - lag["source_changed_at"] == timedelta(seconds=1)
    assert lag["connection_id"] == scene.connection.id


def test_a_record_that_an_event_says_is_gone_is_withdrawn(scene: Scene) -> None:
    scene.send(scene.event("e1"))
    scene.settle()
    assert len(scene.rows("payment")) == 1
    scene.clock.now += timedelta(seconds=1)
    scene.send(scene.event("e2", type="payment.deleted"))
    scene.settle()
    assert scene.rows("payment") == []


def test_a_record_that_an_event_names_is_fetched_once(scene: Scene) -> None:
    changed = scene.event("e1", type="payment.changed")
    assert scene.send(changed) == (1, 0)
    assert scene.send(scene.event("e2", type="payment.changed")) == (1, 0)
    assert scene.send(changed) == (0, 1)
    with scene.ledger.read() as seen:
        jobs = seen.queue.all("waiting", FETCH)
    assert [dict(job.payload) for job in jobs] == [
        {"connection": scene.connection.id, "stream": "payments", "id": "p1"}
    ]
    scene.settle()
    assert scene.rows("webhook_delivery") == []
    with scene.ledger.change("worker") as change:
        change.inbound.fetched(scene.connection.id, "payments", "p1", since=change.now)
    scene.settle()
    assert {row["status"] for row in scene.rows("webhook_delivery")} == {"delivered"}


def test_an_event_that_waits_for_its_record_is_told_as_pending_and_then_as_delivered(
    scene: Scene,
) -> None:
    scene.send(scene.event(type="payment.changed"))
    scene.clock.now += timedelta(minutes=2)
    scene.settle()
    assert [row["status"] for row in scene.rows("webhook_delivery")] == ["pending"]
    with scene.ledger.change("worker") as change:
        change.inbound.fetched(scene.connection.id, "payments", "p1", since=change.now)
    scene.settle()
    (row,) = scene.rows("webhook_delivery")
    assert row["status"] == "delivered"


def test_the_same_event_has_one_effect(scene: Scene) -> None:
    event = scene.event()
    assert [scene.send(event) for _ in range(3)] == [(1, 0), (0, 1), (0, 1)]
    reformatted = json.dumps(event, indent=1).encode()
    taken = scene.deliveries.take("acme", scene.token, scene.signed(reformatted), reformatted)
    assert (taken.events, taken.doubles) == (0, 1)
    scene.settle()
    assert len(scene.rows("payment")) == len(scene.rows("webhook_delivery")) == 1
    assert scene.rows("webhook_delivery")[0]["attempts"] == 4
    assert scene.counts()["doubles"] == 3


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda _scene, _body: {}, "unsigned"),
        (lambda scene, body: scene.signed(body, key="another"), "forged"),
        (lambda scene, body: scene.signed(body + b" "), "forged"),
        (lambda scene, body: scene.signed(body, url="https://other.example"), "forged"),
    ],
)
def test_a_forged_delivery_is_refused_and_counted(scene: Scene, spoil: Any, reason: str) -> None:
    body = json.dumps(scene.event()).encode()
    with pytest.raises(WebhookRefused) as refused:
        scene.deliveries.take("acme", scene.token, spoil(scene, body), body)
    assert refused.value.reason == reason
    assert KEY not in str(refused.value)
    assert (scene.counts()["refused"], scene.counts()["last_refusal"]) == (1, reason)
    assert scene.log.last_seq() == 0, "nothing of it is kept"


def test_an_old_event_is_a_replay(scene: Scene) -> None:
    event = scene.event()
    scene.send(event)
    scene.clock.now += timedelta(days=8)
    with pytest.raises(WebhookRefused) as refused:
        scene.send(event)
    assert refused.value.reason == "replayed"
    assert scene.counts()["refused"] == 1


def test_wrong_addresses_are_all_alike(scene: Scene) -> None:
    hook, _, secret = scene.token.partition(".")
    body = json.dumps(scene.event()).encode()
    for connector, token in (
        ("acme", f"{hook}.wrong"), ("acme", f"wrong.{secret}"), ("acme", hook), ("acme", ""),
        ("square", scene.token), ("nobody", scene.token), ("acme", scene.token + "x"),
    ):  # fmt: skip
        with pytest.raises(UnknownHook):
            scene.deliveries.take(connector, token, scene.signed(body), body)


def test_an_account_that_nobody_connected_is_not_kept(scene: Scene) -> None:
    assert scene.send(scene.event(merchant_id="M9")) == (0, 0)
    assert scene.log.last_seq() == 0
    assert "not connected" in scene.counts()["last_refusal"]


def test_each_account_gets_its_own(scene: Scene) -> None:
    other = scene.connect("M2", "F0002")
    scene.send(scene.event("e1"))
    scene.send(scene.event("e2", merchant_id="M2"))
    scene.settle()
    assert {row["subscription_id"] for row in scene.rows("webhook_delivery")} == {
        scene.connection.id, other.id,
    }  # fmt: skip


def test_a_delivery_for_two_accounts_gives_each_its_own_records(scene: Scene) -> None:
    scene.connect("M2", "F0002")
    events = [scene.event("e1"), scene.event("e2", merchant_id="M2")]
    events[1]["data"]["object"]["payment"]["id"] = "p2"
    body = json.dumps(events).encode()
    taken = scene.deliveries.take("acme", scene.token, scene.signed(body), body)
    assert taken.events == 2
    scene.settle()
    franchises = {row["payment_id"]: row["franchise_id"] for row in scene.rows("payment")}
    assert franchises == {"p1": "F0001", "p2": "F0002"}


def test_what_is_no_event_is_refused(scene: Scene) -> None:
    for body in (b"<html>", b'{"event_id": "e1", "type": "payment.changed", "merchant_id": "M1"}'):
        with pytest.raises(FormatError):
            scene.deliveries.take("acme", scene.token, scene.signed(body), body)


def test_an_event_that_we_do_not_read_is_taken(scene: Scene) -> None:
    assert scene.send(scene.event(type="payout.sent")) == (1, 0)
    scene.settle()
    assert scene.rows("payment") == []
    assert scene.rows("webhook_delivery")[0]["status"] == "delivered"


def test_a_new_key_and_the_former_one_hold_for_a_time(scene: Scene) -> None:
    scene.hooks.set_key(scene.hook.hook.id, "new key")
    body = json.dumps(scene.event()).encode()
    for key in (KEY, "new key"):
        scene.deliveries.take("acme", scene.token, scene.signed(body, key), body)
    scene.clock.now += timedelta(days=2)
    body = json.dumps(scene.event("e2")).encode()
    scene.deliveries.take("acme", scene.token, scene.signed(body, "new key"), body)
    with pytest.raises(WebhookRefused):
        scene.deliveries.take("acme", scene.token, scene.signed(body), body)


def test_a_removed_hook_is_no_address(scene: Scene) -> None:
    scene.hooks.remove(scene.hook.hook.id)
    with pytest.raises(UnknownHook):
        scene.send(scene.event())
    assert scene.hooks.all() == []


def test_secrets_are_not_shown(scene: Scene) -> None:
    secret = scene.token.partition(".")[2]
    for text in (repr(scene.hook), str(scene.counts())):
        assert secret not in text
        assert KEY not in text


def test_a_connector_without_webhooks_has_no_hook(scene: Scene) -> None:
    with pytest.raises(InputError, match="no webhooks"):
        scene.hooks.add("franconnect", "https://hub.example")


def test_a_change_that_no_event_told_is_a_missed_webhook(scene: Scene) -> None:
    at = scene.clock.now + timedelta(seconds=10)
    scene.clock.now += timedelta(minutes=5)
    scene.send(scene.event("e1"))
    polled = [
        Change("p1", at, scene.clock.now),  # e1 tells of it
        Change("p2", at, scene.clock.now),  # nobody does
        Change("p3", at, scene.clock.now),  # its event comes late
        Change("p4", at - timedelta(days=1), scene.clock.now),  # from before the hook
    ]
    assert suspect(scene.ledger, scene.connection, "payments", polled) == 2
    assert suspect(scene.ledger, scene.connection, "payments", polled) == 2, "the same two"
    late = scene.event("e3")
    late["data"]["object"]["payment"]["id"] = "p3"
    scene.send(late)
    assert scene.settler.judge() == 0, "it may still come"
    scene.clock.now += timedelta(minutes=11)
    assert scene.settler.judge() == 1
    assert scene.settler.judge() == 0
    scene.settle()
    (found,) = [row for row in scene.rows("webhook_delivery") if row["found_by_reconciliation"]]
    assert found["created_at"].replace(tzinfo=UTC) == at
    assert found["attempts"] == 1


def test_over_http(scene: Scene) -> None:
    app = Starlette(routes=[*WebhookReceiver(scene.deliveries, most_bytes=2000).routes()])
    body = json.dumps(scene.event()).encode()
    path = f"/hooks/acme/{scene.token}"
    with TestClient(app) as client:
        assert client.post(path, content=body, headers=scene.signed(body)).status_code == 200
        assert client.post(path, content=body).status_code == 401
        assert client.post(path + "x", content=body, headers=scene.signed(body)).status_code == 404
        assert client.post("/hooks/nobody/x", content=body).status_code == 404
        assert client.post(path, content=b"x" * 2001).status_code == 413
        assert client.post(path, content=b"<", headers=scene.signed(b"<")).status_code == 400
        assert client.get(path).status_code == 405
    assert scene.log.last_seq() == 1


def test_a_vendor_is_answered_before_it_gives_up(scene: Scene) -> None:
    """What takes longer than the vendor waits is a 503; the vendor sends it again."""

    class Slow(Deliveries):
        def take(self, *_args: object) -> Taken:
            time.sleep(0.5)
            return Taken(b"", "application/json")

        def scheme(self, connector: str) -> Scheme:
            return super().scheme(connector).model_copy(update={"answer_within_s": 0.05})

    slow = Slow(scene.ledger, scene.log, scene.mappings)
    with TestClient(Starlette(routes=WebhookReceiver(slow).routes())) as client:
        answer = client.post(f"/hooks/acme/{scene.token}", content=b"{}")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]


def test_leads_come_by_standard_webhooks(scene: Scene) -> None:
    with scene.ledger.change("test") as change:
        mine = change.connections.add(connector="fransmart", account="", status="active")
    hook = scene.hooks.add("fransmart", "https://hub.example", connection=mine.id)
    now = datetime.now(UTC)
    body = json.dumps(
        {"type": "lead.changed", "timestamp": now.isoformat(), "data": {"lead_id": "L1"}}
    )
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(hook.key).sign("msg_1", now, body),
    }
    token = hook.url.rpartition("/")[2]
    taken = scene.deliveries.take("fransmart", token, headers, body.encode())
    assert (taken.events, taken.doubles) == (1, 0)
    taken = scene.deliveries.take("fransmart", token, headers, body.encode())
    assert (taken.events, taken.doubles) == (0, 1), "told by webhook-id"
    with pytest.raises(WebhookRefused):
        scene.deliveries.take("fransmart", token, headers, body.encode() + b" ")


def test_an_added_hook_knows_its_address(scene: Scene) -> None:
    added: AddedHook = scene.hooks.add("fransmart", "https://hub.example/")
    assert added.url.startswith("https://hub.example/hooks/fransmart/")
    assert added.key.startswith("whsec_")
