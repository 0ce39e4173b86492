"""What people do with webhooks out; the command line and the API are two faces of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from meterstone.connect.egress import STRANGERS, Egress
from meterstone.errors import InputError, suggest
from meterstone.ledger.announced import Attempt, Endpoint, body
from meterstone.ledger.ledger import Change, Ledger
from meterstone.publish.outbound import secrets
from meterstone.publish.outbound.messages import EVENT_TYPES

BOTH_FOR = timedelta(days=1)
"""So long the former secret signs too after a rotation, unless one says otherwise."""


@dataclass(frozen=True, slots=True)
class Added:
    """A new endpoint, or a new secret of one; the secret is told this once."""

    endpoint: Endpoint
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Shown:
    """An endpoint and how many of its deliveries have which status."""

    endpoint: Endpoint
    deliveries: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        endpoint = self.endpoint
        since = endpoint.failing_since
        return {
            "id": endpoint.id,
            "url": endpoint.url,
            "description": endpoint.description,
            "event_types": list(endpoint.event_types),
            "ordered": endpoint.ordered,
            "status": endpoint.status,
            "reason": endpoint.reason,
            "failures": endpoint.failures,
            "failing_since": since.isoformat() if since else None,
            "deliveries": self.deliveries,
        }


class Webhooks:
    """Endpoints, and what was sent to them.

    Args:
        actor: who does it, for the audit log.
        egress: which receivers may be given.
    """

    def __init__(self, ledger: Ledger, actor: str, egress: Egress | None = None) -> None:
        self._ledger = ledger
        self._actor = actor
        self._egress = egress or Egress(STRANGERS)

    def add(
        self,
        url: str,
        *,
        event_types: Sequence[str] = (),
        description: str = "",
        ordered: bool = False,
    ) -> Added:
        """Send messages to a URL from now on.

        Args:
            event_types: what is wanted; empty: all but tests of others.
            ordered: one message at a time, in their order; a receiver that fails then holds up
                what comes after.

        Raises:
            EgressRefused: the URL is not one that is called.
            InputError: an unknown type.
        """
        self._egress.check(url)
        for name in event_types:
            if name not in EVENT_TYPES:
                raise InputError(
                    f"unknown event type {name!r}",
                    place="event types",
                    mend=suggest(name, sorted(EVENT_TYPES)),
                )
        with self._ledger.change(self._actor) as change:
            endpoint = change.outbox.add_endpoint(
                url, description=description, event_types=event_types, ordered=ordered
            )
            return Added(endpoint, secrets.give(change, endpoint.id))

    def all(self) -> list[Shown]:
        """The endpoints that were not removed."""
        with self._ledger.read() as seen:
            return [
                Shown(endpoint, seen.outbox.counts(endpoint.id))
                for endpoint in seen.outbox.endpoints()
                if endpoint.status != "removed"
            ]

    def rotate(self, endpoint: str, both_for: timedelta = BOTH_FOR) -> Added:
        """A new secret; the former one signs beside it for a time.

        Raises:
            InputError: there is no such endpoint.
        """
        with self._ledger.change(self._actor) as change:
            found = _there(change, endpoint)
            return Added(found, secrets.rotate(change, endpoint, both_for))

    def enable(self, endpoint: str) -> Endpoint:
        """Send there again; what was missed is sent by `replay`."""
        with self._ledger.change(self._actor) as change:
            found = _there(change, endpoint)
            change.outbox.set_health(found, 0, None)
            return change.outbox.set_endpoint(endpoint, "enabled")

    def remove(self, endpoint: str) -> None:
        """Send nothing more there, and destroy its secrets; what was sent stays on record."""
        with self._ledger.change(self._actor) as change:
            _there(change, endpoint)
            change.outbox.set_endpoint(endpoint, "removed", f"by {self._actor}")
            change.secrets.delete(secrets.owner(endpoint))

    def replay(
        self,
        endpoint: str,
        since: datetime,
        until: datetime | None = None,
        *,
        missed_only: bool = False,
    ) -> int:
        """Send the messages of a time once more, in their order; returns how many.

        Args:
            missed_only: only those that the endpoint never took.

        Raises:
            InputError: the endpoint takes nothing now, or a moment has no time zone.
        """
        if since.tzinfo is None or (until is not None and until.tzinfo is None):
            raise InputError("a moment needs its time zone", place="replay", mend="write …Z")
        with self._ledger.change(self._actor) as change:
            found = _there(change, endpoint)
            if found.status != "enabled":
                raise InputError(
                    f"is {found.status}: {found.reason}", place=endpoint, mend="enable it first"
                )
            took = {
                each.message for each in change.outbox.deliveries(endpoint=endpoint)
                if missed_only and each.status in ("delivered", "pending")
            }  # fmt: skip
            sent = [
                change.outbox.send(message.id, found, "backfill")
                for message in change.outbox.messages(since.astimezone(UTC), until or change.now)
                if found.wants(message.type) and message.id not in took
            ]
            change.audit("endpoint.replay", endpoint, messages=len(sent))
            return len(sent)

    def test(self, endpoint: str) -> str:
        """Send a message of type ``webhook.test`` to one endpoint; returns the message's id."""
        with self._ledger.change(self._actor) as change:
            found = _there(change, endpoint)
            payload = body("webhook.test", {"endpoint": endpoint, "by": self._actor}, change.now)
            return change.outbox.publish_to(found, "webhook.test", payload).id

    def attempts(self, endpoint: str, message: str) -> list[Attempt]:
        """Each attempt of one delivery."""
        with self._ledger.read() as seen:
            return seen.outbox.attempts(message, endpoint)


def _there(change: Change, endpoint: str) -> Endpoint:
    found = change.outbox.endpoint(endpoint)
    if found.status == "removed":
        raise InputError("was removed", place=endpoint, mend="add it again")
    return found
