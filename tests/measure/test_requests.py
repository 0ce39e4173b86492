"""Metrics of API requests, in worked numbers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from scipy import stats

from .build import AT, FAR, RECORDED, D, H, M, Row, World, caller_fault, incident, probes, request

US = timedelta(microseconds=1)

CLASSES = [
    # metric, class, endpoint group that stands for it, smallest sample; three errors in it are
    # exactly the target
    ("authentication_error_rate", "authentication", "auth", 300_000, 0.001),
    ("rate_limit_error_rate", "rate_limit", "analytics", 150_000, 0.002),
    ("timeout_error_rate", "timeout", "webhook", 60_000, 0.005),
    ("connection_error_rate", "connection", "other", 100_000, 0.003),
    ("data_validation_error_rate", "data_validation", "pos_integration", 300_000, 0.001),
]
EXACT, ONE_MORE, ONE_LESS, NONE, OTHERS = (AT - n * 31 * D for n in range(5))


@pytest.fixture(scope="module")
def classes() -> Iterator[World]:
    """Five situations, each in a window of its own, for each class in its own endpoint group."""
    rows = []
    for _, error, group, least, _ in CLASSES:
        here = {"endpoint_group": group}
        at = EXACT - D
        rows += [request(at, count=least - 3, **here), request(at, error=error, count=3, **here)]
        at = ONE_MORE - D
        rows += [request(at, count=least - 4, **here), request(at, error=error, count=4, **here)]
        at = ONE_LESS - D
        rows += [request(at, count=least - 1, **here)]
        rows += [request(NONE - D, count=least, **here)]
        other = "server" if error != "server" else "other"
        at = OTHERS - D
        rows += [
            request(at, count=least - 10, **here),
            request(at, error=other, count=10, **here),
            caller_fault(at, error_class=error, count=1_000, **here),
        ]
    with World(rows) as world:
        yield world


@pytest.mark.parametrize(("metric", "error", "group", "least", "target"), CLASSES)
def test_class_of_errors(
    classes: World, metric: str, error: str, group: str, least: int, target: float
) -> None:
    scope = f"endpoint_group:{group}"
    measured = classes.evaluate([EXACT, ONE_MORE, ONE_LESS, NONE, OTHERS, AT + 40 * D], metric)

    exact = measured.cell(metric, scope)
    assert (exact.value, exact.n, exact.verdict) == (target, least, "met")
    low, high = stats.binomtest(3, least).proportion_ci(method="wilson")
    assert exact.interval == pytest.approx((100 * low, 100 * high), rel=1e-9)

    more = measured.cell(metric, scope, moment=1)
    assert (more.value, more.verdict) == (400 / least, "not_met")

    less = measured.cell(metric, scope, moment=2)
    assert (less.value, less.n, less.verdict) == (0.0, least - 1, "insufficient_data")

    none = measured.cell(metric, scope, moment=3)
    assert (none.value, none.lower, none.verdict) == (0.0, 0.0, "met"), "requests are the heartbeat"

    others = measured.cell(metric, scope, moment=4)
    assert (others.value, others.n) == (0.0, least), "neither other classes nor faults of callers"

    nothing = measured.cell(metric, scope, moment=5)
    assert (nothing.value, nothing.verdict, nothing.interval) == (None, "no_data", (None, None))


def test_classes_are_pooled_for_the_network(classes: World) -> None:
    total = sum(least for _, _, _, least, _ in CLASSES)
    cell = classes.cell("timeout_error_rate", at=EXACT)
    assert (cell.value, cell.n) == (pytest.approx(100 * 3 / total, rel=1e-14), total)


def test_window_of_a_day_takes_its_start_and_not_its_end() -> None:
    start = AT - D
    with World(
        request(start - US, error="server", count=7),
        request(start, error="server", count=3),
        request(AT - US, count=29_997),
        request(AT, error="server", count=11),
    ) as world:
        cell = world.cell("api_error_rate")
        assert (cell.value, cell.n, cell.verdict) == (0.01, 30_000, "met")
        assert world.cell("api_error_rate", at=AT + US).n == 29_997 + 11
        assert world.cell("api_error_rate", at=AT - US).n == 7 + 3


def test_scopes_are_inbound_by_group_and_outbound_by_integration() -> None:
    at = AT - H
    with World(
        request(at, count=40_000, endpoint_group="analytics"),
        request(at, error="server", count=8, endpoint_group="auth"),
        request(at, error="timeout", count=1, integration="square"),
        request(at, count=3, integration="square"),
        request(at, count=5, direction="outbound"),
    ) as world:
        measured = world.evaluate(AT, "api_error_rate")
        assert measured.cell("api_error_rate").n == 40_008
        assert measured.cell("api_error_rate", "endpoint_group:analytics").value == 0.0
        assert measured.cell("api_error_rate", "endpoint_group:auth").value == 100.0
        assert measured.cell("api_error_rate", "integration:square").value == 25.0
        assert measured.cell("api_error_rate", "integration:clover").verdict == "no_data"


@pytest.mark.parametrize(
    ("group", "least", "target"),
    [
        ("franchise_management", 15_000, 99.98),
        ("pos_integration", 6_000, 99.95),
        ("analytics", 30_000, 99.99),
    ],
)
def test_success_rate_is_judged_by_the_target_of_its_place(
    group: str, least: int, target: float
) -> None:
    scope = f"endpoint_group:{group}"
    ref = f"APIPerformanceAnalytics.analyze_endpoint_performance.{group}_apis.success_rate"
    here = {"endpoint_group": group}
    with World(
        request(AT - H, count=least - 3, **here),
        request(AT - H, error="server", count=3, **here),
        request(AT - D - H, count=least - 4, **here),
        request(AT - D - H, error="server", count=3, **here),
        request(AT - 2 * D - H, count=least - 4, **here),
        request(AT - 2 * D - H, error="server", count=4, **here),
    ) as world:
        measured = world.evaluate([AT, AT - D, AT - 2 * D], "api_success_rate", "api_error_rate")
        cells = [measured.cell("api_success_rate", scope, moment=n) for n in range(3)]
        assert cells[0].value == target
        verdicts = [cell.verdicts[ref] for cell in cells]
        assert verdicts == ["met", "insufficient_data", "not_met"]
        errors = measured.cell("api_error_rate", scope).value
        assert cells[0].value == pytest.approx(100 - errors), "100 % less the error rate"


def test_mean_response_time_weighs_by_count_and_keeps_timeouts() -> None:
    at = AT - H
    with World(
        request(at, count=900, duration_ms=220.0),
        request(at, error="timeout", count=100, duration_ms=470.0),
        request(at, error="server", count=500, duration_ms=1.0),
        request(at, error="server", fault="provider", count=500, duration_ms=1.0),
        caller_fault(at, count=500, duration_ms=1.0),
        request(AT - D, count=1, duration_ms=245.0),
        request(AT, count=1, duration_ms=9_000.0),
        request(at, count=50, duration_ms=None),
    ) as world:
        cell = world.cell("api_mean_response_time", at=AT + 5 * H)
        # (900 × 220 + 100 × 470 + 245) / 1001
        assert cell.value == pytest.approx(245_245 / 1001) == 245.0
        assert (cell.n, cell.verdict) == (1001, "met"), "the closed day, and exactly the target"
        assert cell.shown["median_ms"] == pytest.approx(220, rel=0.011)
        assert cell.interval == (None, None), "one day cannot be resampled"


@pytest.mark.parametrize(
    ("group", "target"),
    [("franchise_management", 180.0), ("pos_integration", 220.0), ("analytics", 350.0)],
)
def test_mean_response_time_of_endpoint_groups(group: str, target: float) -> None:
    ref = f"APIPerformanceAnalytics.analyze_endpoint_performance.{group}_apis.average_response"
    here = {"endpoint_group": group}
    with World(
        request(AT - H, count=1_000, duration_ms=target, **here),
        request(AT - D - H, count=1_000, duration_ms=target + 0.001, **here),
        request(AT - 2 * D - H, count=999, duration_ms=1.0, **here),
    ) as world:
        metric, scope = "api_mean_response_time", f"endpoint_group:{group}"
        measured = world.evaluate([AT, AT - D, AT - 2 * D], metric)
        verdicts = [measured.cell(metric, scope, moment=n).verdicts[ref] for n in range(3)]
        assert verdicts == ["met", "not_met", "insufficient_data"]


def test_p95_is_the_smallest_value_whose_weight_reaches_it() -> None:
    with World(
        request(AT - H, count=950, duration_ms=100.0),
        request(AT - H, count=50, duration_ms=900.0),
        request(AT - D - H, count=949, duration_ms=100.0),
        request(AT - D - H, count=51, duration_ms=900.0),
    ) as world:
        metric = "api_response_time_p95"
        measured = world.evaluate([AT, AT - D], metric)
        cell = measured.cell(metric)
        assert cell.value == pytest.approx(100, rel=0.011)
        # ranks 936 and 964 of 1000: binomial(1000, 0.95) has its 2.5 % and 97.5 % points at 936
        # and 963; rank 964 lies among the slow ones
        assert cell.lower < 100 < cell.lower * 1.022
        assert cell.upper / 1.022 < 900 < cell.upper
        assert cell.verdict == "inconclusive"
        assert measured.cell(metric, moment=1).value == pytest.approx(900, rel=0.011)


def test_p95_verdict_needs_the_whole_interval() -> None:
    with World(
        request(AT - H, count=1_000, duration_ms=480.0),
        request(AT - D - H, count=1_000, duration_ms=505.0),
        request(AT - 2 * D - H, count=999, duration_ms=10.0),
        request(AT - 3 * D - H, count=1_000, duration_ms=499.0),
    ) as world:
        metric = "api_response_time_p95"
        measured = world.evaluate([AT - n * D for n in range(4)], metric)
        verdicts = [measured.cell(metric, moment=n).verdict for n in range(4)]
        # 499 ms lies in a bucket from 490.3 to 501.0
        assert verdicts == ["met", "not_met", "insufficient_data", "inconclusive"]


def test_request_rate_is_the_busiest_clock_minute() -> None:
    noon = AT - 12 * H
    with World(
        request(noon, count=30_000),
        request(noon + M - US, count=45_000),
        request(noon + M, count=74_000),
        request(noon + H, count=10, integration="square"),
        request(noon, count=1_000, synthetic=True),
        caller_fault(noon, count=600),
        request(noon, count=900, endpoint_group="analytics"),
    ) as world:
        measured = world.evaluate(AT, "api_request_rate")
        cell = measured.cell("api_request_rate")
        # every request that was served, also those whose caller was at fault
        assert (cell.value, cell.n) == (76_500 / 60, 2)
        assert cell.verdict == "reference", "a demand figure"
        assert cell.shown["mean_per_s"] == pytest.approx(150_500 / 86_400)
        group = measured.cell("api_request_rate", "endpoint_group:analytics")
        assert (group.value, group.n) == (15.0, 1)
        assert list(group.verdicts.values()) == ["reference"]
        assert world.cell("api_request_rate", at=AT - D).verdict == "no_data"


def test_recurring_errors_have_the_cause_of_a_closed_incident() -> None:
    at = AT - D
    with World(
        request(at, count=29_990),
        request(at, error="server", count=2, cause_key="known"),
        request(at, error="server", count=4, cause_key="old"),
        request(at, error="server", count=3, cause_key="open"),
        request(at, error="server", count=1, cause_key=None),
        request(AT - 40 * D, count=30_000),
        incident(at - 90 * D, 10, 0, cause_key="known"),
        incident(at - 90 * D - 2 * M, 10, 119, cause_key="old"),
        incident(at - D, 10, None, cause_key="open"),
        incident(at + H, 10, 60, cause_key="open"),
    ) as world:
        measured = world.evaluate([AT, AT - 35 * D], "recurring_error_rate")
        cell = measured.cell("recurring_error_rate")
        assert (cell.value, cell.n) == (100 * 2 / 30_000, 30_000)
        assert cell.verdict == "met", "9 of 10 errors have a cause"
        assert cell.shown["share_of_errors"] == 20.0
        quiet = measured.cell("recurring_error_rate", moment=1)
        assert (quiet.value, quiet.verdict) == (0.0, "met"), "requests, and none of them failed"

        world.add(request(at, error="server", count=1, cause_key=None))
        cell = world.cell("recurring_error_rate")
        assert (cell.verdict, len(cell.failed_gates)) == ("insufficient_data", 1)


@pytest.mark.parametrize(
    "spoilt",
    [{"environment": "staging"}, {"environment": "test"}, {"synthetic": True}, {"retracted": True}],
    ids=str,
)
def test_rows_that_never_count(spoilt: dict[str, object]) -> None:
    with World(
        request(AT - H, count=30_000),
        request(AT - H, error="server", count=900, duration_ms=9e5, **spoilt),
    ) as world:
        measured = world.evaluate(AT, "api_error_rate", "api_response_time_p95", "api_request_rate")
        assert measured.cell("api_error_rate").n == 30_000
        assert measured.cell("api_response_time_p95").value == pytest.approx(100, rel=0.011)
        assert measured.cell("api_request_rate").value == 500.0


def test_a_revision_replaces_what_it_corrects() -> None:
    row = request(AT - H, error="server", count=10)
    with World(row, request(AT - H, count=29_990)) as world:
        assert world.cell("api_error_rate").value == pytest.approx(100 / 3000)
        world.add(row | {"outcome": "success", "fault": "none"}, recorded_at=RECORDED + D)
        assert world.cell("api_error_rate").value == 0.0
        assert world.cell("api_error_rate", known_at=RECORDED).value == pytest.approx(100 / 3000)
        world.add(row | {"retracted": True}, recorded_at=RECORDED + 2 * D)
        assert world.cell("api_error_rate").n == 29_990
        world.add(row, recorded_at=RECORDED + 3 * D)
        assert world.cell("api_error_rate").value == pytest.approx(100 / 3000)
        moved = row | {"at": AT - 2 * D}
        world.add(moved, recorded_at=RECORDED + 4 * D)
        assert world.cell("api_error_rate").n == 29_990
        assert world.cell("api_error_rate", known_at=FAR).n == 29_990
        assert world.cell("api_error_rate", at=AT - D).n == 10


def test_result_carries_its_weakest_evidence_and_newest_row() -> None:
    entered = {"source": "csv", "entered_by": "ann", "entered_role": "lead"}
    with World(
        request(AT - H, count=10),
        request(AT - 2 * H, count=10, endpoint_group="auth", **entered),
    ) as world:
        for metric in ("api_error_rate", "api_request_rate", "api_response_time_p95"):
            measured = world.evaluate(AT, metric)
            assert measured.cell(metric).evidence == 1, "reported"
            assert measured.cell(metric, "endpoint_group:other").evidence == 0, "measured"
            assert measured.cell(metric).newest == AT - H


# error episodes


def test_recovery_is_the_longest_episode_of_the_day() -> None:
    noon = AT - 12 * H
    second = timedelta(seconds=1)
    with World(
        probes(noon, noon + H, 10 * second, interval_s=10),
        request(noon, error="server"),
        request(noon + 5 * second, error="server"),
        request(noon + 12 * second),
        request(noon + 12 * second, error="server"),
        request(noon + 41.5 * second),
        caller_fault(noon + 13 * second),
        request(noon, error="timeout", endpoint_group="auth"),
        request(noon + 29 * second, endpoint_group="auth"),
        request(noon, error="timeout", integration="square"),
        request(noon + 10 * second, integration="square"),
    ) as world:
        measured = world.evaluate(AT, "error_recovery_time")
        cell = measured.cell("error_recovery_time")
        assert (cell.value, cell.n, cell.verdict) == (29.5, 4, "met")
        assert cell.shown["episodes"] == 4
        assert measured.cell("error_recovery_time", "endpoint_group:auth").value == 29.0
        # a probe of the integration succeeds in the second after
        assert measured.cell("error_recovery_time", "integration:square").value == 10.0


def test_open_episode_counts_with_its_age_and_exactly_30_s_is_too_long() -> None:
    second = timedelta(seconds=1)
    with World(
        probes(AT - D, AT, H, interval_s=10),
        request(AT - 30 * second, error="server"),
        request(AT + second),
    ) as world:
        cell = world.cell("error_recovery_time")
        assert (cell.value, cell.n, cell.verdict) == (30.0, 1, "not_met")
        world.add(request(AT - US))
        assert world.cell("error_recovery_time").value == pytest.approx(30 - 1e-6, abs=1e-9)
        assert world.cell("error_recovery_time").verdict == "met"


def test_recovery_without_episode_or_without_observation() -> None:
    with World(
        request(AT - H, integration="square"),
        request(AT - D - H, error="server"),
        probes(AT - D - H, AT - D - M, M, interval_s=60),
        probes(AT - 2 * D, AT - D, H, integration="clover", interval_s=10),
    ) as world:
        measured = world.evaluate([AT, AT - D, AT - 5 * D], "error_recovery_time")
        quiet = measured.cell("error_recovery_time")
        assert (quiet.value, quiet.verdict) == (None, "not_applicable")
        served = measured.cell("error_recovery_time", moment=1)
        assert (served.value, served.verdict) == (3600.0, "not_met")
        assert measured.cell("error_recovery_time", moment=2).verdict == "no_data"
        group = measured.cell("error_recovery_time", "endpoint_group:other", moment=1)
        assert group.value == 3600.0


def test_recovery_asks_for_close_probes_of_what_failed() -> None:
    def judged(every: int, *more: Row) -> tuple[float | None, str]:
        failed = request(AT - H, error="server", integration="square")
        fine = request(AT - H + timedelta(seconds=9), integration="square")
        with World(failed, fine, *more, probes(AT - H, AT, M, interval_s=every)) as world:
            cell = world.cell("error_recovery_time")
            return cell.value, cell.verdict

    assert judged(10) == (9.0, "met")
    assert judged(11) == (9.0, "insufficient_data")
    seldom = probes(AT - D, AT, H, integration="clover", interval_s=3600)
    assert judged(10, seldom) == (9.0, "met")  # nothing failed there
    with World(request(AT - H, error="server", integration="square")) as world:
        cell = world.cell("error_recovery_time")
        assert (cell.value, cell.verdict) == (3600.0, "insufficient_data")
        assert cell.failed_gates == ("probe interval <= 10 s, otherwise 30 s cannot be resolved",)
