"""Metrics of incidents and of what is done against them, in worked numbers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from .build import (
    AT,
    RECORDED,
    D,
    H,
    M,
    Row,
    S,
    World,
    attestation,
    forecast,
    incident,
    integration,
    prevention,
    probe,
)  # fmt: skip

US = timedelta(microseconds=1)
START = AT - 90 * D
DETECTION, RESOLUTION = "mean_time_to_detection", "mean_time_to_resolution"
AUTOMATIC, ESCALATED = "automatic_resolution_rate", "incident_escalation_rate"
IMPACT, PREDICTED = "customer_impact_duration", "predictive_detection"
BY_INCIDENT = (DETECTION, RESOLUTION, AUTOMATIC, ESCALATED, IMPACT, PREDICTED)


def review(days: float = 1, **columns: Any) -> Row:
    return attestation(AT - days * D, "register_review:incident", **columns)


def many(count: int, *times: float | None, **columns: Any) -> list[Row]:
    """Incidents one hour apart, the first ten days ago."""
    return [incident(AT - 10 * D + n * H, *times, **columns) for n in range(count)]


# who counts


@pytest.mark.parametrize("metric", [ESCALATED, DETECTION, IMPACT])
def test_operational_incidents_that_started_in_the_window(metric: str) -> None:
    out = [
        incident(START - US),
        incident(AT),
        incident(AT - D, kind="security"),
        incident(AT - D, severity="sev4"),
        incident(AT - D, synthetic=True),
        incident(AT - D, environment="staging"),
    ]
    into = [incident(START), incident(AT - M), incident(AT - D, severity="sev1", kind="data")]
    into.append(incident(AT - D, severity="sev3", integration=None))
    with World(review(), out, into, integration(AT - D, "clover")) as world:
        measured = world.evaluate(AT, metric)
        assert measured.cell(metric).n == 4
        assert measured.cell(metric, "integration:square").n == 3
        none = measured.cell(metric, "integration:clover")
        assert (none.value, none.verdict) == (None, "not_applicable")


# the heartbeat of the register


def daily(name: str | None, *, skip: int = -1, **columns: Any) -> list[Row]:
    """A probe on each of the 90 days but one."""
    days = [n for n in range(90) if n != skip]
    return [probe(START + n * D + H, integration=name, **columns) for n in days]


@pytest.mark.parametrize(
    ("rows", "network", "square"),
    [
        ([], "no_data", "no_data"),
        (daily("square"), "not_applicable", "not_applicable"),
        (daily("square", skip=44), "no_data", "no_data"),
        (daily("clover"), "not_applicable", "no_data"),
        (daily(None, component="hub_api"), "not_applicable", "no_data"),
        ([review(), integration(AT - D)], "not_applicable", "not_applicable"),
        ([review()], "not_applicable", "no_data"),
        ([review(17), integration(AT - D)], "not_applicable", "not_applicable"),
        ([review(17.01), integration(AT - D)], "no_data", "no_data"),
        ([review(expires_at=AT), integration(AT - D)], "no_data", "no_data"),
        ([review(-1), integration(AT - D)], "no_data", "no_data"),
        ([attestation(AT - D, "register_review:incident_security")], "no_data", "no_data"),
    ],
    ids=range(12),
)
def test_no_incident_is_known_only_where_the_register_is_alive(
    rows: list[Row], network: str, square: str
) -> None:
    with World(rows) as world:
        weekly = (DETECTION, RESOLUTION, AUTOMATIC, ESCALATED, IMPACT)
        measured = world.evaluate(AT, *weekly, known_at=RECORDED)
        for metric in weekly:
            assert measured.cell(metric).verdict == network
            assert measured.cell(metric, "integration:square").verdict == square
            assert measured.cell(metric).value is None


@pytest.mark.parametrize(("days", "verdict"), [(41, "not_applicable"), (41.01, "no_data")])
def test_a_monthly_metric_takes_a_review_of_a_month(days: float, verdict: str) -> None:
    with World(review(days)) as world:
        measured = world.evaluate(AT, PREDICTED, ESCALATED)
        assert measured.cell(PREDICTED).verdict == verdict
        assert measured.cell(ESCALATED).verdict == "no_data"


def test_a_zero_needs_a_heartbeat() -> None:
    rows = many(20, 20, 90, escalated=False, auto_resolved=False, customer_impact_s=0.0)
    with World(rows) as world:
        for metric in (ESCALATED, AUTOMATIC, IMPACT):
            cell = world.cell(metric)
            assert (cell.value, cell.verdict, cell.interval) == (None, "no_data", (None, None))
        world.add(review())
        verdicts = [world.cell(m).verdict for m in (ESCALATED, AUTOMATIC, IMPACT)]
        assert verdicts == ["met", "not_met", "met"]
        assert world.cell(ESCALATED).value == 0.0


# detection


@pytest.mark.parametrize(
    ("rows", "value", "n", "verdict"),
    [
        (many(10, 29.9), 29.9, 10, "met"),
        (many(9, 1), 1.0, 9, "insufficient_data"),
        (many(10, 30), 30.0, 10, "not_met"),
        (many(9, 20) + many(1, 119), 29.9, 10, "met"),
        (many(18, 20) + many(2, 0), 20.0, 18, "met"),
        (many(17, 20) + many(2, 0), 20.0, 17, "insufficient_data"),
        (many(18, 20) + many(2, None), 20.0, 18, "met"),
        (many(5, 0) + many(6, None), None, 0, "insufficient_data"),
    ],
    ids=range(8),
)
def test_time_to_detection(rows: list[Row], value: float, n: int, verdict: str) -> None:
    with World(rows, review()) as world:
        cell = world.cell(DETECTION)
        assert (cell.value, cell.n) == (pytest.approx(value) if value else None, n)
        assert cell.verdict == verdict
        assert cell.shown["left_out"] == len(rows) - n


def test_interval_of_a_mean_encloses_it() -> None:
    with World(many(10, 20), many(10, 40), review()) as world:
        cell = world.cell(DETECTION)
        assert cell.value == 30.0
        # 20 values of 20 and 40: the standard error is 10/√20 = 2.24
        assert 24 < cell.lower < 27
        assert 33 < cell.upper < 36
        same = world.cell(DETECTION, known_at=RECORDED)
        assert same.interval == cell.interval


# resolution


def test_open_incidents_count_with_their_age_and_exclude_met() -> None:
    closed = [incident(AT - 10 * D + n * H, 20, 110) for n in range(10)]
    with World(review(), closed) as world:
        cell = world.cell(RESOLUTION)
        assert (cell.value, cell.n, cell.verdict) == (90.0, 10, "met")
        world.add(incident(AT - 60 * S, 10, None))
        cell = world.cell(RESOLUTION)
        # (10 × 90 + 50) / 11
        assert (cell.value, cell.n) == (pytest.approx(950 / 11), 11)
        assert cell.verdict == "inconclusive"
        assert cell.shown["still_open"] == 1
        world.add(incident(AT - 10 * M, 20, 600))
        cell = world.cell(RESOLUTION)
        assert cell.value == pytest.approx((950 + 580) / 12)
        assert cell.verdict == "not_met", "resolved at the very moment: still open, and too long"


def test_resolution_is_by_detection_and_ends_at_the_moment() -> None:
    with World(
        review(),
        incident(START - 10 * S, 10, 100),
        incident(START - 10 * S, 9, 100),
        incident(AT - H, 60, 7200),
        incident(AT - H, 3600, 7200),
        incident(AT - D, None, 50),
    ) as world:
        cell = world.cell(RESOLUTION)
        # 90 s, and one that is open for 59 minutes
        assert (cell.value, cell.n) == ((90 + 59 * 60) / 2, 2)


@pytest.mark.parametrize(
    ("seconds", "n", "verdict"),
    [(119.9, 10, "met"), (120.0, 10, "not_met"), (1.0, 9, "insufficient_data")],
)
def test_time_to_resolution(seconds: float, n: int, verdict: str) -> None:
    with World(review(), many(n, 20, 20 + seconds)) as world:
        cell = world.cell(RESOLUTION, known_at=RECORDED)
        assert (cell.value, cell.n, cell.verdict) == (pytest.approx(seconds), n, verdict)


# automatic resolution


@pytest.mark.parametrize(
    ("rows", "value", "n", "verdict"),
    [
        (many(17) + many(3, auto_resolved=False), 85.0, 20, "met"),
        (many(16) + many(4, auto_resolved=False), 80.0, 20, "not_met"),
        (many(19), 100.0, 19, "insufficient_data"),
        (many(20) + many(7, 20, None), 100.0, 20, "met"),
        ([incident(START - D, 20, 86_400), *many(19)], 100.0, 20, "met"),
        ([incident(START - D, 20, 86_399), *many(20)], 100.0, 20, "met"),
        ([*many(20), incident(AT - H, 20, 3600)], 100.0, 20, "met"),
    ],
    ids=range(7),
)
def test_automatic_resolution(rows: list[Row], value: float, n: int, verdict: str) -> None:
    with World(rows, review()) as world:
        cell = world.cell(AUTOMATIC, known_at=RECORDED)
        assert (cell.value, cell.n, cell.verdict) == (value, n, verdict)


@pytest.mark.parametrize(
    ("again", "value"),
    [
        ({"started": 24 * H}, 50.0),
        ({"started": 24 * H + US}, 100.0),
        ({"started": timedelta(0)}, 50.0),
        ({"started": H, "severity": "sev4"}, 50.0),
        ({"started": H, "kind": "security"}, 50.0),
        ({"started": H, "cause_key": "another"}, 100.0),
        ({"started": -S}, 100.0),
    ],
    ids=str,
)
def test_any_incident_of_the_cause_within_a_day_is_a_return(again: Row, value: float) -> None:
    first = incident(AT - 5 * D, 20, 90, cause_key="k")
    other = incident(AT - 20 * D, 20, 90, cause_key=None)
    columns = {"cause_key": "k", "auto_resolved": True} | again
    started = first["resolved_at"] + columns.pop("started")
    later = incident(started, None, None, **columns)
    unnamed = incident(AT - 20 * D + H, None, None, cause_key=None)
    with World(review(), first, other, later, unnamed) as world:
        cell = world.cell(AUTOMATIC, known_at=RECORDED)
        assert (cell.value, cell.n) == (value, 2)


# escalation and impact


@pytest.mark.parametrize(
    ("escalated", "n", "verdict"),
    [(1, 20, "not_met"), (1, 21, "met"), (0, 20, "met"), (0, 19, "insufficient_data")],
)
def test_escalation(escalated: int, n: int, verdict: str) -> None:
    rows = many(n - escalated) + many(escalated, escalated=True)
    with World(rows, review()) as world:
        cell = world.cell(ESCALATED, known_at=RECORDED)
        assert (cell.value, cell.n) == (pytest.approx(100 * escalated / n), n)
        assert cell.verdict == verdict, "exactly 5 % is not less than 5 %"


@pytest.mark.parametrize(
    ("impacts", "value", "verdict"),
    [
        ([60.0] * 9 + [59.0], 59.9, "met"),
        ([60.0] * 10, 60.0, "not_met"),
        ([0.0] * 5 + [119.0] * 5, 59.5, "met"),
        ([10.0] * 9, 10.0, "insufficient_data"),
        ([20.0] * 19 + [None], 19.0, "met"),
        ([20.0] * 18 + [None], 360 / 19, "insufficient_data"),
    ],
    ids=range(6),
)
def test_customer_impact(impacts: list[float | None], value: float, verdict: str) -> None:
    rows = [incident(AT - D + n * M, customer_impact_s=x) for n, x in enumerate(impacts)]
    with World(rows, review()) as world:
        cell = world.cell(IMPACT, known_at=RECORDED)
        assert (cell.value, cell.n) == (pytest.approx(value), len(impacts))
        assert cell.verdict == verdict
        felt = [x for x in impacts if x]
        assert cell.shown["mean_with_impact_s"] == pytest.approx(sum(felt) / len(felt))
        assert cell.shown["total_s"] == pytest.approx(sum(felt))


# prediction


def foreseen(count: int, ahead: timedelta = H, **columns: Any) -> list[Row]:
    given = {"predicted": True, "forecast_id": "f"} | columns
    return [
        row | {"predicted_at": row["started_at"] - ahead} for row in many(count, 20, 90, **given)
    ]


ALARM = forecast(AT - 11 * D)


@pytest.mark.parametrize(
    ("rows", "value", "n", "verdict"),
    [
        (foreseen(16) + many(4), 80.0, 20, "met"),
        (foreseen(15) + many(5), 75.0, 20, "not_met"),
        (foreseen(19), 100.0, 19, "insufficient_data"),
        (foreseen(16, 5 * M) + many(4), 80.0, 20, "met"),
        (foreseen(16, 5 * M - US) + many(4), 0.0, 20, "not_met"),
        (foreseen(16, D) + many(4), 80.0, 20, "met"),
        (foreseen(16, D + US) + many(4), 0.0, 20, "not_met"),
        (foreseen(16, forecast_id=None) + many(4), 0.0, 20, "not_met"),
        (foreseen(16, predicted=False) + many(4), 0.0, 20, "not_met"),
    ],
    ids=range(9),
)
def test_prediction(rows: list[Row], value: float, n: int, verdict: str) -> None:
    with World(rows, ALARM, review()) as world:
        cell = world.cell(PREDICTED, known_at=RECORDED)
        assert (cell.value, cell.n, cell.verdict) == (value, n, verdict)


@pytest.mark.parametrize(
    ("alarms", "verdict"),
    [
        ([], "insufficient_data"),
        ([ALARM], "met"),
        ([ALARM, forecast(AT - 50 * D)], "met"),
        ([ALARM, forecast(AT - 50 * D), forecast(AT - 60 * D)], "insufficient_data"),
        ([ALARM, *[forecast(AT - 50 * D, alarm=False) for _ in range(9)]], "met"),
        (
            [ALARM, *[forecast(AT - 50 * D, quantity="mean_daily_requests") for _ in range(9)]],
            "met",
        ),
        ([forecast(AT - 11 * D, scope_key="clover")], "insufficient_data"),
        ([forecast(AT - 11 * D, scope_key="square", quantity="incidents_week")], "met"),
        # the first incident starts ten days ago: at the issue, and at the end of the horizon
        ([forecast(AT - 10 * D)], "met"),
        ([forecast(AT - 17 * D)], "insufficient_data"),
        ([forecast(START - US), ALARM], "met"),
    ],
    ids=range(11),
)
def test_alarms_must_be_followed_half_of_the_time(alarms: list[Row], verdict: str) -> None:
    with World(foreseen(20), alarms, review()) as world:
        assert world.cell(PREDICTED, known_at=RECORDED).verdict == verdict


def test_alarms_of_an_integration() -> None:
    with World(foreseen(20), forecast(AT - 11 * D, scope_key="square"), review()) as world:
        measured = world.evaluate(AT, PREDICTED)
        assert measured.cell(PREDICTED, "integration:square").shown["alarm_precision"] == 100.0
        world.add(ALARM)
        cell = world.cell(PREDICTED, "integration:square")
        assert cell.verdict == "met", "an alarm for all is none for one"


# prevention


def test_prevention_done_when_due() -> None:
    rows = [prevention(AT - 5 * D) for _ in range(18)]
    rows.append(prevention(AT - 5 * D, status="verified", implemented_at=AT - 5 * D))
    rows.append(prevention(AT - 5 * D, implemented_at=AT - 5 * D + US))
    with World(
        rows,
        prevention(AT - 5 * D, status="declined", decline_reason="too dear", implemented_at=None),
        prevention(START - US),
        prevention(AT, implemented_at=None, status="accepted"),
        prevention(AT - D) | {"due_at": None},
    ) as world:
        cell = world.cell("prevention_implementation")
        assert (cell.value, cell.n, cell.verdict) == (95.0, 20, "met")
        assert cell.shown["declined"] == 1
        world.add(prevention(START, status="declined", decline_reason=None, implemented_at=None))
        cell = world.cell("prevention_implementation")
        assert (cell.value, cell.verdict) == (pytest.approx(100 * 19 / 21), "not_met")


@pytest.mark.parametrize(
    ("rows", "value", "verdict"),
    [
        ([prevention(AT - D) for _ in range(19)], 100.0, "insufficient_data"),
        ([prevention(AT - D, status="accepted") for _ in range(20)], None, "no_data"),
        ([], None, "no_data"),
    ],
    ids=range(3),
)
def test_prevention_and_the_review_of_its_register(
    rows: list[Row], value: float | None, verdict: str
) -> None:
    with World(rows) as world:
        cell = world.cell("prevention_implementation")
        assert (cell.value, cell.verdict) == (value, verdict)
        world.add(attestation(AT - 41 * D, "register_review:prevention_action"))
        cell = world.cell("prevention_implementation")
        if verdict == "no_data":
            expected = (0.0, "not_met") if rows else (None, "not_applicable")
            assert (cell.value, cell.verdict) == expected


def test_every_incident_metric_has_no_data_in_an_empty_world() -> None:
    with World() as world:
        measured = world.evaluate(AT, *BY_INCIDENT, "prevention_implementation")
        for metric in (*BY_INCIDENT, "prevention_implementation"):
            cell = measured.cell(metric)
            assert (cell.value, cell.n, cell.verdict) == (None, 0, "no_data")
