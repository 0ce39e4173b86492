"""Channels, routes and notices, on both engines."""

from __future__ import annotations

from datetime import timedelta

import pytest

from meterstone.errors import InputError
from meterstone.ledger import Incident, IncidentEvent, Ledger

from .conftest import Clock

SETTINGS = {"channel": "c", "least": "sev3"}


def happens(ledger: Ledger, incident: str = "i1") -> None:
    with ledger.change("watch") as change:
        now = change.now
        change.alerts.put_incident(
            Incident(
                id=incident, kind="error", severity="sev2", fault="hub", cause_key=incident,
                integration="square", franchises=(), title="t", says="", next="",
                started_at=now - timedelta(seconds=5), detected_at=now,
            )
        )  # fmt: skip
        change.alerts.tell(IncidentEvent(incident=incident, at=now, what="opened", text="t"))


def test_a_channel_is_added_used_and_removed(ledger: Ledger, clock: Clock) -> None:
    with ledger.change("cli") as change:
        made = change.notices.add_channel("phone", "slack")
        change.notices.add_channel("mail", "mailto")
        with pytest.raises(InputError, match="exists"):
            change.notices.add_channel("phone", "slack")
    clock.forward(5)
    with ledger.change("cli") as change:
        change.notices.used(made.id)
        change.notices.used(made.id, "it did not answer")
    with ledger.read() as seen:
        assert [each.name for each in seen.notices.channels()] == ["mail", "phone"]
        assert seen.notices.channel("phone") == seen.notices.channel(made.id)
        found = seen.notices.channel(made.id)
        assert (found.last_at, found.last_error) == (clock(), "it did not answer")
        with pytest.raises(InputError, match="no such channel"):
            seen.notices.channel("none")


def test_a_channel_that_a_route_uses_stays(ledger: Ledger) -> None:
    with ledger.change("cli") as change:
        one = change.notices.add_channel("one", "slack").id
        two = change.notices.add_channel("two", "slack").id
        settings = {"channel": one, "escalate_to": two}
        route = change.notices.put_route("all", settings)
        for channel in (one, two):
            with pytest.raises(InputError, match="uses it"):
                change.notices.remove_channel(channel)
        assert change.notices.put_route("some", {**settings, "least": "sev1"}, route) == route
        [kept] = change.notices.routes()
        assert (kept["name"], kept["settings"]["least"]) == ("some", "sev1")
        change.notices.remove_route(route)
        change.notices.remove_channel(one)
        assert [each.id for each in change.notices.channels()] == [two]


def test_an_event_is_looked_at_once_and_told_once(ledger: Ledger) -> None:
    happens(ledger, "i1")
    happens(ledger, "i2")
    with ledger.change("notify") as change:
        found = change.notices.unseen()
        assert [event.incident for _, event in found] == ["i1", "i2"]
        assert len(change.notices.unseen(1)) == 1
        for number, _ in found:
            for _ in range(2):
                change.notices.see(number)
                change.notices.collect("r", number, "square")
        assert change.notices.unseen() == []
        assert change.notices.collected("r", "clover") == []
        numbers = [number for number, _ in change.notices.collected("r", "square")]
        assert len(numbers) == 2
        change.notices.take("r", numbers[:1], "n1")
        assert [n for n, _ in change.notices.collected("r", "square")] == numbers[1:]


def test_a_notice_waits_is_missed_given_up_and_revived(ledger: Ledger, clock: Clock) -> None:
    with ledger.change("notify") as change:
        made = change.notices.add(
            route="r", channel="c", reason="alert", title="t", body="b", incidents=["i1"]
        )
        assert change.notices.get(made.id) == made
        change.notices.missed(made.id, "busy", dead=False)
        assert change.notices.get(made.id).state == "waiting"
        change.notices.missed(made.id, "gone", dead=True)
        dead = change.notices.get(made.id)
        assert (dead.state, dead.attempts, dead.error) == ("dead", 2, "gone")
        change.notices.revive(made.id)
        with pytest.raises(InputError, match="no such notice"):
            change.notices.get("none")
    clock.forward(9)
    with ledger.change("notify") as change:
        change.notices.sent(made.id)
        other = change.notices.add(route="", channel="c", reason="test", title="t", body="b")
    with ledger.read() as seen:
        assert [each.id for each in seen.notices.all()] == [other.id, made.id]
        assert [each.id for each in seen.notices.all(incident="i1")] == [made.id]
        assert seen.notices.all(incident="i") == []
        assert seen.notices.get(made.id).sent_at == clock()
    actions = [entry.action for entry in ledger.audit.entries(subject=made.id)]
    assert actions == ["notice.dead", "notice.revive"]
