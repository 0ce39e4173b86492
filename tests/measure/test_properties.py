"""What must not change a result: order, duplicates, batches, what was computed before, company."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from meterstone.facts import vocabulary

from .build import AT, FAR, RECORDED, D, Measured, Row, World, framework, on
from .oracle import SPECS
from .random_world import RandomWorld

QUICK = settings(max_examples=15, deadline=None, derandomize=True)
HEAVY = settings(QUICK, max_examples=8)

moments = st.sampled_from(
    [
        AT,
        on(2026, 3, 30, 10, 30, 17, 123457),
        on(2026, 3, 29, 22),
        AT - timedelta(hours=11),
    ]
)
zones = st.sampled_from(["UTC", "UTC", "Europe/Berlin", "America/New_York"])
chosen = st.lists(st.sampled_from(sorted(SPECS)), min_size=4, max_size=6, unique=True)


@dataclass
class Case:
    """A world, where and what to measure."""

    drawn: RandomWorld
    at: datetime
    zone: str
    metrics: list[str]

    def measure(
        self, world: World, at: datetime | list[datetime] | None = None, **more
    ) -> Measured:  # type: ignore[no-untyped-def]
        catalogue = framework(self.zone)
        return world.evaluate(at or self.at, *self.metrics, catalogue=catalogue, **more)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    at = draw(moments)
    seed = draw(st.integers(0, 2**32))
    return Case(RandomWorld(seed, at), at, draw(zones), draw(chosen))


def apart(one: Measured, other: Measured) -> list[str]:
    """Where two evaluations differ in any bit."""
    found = []
    for name, column in one.evaluation.columns.items():
        twin = other.evaluation.columns[name]
        if column.keys != twin.keys:
            found.append(f"{name} keys {column.keys} {twin.keys}")
            continue
        for what in ("value", "lower", "upper", "sample", "newest", "evidence"):
            a, b = getattr(column, what), getattr(twin, what)
            equal = a.tolist() == b.tolist() if a.dtype == object else _bits(a) == _bits(b)
            if not equal:
                found.append(f"{name} {what} {a.tolist()} {b.tolist()}")
        found += [
            f"{name} verdict {a.tolist()} {b.tolist()}"
            for a, b in zip(column.verdicts, twin.verdicts, strict=True)
            if a.tolist() != b.tolist()
        ]
    return found


def _bits(array: np.ndarray) -> list[object]:
    return [None if np.isnan(x) else float(x).hex() for x in array.astype(float).ravel()]


def by_day(rows: list[Row], last: datetime) -> Iterator[tuple[datetime, list[Row]]]:
    """Rows by UTC day of their event time, in order; what is older than four days by month."""
    days: dict[datetime, list[Row]] = {}
    for row in rows:
        at = row[vocabulary()[row["fact"]].event_time]
        day = at.day if at > last - 4 * D else 1
        days.setdefault(on(at.year, at.month, day), []).append(row)
    yield from sorted(days.items(), key=lambda pair: pair[0])


@HEAVY
@given(cases())
def test_order_duplicates_and_batches_change_nothing(case: Case) -> None:
    drawn = case.drawn
    rows, later = drawn.shuffled(drawn.rows), drawn.shuffled(drawn.later)
    with World(drawn.rows) as world, World() as other:
        world.add(drawn.later, recorded_at=RECORDED + D)
        third = len(rows) // 3
        for part in (rows[:third], rows[third : 2 * third], rows[: third // 2], rows[2 * third :]):
            other.add(part)
        other.add(later, recorded_at=RECORDED + D)
        again = other.add(later[:20], recorded_at=RECORDED + 2 * D)
        assert (again.new, again.revised) == (0, 0)
        assert apart(case.measure(world), case.measure(other)) == []


@HEAVY
@given(cases())
def test_day_by_day_gives_what_a_full_load_gives(case: Case) -> None:
    with World(case.drawn.rows) as world, World() as other:
        world.add(case.drawn.later, recorded_at=RECORDED + D)
        for day, rows in by_day(case.drawn.rows, case.at):
            other.add(rows)
            case.measure(other, day + D)
        other.add(case.drawn.later, recorded_at=RECORDED + D)
        assert apart(case.measure(world), case.measure(other)) == []


@HEAVY
@given(cases())
def test_late_facts_reach_what_was_stored(case: Case) -> None:
    drawn = case.drawn
    rows = drawn.shuffled(drawn.rows)
    with World(drawn.rows) as world, World(rows[50:]) as other:
        case.measure(other)
        case.measure(other, case.at - D)
        for n in range(0, 50, 25):
            other.add(rows[n : n + 25])
            case.measure(other)
        assert apart(case.measure(world), case.measure(other)) == []
        assert apart(case.measure(world, case.at - D), case.measure(other, case.at - D)) == []


@QUICK
@given(cases())
def test_known_then_is_a_load_of_what_was_recorded_by_then(case: Case) -> None:
    with World(case.drawn.rows) as then, World(case.drawn.rows) as now:
        now.add(case.drawn.later, recorded_at=RECORDED + D)
        as_then = case.measure(now, known_at=RECORDED)
        assert apart(case.measure(then), as_then) == []
        assert apart(case.measure(then, known_at=FAR), as_then) == []


@QUICK
@given(cases())
def test_stored_aggregates_give_what_rows_give(case: Case) -> None:
    with World(case.drawn.rows) as world:
        world.add(case.drawn.later, recorded_at=RECORDED + D)
        assert apart(case.measure(world), case.measure(world, known_at=FAR)) == []


OFFSETS = st.sampled_from(
    [
        [n * D for n in range(4)],
        [n * D for n in (0, 1, 200)],
        [timedelta(hours=n, minutes=7 * n) for n in range(6)],
        [timedelta(0), timedelta(hours=5), timedelta(seconds=61), D],
    ]
)


@QUICK
@given(cases(), OFFSETS)
def test_many_moments_at_once_equal_one_by_one(case: Case, offsets: list[timedelta]) -> None:
    times = [case.at - offset for offset in offsets]
    with World(case.drawn.rows) as world:
        together = case.measure(world, times)
        for n, at in enumerate(times):
            alone = case.measure(world, at)
            for metric, kind in alone.evaluation.columns:
                for key in alone.evaluation.columns[metric, kind].keys:
                    scope = kind if kind == "network" else f"{kind}:{key}"
                    one = alone.cell(metric, scope)
                    assert together.cell(metric, scope, moment=n) == one, (metric, scope, at)
