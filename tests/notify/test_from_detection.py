"""From alerts, as detection follows them, to what people are told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from meterstone.detect.incidents import Incidents
from meterstone.ledger import Alert

from .conftest import World


def alert(world: World, id_: str, **more: Any) -> Alert:
    now = world.clock()
    usual: dict[str, Any] = {
        "rule": "r", "cause_key": id_, "state": "firing", "kind": "availability",
        "severity": "sev3", "fault": "provider", "integration": "square", "franchises": ("F1",),
        "title": f"Alarm {id_}", "says": "It fails.", "next": "Wait.",
        "started_at": now - timedelta(seconds=20), "pending_at": now, "fired_at": now,
    }  # fmt: skip
    return Alert(id=id_, **{**usual, **more})


def follow(world: World, *changed: Alert) -> None:
    with world.ledger.change("watch") as change:
        Incidents().take(change, changed, world.clock())


def over(world: World, id_: str) -> None:
    with world.ledger.read() as seen:
        found = seen.alerts.get(id_)
    done = replace(found, state="resolved", resolved_at=world.clock(), resolution="It answers.")
    follow(world, done)


def test_two_alarms_of_one_outage_are_one_incident_told_once_and_its_end_once(
    world: World,
) -> None:
    world.route()
    follow(world, alert(world, "a"))
    assert world.work(seconds=15) == ["Notable: Alarm a"]
    follow(world, alert(world, "b"))
    assert world.work(minutes=1) == []  # it joined; nobody is called again
    follow(world, alert(world, "c", severity="sev1", title="All of Square is down"))
    assert world.work(seconds=0) == ["Severe: All of Square is down"]  # it became worse
    over(world, "a")
    over(world, "b")
    assert world.work(minutes=1) == []  # two of three alarms are over, the outage is not
    over(world, "c")
    assert world.work(minutes=1) == ["Over: All of Square is down"]


def test_what_a_maintenance_window_silences_calls_nobody(world: World) -> None:
    world.route()
    follow(world, alert(world, "a", silenced_by="window 7"))
    assert world.work(minutes=5) == []


def test_who_acknowledges_on_the_page_is_not_called_again(world: World) -> None:
    chief = world.notify.add_channel("chief", "kept://chief", "test")
    world.route(escalate_min=5, escalate_to=chief.id)
    follow(world, alert(world, "a"))
    assert len(world.work(seconds=15)) == 1
    with world.ledger.change("person:1") as change:
        change.alerts.acknowledge("a", "person:1")
    assert world.work(hours=1) == []
