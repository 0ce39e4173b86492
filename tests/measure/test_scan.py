"""Edges of windows at any moment, moments in company, and what the compiler composes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from meterstone.facts import vocabulary
from meterstone.measure.compile import Compiler, Moment, day_table, literal, with_range
from meterstone.measure.scan import grain_of

from .build import (
    AT,
    FAR,
    D,
    H,
    M,
    S,
    World,
    connected,
    framework,
    incident,
    lag,
    on,
    probe,
    request,
)
from .oracle import SPECS
from .random_world import RandomWorld

US = timedelta(microseconds=1)


def aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)


# edges


def test_windows_are_exact_at_any_microsecond() -> None:
    random = Random(5)
    moments = [AT - n * 3 * D - timedelta(seconds=random.uniform(0, 86_400)) for n in range(12)]
    rows = []
    for at in moments:
        rows += [request(at - D - US, count=16), request(at - D, count=1)]
        rows += [request(at - H, count=2), request(at - US, count=4), request(at, count=8)]
    with World(rows) as world:
        together = world.evaluate(moments, "api_error_rate")
        for n, at in enumerate(moments):
            assert world.cell("api_error_rate", at=at).n == 7, at
            assert together.cell("api_error_rate", moment=n).n == 7, at


def test_a_month_of_days_at_any_microsecond() -> None:
    at = on(2026, 3, 30, 10, 30, 17, 123457)
    rows = [request(at - n * D, count=1) for n in range(1, 31)]
    rows += [request(at - n * D - US, error="timeout", count=1) for n in range(30)]
    with World(rows) as world:
        cell = world.cell("timeout_error_rate", at=at)
        assert (cell.value, cell.n) == (50.0, 60)


def test_moments_of_any_time_of_day_have_the_interval_that_each_has_alone() -> None:
    start = AT - 4 * D
    rows = [probe(start + n * 5 * M, ok=n % 50 != 7) for n in range(4 * 288)]
    times = [AT - H, AT - 17 * M, AT, AT - D, AT - 3 * H - 7 * M, AT - 90 * M, AT - 31 * S]
    with World(connected(start - D), rows) as world:
        together = world.evaluate(times, "integration_uptime", "api_error_rate")
        for n, at in enumerate(times):
            cell = together.cell("integration_uptime", moment=n)
            assert cell == world.cell("integration_uptime", at=at)
            assert cell.lower is not None
            assert cell.lower < cell.upper


def test_moments_in_company_see_nothing_of_what_comes_later() -> None:
    # connected from its first success on, which is three hours before the last moment
    begin = AT - 10 * D
    rows = connected(begin)
    rows = [r for r in rows if r["fact"] != "sync_run"] + [
        request(AT - 3 * H, integration="square"), probe(AT - 5 * H), probe(AT - M),
    ]  # fmt: skip
    with World(rows) as world:
        times = [AT - 4 * H, AT - D, AT]
        measured = world.evaluate(times, "integration_uptime")
        counts = [measured.cell("integration_uptime", moment=n).n for n in range(3)]
        assert counts == [0, 0, 179]


def test_a_moment_in_company_is_the_same_as_alone() -> None:
    drawn = RandomWorld(11, AT)
    gone = [request(AT - D - H, integration="gone"), request(AT - H, integration="new")]
    times = [AT - 40 * D, AT - D, AT]
    with World(drawn.rows, gone) as world:
        together = world.evaluate(times, *SPECS).evaluation
        keys = set()
        for n, at in enumerate(times):
            mine, own = together.alone(n), world.evaluate(at, *SPECS).evaluation
            assert mine.moments == own.moments
            assert mine.windows == own.windows
            assert list(mine.columns) == list(own.columns)
            for name, column in own.columns.items():
                other = mine.columns[name]
                assert other.keys == column.keys, (name, at)
                keys |= {(key, n) for key in column.keys}
                for part in ("value", "lower", "upper", "sample", "newest", "evidence"):
                    np.testing.assert_array_equal(getattr(other, part), getattr(column, part))
                for these, those in zip(other.verdicts, column.verdicts, strict=True):
                    assert these.tolist() == those.tolist()
        assert {("gone", 1), ("new", 2)} <= keys
        assert ("new", 1) not in keys


def test_an_episode_is_cut_at_the_end_of_the_local_day() -> None:
    zone = framework("America/New_York")
    midnight = on(2026, 3, 31, 4)
    with World(
        request(midnight - 4 * H - 30 * S, error="server"),
        request(midnight - 4 * H + 30 * S),
        request(midnight - 10 * S, error="server"),
        request(midnight + 50 * S),
        request(midnight + 20 * S, error="server"),
    ) as world:
        days = [midnight, midnight + D]
        for more in ({}, {"known_at": FAR}):
            measured = world.evaluate(days, "error_recovery_time", catalogue=zone, **more)
            first = measured.cell("error_recovery_time")
            second = measured.cell("error_recovery_time", moment=1)
            # across 00:00 UTC in one piece; open at midnight in New York; and its second part
            assert (first.value, first.n) == (60.0, 2)
            assert (second.value, second.n) == (30.0, 1)
        utc = world.evaluate(AT, "error_recovery_time").cell("error_recovery_time")
        assert (utc.value, utc.n) == (30.0, 1), "cut at midnight in Greenwich"


def test_a_scope_that_a_relation_lacks_is_zero_for_its_terms() -> None:
    with World(request(AT - H, error="server", endpoint_group="auth"), probe(AT - H)) as world:
        cell = world.cell("error_recovery_time", "endpoint_group:auth")
        assert cell.value == 3600.0
        assert cell.failed_gates == (), "no probe belongs to an endpoint group"


def test_bootstrap_over_rows_of_several_groups_of_moments() -> None:
    rows = [incident(AT - n * H, n % 7 + 1) for n in range(1, 40)]
    with World(rows, lag(AT - H)) as world:
        times = [AT, AT - 5 * H - S, AT - 2 * S]
        together = world.evaluate(times, "mean_time_to_detection", "conflict_resolution")
        for n, at in enumerate(times):
            alone = world.cell("mean_time_to_detection", at=at)
            assert together.cell("mean_time_to_detection", moment=n) == alone
            assert alone.lower is not None


def test_one_absurd_row_stops_nothing() -> None:
    for absurd in ({"duration_ms": 1e300}, {"count": 2**62}, {"duration_ms": 1e13}):
        with World(request(AT - H, **absurd), request(AT - H, count=99)) as world:
            names = ("api_error_rate", "api_mean_response_time", "api_response_time_p95")
            stored = world.evaluate(AT, *names)
            rows = world.evaluate(AT, *names, known_at=FAR)
            for metric in names:
                assert stored.cell(metric) == rows.cell(metric)
            assert stored.cell("api_error_rate").value == 0.0


def test_a_request_of_unknown_duration_counts_as_a_request_only() -> None:
    with World(request(AT - H, duration_ms=None, count=10), request(AT - H)) as world:
        for more in ({}, {"known_at": FAR}):
            measured = world.evaluate(AT, "api_mean_response_time", "api_error_rate", **more)
            assert measured.cell("api_error_rate").n == 11
            cell = measured.cell("api_mean_response_time")
            assert (cell.value, cell.n) == (100.0, 1)


# what is composed


def moment(at: datetime, opens: datetime, closes: datetime) -> Moment:
    return Moment(0, aware(at), aware(opens), aware(closes))


@pytest.mark.parametrize(
    ("edges", "grain"),
    [
        ([(AT - D, AT)], "day"),
        ([(AT - D, AT), (AT - 9 * D, AT - D)], "day"),
        ([(AT - D - H, AT)], "hour"),
        ([(AT - D, AT), (AT - D, AT - M)], "minute"),
        ([(AT - D, AT - S)], None),
        ([(AT - D, AT - US)], None),
    ],
)
def test_grain_is_the_coarsest_that_all_edges_fall_on(
    edges: list[tuple[datetime, datetime]], grain: str | None
) -> None:
    assert grain_of([moment(AT, *pair) for pair in edges]) == grain


def test_days_of_a_time_zone() -> None:
    zone = ZoneInfo("Europe/Berlin")
    sql = day_table(aware(on(2026, 3, 28, 12)), aware(on(2026, 3, 29, 22)), zone)
    with World() as world:
        days = world.warehouse.query(f"SELECT * FROM {sql}").to_pylist()
    assert days == [
        {"opens": on(2026, 3, 27, 23), "closes": on(2026, 3, 28, 23)},
        {"opens": on(2026, 3, 28, 23), "closes": on(2026, 3, 29, 22)},
    ]
    one = day_table(aware(AT), aware(AT), ZoneInfo("UTC"))
    assert literal(aware(AT)) in one, "an empty range still has columns"


def test_range_is_filled_in_by_whole_words() -> None:
    sql = with_range("SELECT '$starting', $start, $end", aware(AT), aware(AT + US))
    assert sql == (
        "SELECT '$starting', TIMESTAMP '2026-03-31 00:00:00', "
        "TIMESTAMP '2026-03-31 00:00:00.000001'"
    )


def test_only_facts_with_a_rollup_are_rolled_up() -> None:
    with World() as world:
        compiler = Compiler(world.warehouse, vocabulary(), framework().relations, None)
        with pytest.raises(ValueError, match="fact probe has no rollup"):
            compiler.raw_rollup("probe")


def test_local_days_are_stored_for_utc_only() -> None:
    stored = {name for name, r in framework().relations.items() if r.materialize}
    local = {name for name, r in framework("Europe/Berlin").relations.items() if r.materialize}
    assert {"expected_check", "error_episode"} <= stored - local
    assert {"success_day", "integration_slot"} <= local
    assert date(2026, 3, 31) == AT.date()
