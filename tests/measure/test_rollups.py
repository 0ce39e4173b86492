"""Stored aggregates follow the facts: a late row dirties what it reaches, and nothing else."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from meterstone.facts import vocabulary
from meterstone.measure.rollups import Rollups

from .build import (
    AT,
    RECORDED,
    D,
    H,
    M,
    Row,
    World,
    connected,
    connection,
    framework,
    incident,
    integration,
    probe,
    probes,
    reconciliation,
    request,
    sync_run,
)  # fmt: skip

LATE = AT - 50 * D
DAYS = 60
Made = set[tuple[str, date]]


def full() -> World:
    """Sixty days with every stored relation made for each of them."""
    begin = AT - DAYS * D
    rows = connected(begin)
    rows += [probe(begin + n * D + H) for n in range(DAYS)]
    rows += [request(begin + n * D + H, endpoint_group="auth") for n in range(DAYS)]
    rows += [request(begin + n * D + H, error="server", integration="square") for n in range(DAYS)]
    rows += [reconciliation(begin + n * D + H) for n in range(DAYS)]
    world = World(rows)
    make(world)
    return world


def make(world: World) -> None:
    stored = Rollups(world.warehouse, vocabulary(), framework())
    stored.refresh()
    for relation in framework().relations.values():
        if relation.materialize:
            stored.ensure(relation, at(AT - DAYS * D), at(AT))


def at(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)


def made(world: World) -> Made:
    table = world.warehouse.query("SELECT relation, day FROM rollup.made")
    return set(
        zip(table.column("relation").to_pylist(), table.column("day").to_pylist(), strict=True)
    )


def forgotten(world: World, row: Row) -> dict[str, tuple[int, int]]:
    """First and last day that a late row took away, by relation, in days after the row; each
    without gaps."""
    before = made(world)
    world.add(row)
    Rollups(world.warehouse, vocabulary(), framework()).refresh()
    lost: dict[str, list[int]] = {}
    for name, day in before - made(world):
        if name not in STORED:
            continue
        lost.setdefault(name, []).append((day - LATE.date()).days)
    make(world)
    assert made(world) == before
    for days in lost.values():
        assert sorted(days) == list(range(min(days), max(days) + 1))
    return {name: (min(days), max(days)) for name, days in lost.items()}


STORED = (
    "probe_day", "integration_probe", "inbound_minute", "error_episode", "success_day",
    "integration_slot", "integration_minute", "expected_check",
)  # fmt: skip
"""Stored relations of the operational systems."""

EVER = 49
GRAINS = ("minute", "hour", "day")


def test_late_rows_take_away_what_they_reach() -> None:
    with full() as world:
        first = AT.date() - timedelta(days=DAYS)
        days = {first + timedelta(days=n) for n in range(DAYS)}
        for name in STORED:
            assert framework().relations[name].materialize
            assert {day for relation, day in made(world) if relation == name} >= days

        assert forgotten(world, probe(LATE + 5 * H)) == {
            "probe_day": (0, 1),
            "integration_probe": (0, 1),
            "error_episode": (0, 1),
            "integration_slot": (0, 31),
            "integration_minute": (0, 2),
        }
        assert forgotten(world, integration(LATE + 5 * H, "clover")) == {
            "integration_slot": (0, EVER),
            "integration_minute": (0, EVER),
        }
        assert forgotten(world, request(LATE + 5 * H)) == {
            "inbound_minute": (0, 1),
            "error_episode": (0, 1),
            "success_day": (0, 1),
            "integration_slot": (0, 31),
            "integration_minute": (0, 31),
        }
        assert forgotten(world, incident(LATE + 5 * H)) == {"integration_minute": (0, EVER)}
        assert forgotten(world, connection(LATE + 5 * H, "clover")) == {
            "integration_slot": (0, EVER),
            "integration_minute": (0, EVER),
            "expected_check": (0, EVER),
        }
        assert forgotten(world, sync_run(LATE + 5 * H)) == {
            "success_day": (0, 1),
            "integration_slot": (0, 31),
            "integration_minute": (0, 33),
            "expected_check": (0, 31),
        }
        assert forgotten(world, reconciliation(LATE + 5 * H)) == {"expected_check": (0, 1)}
        assert forgotten(world, request(LATE, environment="staging")) != {}
        assert forgotten(world, {**probe(LATE), "retracted": True}) != {}


def test_a_correction_that_moves_a_row_dirties_both_days() -> None:
    with full() as world:
        row = probe(LATE)
        world.add(row)
        make(world)
        world.add(row | {"at": LATE + 10 * D}, recorded_at=RECORDED + D)
        dirty = world.warehouse.dirty_days()
        assert {(d.fact, d.day) for d in dirty} == {
            ("probe", LATE.date()),
            ("probe", (LATE + 10 * D).date()),
        }


def test_only_the_touched_day_of_a_rollup_is_made_anew() -> None:
    rows = [request(AT - n * D - H) for n in range(1, 10)]
    with World(rows) as world:
        world.cell("api_error_rate")
        world.warehouse.derive(
            [f"UPDATE rollup.api_request_{level} SET requests = 1000" for level in GRAINS]
        )
        world.add(request(AT - 5 * D - 2 * H, count=7))
        refreshed = Rollups(world.warehouse, vocabulary(), framework()).refresh()
        touched = (AT - 6 * D).date()
        assert [(d.fact, d.day) for d in refreshed] == [("api_request", touched)]
        for level in GRAINS:
            table = world.warehouse.query(
                f'SELECT "at", requests FROM rollup.api_request_{level} WHERE requests < 1000'
            ).to_pylist()
            assert {row["at"].date() for row in table} == {touched}
            assert sum(row["requests"] for row in table) == 8
        assert Rollups(world.warehouse, vocabulary(), framework()).refresh() == []


def test_rollups_hold_the_sums_of_their_rows() -> None:
    with World(
        request(AT - H, count=3, duration_ms=0.1),
        request(AT - H + 59 * timedelta(seconds=1), count=4, duration_ms=0.2),
        request(AT - H - M, count=5, duration_ms=0.3),
        request(AT - H, count=6, duration_ms=None),
        request(AT - 20 * H, count=7, duration_ms=0.0),
    ) as world:
        world.evaluate(AT, "api_error_rate")
        for level, rows in (("minute", 3), ("hour", 3), ("day", 1)):
            table = world.warehouse.query(
                "SELECT count(*) AS rows, sum(requests) AS n, sum(timed_requests) AS timed, "
                f"sum(value_total) AS total FROM rollup.api_request_{level}"
            ).to_pylist()[0]
            assert (table["rows"], table["n"], table["timed"]) == (rows, 25, 19)
            assert float(table["total"]) == 2.6, "0.3 + 0.8 + 1.5, exactly"
            bins = world.warehouse.query(
                f"SELECT bin, requests FROM rollup.api_request_hist_{level} ORDER BY bin"
            ).to_pylist()
            assert sum(b["requests"] for b in bins) == 19
            assert bins[0] == {"bin": -100_000, "requests": 7}, "zero has a bin of its own"


@pytest.mark.parametrize(
    "table",
    ["api_request_hour", "api_request_hist_day", "relation_integration_slot", "made", "version"],
)
def test_what_was_dropped_is_made_anew(table: str) -> None:
    metrics = ("integration_uptime", "api_error_rate", "api_response_time_p95", "api_request_rate")
    rows = [*connected(AT - 5 * D), *probes(AT - 4 * D, AT, H), request(AT - 5 * H, count=3)]
    with World(rows) as world:
        before = world.evaluate(AT, *metrics)
        afternoon = world.evaluate(AT - 5 * H, *metrics)
        world.warehouse.define([f"DROP TABLE rollup.{table}"])
        after = world.evaluate(AT, *metrics)
        for metric in metrics:
            assert after.cell(metric) == before.cell(metric)
            again = world.cell(metric, at=AT - 5 * H)
            assert again == afternoon.cell(metric)


def test_catalogues_may_take_turns() -> None:
    rows = [*connected(AT - 5 * D), *probes(AT - 4 * D, AT, H), request(AT - H, error="server")]
    with World(rows) as world:
        names = ("integration_uptime", "error_recovery_time", "data_consistency_validation")
        utc, local = framework(), framework("Europe/Berlin")
        first = world.evaluate(AT, *names, catalogue=utc)
        berlin = world.evaluate(AT, *names, catalogue=local)
        for _ in range(2):
            again = world.evaluate(AT, *names, catalogue=utc)
            assert all(again.cell(name) == first.cell(name) for name in names)
            again = world.evaluate(AT, *names, catalogue=local)
            assert all(again.cell(name) == berlin.cell(name) for name in names)


def test_days_that_a_relation_looks_back_at_are_made_first() -> None:
    with World(connected(AT - 60 * D)) as world:
        assert world.cell("integration_uptime", at=AT - 10 * D).n == 30 * 1440
        days = {day for name, day in made(world) if name == "success_day"}
        # 31 days before the first day of the window, and the gate over the moment looks no further
        assert days == {(AT - n * D).date() for n in range(11, 61)}
        assert {day for name, day in made(world) if name == "integration_slot"} == {
            (AT - n * D).date() for n in range(11, 41)
        }
        # of a late success all days that it reaches are made anew, from the stored days
        world.add(integration(AT - 60 * D, "ifpg"), connection(AT - 60 * D, "ifpg"))
        world.add(sync_run(AT - 45 * D, integration="ifpg", connection_id="c-ifpg"))
        cell = world.cell("integration_uptime", "integration:ifpg", at=AT - 10 * D)
        assert cell.n == 25 * 1440 + 1


def test_days_before_the_first_fact_are_not_made() -> None:
    with World(probe(AT - 2 * D)) as world:
        world.cell("proactive_monitoring")
        assert {day for _, day in made(world)} <= {(AT - n * D).date() for n in (1, 2)}
        world.add(probe(AT - 9 * D))
        make(world)
        days = {day for name, day in made(world) if name == "probe_day"}
        assert days == {(AT - n * D).date() for n in range(1, 10)}


def test_an_empty_warehouse_needs_no_days() -> None:
    with World() as world:
        make(world)
        assert made(world) == set()


def test_a_warehouse_that_was_filled_before_is_taken_in() -> None:
    rows = [request(AT - H, count=3), request(AT - D - H, count=4)]
    with World(rows) as world:
        world.warehouse.derive([], world.warehouse.dirty_days())
        assert world.warehouse.dirty_days() == []
        assert world.cell("api_error_rate").n == 3
        assert world.cell("timeout_error_rate").n == 7
