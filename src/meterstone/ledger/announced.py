"""What the outbox holds: endpoints, messages, deliveries, attempts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

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
