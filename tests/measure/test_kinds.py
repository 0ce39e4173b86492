"""Every kind of the metric language, in small catalogues of a few rows each."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest
from scipy import stats

from meterstone.errors import CatalogueError
from meterstone.measure.results import Scope

from .build import D, H, M, World, _row, attestation, incident, load_sample, payment, probe, request
from .custom import START, Measured, catalogue, metric, on

AT = START + D
SQUARE = Scope("integration", "square")


def value_of(tmp_path, rows, *entries, at=AT, scope=None, **parts: Any):
    """The result of the last entry."""
    with World(rows) as world:
        own = catalogue(tmp_path, *entries, **parts)
        kwargs = {} if scope is None else {"scope": scope}
        return Measured(world, own).one(entries[-1]["id"], at, **kwargs)


def probes_of(*oks: bool, **given: Any):
    return [probe(START + H + n * M, ok=ok, **given) for n, ok in enumerate(oks)]


def test_ratio(tmp_path):
    result = value_of(tmp_path, probes_of(True, True, False), metric("up", uncertainty="wilson"))
    assert result.value == pytest.approx(200 / 3)
    assert (result.n, result.verdict) == (3, "not_met")
    low, high = stats.binomtest(2, 3).proportion_ci(method="wilson")
    assert result.interval == pytest.approx((100 * low, 100 * high))


def test_ratio_of_nothing_is_no_data_not_zero_and_not_a_pass(tmp_path):
    result = value_of(tmp_path, [], metric("up", uncertainty="wilson"))
    assert (result.value, result.interval, result.n, result.verdict) == (None, None, 0, "no_data")
    assert (result.evidence, result.freshness_s) == (None, None)


def test_mean_with_bootstrap(tmp_path):
    mean = metric(
        "mean", kind="mean", unit="ms", target={"cmp": "<", "value": 100, "unit": "ms"},
        terms={"total": "sum(latency_ms)", "n": "count(latency_ms)"},
        numerator="total", denominator="n", uncertainty="bootstrap", resample="latency_ms",
        verdict_on="bound",
    )  # fmt: skip
    values = (10.0, 20.0, 30.0, 40.0, 120.0)
    rows = [probe(START + n * M, latency_ms=v) for n, v in enumerate(values)]
    result = value_of(tmp_path, rows, mean)
    assert result.value == pytest.approx(44)
    low, high = result.interval
    assert 10 < low < 44 < high < 120
    again = value_of(tmp_path, rows[::-1], mean)
    assert again.interval == result.interval  # one seed; the order of rows does not matter
    assert value_of(tmp_path, [probe(START)], mean).interval is None


@pytest.mark.parametrize(("q", "rank"), [(0.5, 50), (0.95, 95), (1.0, 100), (0.001, 1)])
def test_quantile_is_the_middle_of_the_bin_of_an_order_statistic(tmp_path, q, rank):
    rows = [probe(START + n * M, latency_ms=float(n)) for n in range(1, 101)]
    quantile = metric(
        "p", kind="quantile", unit="ms", target={"cmp": "<", "value": 500, "unit": "ms"},
        terms={"p": {"quantile_of": "latency_ms", "q": q}}, uncertainty="histogram_order_statistic",
    )  # fmt: skip
    result = value_of(tmp_path, rows, quantile)
    assert result.value == pytest.approx(2 ** ((math.floor(math.log2(rank) * 32) + 0.5) / 32))
    assert result.value == pytest.approx(rank, rel=0.011)
    lower = max(int(stats.binom.ppf(0.025, 100, q)), 1)
    upper = min(int(stats.binom.ppf(0.975, 100, q)) + 1, 100)
    assert result.interval[0] == pytest.approx(2 ** (math.floor(math.log2(lower) * 32) / 32))
    assert result.interval[1] == pytest.approx(2 ** ((math.floor(math.log2(upper) * 32) + 1) / 32))


def test_sum_is_exact(tmp_path):
    total = metric(
        "sales", kind="sum", unit="USD", target={"cmp": ">=", "value": 1, "unit": "USD"},
        terms={"sales": "sum(net_sales_usd)", "n": "count(*)"}, value="sales", sample="n",
        scopes=["network", "franchise"], **{"from": "payment"},
    )  # fmt: skip
    rows = [payment(START + n * M, net_sales_usd="0.10") for n in range(10)]
    assert value_of(tmp_path, rows, total).value == 1.0
    assert value_of(tmp_path, rows, total).verdict == "met"
    assert value_of(tmp_path, [], total).verdict == "no_data"


def test_a_franchise_has_its_own_numbers(tmp_path):
    total = metric(
        "sales", kind="sum", unit="USD", target={"cmp": ">=", "value": 15, "unit": "USD"},
        terms={"sales": "sum(net_sales_usd)", "n": "count(*)"}, value="sales", sample="n",
        scopes=["network", "franchise"], **{"from": "payment"},
    )  # fmt: skip
    place = {"ref": "Own.f2", "same_as": "sales", "at": {"franchise": "f2"},
             "target": {"cmp": ">=", "value": 30, "unit": "USD"}}  # fmt: skip
    rows = [payment(START), *(payment(START + M, franchise_id="f2") for _ in range(2))]
    with World(rows) as world:
        found = Measured(world, catalogue(tmp_path, total, place))
        values = {str(r.scope): (r.value, r.verdict) for r in found.all(AT)}
        at_place = found.one("sales", AT, Scope("franchise", "f2")).places
    assert values == {
        "network": (30.0, "met"), "franchise:f1": (10.0, "not_met"), "franchise:f2": (20.0, "met"),
    }  # fmt: skip
    assert [(p.ref, p.verdict) for p in at_place] == [("Own.f2", "not_met")]


def count(**given: Any):
    usual = {
        "kind": "count", "unit": "incidents", "window": "trailing 7 days",
        "target": {"cmp": "<=", "value": 2, "unit": "incidents"}, "better": "lower",
        "terms": {"n": "count(*)", "probes": {"agg": "count(*)", "from": "probe"}},
        "value": "n", "sample": "n", "empty": "zero", "heartbeat": "probes",
        "uncertainty": "exact_poisson", "scopes": ["network", "integration"], "from": "incident",
    }  # fmt: skip
    return metric("incidents", **usual | given)


def test_count_and_its_exact_interval(tmp_path):
    rows = [incident(START + n * H) for n in range(3)]
    result = value_of(tmp_path, rows, count())
    assert (result.value, result.n, result.verdict) == (3, 3, "not_met")
    low, high = stats.chi2.ppf([0.025], 6)[0] / 2, stats.chi2.ppf([0.975], 8)[0] / 2
    assert result.interval == pytest.approx((low, high))


def test_zero_is_a_number_with_a_heartbeat_only(tmp_path):
    silent = value_of(tmp_path, [], count())
    assert (silent.value, silent.interval, silent.verdict) == (None, None, "no_data")
    alive = value_of(tmp_path, probes_of(True), count())
    assert (alive.value, alive.verdict) == (0, "met")
    assert alive.interval == pytest.approx((0, stats.chi2.ppf(0.975, 2) / 2))
    other = value_of(
        tmp_path, [probes_of(True), probes_of(True, integration="clover")], count(), scope=SQUARE
    )
    assert (other.value, other.verdict) == (0, "met")


def test_distinct(tmp_path):
    distinct = metric(
        "live", kind="distinct", unit="integrations", value="live", sample="rows",
        target={"cmp": ">=", "value": 2, "unit": "integrations"}, scopes=["network"],
        terms={"live": "count(DISTINCT integration)", "rows": "count(*)"},
    )  # fmt: skip
    rows = [*probes_of(True, True), *probes_of(True, integration="clover")]
    assert value_of(tmp_path, rows, distinct).value == 2
    over_days = [probe(START - D), probe(START + H)]
    wide = distinct | {"window": "trailing 7 days"}
    assert value_of(tmp_path, over_days, wide).value == 1  # the same one on two days


def growth(shift: str, window: str, **given: Any):
    usual = {
        "kind": "growth", "unit": "%", "target": {"cmp": ">=", "value": 10, "unit": "%"},
        "window": window, "scopes": ["network"], "from": "payment", "sample": "now",
        "terms": {"now": "count(*)", "before": {"agg": "count(*)", "shift": shift}},
        "numerator": "now", "denominator": "before", "uncertainty": "log_ratio",
        "verdict_on": "bound",
    }  # fmt: skip
    return metric("growth", **usual | given)


def test_growth_over_a_year_earlier(tmp_path):
    at = on(2026, 3, 1)
    rows = [payment(at - n * D) for n in range(1, 4)]
    rows += [payment(on(2025, 3, 1) - n * D) for n in range(1, 3)]  # the two days before
    rows += [payment(on(2025, 3, 1)), payment(on(2025, 3, 1) - 8 * D)]  # just outside
    result = value_of(tmp_path, rows, growth("year_earlier", "trailing 7 days"), at=at)
    assert result.value == pytest.approx(50)
    half = 1.959963984540054 * math.sqrt(1 / 3 + 1 / 2)
    assert result.interval == pytest.approx(
        (100 * (1.5 * math.exp(-half) - 1), 100 * (1.5 * math.exp(half) - 1))
    )
    assert result.verdict == "inconclusive"


def test_growth_over_a_year_earlier_ends_with_the_month(tmp_path):
    at = on(2024, 3, 1)  # the closed month of February has 29 days, a year earlier 28
    rows = [payment(on(2024, 2, 10))] * 1 + [payment(on(2023, 2, 1)), payment(on(2023, 2, 28))]
    rows += [payment(on(2023, 1, 31))]  # 29 days before the end of February 2023
    result = value_of(tmp_path, rows, growth("year_earlier", "calendar month"), at=at)
    assert result.value == pytest.approx(100 * (1 / 3 - 1))


@pytest.mark.parametrize(
    ("window", "before", "outside"),
    [
        ("trailing 7 days", [8, 13], [15]),
        ("calendar month", [32, 40], [60]),
    ],
)
def test_growth_over_the_period_before(tmp_path, window, before, outside):
    at = on(2026, 4, 1)
    rows = [payment(at - n * D) for n in (1, 2, 3, *before, *outside)]
    result = value_of(tmp_path, rows, growth("previous_period", window), at=at)
    assert result.value == pytest.approx(50)


def test_growth_without_a_base_is_no_number(tmp_path):
    result = value_of(tmp_path, [payment(START)], growth("previous_period", "trailing 7 days"))
    assert (result.value, result.interval, result.verdict) == (None, None, "no_data")


def test_latest(tmp_path):
    latest = metric(
        "connections", kind="latest", unit="connections", value="newest", sample="rows",
        target={"cmp": ">=", "value": 5, "unit": "connections"}, scopes=["network"],
        terms={"newest": "arg_max(connections, at)", "rows": "count(*)"},
        **{"from": "load_sample"},
    )  # fmt: skip
    rows = [load_sample(START + n * M, connections=v) for n, v in enumerate((9, 7, 4))]
    result = value_of(tmp_path, rows, latest)
    assert (result.value, result.verdict) == (4, "not_met")
    assert result.freshness_s == (AT - START - 2 * M).total_seconds()


def test_compare(tmp_path):
    compare = metric(
        "apart", kind="compare", unit="ms", target={"cmp": "<=", "value": 10, "unit": "ms"},
        terms={
            "here": "sum(latency_ms) filter (where integration = 'square')",
            "n_here": "count(*) filter (where integration = 'square')",
            "there": "sum(latency_ms) filter (where integration = 'clover')",
            "n_there": "count(*) filter (where integration = 'clover')",
            "rows": "count(*)",
        },
        value="abs(here / n_here - there / n_there)", sample="rows", scopes=["network"],
    )  # fmt: skip
    rows = [
        probes_of(True, latency_ms=50.0),
        probes_of(True, latency_ms=62.0, integration="clover"),
    ]
    result = value_of(tmp_path, rows, compare)
    assert (result.value, result.verdict) == (12, "not_met")
    alone = value_of(tmp_path, rows[0], compare)
    assert (alone.value, alone.verdict) == (None, "no_data")


def test_score_of_inputs(tmp_path):
    fast = metric("fast", terms={"n": "count(*) filter (where latency_ms < 100)",
                                 "all": "count(*)"}, numerator="n", denominator="all")  # fmt: skip
    score = metric(
        "score", kind="score", unit="points", target={"cmp": ">=", "value": 80, "unit": "points"},
        terms={"rows": "count(*)"}, inputs=["up", "fast"], value="0.5 * up + 0.5 * fast",
        sample="rows",
    )  # fmt: skip
    rows = [*probes_of(True, True), *probes_of(True, False, latency_ms=500.0)]
    result = value_of(tmp_path, rows, metric("up"), fast, score)
    assert result.value == pytest.approx(0.5 * 75 + 0.5 * 50)
    none = value_of(tmp_path, [], metric("up"), fast, score)
    assert (none.value, none.verdict) == (None, "no_data")


def state(**given: Any):
    usual = {
        "kind": "state", "unit": "state", "verdict_on": "state", "sample": "all",
        "target": {"cmp": "at_least", "value": "fair", "unit": "state"},
        "terms": {"up": "count(*) filter (where ok)", "all": "count(*)"},
        "scale": [{"level": "good", "when": "up == all"},
                  {"level": "fair", "when": "2 * up >= all"},
                  {"level": "bad", "when": "otherwise"}],
    }  # fmt: skip
    return metric("state", **usual | given)


@pytest.mark.parametrize(
    ("oks", "word", "verdict"),
    [
        ((True, True), "good", "met"),
        ((True, False), "fair", "met"),
        ((True, False, False), "bad", "not_met"),
        ((), None, "no_data"),
    ],
)
def test_state(tmp_path, oks, word, verdict):
    result = value_of(tmp_path, probes_of(*oks), state())
    assert (result.value, result.verdict) == (word, verdict)
    exact = state(target={"cmp": "==", "value": "good", "unit": "state"})
    expected = verdict if word in ("good", None) else "not_met"
    assert value_of(tmp_path, probes_of(*oks), exact).verdict == expected


def test_a_state_that_is_not_known_is_shown_and_not_judged(tmp_path):
    result = value_of(tmp_path, probes_of(True), state(unknown="all < 2"))
    assert (result.value, result.verdict) == ("unknown", "insufficient_data")
    assert result.reason == "Not judged: what is known does not suffice to tell."
    few = value_of(tmp_path, probes_of(True), state(min_sample=5, sample_unit="probes"))
    assert (few.value, few.verdict) == ("good", "insufficient_data")
    assert few.reason == "Not judged: needs 5 probes, has 1."


@pytest.mark.parametrize(
    ("cmp", "value", "verdict"),
    [("<", 0.05, "met"), ("<", 0.04, "not_met"), (">", 0.03, "met"), ("<=", 0.03, "not_met")],
)
def test_a_place_is_judged_in_its_own_unit(tmp_path, cmp, value, verdict):
    mean = metric(
        "mean", kind="mean", unit="ms", target={"cmp": cmp, "value": value, "unit": "s"},
        terms={"total": "sum(latency_ms)", "n": "count(*)"}, numerator="total", denominator="n",
    )  # fmt: skip
    result = value_of(tmp_path, probes_of(True, latency_ms=40.0), mean)
    assert (result.value, result.verdict) == (40, verdict)


@pytest.mark.parametrize(
    ("bounds", "verdict"), [([50, 100], "met"), ([95, 100], "not_met"), ([0, 60], "not_met")]
)
def test_an_interval_within_a_range(tmp_path, bounds, verdict):
    entry = metric(
        "up", uncertainty="wilson", target={"cmp": "within", "value": bounds, "unit": "%"}
    )
    assert value_of(tmp_path, probes_of(*[True] * 9, False), entry).verdict == verdict


@pytest.mark.parametrize(
    ("probes", "value", "verdict"),
    [(100, 90, "met"), (100, 50, "not_met"), (100, 99.5, "not_met")],
)
def test_a_target_inside_the_interval_of_a_sharp_estimate(tmp_path, probes, value, verdict):
    entry = metric(
        "up", uncertainty="wilson", target={"cmp": "within_interval", "value": value, "unit": "%"}
    )
    oks = [n % 10 > 0 for n in range(probes)]  # 90 of 100
    assert value_of(tmp_path, probes_of(*oks), entry).verdict == verdict
    plain = entry | {"uncertainty": "none"}
    assert value_of(tmp_path, probes_of(*oks), plain).verdict == "inconclusive"


def test_a_gate_of_a_metric_takes_the_verdict_and_leaves_the_value(tmp_path):
    entry = metric("up", gates=[{"title": "two probes an hour", "holds": "all >= 48"}])
    result = value_of(tmp_path, probes_of(True), entry)
    assert (result.value, result.verdict) == (100, "insufficient_data")
    assert result.reason == "Not judged: needs two probes an hour."


def test_an_illustration_is_compared_and_never_judged(tmp_path):
    entry = metric("up", verdict_on="reference", min_sample=1000)
    assert value_of(tmp_path, probes_of(False), entry).verdict == "reference"
    assert value_of(tmp_path, [], entry).verdict == "no_data"


def test_parts_are_shown_numbers_and_words(tmp_path):
    entry = metric(
        "up", shown={"failed": "all - up", "where": "newest", "never": "up / (all - all)"},
        terms={"up": "count(*) filter (where ok)", "all": "count(*)",
               "newest": "arg_max(location, at)"},
    )  # fmt: skip
    result = value_of(tmp_path, probes_of(True, False), entry)
    assert result.parts == {"failed": 1, "where": "eu"}


def survey(at, score: int, **given: Any):
    usual = {"claim_key": "nps", "value": float(score)}
    return attestation(at, **usual | given)


def attested(**given: Any):
    usual = {
        "kind": "mean", "unit": "points", "target": {"cmp": ">=", "value": 5, "unit": "points"},
        "terms": {"total": "sum(value)", "n": "count(*)"}, "numerator": "total",
        "denominator": "n", "scopes": ["network"], "window": "trailing 30 days",
        "from": "attestation", "evidence": "attested",
    }  # fmt: skip
    return metric("claim", **usual | given)


def test_expired_evidence_turns_the_verdict(tmp_path):
    at = START + 10 * D
    valid = survey(START, 9, expires_at=at + timedelta(seconds=1))
    assert value_of(tmp_path, [valid], attested(), at=at).verdict == "met"
    ended = survey(START, 9, expires_at=at)
    result = value_of(tmp_path, [ended], attested(), at=at)
    assert (result.value, result.verdict) == (9, "expired")
    assert result.reason == "The evidence has expired; enter it anew."
    both = value_of(tmp_path, [valid, ended], attested(), at=at)
    assert both.verdict == "expired"


@pytest.mark.parametrize("levels", [("measured", "reported"), ("reported", "attested"),
                                    ("attested", "modelled")])  # fmt: skip
def test_the_evidence_of_a_result_is_its_weakest_row(tmp_path, levels):
    rows = [probe(START + n * M, evidence=level) for n, level in enumerate(levels)]
    assert value_of(tmp_path, rows, metric("up")).evidence == levels[1]
    assert value_of(tmp_path, rows[:1], metric("up")).evidence == levels[0]


def test_finance_roi_of_the_framework(tmp_path):
    names = ("benefits", "operating", "investment")
    roi = metric(
        "roi", kind="finance", unit="%", hook="finance.roi", window="trailing 30 days",
        target={"cmp": ">=", "value": 242, "unit": "%"}, scopes=["network"], sample="n",
        terms={name: f"sum(value) filter (where claim_key = '{name}')" for name in names}
        | {"n": "count(*)"}, **{"from": "attestation"},
    )  # fmt: skip
    given = {"benefits": 1_550_000, "operating": 138_000, "investment": 315_000}
    rows = [survey(START, amount, claim_key=name) for name, amount in given.items()]
    result = value_of(tmp_path, rows, roi)
    assert result.value == pytest.approx(242.16, abs=0.005)
    assert (result.verdict, result.evidence) == ("met", "attested")
    payback = roi | {"id": "payback", "ref": "Own.payback", "hook": "finance.payback_months",
                     "unit": "months", "better": "lower",
                     "target": {"cmp": "<=", "value": 12, "unit": "months"}}  # fmt: skip
    assert value_of(tmp_path, rows, payback).value == pytest.approx(12 * 315 / (1550 - 138))
    loss = [survey(START, 1, claim_key=name) for name in names]
    assert value_of(tmp_path, loss, payback).value is None
    assert value_of(tmp_path, [], roi).verdict == "no_data"


def predicted(at, point: float, **given: Any):
    usual = {
        "forecast_id": f"f{at:%d%H}", "issued_at": at, "model": "m", "model_version": "1",
        "quantity": "platform_revenue_quarter", "scope_key": None,
        "horizon_start": at, "horizon_end": at + 30 * D, "point": point, "alarm": False,
    }  # fmt: skip
    return _row("forecast", usual, given)


def test_forecast_hooks(tmp_path):
    entry = {
        "kind": "forecast", "evidence": "modelled", "scopes": ["network"], "sample": "n",
        "window": "trailing 30 days", "from": "forecast",
        "terms": {"point": "arg_max(point, issued_at)", "n": "count(*)",
                  "observed": {"agg": "sum(net_sales_usd)", "from": "payment"}},
    }  # fmt: skip
    growth_ = metric("growth", unit="%", hook="forecast.growth",
                     target={"cmp": ">=", "value": 20, "unit": "%"}, **entry)  # fmt: skip
    point = metric("point", unit="USD", hook="forecast.point",
                   target={"cmp": ">=", "value": 20, "unit": "USD"}, **entry)  # fmt: skip
    rows = [predicted(START, 11.0), predicted(START + H, 13.0), payment(START)]
    assert value_of(tmp_path, rows, growth_).value == pytest.approx(30)
    assert value_of(tmp_path, rows, point).value == 13
    assert value_of(tmp_path, rows[:2], growth_).value is None


def test_an_unknown_hook_is_refused_with_file_and_line(tmp_path):
    entry = metric("x", kind="finance", hook="finance.rio", scopes=["network"])
    with pytest.raises(CatalogueError, match=r"finance\.rio") as error:
        catalogue(tmp_path, entry)
    assert "catalogue.yaml:" in error.value.place
    assert "finance.roi" in error.value.mend


def test_rows_that_are_synthetic_tests_or_retracted_do_not_count(tmp_path):
    rows = [
        probe(START, ok=True),
        probe(START, ok=False, synthetic=True),
        probe(START, ok=False, environment="test"),
        probe(START, ok=False, retracted=True),
    ]
    result = value_of(tmp_path, rows, metric("up"))
    assert (result.value, result.n) == (100, 1)


def test_two_relations_of_one_metric(tmp_path):
    mixed = metric(
        "mixed", kind="compare", unit="x", target={"cmp": ">=", "value": 1, "unit": "x"},
        terms={"requests": {"agg": "sum(count)", "from": "api_request"}, "probes": "count(*)"},
        value="requests / probes", sample="probes", scopes=["network"],
    )  # fmt: skip
    rows = [request(START, count=6), probes_of(True, True)]
    assert value_of(tmp_path, rows, mixed).value == 3
