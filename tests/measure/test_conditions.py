"""The conditions of rules one by one, each against an answer worked by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from meterstone.measure.results import Scope

from . import custom
from .build import (
    D,
    H,
    World,
    attestation,
    booking,
    integration,
    payment,
    probe,
    sync_run,
    webhook,
)
from .custom import START, Measured, catalogue, days, end_of, metric, on, result_row, rule

SQUARE = Scope("integration", "square")


def judged(tmp_path, marks, rule_, kind="threshold", extra=(), rows=(), scope=None, **given):
    """The result of a rule over the metric ``up`` at the end of the marked days."""
    with World(days(marks), rows) as world:
        own = catalogue(tmp_path, metric("up"), *extra, rule("asked", rule_, kind, **given))
        at = end_of(marks)
        return Measured(world, own).one("asked", at, *([scope] if scope else []))


# terms of its own ---------------------------------------------------------------------------------

SYNCS: dict[str, Any] = {
    "terms": {
        "runs": {"from": "sync_run", "agg": "count(*)", "window": "calendar day"},
        "good": {
            "from": "sync_run",
            "agg": "count(*) filter (where status = 'success')",
            "window": "calendar day",
        },
    }
}


def syncs(day: int, good: int, bad: int = 0, **given):
    start = START + day * D + H
    return [
        sync_run(
            start + n * timedelta(minutes=1), status="success" if n < good else "failed", **given
        )
        for n in range(good + bad)
    ]


@pytest.mark.parametrize(
    ("asked", "truth"),
    [
        ({"share": "good / runs", "cmp": ">=", "value": 75}, True),
        ({"share": "good / runs", "cmp": ">", "value": 75}, False),
        ({"sum": "runs - good", "cmp": "==", "value": 1}, True),
        ({"count": "runs", "cmp": ">=", "value": 4}, True),
        ({"distinct": "good", "cmp": ">=", "value": 4}, False),
        ({"term": "2 * good", "cmp": "<=", "value": 6}, True),
    ],
)
def test_a_formula_over_own_terms(tmp_path, asked, truth):
    result = judged(tmp_path, "+", asked, rows=syncs(0, 3, 1), **SYNCS)
    assert (result.value, result.verdict) == (truth, "met" if truth else "not_met")


def test_own_terms_are_looked_at_at_the_end_of_each_period(tmp_path):
    hold = {"periods": 2, "unit": "day", "consecutive": True}
    asked = {"share": "good / runs", "cmp": ">=", "value": 99, "hold": hold}
    bad_first = [*syncs(0, 3, 1), *syncs(1, 4), *syncs(2, 4)]
    assert judged(tmp_path, "+++", asked, rows=bad_first, **SYNCS).verdict == "met"
    bad_last = [*syncs(0, 4), *syncs(1, 4), *syncs(2, 3, 1)]
    assert judged(tmp_path, "+++", asked, rows=bad_last, **SYNCS).verdict == "not_met"
    gap = [*syncs(0, 4), *syncs(2, 4)]
    assert judged(tmp_path, "+++", asked, rows=gap, **SYNCS).verdict == "not_met"


def test_own_terms_that_read_nothing_say_nothing(tmp_path):
    asked = {"sum": "runs - good", "cmp": "==", "value": 0}
    result = judged(tmp_path, "+", asked, **SYNCS)
    assert (result.value, result.verdict, result.n) == (None, "no_data", 0)


def test_own_terms_at_an_integration_are_its_own(tmp_path):
    rows = [*syncs(0, 2), *syncs(0, 0, 2, integration="clover")]
    asked = {"share": "good / runs", "cmp": "==", "value": 100}
    given = SYNCS | {"scopes": ["integration"], "at": {"integration": "square"}}
    assert judged(tmp_path, "+", asked, rows=rows, scope=SQUARE, **given).verdict == "met"


def test_the_sample_of_a_rule_may_be_a_formula(tmp_path):
    asked = {"share": "good / runs", "cmp": "==", "value": 100}
    given = SYNCS | {"sample": "runs", "min_sample": 3}
    few = judged(tmp_path, "+", asked, rows=syncs(0, 2), **given)
    assert (few.value, few.verdict, few.n) == (True, "insufficient_data", 2)
    assert judged(tmp_path, "+", asked, rows=syncs(0, 3), **given).verdict == "met"


# facts --------------------------------------------------------------------------------------------


def test_rows_of_a_fact_in_the_period_only(tmp_path):
    hold = {"periods": 2, "unit": "day", "consecutive": True}
    asked = {
        "fact": "webhook_delivery",
        "where": "status = 'delivered'",
        "per": "day",
        "hold": hold,
    }
    first, second = webhook(START + H), webhook(START + D + H)
    assert judged(tmp_path, "++", asked, rows=[first, second]).verdict == "met"
    assert judged(tmp_path, "++", asked, rows=[first]).verdict == "not_met"
    ever = {key: value for key, value in asked.items() if key != "per"}
    assert judged(tmp_path, "++", ever, rows=[first]).verdict == "met"
    edge = webhook(START + D)
    assert judged(tmp_path, "++", asked, rows=[first, edge]).verdict == "met"


def test_rows_of_a_fact_within_a_window(tmp_path):
    asked = {"fact": "attestation", "where": "claim_key = 'x'", "period": "trailing 30 days"}
    fresh = attestation(START - 29 * D, "x")
    stale = attestation(START - 30 * D, "x")
    assert judged(tmp_path, "+", asked, rows=[fresh]).verdict == "met"
    assert judged(tmp_path, "+", asked, rows=[stale]).verdict == "not_met"


def test_at_an_integration_only_its_own_rows_count(tmp_path):
    asked = {"fact": "webhook_delivery", "cmp": ">=", "value": 2}
    given = {"scopes": ["integration"], "at": {"integration": "square"}}
    own, other = webhook(START + H), webhook(START + H, integration="clover")
    one = judged(tmp_path, "+", asked, rows=[own, other], scope=SQUARE, **given)
    assert one.verdict == "not_met"
    two = judged(tmp_path, "+", asked, rows=[own, webhook(START + 2 * H)], scope=SQUARE, **given)
    assert two.verdict == "met"


def test_lists_are_compared_by_inclusion(tmp_path):
    where = "string_split(capabilities_live, ',') @> string_split(capabilities_required, ',')"
    asked = {"fact": "integration", "where": where}
    full = integration(START, capabilities_required="a,b", capabilities_live="c,b,a")
    part = integration(START, capabilities_required="a,b", capabilities_live="ab,a")
    assert judged(tmp_path, "+", asked, rows=[full]).verdict == "met"
    assert judged(tmp_path, "+", asked, rows=[part]).verdict == "not_met"


# metrics ------------------------------------------------------------------------------------------


def test_a_field_is_the_sample_or_what_is_shown(tmp_path):
    extra = [metric("shown", shown={"probes": "all", "doubled": "2 * all"})]
    for field, value, verdict in (
        ("n", 1, "met"), ("n", 2, "not_met"), ("probes", 1, "met"), ("doubled", 2, "met"),
    ):  # fmt: skip
        asked = {"metric": "shown", "field": field, "cmp": ">=", "value": value}
        assert judged(tmp_path, "+", asked, extra=extra).verdict == verdict


FIRST_YEAR = {"metric": "sold", "period": "months 1-12 after programme_start"}
SOLD = metric(
    "sold", kind="sum", unit="USD", target={"cmp": ">=", "value": 1, "unit": "USD"},
    scopes=["network"], window="trailing 12 months", terms={"all": "sum(net_sales_usd)"},
    value="all", **{"from": "payment"},
)  # fmt: skip


@pytest.mark.parametrize(
    ("attested", "first", "last"),
    [
        (on(2024, 1, 1), on(2024, 1, 1), on(2024, 12, 31)),
        (on(2024, 1, 2), on(2024, 2, 1), on(2025, 1, 31)),
        (on(2024, 2, 29), on(2024, 3, 1), on(2025, 2, 28)),
    ],
)
def test_a_period_after_a_claim_is_of_full_months(tmp_path, attested, first, last):
    rows = [
        attestation(attested, "programme_start"),
        payment(first, net_sales_usd="3.00"),
        payment(last + 23 * H, net_sales_usd="4.00"),
        payment(first - H, net_sales_usd="100.00"),
        payment(last + D, net_sales_usd="100.00"),
    ]
    after = (last + D).replace(tzinfo=UTC)
    with World(rows) as world:
        own = catalogue(
            tmp_path, SOLD,
            rule("asked", FIRST_YEAR | {"cmp": "==", "value": 7}, min_sample=12),
        )  # fmt: skip
        measured = Measured(world, own)
        there = measured.one("asked", after)
        assert (there.value, there.verdict, there.n) == (True, "met", 12)
        later = measured.one("asked", after + timedelta(days=200))
        assert (later.value, later.verdict, later.n) == (True, "met", 12)
        before = measured.one("asked", after - timedelta(days=1))
        assert (before.value, before.verdict, before.n) == (None, "insufficient_data", 11)


def test_without_the_claim_there_is_nothing_to_judge(tmp_path):
    with World([payment(on(2024, 5, 1))]) as world:
        own = catalogue(tmp_path, SOLD, rule("asked", FIRST_YEAR | {"cmp": ">=", "value": 1}))
        result = Measured(world, own).one("asked", datetime(2026, 1, 1, tzinfo=UTC))
        assert (result.value, result.verdict, result.n) == (None, "no_data", 0)


LIKED = metric("liked", window="calendar quarter")


def answers(start: datetime, good: int, n: int):
    return [probe(start + i * H, ok=i < good) for i in range(n)]


@pytest.mark.parametrize(
    ("before", "now", "truth"),
    [
        (50, 60, False),  # z = 1.42 of 100 answers each
        (50, 62, True),  # z = 1.71
        (62, 50, False),
        (50, 50, False),
    ],
)
def test_a_change_is_one_that_chance_does_not_explain(tmp_path, before, now, truth):
    """Two proportions of 100: pooled z test, one-sided 5 %, done by hand above."""
    rows = [*answers(on(2025, 7, 1), before, 100), *answers(on(2025, 10, 1), now, 100)]
    asked = {
        "metric": "liked", "change": "previous_period", "period": "quarter", "cmp": ">", "value": 0,
        "test": "one_sided_5pct",
    }  # fmt: skip
    with World(rows) as world:
        own = catalogue(tmp_path, LIKED, rule("asked", asked), rule("any", {
            key: value for key, value in asked.items() if key != "test"
        }))  # fmt: skip
        measured = Measured(world, own)
        for at in (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 3, 30, tzinfo=UTC)):
            assert measured.one("asked", at).value is truth
            assert measured.one("any", at).value is (now > before)
        early = measured.one("asked", datetime(2025, 12, 31, tzinfo=UTC))
        assert (early.value, early.verdict) == (None, "no_data")


# groups -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("out", ["Own.down", "down"])
def test_a_group_without_a_leaf_by_ref_id_or_last_part(tmp_path, out):
    down = metric("down", target={"cmp": ">", "value": 100, "unit": "%"})
    group = {"group": "Own", "verdict": "met", "except": [out]}
    assert judged(tmp_path, "+", group, extra=[down]).verdict == "met"
    assert judged(tmp_path, "+", group | {"except": []}, extra=[down]).verdict == "not_met"


MONTHS = (
    on(2025, 7, 1),
    on(2025, 8, 1),
    on(2025, 9, 1),
    on(2025, 10, 1),
    on(2025, 11, 1),
    on(2025, 12, 1),
)


def monthly(shares):
    return [
        row for start, good in zip(MONTHS, shares, strict=True) for row in answers(start, good, 100)
    ]


@pytest.mark.parametrize(
    ("shares", "truth"),
    [
        ([90, 90, 90, 90, 90, 90], True),
        ([90, 80, 90, 90, 90, 90], False),  # met, but not better than the target, in August
        ([81, 81, 95, 81, 81, 85], False),  # worse in December than in September (point)
        ([95, 95, 90, 85, 81, 90], True),  # only the ends of the quarters are compared
    ],
)
def test_a_quarter_has_three_monthly_results_and_loses_no_gain(tmp_path, shares, truth):
    share = metric("share", window="calendar month", target={"cmp": ">=", "value": 80, "unit": "%"})
    share["ref"] = "Group.share"
    asked = {
        "group": "Group", "verdict": "met", "strict": True, "no_regression": True,
        "hold": {"periods": 2, "unit": "quarter", "consecutive": True},
    }  # fmt: skip
    with World(monthly(shares)) as world:
        own = catalogue(tmp_path, share, rule("asked", asked, min_sample=2))
        result = Measured(world, own).one("asked", datetime(2026, 1, 10, tzinfo=UTC))
        assert (result.value, result.n) == (truth, 2)


def test_a_loss_within_the_interval_is_none(tmp_path):
    share = metric(
        "share", window="calendar month", target={"cmp": ">=", "value": 80, "unit": "%"},
        uncertainty="wilson", ref="Group.share",
    )  # fmt: skip
    asked = {
        "group": "Group", "verdict": "met", "strict": True, "no_regression": True,
        "hold": {"periods": 2, "unit": "quarter", "consecutive": True},
    }  # fmt: skip
    with World(monthly([90, 90, 90, 90, 90, 85])) as world:
        own = catalogue(tmp_path, share, rule("asked", asked))
        # 85 of 100 has the bounds 76.7 and 90.7 (Wilson): 90 lies below the upper one
        assert Measured(world, own).one("asked", datetime(2026, 1, 1, tzinfo=UTC)).value is True
    with World(monthly([90, 90, 94, 90, 90, 85])) as world:
        assert Measured(world, own).one("asked", datetime(2026, 1, 1, tzinfo=UTC)).value is False


# counted periods ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("marks", "state", "parts"),
    [
        ("++++", "always", (4, 1, 4)),
        ("+-++", "often", (3, 1, 4)),
        ("+++-", "sometimes", (3, 0, 4)),
        ("---+", "sometimes", (1, 1, 4)),
        ("----", "never", (0, 0, 4)),
    ],
)
def test_a_state_counts_the_periods_of_a_rule(tmp_path, marks, state, parts):
    counting = metric(
        "counting", kind="state", unit="state", numerator=None,
        target={"cmp": "at_least", "value": "often", "unit": "state"}, scopes=["network"],
        counted={"k": {"metric": "up", "verdict": "met", "hold": {"periods": 4, "unit": "day"}}},
        scale=[
            {"level": "always", "when": "k == 4"},
            {"level": "often", "when": "k_now and k >= 2"},
            {"level": "sometimes", "when": "k > 0"},
            {"level": "never", "when": "otherwise"},
        ],
        min_sample=4,
    )  # fmt: skip
    del counting["from"], counting["numerator"]
    with World(days(marks)) as world:
        own = catalogue(tmp_path, metric("up"), counting)
        result = Measured(world, own).one("counting", end_of(marks))
        assert (result.value, result.n) == (state, 4)
        assert tuple(result.parts[k] for k in ("k", "k_now", "k_known")) == parts
        assert result.verdict == ("met" if state in ("always", "often") else "not_met")
        early = Measured(world, own).one("counting", end_of(marks[:3]))
        assert early.verdict == "insufficient_data"


# published results and cadences -------------------------------------------------------------------


def cadence(*schedule, **given):
    return custom.cadence(*schedule, **{"window": "trailing 3 months"} | given)


MONTHLY = {"group": "Own", "report": "monthly", "every": "month", "due_within": "P10D"}
TEN_DAYS = timedelta(days=10)


def monthly_row(ref: str, end: datetime, late: timedelta = timedelta(0), **given):
    return result_row(
        ref, end, report="monthly", published_at=end + TEN_DAYS + late,
        computed_at=end, **given,
    )  # fmt: skip


def pairs(tmp_path, rows, schedule, at, **given):
    own = catalogue(tmp_path, metric("a"), metric("b"), cadence(schedule, **given))
    with World(rows) as world:
        return Measured(world, own).one("live", at.replace(tzinfo=UTC))


ENDS = [on(2025, 10, 1), on(2025, 11, 1), on(2025, 12, 1), on(2026, 1, 1)]


def test_leaf_by_period_pairs(tmp_path):
    """3 months x (2 leaves and the cadence's own ref, left out by its id)."""
    rows = [monthly_row(f"Own.{leaf}", end) for leaf in "ab" for end in ENDS[:3]]
    rows[0] = monthly_row("Own.a", ENDS[0], timedelta(seconds=1))
    schedule = MONTHLY | {"per": "leaf", "last": 3, "except": ["live"]}
    given = {"sample_unit": "closed months", "min_sample": 3}
    at = on(2026, 1, 1)
    result = pairs(tmp_path, rows, schedule, at, **given)
    assert (result.value, result.n) == (pytest.approx(100 * 5 / 6), 3)
    assert result.parts == {"due": 6, "on_time": 5}
    grouped = pairs(tmp_path, rows, schedule | {"per": "group"}, at, **given)
    assert grouped.parts == {"due": 3, "on_time": 2}


def test_the_newest_periods_that_are_due(tmp_path):
    rows = [monthly_row(f"Own.{leaf}", end) for leaf in "ab" for end in ENDS]
    schedule = MONTHLY | {"per": "leaf", "last": 3, "except": ["live"]}
    for at, due in ((on(2026, 1, 10), ENDS[:3]), (on(2026, 1, 11), ENDS[1:])):
        late = [monthly_row("Own.a", due[0], timedelta(seconds=1))]
        kept = [row for row in rows if (row["ref"], row["period_end"]) != ("Own.a", due[0])]
        result = pairs(tmp_path, [*kept, *late], schedule, at)
        assert result.parts == {"due": 6, "on_time": 5}


def test_months_and_quarters_are_publications_of_their_own(tmp_path):
    quarter = {"group": "Own.a", "report": "deep_dive", "every": "quarter", "due_within": "P30D"}
    rows = [monthly_row("Own.a", end) for end in ENDS[:3]]
    rows += [
        result_row("Own.a", ENDS[0] - 92 * D, report="deep_dive", period_start=ENDS[0] - 184 * D)
    ]
    own = catalogue(
        tmp_path, metric("a"),
        cadence(MONTHLY | {"group": "Own.a", "last": 3}, quarter | {"last": 1},
                sample_unit="due publications", min_sample=4),
    )  # fmt: skip
    with World(rows) as world:
        result = Measured(world, own).one("live", datetime(2026, 1, 1, tzinfo=UTC))
    # the third quarter ended on 1 October, was due on 31 October, and was not published
    assert (result.parts, result.n) == ({"due": 4, "on_time": 3}, 4)


def test_a_stream_by_the_hour(tmp_path):
    def hourly(missing=None):
        return [
            result_row("Own.a", START + n * H + 30 * timedelta(minutes=1), report="live",
                       published_at=START + n * H + 30 * timedelta(minutes=1))
            for n in range(48) if n != missing
        ]  # fmt: skip

    schedule = {"group": "Own.a", "report": "live", "every": "PT1H"}
    at = (START + 2 * D).replace(tzinfo=UTC)
    own = catalogue(tmp_path, metric("a"), cadence(schedule, window="trailing 2 days"))
    with World(hourly()) as world:
        assert Measured(world, own).one("live", at).parts == {"due": 2, "on_time": 2}
    with World(hourly(missing=47)) as world:
        assert Measured(world, own).one("live", at).parts == {"due": 2, "on_time": 1}


# trends -------------------------------------------------------------------------------------------

WORDS = [
    {"level": "rising", "when": "rising and difference >= 4"},
    {"level": "holding", "when": "on_target and not falling and not rising"},
    {"level": "flat", "when": "not falling and not rising"},
    {"level": "falling", "when": "otherwise"},
]


def trend(**given):
    entry = metric(
        "moving", kind="trend", unit="state", inputs=["share"], scale=WORDS, scopes=["network"],
        target={"cmp": "==", "value": "rising", "unit": "state"}, verdict_on="state",
        uncertainty="mann_kendall", **given,
    )  # fmt: skip
    if "value" not in given:
        del entry["from"]
    return entry


@pytest.mark.parametrize(
    ("shares", "state"),
    [
        ([80, 81, 82, 83, 84, 85], "rising"),
        ([80, 80.5, 81, 81.5, 82, 82.5], "falling"),  # rises, by less than 4 points
        ([85, 84, 83, 82, 81, 80], "falling"),
        ([80, 90, 85, 80, 90, 85], "holding"),
        ([70, 90, 85, 80, 90, 79], "flat"),
    ],
)
def test_a_trend_over_months(tmp_path, shares, state):
    rows = [
        row
        for start, share in zip(MONTHS, shares, strict=True)
        for row in answers(start, round(2 * share), 200)
    ]
    share = metric("share", window="calendar month", target={"cmp": ">=", "value": 80, "unit": "%"})
    with World(rows) as world:
        own = catalogue(tmp_path, share, trend(window="trailing 6 months", min_sample=6))
        result = Measured(world, own).one("moving", datetime(2026, 1, 20, tzinfo=UTC))
        assert (result.value, result.n) == (state, 6)
        assert "slope_per_month" in result.parts
        early = Measured(world, own).one("moving", datetime(2025, 12, 20, tzinfo=UTC))
        assert (early.n, early.verdict) == (5, "insufficient_data")


def test_a_trend_over_the_waves_of_one_wording(tmp_path):
    def wave(n, wording):
        end = START + 10 * n * D
        return {
            "fact": "survey_wave", "wave_id": f"w{n}", "instrument": "own", "opened_at": end - D,
            "closed_at": end, "sampling": "census", "population_size": 9, "invited": 9,
            "wording_version": wording, "source": "hub", "environment": "production",
            "synthetic": False, "retracted": False, "franchise_id": None, "integration": None,
        }  # fmt: skip

    waves = [wave(n, "old" if n < 2 else "new") for n in range(8)]
    shares = [1, 1, 10, 12, 14, 16, 18, 20]
    rows = [
        probe(wave_["closed_at"] - n * timedelta(minutes=1), ok=n < share)  # the end included
        for wave_, share in zip(waves, shares, strict=True)
        for n in range(20)
    ]
    steps = {
        "fact": "survey_wave",
        "where": "instrument = 'own'",
        "same": "wording_version",
        "last": 6,
    }
    share = metric("share", window="trailing 5 days")
    with World(rows, waves) as world:
        own = catalogue(tmp_path, share, trend(window="trailing 2 months", steps=steps))
        at = (START + 70 * D + H).replace(tzinfo=UTC)
        result = Measured(world, own).one("moving", at)
        assert (result.value, result.n) == ("rising", 6)
        # Theil-Sen: 10 points a wave, six waves
        assert result.parts["slope_per_step"] == pytest.approx(10)
        one_less = Measured(world, own).one("moving", at - timedelta(days=1))
        assert one_less.n == 5


def test_a_trend_of_its_own_value_asks_the_input_for_the_target(tmp_path):
    rows = [
        row
        for start, n in zip(MONTHS, (9, 8, 7, 6, 5, 4), strict=True)
        for row in answers(start, n, n)
    ]
    share = metric("share", window="calendar month")
    del share["scopes"][1]
    own_value = trend(
        window="trailing 6 months", value="all",
        terms={"all": {"agg": "count(*)", "window": "calendar month"}},
    )  # fmt: skip
    with World(rows) as world:
        own = catalogue(tmp_path, share, own_value)
        result = Measured(world, own).one("moving", datetime(2026, 1, 20, tzinfo=UTC))
        assert (result.value, result.parts["slope_per_month"]) == ("falling", pytest.approx(-1))


def test_bookings_and_rules_over_rules_are_found_once(tmp_path):
    """A rule that asks a rule on every day of a hold gives the same as asking day by day."""
    inner = rule("inner", {"metric": "up", "verdict": "met", "hold": {"periods": 2, "unit": "day"}})
    outer = {"metric": "inner", "verdict": "met", "hold": {"periods": 3, "unit": "day"}}
    with World(days("-+++++"), [booking(START)]) as world:
        own = catalogue(tmp_path, metric("up"), inner, rule("outer", outer))
        measured = Measured(world, own)
        by_day = [measured.one("inner", end_of("-+++++"[:n])).verdict for n in range(1, 7)]
        assert by_day == ["not_met", "not_met", "met", "met", "met", "met"]
        for n, verdict in ((4, "not_met"), (5, "met"), (6, "met")):
            assert measured.one("outer", end_of("-+++++"[:n])).verdict == verdict
