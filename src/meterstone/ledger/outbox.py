"""The outbox: messages to the endpoints of others, and what became of each.

A message is written in the transaction of its cause, with a delivery and a job for each endpoint
that wants it. So nothing is announced that did not happen, and nothing that happened is not.
"""

from __future__ import annotations

import secrets as random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from meterstone.errors import ConflictError, InputError
from meterstone.ledger.queue import Priority, QueueIn
from meterstone.ledger.store import Transaction
from meterstone.ledger.tables import attempts, deliveries, endpoints, messages

EndpointStatus = Literal["enabled", "disabled", "removed"]
DeliveryStatus = Literal["pending", "delivered", "failed"]
DELIVER = "deliver"
"""Kind of the jobs of deliveries; payload ``{message, endpoint}``, group ``endpoint:<id>``."""

MOST_AT_ONCE = 4
_MOST_ATTEMPTS = 100  # the schedule of who delivers ends it before


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where messages go. Its signing secrets are secrets of owner ``endpoint:<id>``."""

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


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try; ``status_code`` None: there was no answer."""

    id: int
    message: str
    endpoint: str
    number: int
    at: datetime
    took_ms: float
    status_code: int | None
    outcome: str
    error: str


class Outbox:
    """The outbox as one transaction sees and changes it."""

    def __init__(self, transaction: Transaction, queue: QueueIn) -> None:
        self._tx = transaction
        self._queue = queue

    def add_endpoint(
        self,
        url: str,
        *,
        description: str = "",
        event_types: Sequence[str] = (),
        ordered: bool = False,
    ) -> Endpoint:
        """A new endpoint.

        Args:
            url: checked by the caller: whether it may be called is not known here.
            event_types: what it wants; empty: all.
            ordered: one message at a time, in their order.
        """
        made = Endpoint(
            id=f"ep_{random.token_hex(8)}",
            url=url,
            description=description,
            event_types=tuple(event_types),
            ordered=ordered,
            status="enabled",
            reason="",
            created_at=self._tx.now,
            changed_at=self._tx.now,
            version=1,
        )
        self._tx.audit("endpoint.add", made.id, event_types=list(event_types), ordered=ordered)
        self._tx.run(
            sa.insert(endpoints).values(
                {name: getattr(made, name) for name in Endpoint.__slots__}
                | {"event_types": list(event_types)}
            )
        )
        self._queue.limit(made.owner, 1 if ordered else MOST_AT_ONCE, ordered=ordered)
        return made

    def endpoint(self, endpoint: str) -> Endpoint:
        """An endpoint by its id.

        Raises:
            InputError: there is none.
        """
        row = self._tx.run(sa.select(endpoints).where(endpoints.c.id == endpoint)).first()
        if row is None:
            raise InputError("there is no such endpoint", place=endpoint, mend="list the endpoints")
        return _endpoint(row)

    def endpoints(self, status: EndpointStatus | None = None) -> list[Endpoint]:
        """All endpoints, oldest first; with a status."""
        query = sa.select(endpoints).order_by(endpoints.c.created_at, endpoints.c.id)
        if status is not None:
            query = query.where(endpoints.c.status == status)
        return [_endpoint(row) for row in self._tx.run(query)]

    def set_endpoint(self, endpoint: str, status: EndpointStatus, reason: str = "") -> Endpoint:
        """Enable, disable or remove an endpoint, with the reason for people."""
        old = self.endpoint(endpoint)
        if (old.status, old.reason) == (status, reason):
            return old
        self._tx.audit("endpoint.status", endpoint, before=old.status, after=status, reason=reason)
        row = self._tx.run(
            sa.update(endpoints)
            .where(endpoints.c.id == endpoint, endpoints.c.version == old.version)
            .values(status=status, reason=reason, changed_at=self._tx.now, version=old.version + 1)
            .returning(endpoints)
        ).first()
        if row is None:
            raise ConflictError(
                "somebody else changed it meanwhile", place=endpoint, mend="read it again"
            )
        return _endpoint(row)

    def publish(self, event_type: str, body: bytes, priority: Priority = "live") -> Message:
        """Announce something: the message, and a delivery with its job for each enabled endpoint
        that wants it."""
        fields: dict[str, Any] = {
            "id": f"msg_{random.token_hex(12)}",
            "type": event_type,
            "body": body,
            "created_at": self._tx.now,
        }
        row = self._tx.run(sa.insert(messages).values(fields).returning(messages)).one()
        message = Message(**row._mapping)
        for endpoint in self.endpoints("enabled"):
            if endpoint.wants(event_type):
                self.send(message.id, endpoint, priority)
        return message

    def send(self, message: str, endpoint: Endpoint, priority: Priority = "live") -> Delivery:
        """Deliver a message to an endpoint, also one that was delivered before (a replay)."""
        fields = {
            "status": "pending", "attempts": 0, "created_at": self._tx.now, "finished_at": None,
        }  # fmt: skip
        row = self._tx.run(
            self._tx.insert(deliveries)
            .values(message=message, endpoint=endpoint.id, **fields)
            .on_conflict_do_update(
                index_elements=["message", "endpoint"],
                set_={"status": "pending", "finished_at": None},
            )
            .returning(deliveries)
        ).one()
        self._queue.put(
            DELIVER,
            {"message": message, "endpoint": endpoint.id},
            dedupe=f"{DELIVER}:{message}:{endpoint.id}",
            priority=priority,
            group=endpoint.owner,
            most_attempts=_MOST_ATTEMPTS,
        )
        return Delivery(**row._mapping)

    def message(self, message: str) -> Message:
        """A message by its id.

        Raises:
            InputError: there is none.
        """
        row = self._tx.run(sa.select(messages).where(messages.c.id == message)).first()
        if row is None:
            raise InputError("there is no such message", place=message, mend="list the messages")
        return Message(**row._mapping)

    def messages(self, since: datetime, until: datetime) -> list[Message]:
        """Messages of a time, in their order: what a replay sends again."""
        query = sa.select(messages).where(
            messages.c.created_at >= since, messages.c.created_at < until
        )
        return [Message(**row._mapping) for row in self._tx.run(query.order_by(messages.c.number))]

    def record(
        self,
        message: str,
        endpoint: str,
        *,
        took_ms: float,
        status_code: int | None,
        outcome: str,
        error: str = "",
        status: DeliveryStatus = "pending",
    ) -> Delivery:
        """Put an attempt on record, and what became of the delivery by it.

        Args:
            outcome: a word such as ``delivered``, ``refused``, ``timeout``, ``gone``.
            error: for people; never the body of an answer.
        """
        finished = None if status == "pending" else self._tx.now
        row = self._tx.run(
            sa.update(deliveries)
            .where(deliveries.c.message == message, deliveries.c.endpoint == endpoint)
            .values(status=status, attempts=deliveries.c.attempts + 1, finished_at=finished)
            .returning(deliveries)
        ).first()
        if row is None:
            raise InputError("there is no such delivery", place=message, mend="send it first")
        self._tx.run(
            sa.insert(attempts).values(
                message=message,
                endpoint=endpoint,
                number=row.attempts,
                at=self._tx.now,
                took_ms=took_ms,
                status_code=status_code,
                outcome=outcome,
                error=error,
            )
        )
        return Delivery(**row._mapping)

    def deliveries(
        self, *, message: str | None = None, endpoint: str | None = None,
        status: DeliveryStatus | None = None,
    ) -> list[Delivery]:  # fmt: skip
        """Deliveries in the order of their messages."""
        query = (
            sa.select(deliveries)
            .join(messages, messages.c.id == deliveries.c.message)
            .order_by(messages.c.number, deliveries.c.endpoint)
        )
        for column, wanted in (
            (deliveries.c.message, message),
            (deliveries.c.endpoint, endpoint),
            (deliveries.c.status, status),
        ):
            if wanted is not None:
                query = query.where(column == wanted)
        return [Delivery(**row._mapping) for row in self._tx.run(query)]

    def attempts(self, message: str, endpoint: str) -> list[Attempt]:
        """The attempts of a delivery, in their order."""
        query = sa.select(attempts).where(
            attempts.c.message == message, attempts.c.endpoint == endpoint
        )
        return [Attempt(**row._mapping) for row in self._tx.run(query.order_by(attempts.c.id))]


def _endpoint(row: sa.Row[Any]) -> Endpoint:
    fields = dict(row._mapping)
    return Endpoint(**{**fields, "event_types": tuple(fields["event_types"])})
