"""Outbox, endpoints, hooks and events: the same on both engines."""

from __future__ import annotations

from datetime import timedelta

import pytest

from meterstone.errors import InputError
from meterstone.ledger import DELIVER, Endpoint, InboundEvent, Ledger

from .conftest import Clock


def endpoint(ledger: Ledger, **options: object) -> Endpoint:
    with ledger.change("test") as change:
        return change.outbox.add_endpoint("https://example.com/hook", **options)


def publish(ledger: Ledger, event_type: str = "a", key: str | None = None) -> str:
    with ledger.change("test") as change:
        return change.outbox.publish(event_type, b"{}", key=key).id


def test_a_message_goes_to_who_wants_it(ledger: Ledger) -> None:
    some, all_ = endpoint(ledger, event_types=["b"]), endpoint(ledger)
    off = endpoint(ledger)
    with ledger.change("test") as change:
        change.outbox.set_endpoint(off.id, "disabled", "asked for it")
    publish(ledger, "a")
    publish(ledger, "b")
    with ledger.read() as seen:
        counts = [seen.outbox.counts(each.id) for each in (some, all_, off)]
    assert counts == [{"pending": 1}, {"pending": 2}, {}]


def test_the_same_key_is_one_message(ledger: Ledger) -> None:
    to = endpoint(ledger)
    assert publish(ledger, key="cause") == publish(ledger, key="cause")
    assert publish(ledger) != publish(ledger)
    with ledger.read() as seen:
        assert seen.outbox.counts(to.id) == {"pending": 3}


def test_an_ordered_endpoint_gets_the_next_when_the_former_is_done(
    ledger: Ledger, clock: Clock
) -> None:
    endpoint(ledger, ordered=True)
    sent = [publish(ledger) for _ in range(3)]
    first = ledger.queue.claim("w", [DELIVER])
    assert first is not None
    assert first.payload["message"] == sent[0]
    assert ledger.queue.claim("w", [DELIVER]) is None
    ledger.queue.retry(first, at=clock() + timedelta(seconds=5), error="x")
    assert ledger.queue.claim("w", [DELIVER]) is None, "the first still waits"
    clock.forward(5)
    taken = []
    while (job := ledger.queue.claim("w", [DELIVER])) is not None:
        taken.append(job.payload["message"])
        ledger.queue.done(job)
    assert taken == sent


def test_an_endpoint_that_is_held_gets_nothing_before_its_time(
    ledger: Ledger, clock: Clock
) -> None:
    held, free = endpoint(ledger), endpoint(ledger)
    with ledger.change("test") as change:
        change.outbox.set_health(held, 5, change.now + timedelta(seconds=30))
    for _ in range(2):
        publish(ledger)
    taken = [ledger.queue.claim("w", [DELIVER]) for _ in range(3)]
    assert [job and job.payload["endpoint"] for job in taken] == [free.id, free.id, None]
    clock.forward(30)
    assert ledger.queue.claim("w", [DELIVER]) is not None
    assert ledger.queue.claim("w", [DELIVER]) is None, "one at a time until it works"
    with ledger.read() as seen:
        found = seen.outbox.endpoint(held.id)
    assert (found.failures, found.failing_since) == (5, clock() - timedelta(seconds=30))
    with ledger.change("test") as change:
        change.outbox.set_health(found, 0, None)
        assert change.outbox.endpoint(held.id).failing_since is None
    assert ledger.queue.claim("w", [DELIVER]) is not None


def test_a_delivery_is_told_once_it_has_an_end(ledger: Ledger) -> None:
    to, message = endpoint(ledger), publish(ledger)
    with ledger.change("test") as change:
        assert change.outbox.untold(10) == []
        change.outbox.record(
            message, to.id, took_ms=3.0, status_code=500, outcome="refused", sha256="ab"
        )
        (waiting,) = change.outbox.untold(10)
        change.outbox.tell([waiting])
        change.outbox.record(
            message, to.id, took_ms=4.0, status_code=200, outcome="delivered", status="delivered"
        )
        (done,) = change.outbox.untold(10)
        change.outbox.tell([done])
        assert change.outbox.untold(10) == []
        attempts = change.outbox.attempts(message, to.id)
    assert (waiting.status, done.status) == ("pending", "delivered")
    assert [(each.number, each.outcome, each.sha256) for each in attempts] == [
        (1, "refused", "ab"), (2, "delivered", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("new", "active", "connection.added"),
        ("active", "broken", "connection.broken"),
        ("broken", "active", "connection.mended"),
        ("active", "disconnected", "connection.removed"),
        ("active", "paused", None),
        ("active", "active", None),
    ],
)
def test_a_change_of_a_connection_is_announced_with_it(
    ledger: Ledger, before: str, after: str, told: str | None
) -> None:
    with ledger.change("test") as change:
        made = change.connections.add(connector="square", account="M1", status=before)
    endpoint(ledger)
    with ledger.change("test") as change:
        change.connections.set_status(made.id, after, reason="why", mend="how")
    with ledger.read() as seen:
        types = [seen.outbox.message(each.message).type for each in seen.outbox.deliveries()]
    assert types == ([told] if told else [])


