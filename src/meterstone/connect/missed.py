"""Webhooks that never came: what polls find, compared with the events that arrived.

A poll that finds a change which no event has announced makes it a suspect. After a while, because
the event may only be late, a suspect is judged: an event came after all, or the webhook was missed.
It is an estimate: a change that a second one overtook before the poll is seen once.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from meterstone.connect.lag import Change, change_id
from meterstone.ledger import Change as Transaction
from meterstone.ledger import Connection, Ledger
from meterstone.ledger.inbound import InboundEvent

GRACE = timedelta(minutes=10)
"""So long an event may take before it is called missed."""

_CLOCKS = timedelta(seconds=5)
"""What the clocks of a vendor's parts may differ by: an event may say a little less than its
record."""


def suspect(ledger: Ledger, connection: Connection, stream: str, changes: Iterable[Change]) -> int:
    """Note the changes of a poll that no event has announced; returns how many.

    Changes from before the hook are none; a connection without one has no suspects.
    """
    with ledger.read() as seen:
        since = [
            hook.created_at
            for hook in seen.inbound.hooks(connection.connector)
            if hook.connection in (None, connection.id)
        ]
    if not since:
        return 0
    found = [each for each in changes if each.changed_at > min(since)]
    if not found:
        return 0
    with ledger.change("webhooks") as change:
        about = change.inbound.about(connection.id, stream, [each.ref for each in found])
        unannounced = [each for each in found if not announced(each, about.get(each.ref, []))]
        for each in unannounced:
            change.inbound.note(_suspected(change, connection, stream, each))
        return len(unannounced)


def announced(change: Change, events: Iterable[InboundEvent]) -> bool:
    """Did an event tell of this change, or of a later one?"""
    return any(
        not event.missed and (event.changed_at or event.arrived_at) >= change.changed_at - _CLOCKS
        for event in events
    )


def judge(ledger: Ledger, grace: timedelta = GRACE) -> list[InboundEvent]:
    """The suspects that turn out to be missed webhooks; those of which an event came are dropped.

    What is returned is returned again until the caller has noted that it is told (`Inbound.tell`).
    """
    with ledger.change("webhooks") as change:
        missed: list[InboundEvent] = []
        came: list[InboundEvent] = []
        for each in change.inbound.suspects(change.now - grace):
            about = change.inbound.about(each.connection, each.stream, [each.record])
            found = Change(each.record, each.changed_at or each.arrived_at, each.arrived_at)
            (came if announced(found, about[each.record]) else missed).append(each)
        change.inbound.forget(came)
        return missed


def _suspected(
    change: Transaction, connection: Connection, stream: str, found: Change
) -> InboundEvent:
    return InboundEvent(
        connection=connection.id,
        event=f"poll {change_id(connection.id, stream, found.ref, found.changed_at)}",
        type="",
        stream=stream,
        record=found.ref,
        changed_at=found.changed_at,
        arrived_at=found.received_at,
        deliveries=0,
        missed=True,
        done_at=change.now,
    )
