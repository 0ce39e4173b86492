"""Alerts live, join incidents, and both end with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from meterstone.detect.alert import Machine
from meterstone.detect.finding import Finding
from meterstone.detect.incidents import Incidents, Row
from meterstone.ledger import Alert, Incident, Ledger

BEGAN = datetime(2026, 3, 1, 9, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def finding(rule: str = "calls_fail", **given: object) -> Finding:
    usual = {
        "rule": rule, "cause_key": f"square:{rule}", "kind": "error", "severity": "sev3",
        "fault": "provider", "integration": "square", "title": "Calls fail", "says": "They fail.",
        "next": "Look.", "started_at": BEGAN, "franchises": ("F1",), "clear_s": 20.0,
    }  # fmt: skip
    return Finding(**{**usual, **given})  # type: ignore[arg-type]  # fields by name


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path)
    yield opened
    opened.close()


class House:
    """A machine and its incidents over one ledger."""

    def __init__(self, ledger: Ledger, *told: str) -> None:
        self.ledger, self.machine = ledger, Machine()
        self.incidents = Incidents(lambda subject: subject in told)
        self.rows: list[Row] = []

    def step(self, seconds: float, *findings: Finding, window: str = "") -> list[Alert]:
        now = at(seconds)
        changed = self.machine.step(now, findings, lambda _: window)
        with self.ledger.change("watch") as change:
            self.rows += self.incidents.take(change, changed, now).rows
            kept = change.alerts.lasting()
        for alert in kept:
            self.machine.joined(alert)
        return changed

    def all(self) -> list[Incident]:
        with self.ledger.read() as seen:
            return seen.alerts.incidents()

    def story(self) -> list[tuple[str, str]]:
        with self.ledger.read() as seen:
            [incident] = seen.alerts.incidents()
            return [(event.what, event.text) for event in seen.alerts.timeline(incident.id)]


def test_an_alert_waits_fires_and_ends_with_the_reason() -> None:
    machine = Machine()
    waiting = finding(lasting_s=10.0)
    [pending] = machine.step(at(0), [waiting])
    assert (pending.state, pending.fired_at) == ("pending", None)
    assert machine.step(at(5), [waiting]) == []
    [firing] = machine.step(at(10), [waiting])
    assert (firing.state, firing.fired_at, firing.started_at) == ("firing", at(10), BEGAN)
    assert machine.step(at(29), []) == [], "hysteresis"
    [over] = machine.step(at(31), [])
    assert (over.state, over.resolved_at) == ("resolved", at(31))
    assert over.resolution == "Over: it has not come back for 21 s."
    assert machine.alive == []


def test_what_passes_before_it_counts_never_fires() -> None:
    machine = Machine()
    machine.step(at(0), [finding(lasting_s=60.0, clear_s=5.0)])
    [over] = machine.step(at(6), [])
    assert over.fired_at is None
    assert "passed before it counted" in over.resolution


def test_flapping_is_one_alert() -> None:
    machine = Machine()
    machine.step(at(0), [finding()])
    for seconds in range(2, 60, 4):
        assert machine.step(at(seconds), []) == []
        assert machine.step(at(seconds + 2), [finding()]) == []


def test_what_it_says_changes_with_its_severity_alone() -> None:
    machine = Machine()
    machine.step(at(0), [finding()])
    assert machine.step(at(2), [finding(says="Others fail.")]) == []
    [worse] = machine.step(at(4), [finding(severity="sev1", says="All fail.")])
    assert (worse.severity, worse.says) == ("sev1", "All fail.")
    assert machine.step(at(6), [finding(severity="sev2")]) == [], "it does not become less"
    [more] = machine.step(at(8), [finding(franchises=("F2",))])
    assert list(more.franchises) == ["F1", "F2"]


def test_an_alert_goes_on_after_a_restart() -> None:
    machine = Machine()
    [before] = machine.step(at(0), [finding()])
    after = Machine([before])
    assert after.step(at(300), [finding()]) == []
    assert [alert.id for alert in after.alive] == [before.id]


def test_what_was_told_is_over_when_the_last_alarm_of_its_cause_is_and_budgets_do_not_count() -> (
    None
):
    machine = Machine()
    machine.step(at(0), [finding("slow", clear_s=5.0), finding("calls_fail", clear_s=20.0)])
    machine.step(at(1), [finding("calls_succeed", clear_s=90.0, budget="30 % of it is left")])
    machine.step(at(8), [finding("silent", kind="data", clear_s=1.0)])
    assert machine.over == {}, "calls still fail"
    machine.step(at(30), [])
    assert machine.over == {"square:service": at(0), "square:data": at(8)}, "as last seen"
    machine.step(at(200), [])
    assert machine.alive == []
    assert machine.over["square:service"] == at(0)


def test_alerts_of_one_cause_are_one_incident_that_affects_all_their_shops(ledger: Ledger) -> None:
    house = House(ledger)
    slow = finding(
        "slow", started_at=at(-5), severity="sev3", franchises=("F2",), kind="performance"
    )
    house.step(7, finding(severity="sev4"))
    house.step(9, finding(severity="sev4"), slow)
    [incident] = house.all()
    assert incident.cause_key == "square:service"
    assert list(incident.franchises) == ["F1", "F2"]
    assert (incident.severity, incident.title) == ("sev3", "Calls fail")
    assert incident.started_at == at(-5), "the first bad event of all"
    assert incident.detected_at == at(7)
    assert incident.detection_s == 12
    house.step(40)
    house.step(70)
    [over] = house.all()
    assert over.resolution.startswith("Over: it has not come back for")
    assert over.auto_resolved
    assert [what for what, _ in house.story()] == [
        "opened", "joined", "changed", "resolved", "resolved",
    ]  # fmt: skip


def test_the_next_fault_is_a_new_incident_and_another_family_its_own(ledger: Ledger) -> None:
    house = House(ledger)
    house.step(0, finding())
    house.step(2, finding(), finding("refused", kind="data"))
    assert {one.cause_key for one in house.all()} == {"square:service", "square:data"}
    house.step(60)
    assert all(one.resolved_at for one in house.all())
    house.step(90, finding(started_at=at(88)))
    assert len(house.all()) == 3
    assert [one.resolved_at for one in house.all()].count(None) == 1


def test_both_ends_are_facts_and_the_second_is_a_revision_of_the_first(ledger: Ledger) -> None:
    house = House(ledger)
    house.step(11, finding())
    house.step(60)
    first, second = house.rows
    assert first["incident_id"] == second["incident_id"]
    assert first["started_at"] == "2026-03-01T09:00:00Z"
    assert first["detected_at"] == "2026-03-01T09:00:11Z"
    assert "resolved_at" not in first
    assert (second["resolved_at"], second["customer_impact_s"]) == ("2026-03-01T09:01:00Z", 60)


def test_what_the_hub_tells_itself_is_not_told_twice(ledger: Ledger) -> None:
    house = House(ledger, "square")
    house.step(0, finding())
    house.step(60)
    assert house.rows == []
    assert house.all()[0].resolved_at == at(60)


def test_in_a_maintenance_window_nobody_is_called(ledger: Ledger) -> None:
    house = House(ledger)
    [quiet] = house.step(0, finding(), window="works until 10:00")
    assert quiet.silenced_by == "works until 10:00"
    assert house.all() == []
    house.step(10, finding())
    assert len(house.all()) == 1, "the window is over and it still fails"
    house.step(12, finding(), window="works again")
    assert house.story()[-1] == ("silenced", "Silenced: works again")


def test_a_person_takes_it_on_and_it_ends_by_itself(ledger: Ledger) -> None:
    house = House(ledger)
    [alert] = house.step(0, finding())
    with ledger.change("ana") as change:
        change.alerts.acknowledge(alert.id, "ana")
        taken = change.alerts.lasting()
    house.machine.acknowledged(taken)
    assert house.step(2, finding()) == []
    [over] = house.step(60)
    assert (over.acknowledged_by, over.state) == ("ana", "resolved")
    assert house.all()[0].acknowledged_by == "ana"


def test_a_signed_out_connection_was_mended_by_a_person(ledger: Ledger) -> None:
    house = House(ledger)
    house.step(0, replace(finding("broken"), fault="caller"))
    house.step(60)
    assert not house.all()[0].auto_resolved
