"""What the outbox holds: endpoints, messages, deliveries, attempts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from meterstone.errors import InputError

MOST_BYTES = 20_000
"""Of a message's body; Standard Webhooks asks for less than 20 kB. What is larger is fetched by its
id."""

EndpointStatus = Literal["enabled", "disabled", "removed"]
DeliveryStatus = Literal["pending", "delivered", "failed", "receiver_disabled"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where messages go. Its signing secrets are secrets of owner ``endpoint:<id>``.

    ``failures`` are attempts that failed in a row, over all its deliveries, since
    ``failing_since``.
    """

    id: str
    url: str
    description: str
    event_types: tuple[str, ...]
    ordered: bool
    status: EndpointStatus
    reason: str
    created_at: datetime
    changed_at: datetime
    version: int
    failures: int
    failing_since: datetime | None

    @property
    def owner(self) -> str:
        """Owner of its secrets, and its group in the queue."""
        return f"endpoint:{self.id}"

    def wants(self, event_type: str) -> bool:
        """Whether messages of this type go here; without types: all do."""
        return not self.event_types or event_type in self.event_types


@dataclass(frozen=True, slots=True)
class Message:
    """What is announced: the bytes that are sent, the same in every attempt. ``number`` is their
    order, ``id`` the ``webhook-id``."""

    number: int
    id: str
    type: str
    body: bytes
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one endpoint, after all attempts so far."""

    message: str
    endpoint: str
    status: DeliveryStatus
    attempts: int
    created_at: datetime
    finished_at: datetime | None
    told: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try; ``status_code`` None: there was no answer. ``sha256`` is that of the answer."""

    id: int
    message: str
    endpoint: str
    number: int
    at: datetime
    took_ms: float
    status_code: int | None
    outcome: str
    error: str
    sha256: str


def body(event_type: str, data: Mapping[str, Any], at: datetime) -> bytes:
    """The body of a message: ``type``, ``timestamp`` of the event, ``data``.

    Raises:
        InputError: it is larger than receivers have to take.
    """
    made = json.dumps(
        {
            "type": event_type,
            "timestamp": at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "data": dict(data),
        },
        separators=(",", ":"),
        ensure_ascii=False,
    ).encode()
    if len(made) > MOST_BYTES:
        raise InputError(
            f"a message of {len(made):,} bytes, and {MOST_BYTES:,} is the most",
            place=event_type,
            mend="send ids, and let the receiver fetch the rest",
        )
    return made
