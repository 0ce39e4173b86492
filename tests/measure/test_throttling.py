"""Metrics of rate limits and queues, in worked numbers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from .build import AT, RECORDED, D, H, M, Row, S, World, lag, load_sample, throttle

US = timedelta(microseconds=1)
HITS, RIGHT, QUEUE, PRIORITY = (
    "rate_limit_hits", "throttling_efficiency", "queue_management", "priority_handling",
)  # fmt: skip


def queued(count: int = 1, wait_ms: float = 100.0, **columns: Any) -> Row:
    given = {"decision": "queued", "wait_ms": wait_ms, "count": count} | columns
    return throttle(AT - H, **given)


@pytest.mark.parametrize(
    ("held", "decisions", "verdict"),
    [
        (2, 3000, "met"),
        (3, 3000, "not_met"),
        (0, 3000, "met"),
        (0, 2999, "insufficient_data"),
        (4, 5000, "met"),
    ],
)
def test_hits_are_queued_or_rejected(held: int, decisions: int, verdict: str) -> None:
    rows = [throttle(AT - D, count=decisions - held)]
    for n in range(held):
        limiter = "provider" if n % 2 else "hub"
        decision = "rejected" if n % 2 else "queued"
        rows.append(throttle(AT - US, decision=decision, limiter=limiter))
    outside = [queued(999) | {"at": AT, "throttle_id": "z"}, throttle(AT - D - US, count=999)]
    with World(rows, outside) as world:
        cell = world.cell(HITS)
        assert (cell.value, cell.n) == (pytest.approx(100 * held / decisions), decisions)
        assert cell.verdict == verdict, "exactly 0.1 % is not less"
        assert (cell.shown["held_by_hub"], cell.shown["held_by_provider"]) == (
            -(-held // 2),
            held // 2,
        )


def test_hits_by_integration_and_not_by_endpoint_group() -> None:
    with World(queued(integration="square"), throttle(AT - H, integration="clover")) as world:
        measured = world.evaluate(AT, HITS)
        assert measured.cell(HITS).value == 50.0
        assert measured.cell(HITS, "integration:square").value == 100.0
        assert measured.cell(HITS, "integration:clover").value == 0.0, "decisions were observed"
        assert measured.cell(HITS, "endpoint_group:other").verdict == "no_data"
        assert world.cell(HITS, at=AT + 2 * D).verdict == "no_data"


@pytest.mark.parametrize(
    ("columns", "right"),
    [
        ({"decision": "queued"}, True),
        ({"decision": "queued", "wait_ms": 50.0, "deadline_ms": 50.0}, True),
        ({"decision": "queued", "wait_ms": 50.1, "deadline_ms": 50.0}, False),
        ({"decision": "queued", "final": "expired"}, False),
        ({"decision": "queued", "final": "rejected", "over_quota": True}, False),
        ({"decision": "rejected", "over_quota": True}, True),
        ({"decision": "rejected", "over_quota": False}, False),
    ],
    ids=str,
)
def test_right_interventions(columns: Row, right: bool) -> None:
    rest = throttle(AT - H, decision="rejected", over_quota=True, count=597)
    with World(throttle(AT - H, count=3, **columns), rest, throttle(AT - H, count=10_000)) as world:
        cell = world.cell(RIGHT, known_at=RECORDED)
        assert (cell.value, cell.n) == (100.0 if right else 99.5, 600)
        assert cell.verdict == "met"


def test_few_or_no_interventions() -> None:
    with World(queued(599), throttle(AT - D - H, count=5, integration="square")) as world:
        measured = world.evaluate([AT, AT - D, AT - 5 * D], RIGHT, QUEUE, PRIORITY)
        assert measured.cell(RIGHT).verdict == "insufficient_data"
        assert measured.cell(QUEUE).verdict == "met"
        for metric in (RIGHT, QUEUE, PRIORITY):
            quiet = measured.cell(metric, moment=1)
            assert (quiet.value, quiet.verdict) == (None, "not_applicable"), "all were admitted"
            assert measured.cell(metric, "integration:square", moment=1).verdict == "not_applicable"
            assert measured.cell(metric, moment=2).verdict == "no_data"
        assert measured.cell(PRIORITY).verdict == "not_applicable", "no class was queued"


def load(depth: int, capacity: int = 1000) -> Row:
    return load_sample(AT - H, queue_depth=depth, queue_capacity=capacity)


@pytest.mark.parametrize(
    ("rows", "state"),
    [
        ([queued(1000, 900)], "optimal"),
        ([queued(950, 900), queued(50, 60_000)], "optimal"),
        ([queued(949, 900), queued(51, 4_800)], "good"),
        ([queued(949, 900), queued(51, 28_000)], "acceptable"),
        ([queued(949, 900), queued(51, 60_000)], "poor"),
        ([queued(999), queued(1, final="expired")], "optimal"),
        ([queued(998), queued(2, final="expired")], "good"),
        ([queued(990), queued(10, final="expired")], "good"),
        ([queued(989), queued(11, final="expired")], "acceptable"),
        ([queued(950), queued(50, final="expired")], "acceptable"),
        ([queued(949), queued(51, final="expired")], "poor"),
        ([queued(1000), load(800)], "optimal"),
        ([queued(1000), load(801), load(1)], "good"),
        ([queued(1000), load(900)], "good"),
        ([queued(1000), load(901)], "acceptable"),
        ([queued(1000), load(999)], "acceptable"),
        ([queued(1000), load(1000)], "poor"),
        ([queued(1000), load(5, 0)], "optimal"),
    ],
    ids=range(18),
)
def test_queue_management(rows: list[Row], state: str) -> None:
    with World(rows, throttle(AT - H, count=77, wait_ms=90_000.0)) as world:
        cell = world.cell(QUEUE, known_at=RECORDED)
        assert (cell.value, cell.n) == (state, 1000)
        assert cell.verdict == ("met" if state == "optimal" else "not_met")


@pytest.mark.parametrize(("n", "verdict"), [(200, "met"), (199, "insufficient_data")])
def test_queue_management_needs_queued_events(n: int, verdict: str) -> None:
    with World(queued(n), queued(1_000, integration="square", synthetic=True)) as world:
        assert (world.cell(QUEUE).value, world.cell(QUEUE).verdict) == ("optimal", verdict)


def both(high: float, low: float, late: int = 0, n: int = 1000) -> list[Row]:
    """Both classes in one minute, ``n`` events each."""
    rows = [queued(n, high, priority="high"), queued(n - late, low, priority="low")]
    return rows + ([queued(late, low, priority="low", final="expired")] if late else [])


@pytest.mark.parametrize(
    ("rows", "state"),
    [
        (both(100, 400), "effective"),
        (both(100, 210), "effective"),
        (both(100, 200), "partial"),
        (both(100, 400, late=10), "effective"),
        (both(100, 400, late=11), "partial"),
        (both(100, 400, late=50), "partial"),
        (both(100, 400, late=51), "ineffective"),
        (both(100, 110), "partial"),
        (both(100, 100), "inverted"),
        (both(400, 100), "inverted"),
        (both(0, 100), "effective"),
        (both(0, 0), "inverted"),
    ],
    ids=range(12),
)
def test_priority_handling(rows: list[Row], state: str) -> None:
    with World(rows) as world:
        cell = world.cell(PRIORITY, known_at=RECORDED)
        assert (cell.value, cell.n) == (state, 1000)
        assert cell.verdict == ("met" if state == "effective" else "not_met")


def test_only_minutes_in_which_both_classes_were_queued() -> None:
    start = AT - H
    alone = [
        queued(5_000, 9_000, priority="high") | {"at": start + M, "throttle_id": "a"},
        queued(5_000, 1, priority="low") | {"at": start - S, "throttle_id": "b"},
        queued(5_000, 9_000, priority="high", integration="square"),
        queued(5_000, 1, priority="normal"),
        throttle(start, priority="high", count=5_000, wait_ms=9_000.0),
    ]
    with World(both(100, 400, n=100), alone) as world:
        cell = world.cell(PRIORITY)
        assert (cell.value, cell.n, cell.verdict) == ("effective", 100, "met")
        assert cell.shown["wait_ratio"] == pytest.approx(0.25, rel=0.02)
    with World(both(100, 400, n=99), both(1, 2, n=99)[1:]) as world:
        cell = world.cell(PRIORITY)
        assert (cell.n, cell.verdict) == (99, "insufficient_data"), "of each class"


def test_other_facts_are_no_heartbeat() -> None:
    with World(lag(AT - H), load(5)) as world:
        measured = world.evaluate(AT, RIGHT, QUEUE, PRIORITY)
        assert {measured.cell(m).verdict for m in (RIGHT, QUEUE, PRIORITY)} == {"no_data"}
