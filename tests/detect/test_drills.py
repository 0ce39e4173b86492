"""Drills are dealt out, judged and summed up; one of them is run."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterstone.cli.drill import line, summary
from meterstone.demo.drilling import drill_all, ground
from meterstone.detect.drills import Task, figures, first, judged, tasks, wilson
from meterstone.ledger import Alert, Drill
from meterstone.sandbox.network import preset, simulate

BEGAN = datetime(2026, 3, 1, 9, tzinfo=UTC)
ERROR = Task("square", "error", harmful=True)
SKEW = Task("square", "skew", harmful=False)


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def alert(rule: str, fired: float | None, resolved: float | None = None) -> Alert:
    return Alert(
        id=f"{rule}-{fired}", rule=rule, cause_key="square", state="firing", kind="error",
        severity="sev3", fault="provider", integration="square", franchises=(), title="t",
        says="It is so.", next="n", started_at=BEGAN, pending_at=at(fired or 0.0),
        fired_at=None if fired is None else at(fired),
        resolved_at=None if resolved is None else at(resolved),
    )  # fmt: skip


def judge(task: Task, *alerts: Alert) -> Drill:
    return judged(task, alerts, series="s", began=BEGAN, ended=at(20), over=at(60))


def test_every_vendor_gets_as_many_and_each_fault_before_one_comes_again() -> None:
    can = {
        "square": [Task("square", name, harmful=True) for name in "abc"],
        "clover": [Task("clover", name, harmful=True) for name in "abcd"],
        "tableau": [],
    }
    plan = tasks(can, 11, seed=4)
    assert [len(plan[name]) for name in ("clover", "square")] == [6, 5]
    assert "tableau" not in plan
    assert Counter(task.fault for task in plan["square"][:3]) == {"a": 1, "b": 1, "c": 1}
    assert plan == tasks(can, 11, seed=4)
    assert plan != tasks(can, 11, seed=5)


def test_detection_counts_from_the_true_beginning_and_recovery_from_the_true_end() -> None:
    found = judge(ERROR, alert("calls_fail", 12, 31), alert("calls_succeed", 14))
    assert (found.detected_s, found.recovered_s) == (12, 11)
    assert (found.alarms, found.false_alarms, found.note) == (2, 0, "")


def test_an_alarm_about_something_else_is_a_false_one_and_finds_nothing() -> None:
    found = judge(ERROR, alert("webhooks_missing", 5))
    assert found.detected_s is None
    assert (found.alarms, found.false_alarms) == (1, 1)
    assert found.note == "false: webhooks_missing: It is so."


def test_alarms_of_before_and_after_do_not_count_nor_do_those_that_never_fired() -> None:
    found = judge(
        ERROR, alert("calls_fail", -3), alert("calls_fail", 70), alert("calls_fail", None)
    )
    assert (found.alarms, found.detected_s) == (0, None)


def test_an_alarm_between_two_drills_is_a_false_one_of_the_next() -> None:
    early = alert("calls_fail", -3)
    found = judged(
        ERROR, [early, alert("down", 4)], series="s", began=BEGAN, ended=at(20), over=at(60),
        since=at(-10),
    )  # fmt: skip
    assert (found.alarms, found.false_alarms, found.detected_s) == (2, 1, 4)


def test_what_is_told_late_is_of_the_drill_in_which_it_began() -> None:
    lost = judged(
        Task("square", "lost", harmful=True), [], series="s", began=at(-99), ended=at(-50),
        over=at(-40),
    )  # fmt: skip
    late = replace(alert("webhooks_arrive", 5), started_at=at(-60))
    given = {"series": "s", "began": BEGAN, "ended": at(20), "over": at(60)}
    assert judged(SKEW, [late], **given, earlier=[lost]).alarms == 0  # type: ignore[arg-type]  # by name
    assert judged(SKEW, [late], **given).false_alarms == 1  # type: ignore[arg-type]  # by name
    again = Task("square", "lost", harmful=True)
    assert first([late], again, BEGAN) == late
    assert first([late], again, BEGAN, [lost]) is None, "a drill goes on until its own is told"


def test_no_alarm_is_right_about_a_harmless_fault() -> None:
    assert judge(SKEW, alert("calls_fail", 5)).false_alarms == 1
    assert judge(SKEW).alarms == 0


def test_figures_and_their_words() -> None:
    drills = [
        judge(ERROR, alert("calls_fail", seconds, 30)) for seconds in (4, 8, 12)
    ] + [judge(ERROR), judge(SKEW), judge(SKEW, alert("slow", 3))]  # fmt: skip
    made = figures(drills)
    assert (made.drills, made.harmful, made.found) == (6, 4, 3)
    assert (made.median_s, made.p95_s, made.longest_s) == (8, 12, 12)
    assert made.recall == 0.75
    assert made.precision == 0.75
    assert summary(made).splitlines() == [
        "6 drills, 4 of them harmful; simulated vendors and data.",
        "Time to detection: median 8.0 s, 95 % within 12.0 s, longest 12.0 s.",
        "Found (recall): 3 of 4, 75 %.",
        "Alarms that were right (precision): 3 of 4, 75 %.",
    ]
    said = [line(drill) for drill in drills[2:]]
    assert "found after 12.0 s, over 10 s after its end" in said[0]
    assert "NOT FOUND" in said[1]
    assert "no alarm, as is right" in said[2]
    assert "A FALSE ALARM" in said[3]
    nothing = figures([])
    assert nothing.recall is nothing.precision is nothing.median_s is None


@given(st.integers(0, 300), st.integers(0, 300))
def test_bounds_hold_the_share(good: int, bad: int) -> None:
    low, high = wilson(good, good + bad)
    assert 0 <= low <= high <= 1
    if good + bad:
        assert low - 1e-12 <= good / (good + bad) <= high + 1e-12


def test_bounds_are_those_of_the_literature() -> None:
    # Agresti & Coull 1998: 10 of 10 gives [0.722, 1]
    assert wilson(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert wilson(0, 0) == (0, 1)


def test_a_fault_is_found_while_the_vendor_lives(tmp_path: Path) -> None:
    """The real thing, once: a stand-in over HTTP, a home that works, an alarm, an incident."""
    books = tmp_path / "network"
    simulate(preset("honest", shops=2, months=2, telemetry_days=None, seed=1), books)
    found: list[Drill] = []
    with ground(tmp_path / "home", books, ["fransmart"]) as here:
        kinds = {task.fault for task in here.can()["fransmart"]}
        assert {"latency", "lost", "silence"} <= kinds
        assert "expired" not in kinds, "nobody signs in there by OAuth"
        task = Task("fransmart", "error", harmful=True)
        drill_all(here, {"fransmart": [task]}, "s", found.append, threading.Event())
        with here.home.ledger.read() as seen:
            incidents = seen.alerts.incidents(integration="fransmart")
        here.home.recorder.map_new()
        rows = here.home.warehouse.query(
            f"SELECT * FROM {here.home.warehouse.relation('incident', None)} AS k "
            "WHERE detected_by = 'monitor'"
        ).to_pylist()
    [drill] = found
    assert drill.detected_s is not None
    assert drill.detected_s < 60
    assert drill.false_alarms == 0
    assert [incident.cause_key for incident in incidents] == ["fransmart:service"]
    assert incidents[0].started_at < incidents[0].detected_at
    assert {row["integration"] for row in rows} == {"fransmart"}, "told by the hub or the watch"
