"""Square's subscriptions to webhooks, and the envelope of an event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from meterstone.sandbox.kit import Clock, Entity, Record, Sender, Target, rfc3339, token
from meterstone.sandbox.square.asking import body_of
from meterstone.sandbox.square.errors import Wrong, invalid
from meterstone.sandbox.square.forms import MERCHANT


@dataclass(frozen=True)
class Subscriptions:
    """The endpoints under ``/v2/webhooks/subscriptions``."""

    entities: Mapping[str, Entity]
    sender: Sender
    clock: Clock

    async def all(self, _request: Request) -> Any:
        """All subscriptions."""
        shown = [self._shown(target) for target in self.sender.targets.values()]
        return {"subscriptions": shown} if shown else {}

    async def create(self, request: Request) -> Any:
        """A new one, with its signature key."""
        asked = (await body_of(request)).get("subscription") or {}
        url = asked.get("notification_url")
        if not url:
            raise invalid(
                "MISSING_REQUIRED_PARAMETER", "notification_url is required",
                "subscription.notification_url",
            )  # fmt: skip
        target = self.sender.subscribe(url, events=asked.get("event_types") or ())
        return {"subscription": self._shown(target)}

    async def one(self, request: Request) -> Any:
        """One by its id."""
        return {"subscription": self._shown(self._target(request))}

    async def delete(self, request: Request) -> Any:
        """Send nothing more there."""
        self.sender.unsubscribe(self._target(request).id)
        return {}

    async def test(self, request: Request) -> Any:
        """Send an event with the newest record of its kind."""
        target, asked = self._target(request), await body_of(request)
        type_ = asked.get("event_type") or "payment.updated"
        entity = self.entities[f"{type_.partition('.')[0]}s"]
        record = entity.get(entity.id_at(-1)) or {}
        id_ = token("test", self.clock.now(), length=32).lower()
        body = event_body(type_, id_, record, self.clock)
        self.sender.send(type_, id_, str(record["id"]), lambda _target: body)
        return {
            "subscription_test_result": {
                "id": id_, "status_code": 200, "payload": body.decode(),
                "created_at": rfc3339(self.clock.now()), "notification_url": target.url,
            }
        }  # fmt: skip

    def _target(self, request: Request) -> Target:
        target = self.sender.targets.get(request.path_params["id"])
        if target is None:
            raise Wrong(404, "INVALID_REQUEST_ERROR", "NOT_FOUND", "No such subscription.")
        return target

    def _shown(self, target: Target) -> Record:
        return {
            "id": target.id, "name": "Simulated", "enabled": target.enabled,
            "event_types": list(target.events), "notification_url": target.url,
            "signature_key": target.secret,
        }  # fmt: skip


def event_body(type_: str, id_: str, record: Record, clock: Clock) -> bytes:
    """The envelope of a webhook. Events of orders only name the order; all others carry it."""
    kind = type_.partition(".")[0]
    carried = {kind: record}
    if kind == "order":
        names = ("version", "location_id", "state", "created_at", "updated_at")
        carried = {
            type_.replace(".", "_"): {
                "order_id": record["id"], **{name: record[name] for name in names},
            }
        }  # fmt: skip
    event = {
        "merchant_id": MERCHANT, "type": type_, "event_id": id_, "created_at": rfc3339(clock.now()),
        "data": {"type": kind, "id": record["id"], "object": carried},
    }  # fmt: skip
    return JSONResponse(None).render(event)
