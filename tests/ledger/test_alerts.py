"""Alerts, incidents with their timelines, and drills, on both engines."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from meterstone.errors import InputError
from meterstone.ledger import Alert, Drill, Incident, IncidentEvent, Ledger

BEGAN = datetime(2026, 3, 1, 9, 12, tzinfo=UTC)


def alert(id_: str, **given: object) -> Alert:
    usual = {
        "id": id_, "rule": "uptime", "cause_key": f"clover:{id_}", "state": "firing",
        "kind": "availability", "severity": "sev2", "fault": "provider", "integration": "clover",
        "franchises": ("F1",), "title": "Clover is late", "says": "Sales come late.",
        "next": "Wait for the breaker.", "started_at": BEGAN, "pending_at": BEGAN,
    }  # fmt: skip
    return Alert(**{**usual, **given})  # type: ignore[arg-type]  # fields by name


def incident(id_: str, **given: object) -> Incident:
    usual = {
        "id": id_, "kind": "availability", "severity": "sev2", "fault": "provider",
        "cause_key": "clover", "integration": "clover", "franchises": ("F1", "F10"),
        "title": "Clover is late", "says": "Sales come late.", "next": "Wait.",
        "started_at": BEGAN, "detected_at": BEGAN + timedelta(seconds=11),
    }  # fmt: skip
    return Incident(**{**usual, **given})  # type: ignore[arg-type]  # fields by name


def test_alerts_are_found_by_state_integration_incident_and_page(ledger: Ledger) -> None:
    first, second = alert("a"), alert("b", pending_at=BEGAN + timedelta(minutes=1), incident="i")
    other = alert("c", integration="square", state="pending")
    over = replace(first, state="resolved", resolved_at=BEGAN + timedelta(hours=1))
    with ledger.change("watch") as change:
        for each in (first, second, other, over):
            change.alerts.put(each)
    with ledger.read() as seen:
        alerts = seen.alerts
        assert alerts.get("a") == over, "it is kept as it was put last"
        assert [a.id for a in alerts.all()] == ["b", "c", "a"]
        assert [a.id for a in alerts.all(["pending"])] == ["c"]
        assert [a.id for a in alerts.all(incident="i")] == ["b"]
        assert [a.id for a in alerts.all(integration="square")] == ["c"]
        assert [a.id for a in alerts.all(before=(second.pending_at, "b"), limit=1)] == ["c"]
        assert [a.id for a in alerts.all(before=(BEGAN, "c"))] == ["a"]
        assert {a.id for a in alerts.lasting()} == {"b", "c"}
        with pytest.raises(InputError):
            alerts.get("nothing")


def test_an_acknowledged_alert_acknowledges_its_incident_once(ledger: Ledger) -> None:
    with ledger.change("watch") as change:
        change.alerts.put_incident(incident("i"))
        for id_ in "ab":
            change.alerts.put(alert(id_, incident="i"))
        change.alerts.put(alert("c"))
    with ledger.change("person:1") as change:
        assert change.alerts.acknowledge("a", "person:1", "I look").state == "acknowledged"
    with ledger.change("person:2") as change:
        change.alerts.acknowledge("b", "person:2")
        change.alerts.acknowledge("c", "person:2")
        with pytest.raises(InputError, match="already"):
            change.alerts.acknowledge("a", "person:2")
        change.alerts.put(alert("d", state="pending"))
        with pytest.raises(InputError, match="does not fire"):
            change.alerts.acknowledge("d", "person:2")
    with ledger.read() as seen:
        assert seen.alerts.incident("i").acknowledged_by == "person:1"
        assert [(e.actor, e.text) for e in seen.alerts.timeline("i")] == [
            ("person:1", "I look"), ("person:2", "Clover is late"),
        ]  # fmt: skip
    told = [e for e in ledger.audit.entries() if e.action == "alert.acknowledge"]
    assert [e.subject for e in told] == ["a", "b", "c"]


def test_incidents_are_found_by_state_integration_franchise_and_page(ledger: Ledger) -> None:
    later = incident(
        "b", cause_key="late", started_at=BEGAN + timedelta(hours=1), franchises=("F2",)
    )
    over = incident(
        "c", cause_key="over", integration="square", resolved_at=BEGAN + timedelta(hours=2)
    )
    with ledger.change("watch") as change:
        for each in (incident("a"), later, over):
            change.alerts.put_incident(each)
        change.alerts.tell(IncidentEvent(incident="a", at=BEGAN, what="opened", text="It began."))
    with ledger.read() as seen:
        incidents = seen.alerts.incidents
        assert [i.id for i in incidents()] == ["b", "c", "a"]
        assert [i.id for i in incidents(open_=True)] == ["b", "a"]
        assert [i.id for i in incidents(open_=False)] == ["c"]
        assert [i.id for i in incidents(integration="square")] == ["c"]
        assert [i.id for i in incidents(franchise="F1")] == ["c", "a"], "not those of F10 alone"
        assert incidents(franchise="F") == []
        assert [i.id for i in incidents(before=(later.started_at, "b"), limit=1)] == ["c"]
        assert seen.alerts.incident("a").detection_s == 11
        assert [event.what for event in seen.alerts.timeline("a")] == ["opened"]
        with pytest.raises(InputError):
            seen.alerts.incident("nothing")


def test_drills_are_kept(ledger: Ledger) -> None:
    drill = Drill(
        series="s", vendor="clover", fault="timeout", harmful=True, started_at=BEGAN,
        ended_at=BEGAN + timedelta(minutes=1), detected_s=9.5, recovered_s=4.0, alarms=1,
        false_alarms=0,
    )  # fmt: skip
    with ledger.change("drill") as change:
        change.alerts.add_drill(drill)
    with ledger.read() as seen:
        assert seen.alerts.drills() == [drill]
