"""Reconciliation goes on by itself: a plan in the queue that comes again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.connect.acme import Acme, Scene, scene, serving
from tests.connect.reconcile.test_reconciler import edit, reconciler, start

from meterstone.connect.reconcile import Schedule, rules
from meterstone.connect.worker import Worker


@pytest.fixture
def acme() -> Iterator[Acme]:
    with serving() as vendor:
        yield vendor


@pytest.fixture
def at(tmp_path: Path, acme: Acme) -> Iterator[Scene]:
    with scene(tmp_path, acme) as made:
        yield made


def worker(at: Scene, tmp_path: Path) -> Worker:
    made = Worker(at.hub)
    schedule = Schedule(at.ledger, reconciler(at, tmp_path), rules())
    for kind, handler in schedule.handlers.items():
        made.handle(kind, handler)
    schedule.begin()
    schedule.begin()  # once more: the one that waits is enough
    return made


def test_a_plan_queues_what_is_due_and_comes_again(at: Scene, tmp_path: Path) -> None:
    start(at, 5)
    edit(at.acme, "p00001", status="CANCELED")
    assert worker(at, tmp_path).run_once() == 2  # the plan, and the one stream with facts
    (row,) = at.facts("reconciliation")
    assert (row["method"], row["mismatched"], row["auto_resolved"]) == ("full", 1, 1)
    with at.ledger.read() as seen:
        (again,) = seen.queue.all("waiting")
        assert again.kind == "reconcile_plan"
        assert again.due_at - again.created_at == timedelta(hours=1)


def test_between_full_ones_samples_are_taken(at: Scene, tmp_path: Path) -> None:
    start(at, 5)
    worker(at, tmp_path).run_once()
    with at.ledger.change("test") as change:
        (again,) = change.queue.all("waiting")
        change.queue.cancel(again.id, "now")
    worker(at, tmp_path).run_once()
    assert sorted(row["method"] for row in at.facts("reconciliation")) == ["full", "random_sample"]
