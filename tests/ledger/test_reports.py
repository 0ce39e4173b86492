"""Runs and plans of reports, on both engines."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from meterstone.errors import InputError
from meterstone.ledger import Ledger
from meterstone.ledger.reports import ReportPlan, ReportRun

from .conftest import Clock

DAY = date(2026, 3, 1)


def ask(ledger: Ledger, kind: str = "daily", mode: str = "on_demand") -> ReportRun | None:
    with ledger.change("person:1") as change:
        return change.reports.ask(kind, "network:*", DAY, mode=mode)  # type: ignore[arg-type]  # both are words of it


def test_a_scheduled_report_of_a_period_is_asked_for_once(ledger: Ledger) -> None:
    assert ask(ledger, mode="scheduled") is not None
    assert ask(ledger, mode="scheduled") is None
    assert ask(ledger) is not None
    assert ask(ledger) is not None
    with ledger.read() as seen:
        assert seen.reports.scheduled("daily", "network:*", DAY) == {DAY}
        assert seen.reports.scheduled("daily", "network:*", DAY + timedelta(days=1)) == set()


def test_a_run_that_failed_is_made_again_and_keeps_its_files(ledger: Ledger, clock: Clock) -> None:
    run = ask(ledger)
    assert run is not None
    with ledger.change("worker") as change:
        change.reports.progress(run.id, "PDF", 1, 3)
        change.reports.keep(run.id, "abc", [{"name": "a.pdf", "sha256": "0" * 64}])
        change.reports.failed(run.id, "no room", "make room")
        assert [r.id for r in change.reports.all(untold=True)] == [run.id]
        change.reports.again(run.id)
        assert change.reports.get(run.id).files
        made = change.reports.made(run.id)
        assert (made.state, made.done) == ("made", made.parts)
        change.reports.tell([made])
        assert change.reports.all(untold=True) == []
        assert change.reports.viewed(run.id)
        assert not change.reports.viewed(run.id)
        assert [r.id for r in change.reports.all(untold=True)] == [run.id]
        with pytest.raises(InputError):
            change.reports.again(run.id)
        with pytest.raises(InputError):
            change.reports.get("nothing")
    clock.forward(60)
    with ledger.read() as seen:
        now = made.requested_at + timedelta(days=1)
        assert [r.id for r in seen.reports.older(now)] == [run.id]
        assert seen.reports.all(kind="monthly") == []


def test_a_plan_takes_the_place_of_the_one_before(ledger: Ledger) -> None:
    first = ReportPlan(kind="daily", active=True, at="07:00", channels=(), since=DAY)
    with ledger.change("person:1") as change:
        change.reports.plan(first)
        change.reports.plan(
            ReportPlan(kind="daily", active=False, at="08:00", channels=(), since=DAY)
        )
    with ledger.read() as seen:
        assert [(plan.kind, plan.active, plan.at) for plan in seen.reports.plans()] == [
            ("daily", False, "08:00")
        ]
