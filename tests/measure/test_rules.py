"""Threshold, milestone, cadence and trend: worked by hand, and against scipy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy import stats

from meterstone.errors import InputError
from meterstone.measure.results import Scope

from . import custom
from .build import D, H, M, World, attestation, integration, probe, request
from .custom import START, Measured, catalogue, days, end_of, metric, on, result_row, rule

THREE_DAYS = {"periods": 3, "unit": "day", "consecutive": True}
GROUP = {"group": "Own.up", "verdict": "met", "hold": THREE_DAYS}


def judged(tmp_path, marks, rule_, kind="threshold", extra=(), rows=(), **given):
    """The result of a rule over the metric ``up`` at the end of the marked days."""
    with World(days(marks), rows) as world:
        own = catalogue(tmp_path, metric("up"), *extra, rule("asked", rule_, kind, **given))
        return Measured(world, own).one("asked", end_of(marks))


@pytest.mark.parametrize(
    ("marks", "value", "verdict", "n"),
    [
        ("+++", True, "met", 3),
        ("-+++", True, "met", 3),
        ("+++-", False, "not_met", 3),
        ("++.+", False, "not_met", 2),
        ("+++.", False, "not_met", 2),
        ("++", False, "not_met", 2),
        ("+....", None, "no_data", 0),
        ("...", None, "no_data", 0),
    ],
)
def test_a_threshold_holds_on_the_newest_days_in_a_row(tmp_path, marks, value, verdict, n):
    result = judged(tmp_path, marks, GROUP)
    assert (result.value, result.verdict, result.n) == (value, verdict, n)


def test_a_threshold_with_too_few_days_is_no_verdict(tmp_path):
    result = judged(tmp_path, ".++", GROUP, min_sample=3)
    assert (result.value, result.verdict, result.n) == (False, "insufficient_data", 2)
    assert "2 of 3 days" in result.reason


def test_days_need_not_be_in_a_row_where_the_rule_says_so(tmp_path):
    hold = {"periods": 3, "unit": "day", "consecutive": False}
    assert judged(tmp_path, "+-+.+", GROUP | {"hold": hold}).verdict == "met"
    assert judged(tmp_path, "+-+.-", GROUP | {"hold": hold}).verdict == "not_met"


@pytest.mark.parametrize("unit", ["month", "quarter"])
def test_a_hold_counts_closed_months_and_quarters(tmp_path, unit):
    months = {"month": 1, "quarter": 3}[unit]
    hold = {"periods": 2, "unit": unit}
    asked = {"metric": "up", "cmp": ">=", "value": 99, "hold": hold}
    window = metric("up", window=f"calendar {unit}")
    first = [on(2025, 1 + n * months, 3) for n in range(3)]
    at = on(2025, 3 * months + 1, 20) if unit == "month" else on(2025, 11, 20)
    for oks, verdict in (((False, True, True), "met"), ((True, True, False), "not_met")):
        rows = [probe(when, ok=ok) for when, ok in zip(first, oks, strict=True)]
        with World(rows) as world:
            own = catalogue(tmp_path, window, rule("asked", asked))
            assert Measured(world, own).one("asked", at).verdict == verdict


def test_a_milestone_is_dated_on_the_last_day_of_the_first_run(tmp_path):
    result = judged(tmp_path, "+-+++++-", GROUP, "milestone")
    assert (result.value, result.verdict) == (True, "met")
    assert result.parts == {"dated_on": "2026-03-05", "holds_now": False}
    assert result.reason == "Reached on 5 March 2026."


def test_a_milestone_that_was_not_reached(tmp_path):
    result = judged(tmp_path, "++-++", GROUP, "milestone")
    assert (result.value, result.verdict, result.n) == (False, "not_met", 5)
    assert result.parts == {"dated_on": None, "holds_now": True}
    few = judged(tmp_path, "++", GROUP, "milestone", min_sample=3)
    assert few.verdict == "insufficient_data"
    assert few.reason.startswith("Not judged: needs 3")


def test_a_milestone_without_any_record_is_no_data(tmp_path):
    assert judged(tmp_path, "..", GROUP, "milestone").verdict == "no_data"


def test_a_day_with_nothing_to_judge_neither_counts_nor_breaks(tmp_path):
    # no good probe on the fourth day: a ratio over an empty population that is shown to be empty
    failed = metric(
        "up",
        empty="not_applicable",
        terms={"all": "count(*) filter (where ok)", "rows": "count(*)"},
        numerator="all",
        denominator="all",
        heartbeat="rows",
    )
    for marks, verdict in (("+++-", "met"), ("++--", "not_met"), ("+++.", "not_met")):
        with World(days(marks)) as world:
            own = catalogue(tmp_path, failed, rule("asked", GROUP))
            found = Measured(world, own)
            assert found.one("asked", end_of(marks)).verdict == verdict, marks


def test_all_and_any_join_parts_and_a_part_has_its_own_hold(tmp_path):
    two = {"metric": "up", "verdict": "met", "hold": {"periods": 2, "unit": "day"}}
    never = {"metric": "up", "cmp": ">", "value": 100}
    quiet = {"metric": "quiet", "cmp": ">", "value": 0}
    extra = [metric("quiet", terms={"n": "count(*)", "all": "count(*)"}, **{"from": "load_sample"},
                    numerator="n", denominator="all", scopes=["network"])]  # fmt: skip
    cases = [
        ({"all": [two, {"metric": "up", "cmp": ">=", "value": 99}]}, "+-++", "met"),
        ({"all": [two, {"metric": "up", "cmp": ">=", "value": 99}]}, "++-+", "not_met"),
        ({"any": [never, two]}, "++", "met"),
        ({"any": [never, two]}, "+", "not_met"),
        ({"all": [two, never]}, "++", "not_met"),
        ({"all": [two, quiet]}, "++", "no_data"),
        ({"any": [never, quiet]}, "++", "no_data"),
        ({"any": [two, quiet]}, "++", "met"),
        ({"all": [never, quiet]}, "++", "not_met"),
    ]
    for asked, marks, verdict in cases:
        assert judged(tmp_path, marks, asked, extra=extra).verdict == verdict, asked


def test_all_and_any_of_what_neither_counts_nor_breaks(tmp_path):
    nothing = metric(
        "never",
        empty="not_applicable",
        terms={"n": "count(*) filter (where latency_ms < 0)", "rows": "count(*)"},
        numerator="n", denominator="n", heartbeat="rows",
    )  # fmt: skip
    part = {"metric": "never", "verdict": "met"}
    good = {"metric": "up", "verdict": "met"}
    cases = [
        ({"all": [part, part]}, "not_applicable"),
        ({"any": [part, part]}, "not_applicable"),
        ({"all": [part, good]}, "met"),
        ({"all": [part | {"hold": THREE_DAYS}, good]}, "met"),
        (part, "not_applicable"),
        (part | {"hold": THREE_DAYS}, "not_applicable"),
    ]
    for asked, verdict in cases:
        assert judged(tmp_path, "+++", asked, extra=[nothing]).verdict == verdict, asked


def test_a_group_needs_every_leaf_and_leaves_out_what_it_says(tmp_path):
    terms = {"n": "count(*) filter (where latency_ms < 10)", "all": "count(*)"}
    worse = metric("slow", terms=terms, numerator="n", denominator="all")
    shown = metric("shown", target={"cmp": ">=", "value": 1000, "unit": "%"},
                   verdict_on="reference")  # fmt: skip
    group = {"group": "Own", "verdict": "met"}
    assert (
        judged(tmp_path, "+", group | {"except": ["Own.asked"]}, extra=[worse]).verdict == "not_met"
    )
    out = group | {"except": ["Own.slow", "Own.asked"]}
    assert judged(tmp_path, "+", out, extra=[worse, shown]).verdict == "met"


@pytest.mark.parametrize(
    ("cmp", "value", "word", "verdict"),
    [
        (">=", 100, "strict", "not_met"),
        (">=", 100, "strict_except_100", "met"),
        (">=", 99, "strict", "met"),
        ("<=", 100, "strict_except_100", "met"),
        ("<=", 101, "strict", "met"),
    ],
)
def test_strictly_better_than_the_target(tmp_path, cmp, value, word, verdict):
    with World(days("+")) as world:
        own = catalogue(
            tmp_path,
            metric("up", target={"cmp": cmp, "value": value, "unit": "%"}),
            rule("asked", {"group": "Own.up", "verdict": "met", word: True}),
        )
        assert Measured(world, own).one("asked", end_of("+")).verdict == verdict


def test_a_rule_compares_the_bounds_of_an_interval(tmp_path):
    bounded = metric("up", uncertainty="wilson")
    rows = [probe(START + n * M) for n in range(100)]
    low = stats.norm.ppf(0.975) ** 2
    lower = 100 * 100 / (100 + low)  # Wilson's lower bound of 100 of 100
    with World(rows) as world:
        for value, verdict in ((lower - 0.001, "met"), (lower + 0.001, "not_met")):
            asked = {"metric": "up", "field": "lower95", "cmp": ">", "value": float(value)}
            own = catalogue(tmp_path, bounded, rule("asked", asked))
            assert Measured(world, own).one("asked", end_of("+")).verdict == verdict


def test_a_rule_compares_words_by_their_scale(tmp_path):
    state = metric(
        "state", kind="state", unit="state", verdict_on="state",
        target={"cmp": "at_least", "value": "good", "unit": "state"},
        terms={"up": "count(*) filter (where ok)", "all": "count(*)"}, sample="all",
        scale=[{"level": "good", "when": "up == all"}, {"level": "fair", "when": "up > 0"},
               {"level": "bad", "when": "otherwise"}],
    )  # fmt: skip
    mixed = [probe(START + H), probe(START + 2 * H, ok=False)]
    for value, verdict in (("good", "not_met"), ("fair", "met"), ("bad", "met")):
        asked = {"metric": "state", "cmp": "at_least", "value": value}
        assert judged(tmp_path, ".", asked, extra=[state], rows=mixed).verdict == verdict
    group = {"group": "Own.state", "verdict": "met", "strict": True}
    assert judged(tmp_path, "+", group, extra=[state]).verdict == "met"


def test_a_rule_asks_for_a_verdict_at_one_integration(tmp_path):
    rows = [days("+", integration="clover")]
    place = {"ref": "Own.square_up", "same_as": "up", "at": {"integration": "square"},
             "target": {"cmp": ">=", "value": 50, "unit": "%"}}  # fmt: skip
    for key, verdict in (("square", "not_met"), ("clover", "met"), ("nobody", "no_data")):
        asked = {"metric": "up", "at": {"integration": key}, "verdict": "met"}
        assert judged(tmp_path, "-", asked, extra=[place], rows=rows).verdict == verdict
    asked = {"metric": "up", "at": {"integration": "clover"}, "cmp": ">=", "value": 99}
    assert judged(tmp_path, "-", asked, rows=rows).verdict == "met"


def test_a_rule_at_an_integration_where_a_place_sets_its_own_target(tmp_path):
    with World(days("-"), days("+")) as world:  # half of square's probes are good
        place = {"ref": "Own.square_up", "same_as": "up", "at": {"integration": "square"},
                 "target": {"cmp": ">=", "value": 50, "unit": "%"}}  # fmt: skip
        asked = {"metric": "up", "at": {"integration": "square"}, "verdict": "met"}
        own = catalogue(tmp_path, metric("up"), place, rule("asked", asked))
        assert Measured(world, own).one("asked", end_of("+")).verdict == "met"


def test_rules_ask_for_the_results_of_rules(tmp_path):
    inner = rule("inner", GROUP, "milestone")
    for marks, verdict in (("+++-", "met"), ("++-", "not_met"), ("...", "no_data")):
        asked = {"metric": "inner", "verdict": "met"}
        assert judged(tmp_path, marks, asked, extra=[inner]).verdict == verdict
        asked = {"metric": "inner", "cmp": "==", "value": True}
        assert judged(tmp_path, marks, asked, extra=[inner]).verdict == verdict


def test_rules_that_ask_each_other_are_refused(tmp_path):
    inner = rule("inner", {"metric": "asked", "verdict": "met"})
    with pytest.raises(InputError, match="inner → asked → inner"):
        judged(tmp_path, "+", {"metric": "inner", "verdict": "met"}, extra=[inner])


def test_rows_of_a_fact_are_counted_as_known_and_valid_then(tmp_path):
    asked = {"fact": "attestation", "where": "claim_key = 'iso'"}
    two = asked | {"cmp": ">=", "value": 2}
    valid = attestation(START, "iso")
    expired = attestation(START, "iso", expires_at=START + 2 * H)
    other = attestation(START, "soc2")
    cases = [
        (asked, [valid], "met"),
        (asked, [expired, other], "not_met"),
        (asked, [other], "not_met"),
        (asked, [], "no_data"),
        (two, [valid], "not_met"),
        (two, [valid, attestation(START + H, "iso")], "met"),
    ]
    for rule_, rows, verdict in cases:
        assert judged(tmp_path, "+", rule_, rows=rows).verdict == verdict
    live = {"fact": "integration", "where": "status = 'live'"}
    assert judged(tmp_path, "+", live, rows=[integration(START)]).verdict == "met"


DAILY = {"group": "Own.up", "report": "daily", "every": "day", "due_within": "PT8H"}


def cadence(*schedule, **given):
    return custom.cadence(*schedule, **{"window": "trailing 3 days"} | given)


def published(tmp_path, rows, at, *schedule, **given):
    with World(rows) as world:
        own = catalogue(tmp_path, metric("up"), cadence(*schedule or (DAILY,), **given))
        return Measured(world, own).one("live", at)


def daily(n, late=timedelta(hours=7), **given):
    end = START + n * D
    return result_row("Own.up", end, published_at=end + late, **given)


def test_publications_count_from_the_first_one_and_when_their_time_has_passed(tmp_path):
    rows = [daily(5), daily(6), daily(7)]
    at = START + 7 * D + 8 * H
    result = published(tmp_path, rows, at)
    assert (result.value, result.verdict, result.parts) == (100, "met", {"due": 3, "on_time": 3})
    early = published(tmp_path, rows, at - M)  # the third one is not due yet
    assert early.parts == {"due": 2, "on_time": 2}
    before = published(tmp_path, rows, START + 4 * D)
    assert (before.value, before.verdict) == (None, "no_data")
    only = published(tmp_path, rows, START + 5 * D + 7 * H + M)
    assert only.reason == "No publication was due yet."


def test_a_late_or_missing_publication_is_counted(tmp_path):
    at = START + 7 * D + 9 * H
    late = published(tmp_path, [daily(5), daily(6, 9 * H), daily(7)], at)
    assert (late.value, late.verdict) == (pytest.approx(200 / 3), "not_met")
    missing = published(tmp_path, [daily(5), daily(7)], at)
    assert missing.parts == {"due": 3, "on_time": 2}
    other = published(tmp_path, [daily(5), daily(6, report="monthly"), daily(7)], at)
    assert other.parts == {"due": 3, "on_time": 2}


def test_a_publication_exactly_at_its_limit_is_in_time(tmp_path):
    rows = [daily(5), daily(6, 8 * H), daily(7, 8 * H + timedelta(microseconds=1))]
    assert published(tmp_path, rows, START + 7 * D + 9 * H).parts == {"due": 3, "on_time": 2}


def test_too_few_periods_are_no_verdict(tmp_path):
    result = published(tmp_path, [daily(6), daily(7)], START + 7 * D + 9 * H, min_sample=3)
    assert (result.value, result.verdict, result.n) == (100, "insufficient_data", 2)


def test_a_restatement_does_not_make_a_publication_late(tmp_path):
    with World([daily(6), daily(7)]) as world:
        world.add(daily(6, 40 * D, value=98.0), daily(7, 8 * D, report="monthly"))
        own = catalogue(tmp_path, metric("up"), cadence(DAILY))
        result = Measured(world, own).one("live", START + 7 * D + 9 * H)
        assert result.parts == {"due": 2, "on_time": 2}


def test_a_month_is_due_by_its_limit_and_belongs_to_the_window_in_which_it_ends(tmp_path):
    monthly = {"group": "Own.up", "report": "monthly", "every": "month", "due_within": "P10D"}
    ends = [on(2026, 1, 1), on(2026, 2, 1), on(2026, 3, 1)]
    rows = [result_row("Own.up", end, report="monthly", published_at=end + 3 * D) for end in ends]
    window = {"window": "last 3 closed months"}
    at = datetime(2026, 3, 11, tzinfo=UTC)
    assert published(tmp_path, rows, at, monthly, **window).parts == {"due": 3, "on_time": 3}
    day_before = published(tmp_path, rows, at - D, monthly, **window)
    assert day_before.parts == {"due": 2, "on_time": 2}


def test_a_day_is_live_when_enough_minutes_had_a_result_of_every_ref(tmp_path):
    stream = {"group": "Own.up", "report": "live", "every": "PT60S", "share_of_minutes": 99}

    def minutes(day, count):
        start = START + day * D
        return [
            result_row("Own.up", start + n * M, report="live", published_at=start + n * M)
            for n in range(count)
        ]

    at = START + 3 * D
    rows = [*minutes(0, 1440), *minutes(1, 1426), *minutes(2, 1425)]  # 99 % are 1,425.6
    result = published(tmp_path, rows, at, stream)
    assert result.parts == {"due": 3, "on_time": 2}


def test_what_a_schedule_leaves_out_need_not_be_published(tmp_path):
    with World([daily(7)]) as world:
        both = DAILY | {"group": "Own"}
        for out, on_time in (([], 0), (["Own.slow", "Own.live"], 1)):
            own = catalogue(tmp_path, metric("up"), metric("slow"), cadence(both | {"except": out}))
            result = Measured(world, own).one("live", START + 7 * D + 9 * H)
            assert result.parts == {"due": 1, "on_time": on_time}


def trend(**given):
    usual = {
        "kind": "trend",
        "unit": "state",
        "target": {"cmp": "==", "value": "improving", "unit": "state"},
        "scopes": ["network"],
        "window": "trailing 28 days",
        "inputs": ["speed"],
        "min_sample": 21,
        "verdict_on": "state",
        "scale": [
            {"level": "improving", "when": "falling and change <= -2"},
            {"level": "worsening", "when": "rising and change >= 2"},
            {"level": "holding_at_target", "when": "on_target"},
            {"level": "flat", "when": "otherwise"},
        ],
    }
    entry = metric("trend", **usual | given)
    del entry["from"]
    return entry


def speed(target=200):
    return metric(
        "speed", kind="mean", unit="ms", better="lower", scopes=["network"],
        target={"cmp": "<", "value": target, "unit": "ms"},
        terms={"total": "sum(latency_ms)", "n": "count(*)"}, numerator="total", denominator="n",
    )  # fmt: skip


def trended(tmp_path, values, target=200, **given):
    rows = [
        probe(START + n * D + H, latency_ms=float(value))
        for n, value in enumerate(values)
        if value is not None
    ]
    with World(rows) as world:
        own = catalogue(tmp_path, speed(target), trend(**given))
        return Measured(world, own).one("trend", START + len(values) * D)


NOISE = np.random.default_rng(3).normal(0, 2, 28)


@pytest.mark.parametrize(
    ("values", "target", "state", "verdict"),
    [
        (150 - np.arange(28) + NOISE, 200, "improving", "met"),
        (150 + np.arange(28) + NOISE, 200, "worsening", "not_met"),
        (150 + NOISE, 200, "holding_at_target", "not_met"),
        (150 + NOISE, 150, "flat", "not_met"),
        (150 - 0.01 * np.arange(28), 140, "flat", "not_met"),  # falls surely, but by too little
    ],
)
def test_a_trend_is_a_word_of_its_scale(tmp_path, values, target, state, verdict):
    result = trended(tmp_path, values, target)
    assert (result.value, result.verdict, result.n) == (state, verdict, 28)


def test_slope_and_interval_are_those_of_theil_and_sen(tmp_path):
    values = [float(v) for v in np.round(150 - np.arange(28) + NOISE, 3)]
    result = trended(tmp_path, values)
    slope, _, low, high = stats.theilslopes(values, np.arange(28), 0.95)
    assert result.parts["slope_per_day"] == pytest.approx(slope)
    assert result.interval == pytest.approx((low, high))
    assert result.parts["change_percent"] == pytest.approx(100 * slope * 27 / np.median(values))
    tau = stats.kendalltau(np.arange(28), values)
    assert result.parts["p_value"] < 0.05
    assert tau.pvalue < 0.05


def test_days_without_a_value_do_not_make_a_slope_steeper(tmp_path):
    values = [150.0 - n if n % 4 else None for n in range(28)]
    result = trended(tmp_path, values)
    assert result.n == 21
    assert result.parts["slope_per_day"] == pytest.approx(-1)
    assert result.verdict == "met"


def test_too_few_days_for_a_trend(tmp_path):
    few = trended(tmp_path, [None] * 8 + [150.0 - n for n in range(20)])
    assert (few.n, few.verdict) == (20, "insufficient_data")
    fewer = trended(tmp_path, [None] * 25 + [1.0, 2.0, 3.0])
    assert (fewer.interval, fewer.parts["p_value"], fewer.verdict) == (
        None,
        None,
        "insufficient_data",
    )
    none = trended(tmp_path, [None] * 28)
    assert (none.value, none.verdict, none.n) == (None, "no_data", 0)
    zero = trended(tmp_path, [0.0] * 28)
    assert zero.parts["change_percent"] == 0


def test_a_trend_looks_at_its_target_in_its_own_unit(tmp_path):
    rows = [probe(START + n * D + H, latency_ms=150 + x) for n, x in enumerate(NOISE)]
    seconds = speed() | {"target": {"cmp": "<", "value": 0.2, "unit": "s"}}
    with World(rows) as world:
        own = catalogue(tmp_path, seconds, trend())
        assert Measured(world, own).one("trend", START + 28 * D).value == "holding_at_target"


def test_a_rule_is_judged_where_its_place_says(tmp_path):
    place = {"ref": "Own.there", "same_as": "asked", "at": {"integration": "clover"},
             "target": {"cmp": "==", "value": True, "unit": "boolean"}}  # fmt: skip
    asked = rule(
        "asked", {"metric": "up", "verdict": "met"}, scopes=["network", "integration"],
        at={"integration": "square"},
    )  # fmt: skip
    with World(days("-"), days("+", integration="clover")) as world:
        own = catalogue(tmp_path, metric("up"), asked, place)
        found = Measured(world, own)
        square = found.one("asked", end_of("+"), Scope("integration", "square"))
        clover = found.one("asked", end_of("+"), Scope("integration", "clover"))
    assert [p.ref for p in square.places] == ["Own.asked"]
    assert (square.verdict, clover.verdict) == ("not_met", "met")


def test_requests_are_no_probes(tmp_path):
    assert judged(tmp_path, "...", GROUP, rows=[request(START)]).verdict == "no_data"
