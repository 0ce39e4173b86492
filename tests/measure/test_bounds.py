"""Intervals of any value: against scipy's bootstrap, and formulas worked by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from scipy import stats

from meterstone.measure import resample
from meterstone.measure.results import Scope

from .build import D, H, World, attestation, incident, payment, probe, reconciliation
from .custom import Measured, catalogue, metric, on

AT = datetime(2026, 4, 1, tzinfo=UTC)
NOW, BEFORE = on(2026, 3, 1), on(2025, 3, 1)
RNG = np.random.default_rng(7)
SALES_NOW = RNG.gamma(3.0, 400.0, 40).round(2)
SALES_BEFORE = (SALES_NOW / RNG.normal(1.3, 0.15, 40)).round(2)


def sales():
    """Payments of 40 franchises in March of two years, split over days and with a voided one."""
    rows = []
    for n, (now, before) in enumerate(zip(SALES_NOW, SALES_BEFORE, strict=True)):
        shop = {"franchise_id": f"f{n}"}
        third = round(now / 3, 2)
        rows += [
            payment(NOW + n * H, net_sales_usd=f"{third:.2f}", **shop),
            payment(NOW + 30 * D, net_sales_usd=f"{now - third:.2f}", **shop),
            payment(BEFORE + n * H, net_sales_usd=f"{before:.2f}", **shop),
            payment(NOW + D, net_sales_usd="5000.00", status="voided", **shop),
        ]
    return rows


GROWTH = {
    "kind": "growth",
    "uncertainty": "cluster_bootstrap",
    "resample_by": "franchise_id",
    "window": "calendar month",
    "from": "payment",
    "scopes": ["network"],
    "terms": {
        "now": "sum(net_sales_usd) filter (where status = 'completed')",
        "before": {
            "agg": "sum(net_sales_usd) filter (where status = 'completed')",
            "shift": "year_earlier",
        },
    },
    "numerator": "now",
    "denominator": "before",
}


def measured(tmp_path, rows, *entries, at=AT, scope=None):
    with World(rows) as world:
        found = Measured(world, catalogue(tmp_path, *entries))
        return found.one(entries[-1]["id"], at, *([scope] if scope else []))


def bca(statistic, *data):
    """scipy's own BCa interval, units paired over the samples."""
    found = stats.bootstrap(
        data, statistic, n_resamples=9999, paired=True, vectorized=False, method="BCa",
        rng=np.random.default_rng(1),
    )  # fmt: skip
    return found.confidence_interval


def test_growth_draws_whole_franchises_of_both_years(tmp_path):
    result = measured(tmp_path, sales(), metric("growth", **GROWTH))
    assert result.value == pytest.approx(100 * (SALES_NOW.sum() / SALES_BEFORE.sum() - 1))
    low, high = bca(lambda a, b: 100 * (a.sum() / b.sum() - 1), SALES_NOW, SALES_BEFORE)
    assert result.interval is not None
    assert np.allclose(result.interval, (low, high), atol=0.08 * (high - low))
    # drawing both years by themselves would make it far wider: franchises are paired
    apart = (
        100
        * (1 + result.value / 100)
        * np.sqrt(sum((x.std() / x.mean()) ** 2 / 40 for x in (SALES_NOW, SALES_BEFORE)))
    )
    assert result.interval[1] - result.interval[0] < 2 * apart


def test_the_same_rows_give_the_same_interval_in_any_order(tmp_path):
    rows = sales()
    first = measured(tmp_path, rows, metric("growth", **GROWTH))
    second = measured(tmp_path, rows[::-1], metric("growth", **GROWTH))
    assert first.interval == second.interval


