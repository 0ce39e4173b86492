"""The outbox: messages to the endpoints of others, and what became of each.

A message is written in the transaction of its cause, with a delivery and a job for each endpoint
that wants it. So nothing is announced that did not happen, and nothing that happened is not.
"""

from __future__ import annotations

import hashlib
import secrets as random
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from meterstone.errors import ConflictError, NotFound
from meterstone.ledger.announced import (
    Attempt,
    Delivery,
    DeliveryStatus,
    Endpoint,
    EndpointStatus,
    Message,
    body,
)
from meterstone.ledger.jobs import Priority
from meterstone.ledger.queue import QueueIn
from meterstone.ledger.store import Transaction
from meterstone.ledger.tables import attempts, deliveries, endpoints, messages

DELIVER = "deliver"
"""Kind of the jobs of deliveries; payload ``{message, endpoint, before}``, group ``endpoint:<id>``;
``before`` is the number of attempts on record when it was queued (a replay has some)."""

MOST_AT_ONCE = 4
_MOST_ATTEMPTS = 100_000  # the schedule of who delivers ends it; a worker that died is no attempt


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
            failures=0,
            failing_since=None,
        )
        self._tx.audit("endpoint.add", made.id, event_types=list(event_types), ordered=ordered)
        self._tx.run(
            sa.insert(endpoints).values(
                {name: getattr(made, name) for name in Endpoint.__slots__}
                | {"event_types": list(event_types)}
            )
        )
        self._queue.limit(made.owner, most_at_once(made), ordered=ordered)
        return made

    def endpoint(self, endpoint: str) -> Endpoint:
        """An endpoint by its id.

        Raises:
            NotFound: there is none.
        """
        row = self._tx.run(sa.select(endpoints).where(endpoints.c.id == endpoint)).first()
        if row is None:
            raise NotFound("there is no such endpoint", place=endpoint, mend="list the endpoints")
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

    def set_health(self, endpoint: Endpoint, failures: int, hold_until: datetime | None) -> None:
        """Note how an endpoint does.

        Args:
            failures: in a row; 0: it took the last delivery.
            hold_until: nothing is sent there before; a failing endpoint then gets one delivery at
                a time, until it takes one.
        """
        since = (endpoint.failing_since or self._tx.now) if failures else None
        self._tx.run(
            sa.update(endpoints)
            .where(endpoints.c.id == endpoint.id)
            .values(failures=failures, failing_since=since)
        )
        most = 1 if hold_until else most_at_once(endpoint)
        self._queue.limit(endpoint.owner, most, ordered=endpoint.ordered)
        self._queue.hold(endpoint.owner, hold_until)

    def publish(
        self,
        event_type: str,
        payload: bytes,
        priority: Priority = "live",
        *,
        key: str | None = None,
    ) -> Message:
        """Announce something: the message, and a delivery with its job for each enabled endpoint
        that wants it.

        Args:
            key: of the cause: what was announced by the same key is announced once.
        """
        # Who writes to an endpoint that keeps order stands in line: numbers grow as they commit.
        ordered = endpoints.c.status == "enabled", endpoints.c.ordered
        self._tx.run(sa.select(endpoints.c.id).where(*ordered).with_for_update())
        message, is_new = self._put(event_type, payload, key)
        for endpoint in self.endpoints("enabled") if is_new else ():
            if endpoint.wants(event_type):
                self.send(message.id, endpoint, priority)
        return message

    def announce(self, event_type: str, data: Mapping[str, Any], *, key: str | None = None) -> None:
        """As `publish`, with the body made of JSON values."""
        self.publish(event_type, body(event_type, data, self._tx.now), key=key)

    def publish_to(self, endpoint: Endpoint, event_type: str, payload: bytes) -> Message:
        """Announce something to one endpoint alone, whatever it wants: a test."""
        message, _ = self._put(event_type, payload, None)
        self.send(message.id, endpoint, "interactive")
        return message

    def send(self, message: str, endpoint: Endpoint, priority: Priority = "live") -> Delivery:
        """Deliver a message to an endpoint, also one that was delivered before (a replay)."""
        fields = {
            "status": "pending", "attempts": 0, "created_at": self._tx.now, "finished_at": None,
            "told": "",
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
            {"message": message, "endpoint": endpoint.id, "before": row.attempts},
            dedupe=f"{DELIVER}:{message}:{endpoint.id}",
            priority=priority,
            group=endpoint.owner,
            most_attempts=_MOST_ATTEMPTS,
        )
        return Delivery(**row._mapping)

    def message(self, message: str) -> Message:
        """A message by its id.

        Raises:
            NotFound: there is none.
        """
        row = self._tx.run(sa.select(messages).where(messages.c.id == message)).first()
        if row is None:
            raise NotFound("there is no such message", place=message, mend="list the messages")
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
        sha256: str = "",
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
            raise NotFound("there is no such delivery", place=message, mend="send it first")
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
                sha256=sha256,
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

    def delivery(self, message: str, endpoint: str) -> Delivery:
        """The delivery of a message to an endpoint.

        Raises:
            NotFound: there is none.
        """
        row = self._tx.run(
            sa.select(deliveries).where(
                deliveries.c.message == message, deliveries.c.endpoint == endpoint
            )
        ).first()
        if row is None:
            raise NotFound("there is no such delivery", place=message, mend="send it first")
        return Delivery(**row._mapping)

    def counts(self, endpoint: str) -> dict[str, int]:
        """How many deliveries of an endpoint there are of each status."""
        number = sa.func.count().label("number")
        query = sa.select(deliveries.c.status, number).where(deliveries.c.endpoint == endpoint)
        rows = self._tx.run(query.group_by(deliveries.c.status)).mappings()
        return {row["status"]: row["number"] for row in rows}

    def abandon(self, message: str, endpoint: str) -> None:
        """A delivery whose endpoint takes nothing any more."""
        self._tx.run(
            sa.update(deliveries)
            .where(deliveries.c.message == message, deliveries.c.endpoint == endpoint)
            .values(status="receiver_disabled", finished_at=self._tx.now)
        )

    def untold(self, most: int) -> list[Delivery]:
        """Deliveries whose status the facts do not tell yet, oldest first; one that waits is told
        once it has failed."""
        query = (
            sa.select(deliveries)
            .where(
                deliveries.c.told != deliveries.c.status,
                sa.or_(deliveries.c.status != "pending", deliveries.c.attempts > 0),
            )
            .order_by(deliveries.c.created_at)
            .limit(most)
        )
        return [Delivery(**row._mapping) for row in self._tx.run(query)]

    def tell(self, told: Sequence[Delivery]) -> None:
        """Note that the facts tell these deliveries, as they were read."""
        for each in told:
            self._tx.run(
                sa.update(deliveries)
                .where(deliveries.c.message == each.message, deliveries.c.endpoint == each.endpoint)
                .values(told=each.status)
            )

    def attempts(self, message: str, endpoint: str) -> list[Attempt]:
        """The attempts of a delivery, in their order."""
        query = sa.select(attempts).where(
            attempts.c.message == message, attempts.c.endpoint == endpoint
        )
        return [Attempt(**row._mapping) for row in self._tx.run(query.order_by(attempts.c.id))]

    def _put(self, event_type: str, payload: bytes, key: str | None) -> tuple[Message, bool]:
        """The message, and whether it is a new one."""
        fields: dict[str, Any] = {
            "id": _message_id(key),
            "type": event_type,
            "body": payload,
            "created_at": self._tx.now,
        }
        new = self._tx.insert(messages).values(fields).on_conflict_do_nothing(index_elements=["id"])
        row = self._tx.run(new.returning(messages)).first()
        return (
            (self.message(fields["id"]), False) if row is None else (Message(**row._mapping), True)
        )


def _message_id(key: str | None) -> str:
    if key is None:
        return f"msg_{random.token_hex(12)}"
    return f"msg_{hashlib.sha256(key.encode()).hexdigest()[:24]}"


def most_at_once(endpoint: Endpoint) -> int:
    """How many deliveries an endpoint gets at the same time."""
    return 1 if endpoint.ordered else MOST_AT_ONCE


def _endpoint(row: sa.Row[Any]) -> Endpoint:
    fields = dict(row._mapping)
    return Endpoint(**{**fields, "event_types": tuple(fields["event_types"])})