def event(ledger: Ledger, id_: str = "e1", **more: object) -> InboundEvent:
    with ledger.read() as seen:
        now = seen.now
    fields = {"type": "t", "stream": "payments", "record": "p1", "changed_at": now, **more}
    return InboundEvent(connection="c1", event=id_, arrived_at=now, **fields)


def test_an_event_is_on_record_once(ledger: Ledger) -> None:
    made = event(ledger)
    with ledger.change("test") as change:
        assert change.inbound.note(made)
        assert not change.inbound.note(made)
        (found,) = change.inbound.about("c1", "payments", ["p1", "p2"])["p1"]
    assert found.deliveries == 2


def test_an_event_is_done_when_its_record_is_mapped(ledger: Ledger) -> None:
    with ledger.change("test") as change:
        change.inbound.note(event(ledger, "e1", landed=3))
        change.inbound.note(event(ledger, "e2", landed=4))
        change.inbound.note(event(ledger, "e3", record="p3"))
        assert [each.event for each in change.inbound.settle(3)] == ["e1"]
        assert change.inbound.settle(3) == []
        assert change.inbound.is_open()
        change.inbound.settle(9)
        assert not change.inbound.is_open()
        change.inbound.fetched("c1", "payments", "p3", since=change.now)
        done = change.inbound.untold(change.now)
        assert {each.event: each.state for each in done} == dict.fromkeys(
            ("e1", "e2", "e3"), "delivered"
        )
        change.inbound.tell(done)
        assert change.inbound.untold(change.now) == []


def test_a_fetch_answers_only_what_had_come_before_it(ledger: Ledger, clock: Clock) -> None:
    began = clock()
    clock.forward(1)
    with ledger.change("test") as change:
        change.inbound.note(event(ledger))
        change.inbound.fetched("c1", "payments", "p1", since=began)
        (found,) = change.inbound.about("c1", "payments", ["p1"])["p1"]
    assert found.done_at is None


def test_suspects_wait_and_are_forgotten_or_told(ledger: Ledger, clock: Clock) -> None:
    with ledger.change("test") as change:
        change.inbound.note(event(ledger, "poll 1", missed=True, done_at=clock()))
        assert change.inbound.suspects(clock()) == []
    clock.forward(1)
    with ledger.change("test") as change:
        (found,) = change.inbound.suspects(clock())
        assert change.inbound.untold(clock()) == []
        change.inbound.tell([found])
        assert change.inbound.suspects(clock()) == []
        change.inbound.forget([found])
        assert change.inbound.missed() == []


def test_a_hook_counts_and_is_removed(ledger: Ledger) -> None:
    with ledger.change("test") as change:
        hook = change.inbound.add_hook("square", "https://hub.example/hooks/square")
        change.inbound.count(hook.id, taken=2, doubles=1)
        change.inbound.refuse(hook.id, "forged")
        found = change.inbound.hook(hook.id)
        assert found is not None
        assert (found.taken, found.doubles, found.refused, found.last_refusal) == (
            2, 1, 1, "forged",
        )  # fmt: skip
        change.inbound.remove_hook(hook.id)
        assert change.inbound.hook(hook.id) is None
        assert change.inbound.hooks() == []
        with pytest.raises(InputError):
            change.inbound.remove_hook(hook.id)


def test_old_events_are_forgotten(ledger: Ledger, clock: Clock) -> None:
    made = event(ledger)
    with ledger.change("test") as change:
        change.inbound.note(made)
    clock.forward(10)
    with ledger.change("test") as change:
        assert change.inbound.purge(clock()) == 1
        assert change.inbound.note(made)