def test_a_median_of_units(tmp_path):
    median = metric(
        "median", kind="mean", unit="USD", target={"cmp": ">=", "value": 1, "unit": "USD"},
        window="calendar month", scopes=["network"], uncertainty="bootstrap",
        resample_by="franchise_id", terms={
            "middle": "quantile_disc(net_sales_usd, 0.5) filter (where gross = 10)",
            "n": "count(*)",
        }, value="middle", sample="n", **{"from": "payment"},
    )  # fmt: skip
    rows = [
        payment(NOW, net_sales_usd=f"{value:.2f}", franchise_id=f"f{n}")
        for n, value in enumerate(SALES_NOW)
    ]
    rows.append(payment(NOW, net_sales_usd="1.00", franchise_id="f0", gross="11.00"))
    result = measured(tmp_path, rows, median)
    ordered = np.sort(SALES_NOW)
    assert result.value == pytest.approx(ordered[19])
    low, high = bca(lambda x: np.sort(x)[len(x) // 2 - 1], SALES_NOW)
    places = np.searchsorted(ordered, [low, high])
    ours = np.searchsorted(ordered, result.interval)
    assert np.all(np.abs(places - ours) <= 1)


def test_rows_without_a_unit_stay_as_they_are(tmp_path):
    counts = np.random.default_rng(11).integers(2, 9, 40)
    rows = [
        probe(NOW + i * H, franchise_id=f"f{n}", ok=i > 0)
        for n, count in enumerate(counts)
        for i in range(count)
    ]
    rows += [probe(NOW + D + i * H, franchise_id=None) for i in range(50)]
    entry = metric(
        "share", uncertainty="cluster_bootstrap", resample_by="franchise_id",
        window="calendar month", scopes=["network"],
    )  # fmt: skip
    result = measured(tmp_path, rows, entry)
    low, high = bca(lambda a, b: 100 * (a.sum() + 50) / (b.sum() + 50), counts - 1, counts)
    assert np.allclose(result.interval, (low, high), atol=0.08 * (high - low))


def test_one_unit_tells_nothing_of_the_others(tmp_path):
    entry = metric("growth", **GROWTH | {"scopes": ["network", "franchise"]})
    result = measured(tmp_path, sales(), entry, scope=Scope("franchise", "f3"))
    assert result.value is not None
    assert result.interval is None


def test_units_of_two_relations_are_one(tmp_path):
    """Sales per booking-like probe: numerator and denominator of different facts."""
    counts = np.random.default_rng(11).integers(2, 9, 40)
    rows = [
        row
        for n, (now, count) in enumerate(zip(SALES_NOW, counts, strict=True))
        for row in [
            payment(NOW, net_sales_usd=f"{now:.2f}", franchise_id=f"f{n}"),
            *[probe(NOW + i * H, franchise_id=f"f{n}") for i in range(count)],
        ]
    ]
    entry = metric(
        "per_probe", kind="mean", unit="USD", target={"cmp": ">=", "value": 1, "unit": "USD"},
        window="calendar month", scopes=["network"], uncertainty="cluster_bootstrap",
        resample_by="franchise_id", numerator="money", denominator="probes",
        terms={"money": "sum(net_sales_usd)", "probes": {"from": "probe", "agg": "count(*)"}},
        **{"from": "payment"},
    )  # fmt: skip
    result = measured(tmp_path, rows, entry)
    low, high = bca(lambda a, b: a.sum() / b.sum(), SALES_NOW, counts)
    assert np.allclose(result.interval, (low, high), atol=0.08 * (high - low))


def test_days_of_two_windows_are_drawn_by_themselves(tmp_path):
    random = np.random.default_rng(12)
    now, before = random.integers(20, 40, 31), random.integers(15, 30, 31)
    rows = [
        probe(start + day * D + n * 60 * (H / 3600), franchise_id="f")
        for start, counts in ((NOW, now), (BEFORE, before))
        for day, count in enumerate(counts)
        for n in range(count)
    ]
    entry = metric(
        "busier", **GROWTH | {
            "uncertainty": "block_bootstrap", "resample_by": None, "from": "probe",
            "terms": {"now": "count(*)", "before": {"agg": "count(*)", "shift": "year_earlier"}},
        },
    )  # fmt: skip
    result = measured(tmp_path, rows, entry)
    draws = np.random.default_rng(3)
    ratio = [
        100 * (draws.choice(now, 31).sum() / draws.choice(before, 31).sum() - 1)
        for _ in range(20_000)
    ]
    low, high = np.quantile(ratio, [0.025, 0.975])
    assert np.allclose(result.interval, (low, high), atol=0.08 * (high - low))


def test_inputs_vary_within_their_intervals(tmp_path):
    """Half the sum of two inputs, both with a symmetric interval: by hand, the root of the sum of
    squares."""
    entries = [
        metric(name, terms={"up": "count(*) filter (where ok)", "all": "count(*)"},
               window="trailing 2 days" if name == "one" else "trailing 30 days",
               uncertainty="wilson")
        for name in ("one", "two")
    ]  # fmt: skip
    score = metric(
        "score", kind="score", uncertainty="bootstrap", inputs=["one", "two"],
        value="(one + two) / 2", sample="one_decided + two_decided + 0 * all",
        shown={"low": "one_lower", "n": "one_n", "both": "one_met + two_met"},
        terms={"all": "count(*)"},
    )  # fmt: skip
    rows = [probe(NOW + 29 * D + n * H / 12, ok=n % 2 == 0) for n in range(400)]
    result = measured(tmp_path, rows, *entries, score)
    with World(rows) as world:
        single = Measured(world, catalogue(tmp_path, *entries)).one("one", AT)
    half = (single.interval[1] - single.interval[0]) / 2
    assert result.value == pytest.approx(50)
    assert (result.interval[1] - result.interval[0]) / 2 == pytest.approx(half / 2**0.5, rel=0.06)
    assert result.parts["low"] == single.interval[0]
    assert (result.parts["n"], result.parts["both"]) == (400, 0)


def test_a_finite_population_is_known_better(tmp_path):
    entry = metric("share", uncertainty="wilson_fpc", population_size="250 + 0 * all")
    rows = [probe(NOW + 30 * D + n * H / 10, ok=n >= 20) for n in range(200)]
    result = measured(tmp_path, rows, entry)
    # n_eff = 200 * 249 / 50 = 996; Wilson of 90 % of 996
    n, p, z = 996.0, 0.9, 1.959963984540054
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert result.interval == pytest.approx((100 * (middle - half), 100 * (middle + half)))


def test_a_census_is_certain(tmp_path):
    entry = metric("share", uncertainty="wilson_fpc", population_size="200 + 0 * all")
    rows = [probe(NOW + 30 * D + n * H / 10, ok=n >= 20) for n in range(200)]
    assert measured(tmp_path, rows, entry).interval == pytest.approx((90, 90))


def test_events_of_any_formula(tmp_path):
    """Reconciled records per incident: the Garwood bounds of 4 incidents are 1.0899 and 10.2416."""
    entry = metric(
        "per_event", kind="mean", unit="records", window="calendar month", scopes=["network"],
        target={"cmp": ">=", "value": 1, "unit": "records"}, uncertainty="exact_poisson",
        events="events", value="records / events", sample="records", terms={
            "records": "sum(checked)", "events": {"from": "incident", "agg": "count(*)"},
        }, **{"from": "reconciliation"},
    )  # fmt: skip
    rows = [reconciliation(NOW + D, 1000), *[incident(NOW + n * D) for n in range(4)]]
    result = measured(tmp_path, rows, entry)
    assert result.value == 250
    assert result.interval == pytest.approx((1000 / 10.2416, 1000 / 1.08987), rel=1e-4)


def test_a_rate_by_the_bounds_of_its_count(tmp_path):
    entry = metric(
        "rate", kind="ratio", unit="% of records", window="calendar month", scopes=["network"],
        target={"cmp": "<=", "value": 1, "unit": "% of records"}, uncertainty="exact_poisson",
        numerator="events", denominator="records", terms={
            "records": "sum(checked)", "events": {"from": "incident", "agg": "count(*)"},
        }, **{"from": "reconciliation"},
    )  # fmt: skip
    rows = [reconciliation(NOW + D, 1000), *[incident(NOW + n * D) for n in range(4)]]
    result = measured(tmp_path, rows, entry)
    assert result.interval == pytest.approx((0.108987, 1.02416), rel=1e-4)


def test_the_variance_of_a_logarithm_may_be_told(tmp_path):
    entry = metric(
        "ratio", **GROWTH | {
            "uncertainty": "log_ratio", "resample_by": None,
            "log_variance": "0.01 + 0 * now",
        },
    )  # fmt: skip
    result = measured(tmp_path, sales(), entry)
    ratio = SALES_NOW.sum() / SALES_BEFORE.sum()
    spread = np.exp(1.959963984540054 * 0.1)
    wanted = (100 * (ratio / spread - 1), 100 * (ratio * spread - 1))
    assert result.interval == pytest.approx(wanted)


def test_bounds_as_they_were_issued(tmp_path):
    entry = metric(
        "issued", uncertainty="prediction_interval", lower="up / all - 1", upper="2 * all",
        verdict_on="bound", target={"cmp": ">=", "value": 0, "unit": "%"},
    )  # fmt: skip
    rows = [probe(NOW + 30 * D, ok=True), probe(NOW + 30 * D, ok=False)]
    result = measured(tmp_path, rows, entry)
    assert result.interval == (-0.5, 4)
    assert result.verdict == "inconclusive"


def test_an_estimate_gives_a_state_its_bounds(tmp_path):
    def entry(least):
        return metric(
            "effect", kind="state", unit="state", window="calendar month", scopes=["network"],
            target={"cmp": "at_least", "value": "grows", "unit": "state"}, verdict_on="state",
            uncertainty="cluster_bootstrap", resample_by="franchise_id", terms=GROWTH["terms"],
            estimates={"growth": "100 * (now / before - 1)"}, numerator=None, sample="now",
            scale=[{"level": "grows", "when": f"growth_lower > {least}"},
                   {"level": "not", "when": "otherwise"}],
            **{"from": "payment"},
        )  # fmt: skip

    low, high = bca(lambda a, b: 100 * (a.sum() / b.sum() - 1), SALES_NOW, SALES_BEFORE)
    margin = 0.06 * (high - low)
    for least, state in ((low - margin, "grows"), (low + margin, "not")):
        own = {key: value for key, value in entry(least).items() if value is not None}
        result = measured(tmp_path, sales(), own)
        assert (result.value, result.verdict == "met") == (state, state == "grows")
        assert np.allclose(result.interval, (low, high), atol=margin)


def test_a_poisson_regression_of_monthly_counts(tmp_path):
    counts = [10, 12, 11, 16, 17, 22]
    starts = [
        on(2025, 10, 1),
        on(2025, 11, 1),
        on(2025, 12, 1),
        on(2026, 1, 1),
        on(2026, 2, 1),
        NOW,
    ]
    rows = [
        incident(s + n * D) for s, count in zip(starts, counts, strict=True) for n in range(count)
    ]
    terms = {
        f"month_{n + 1}": {
            "agg": f"count(*) filter (where started_at >= TIMESTAMP '{start}' "
            f"AND started_at < TIMESTAMP '{end}')",
        }
        for n, (start, end) in enumerate(zip(starts, [*starts[1:], on(2026, 4, 1)], strict=True))
    }
    entry = metric(
        "slope", kind="growth", hook="growth.poisson_slope", uncertainty="log_ratio",
        window="trailing 6 months", scopes=["network"], terms=terms, numerator=None,
        **{"from": "incident"},
    )  # fmt: skip
    result = measured(tmp_path, rows, {k: v for k, v in entry.items() if v is not None})
    # maximum likelihood by a fine grid over the slope, the level given it
    steps = np.arange(6.0)
    grid = np.linspace(-1, 1, 200_001)
    weights = np.exp(np.outer(grid, steps))
    level = sum(counts) / weights.sum(axis=1)
    likelihood = (
        np.outer(grid, steps) @ counts + np.log(level) * sum(counts) - level * weights.sum(axis=1)
    )
    best = np.argmax(likelihood)
    assert result.value == pytest.approx(100 * (np.exp(grid[best]) - 1), abs=1e-3)
    curvature = (likelihood[best - 1] - 2 * likelihood[best] + likelihood[best + 1]) / 1e-10
    error = 1 / np.sqrt(-curvature)
    wanted = 100 * (np.exp(grid[best] + np.array([-1.96, 1.96]) * error) - 1)
    assert result.interval == pytest.approx(tuple(wanted), abs=0.02)


def test_measured_at_a_moment_of_its_own(tmp_path):
    entry = metric(
        "sold", kind="sum", unit="USD", target={"cmp": ">=", "value": 5, "unit": "USD"},
        window="trailing 3 months", measured_at="month 3 after programme_start",
        scopes=["network"], value="all", terms={"all": "sum(net_sales_usd)", "n": "count(*)"},
        sample="n", min_sample=1, numerator=None, **{"from": "payment"},
    )  # fmt: skip
    entry = {k: v for k, v in entry.items() if v is not None}
    reader = metric(
        "reader", kind="score", inputs=["sold"], value="2 * sold", sample="sold_n",
        terms={"n": {"from": "payment", "agg": "count(*)", "window": "all time"}}, numerator=None,
        scopes=["network"],
    )  # fmt: skip
    reader = {k: v for k, v in reader.items() if v is not None}
    rows = [
        attestation(on(2025, 1, 1), "programme_start"),
        payment(on(2025, 1, 1), net_sales_usd="2.00"),
        payment(on(2025, 3, 31), net_sales_usd="3.00"),
        payment(on(2025, 4, 1), net_sales_usd="100.00"),
    ]
    with World(rows) as world:
        found = Measured(world, catalogue(tmp_path, entry, reader))
        for at in (datetime(2025, 4, 1, tzinfo=UTC), AT):
            there = found.one("sold", at)
            assert (there.value, there.verdict, there.n) == (5, "met", 2)
            assert found.one("reader", at).value == 10
        before = found.one("sold", datetime(2025, 3, 31, tzinfo=UTC))
        assert (before.value, before.verdict) == (None, "insufficient_data")
    with World(rows[1:]) as world:
        found = Measured(world, catalogue(tmp_path, entry))
        nothing = found.one("sold", AT)
        assert (nothing.value, nothing.verdict) == (None, "no_data")


def test_a_quantile_without_each_unit_in_turn():
    rng = np.random.default_rng(3)
    owner = rng.integers(0, 30, 80)  # some of 40 units have no value, some have several
    values = rng.normal(0, 1, 80).round(2)
    quantiles = resample.Quantiles(values, owner, 0.5, 40)
    for unit, found in enumerate(quantiles.left_out().tolist()):
        kept = np.sort(values[owner != unit])
        assert found == kept[int(np.ceil(len(kept) / 2)) - 1]


def test_the_only_unit_with_values_cannot_be_left_out():
    found = resample.Quantiles(np.array([1.0, 2.0]), np.array([1, 1]), 0.5, 3).left_out()
    assert np.array_equal(found, [1.0, np.nan, 1.0], equal_nan=True)
