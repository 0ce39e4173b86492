"""Publication, and the verdicts by day that are kept until a fact touches them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from meterstone.measure.publish import publication
from meterstone.measure.service import measure

from .build import D, H, World, probe
from .custom import NETWORK, START, Measured, catalogue, day, days, end_of, metric, rule

NOW = datetime(2026, 4, 3, 6, tzinfo=UTC)


def publish(world: World, own, at: datetime, report: str = "daily", now: datetime = NOW) -> list:
    """Publish as an app does: land the rows that are new; they, as dicts."""
    found = measure(Measured(world, own).subject, at)
    rows = [
        json.loads(line)
        for line in publication(world.warehouse, found, report, now).split(b"\n")
        if line
    ]
    if rows:
        world.add([_typed(row) for row in rows], recorded_at=now.replace(tzinfo=None))
    return rows


def _typed(row: dict) -> dict:
    times = ("period_start", "period_end", "computed_at", "published_at")
    parsed = {name: datetime.fromisoformat(row[name]).replace(tzinfo=None) for name in times}
    common = {"franchise_id": None, "integration": None, "source": "hub", "retracted": False,
              "environment": "production", "synthetic": False}  # fmt: skip
    return row | parsed | common


@pytest.fixture
def own(tmp_path):
    state = metric(
        "state", kind="state", unit="state", verdict_on="state",
        target={"cmp": "at_least", "value": "good", "unit": "state"},
        terms={"up": "count(*) filter (where ok)", "all": "count(*)"}, sample="all",
        scale=[{"level": "good", "when": "up == all"}, {"level": "bad", "when": "otherwise"}],
    )  # fmt: skip
    asked = rule("asked", {"group": "Own.up", "verdict": "met"})
    place = {"ref": "Own.square_up", "same_as": "up", "at": {"integration": "square"},
             "target": {"cmp": ">=", "value": 50, "unit": "%"}}  # fmt: skip
    gate = {"id": "g", "title": "g", "group": "Own.up", "hold": {"periods": 2, "unit": "day"}}
    return catalogue(
        tmp_path, metric("up", uncertainty="wilson"), state, asked, place, gates=[gate]
    )


def test_every_place_is_published_with_what_was_measured(own):
    with World(days("+")) as world:
        rows = {row["ref"]: row for row in publish(world, own, end_of("+"))}
    assert rows.keys() == {"Own.up", "Own.square_up", "Own.state", "Own.asked"}
    up = rows["Own.up"]
    assert (up["value"], up["state"], up["verdict"], up["n"]) == (100.0, None, "met", 1)
    assert (up["scope"], up["scope_key"], up["report"]) == ("network", "*", "daily")
    assert (up["period_start"], up["period_end"]) == (
        "2026-03-01T00:00:00Z",
        "2026-03-02T00:00:00Z",
    )
    assert up["published_at"] == up["computed_at"] == "2026-04-03T06:00:00Z"
    assert up["lower95"] < up["upper95"] == 100
    assert (rows["Own.square_up"]["scope"], rows["Own.square_up"]["scope_key"]) == (
        "integration",
        "square",
    )
    assert (rows["Own.state"]["value"], rows["Own.state"]["state"]) == (None, "good")
    assert rows["Own.asked"]["value"] == 1.0


def test_publishing_twice_without_a_change_writes_nothing(own):
    with World(days("+-+")) as world:
        assert publish(world, own, end_of("+-+"))
        assert publish(world, own, end_of("+-+"), now=NOW + D) == []


def test_no_result_is_published_as_such(own):
    with World(days("+")) as world:
        rows = {row["ref"]: row for row in publish(world, own, end_of("+.."))}
    assert (rows["Own.up"]["value"], rows["Own.up"]["verdict"]) == (None, "no_data")


def test_a_late_fact_is_a_revision_of_the_results_that_it_changes(own):
    with World(days("+")) as world:
        publish(world, own, end_of("+"))
        world.add(probe(START + H, ok=False, integration="clover"), recorded_at=START + 40 * D)
        again = publish(world, own, end_of("+"), now=NOW + 10 * D)
        assert {row["ref"] for row in again} == {"Own.up", "Own.state"}
        # a rule reads what is on record, so that it follows in a second step (see `Home.publish`)
        follows = publish(world, own, end_of("+"), now=NOW + 10 * D)
        assert {row["ref"] for row in follows} == {"Own.asked"}
        assert publish(world, own, end_of("+"), now=NOW + 11 * D) == []
        found = Measured(world, own)
        assert found.one("up", end_of("+")).revision == 1
        assert found.one("up", end_of("+"), known_at=NOW + H).revision == 0
        (_, second) = found.gate(end_of("+")).days[-2:]
        assert (second.verdict, second.kind) == ("broken", "published")
        assert found.gate(end_of("+")).restated == (day(0),)
        assert found.gate(end_of("+"), known_at=NOW + H).restated == ()


def test_another_report_of_the_same_period_is_no_revision(own):
    with World(days("+")) as world:
        publish(world, own, end_of("+"))
        assert len(publish(world, own, end_of("+"), "monthly")) == 4
        assert publish(world, own, end_of("+"), "monthly") == []
        assert publish(world, own, end_of("+")) == []
        assert Measured(world, own).one("up", end_of("+")).revision == 0


def verdicts(world: World, own, at: datetime, known_at: datetime | None = None):
    """Days of the gate, from the cache where there is one."""
    gate = Measured(world, own).gate(at, known_at)
    return {mark.day: mark.verdict for mark in gate.days[-6:]}


def kept(world: World) -> set:
    """Days that are kept."""
    table = world.warehouse.query("SELECT DISTINCT day FROM rollup.day_verdict")
    return set(table.column("day").to_pylist())


def test_kept_verdicts_are_those_that_are_computed(own):
    with World(days("+-+.+")) as world:
        at = end_of("+-+.+")
        first = verdicts(world, own, at)
        assert kept(world) >= {day(n) for n in range(5)}
        assert verdicts(world, own, at) == first
        assert verdicts(world, own, at, known_at=NOW) == first  # computed: nothing is kept there


def test_values_and_words_are_kept_too(own):
    history = None
    with World(days("+-")) as world:
        found = Measured(world, own)
        for _ in range(2):
            history = found.measuring(end_of("+-"))._history
            results = history.days(["Own.up", "Own.state"], [day(0), day(1)])
            assert results[day(0)]["Own.state"].value == "good"
            assert results[day(1)]["Own.state"].value == "bad"
            assert results[day(1)]["Own.up"].value == 0.0
            assert results[day(0)]["Own.up"].verdict == "met"
    assert history is not None


def test_a_late_fact_of_an_old_day_lets_go_of_that_day_and_the_later_ones(own):
    with World(days("+++++")) as world:
        at = end_of("+++++")
        verdicts(world, own, at)
        assert kept(world) >= {day(n) for n in range(5)}
        world.add(probe(START + 2 * D + H, ok=False), recorded_at=START + 40 * D)
        Measured(world, own).measuring(at)._evaluator.cached_days([day(0)])
        assert kept(world) & {day(n) for n in range(5)} == {day(0), day(1)}
        after = verdicts(world, own, at)
        assert [after[day(n)] for n in range(5)] == ["met", "met", "broken", "met", "met"]
        assert after == verdicts(world, own, at, known_at=START + 41 * D)


def test_another_catalogue_lets_go_of_all_days(own, tmp_path):
    with World(days("+++")) as world:
        verdicts(world, own, end_of("+++"))
        gate = {"id": "g", "title": "g", "group": "Own.up", "hold": {"periods": 2, "unit": "day"}}
        strict = metric("up", target={"cmp": ">", "value": 100, "unit": "%"})
        other = catalogue(tmp_path, strict, gates=[gate])
        after = verdicts(world, other, end_of("+++"))
        assert [after[day(n)] for n in range(3)] == ["broken"] * 3


def test_runs_are_days_in_a_row_with_the_target_met(own):
    with World(days("-++")) as world:
        measuring = Measured(world, own).measuring(end_of("-++"))
        results = [r for r in measuring.measurement().metrics if r.scope == NETWORK]
        runs = measuring.runs(day(2), results)
    assert runs["up"] == 2
    assert runs["state"] == 2


def test_a_result_at_another_moment_is_not_restated(own):
    with World(days("+")) as world:
        publish(world, own, end_of("+"))
        world.add(probe(START + H, ok=False), recorded_at=START + 40 * D)
        publish(world, own, end_of("+"), now=NOW + 10 * D)
        found = Measured(world, own)
        assert found.one("up", end_of("+") + timedelta(hours=3)).revision == 0
