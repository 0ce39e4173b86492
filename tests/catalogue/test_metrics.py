"""Metrics: what they resolve to, and every way in which one can be wrong."""

from __future__ import annotations

import pytest

from meterstone.catalogue import Metric

from .conftest import BASE, RULE, Load, Refuse, changed

SHARE_TARGET = "target: {cmp: '>=', value: 95, unit: '%'}\n"
WAIT_TARGET = "target: {cmp: <, value: 500, unit: ms}\n"
MOOD_TARGET = "target: {cmp: at_least, value: fine, unit: state}\n"
PLACE_TARGET = "target: {cmp: <, value: 1, unit: s}\n"
GOOD = "      good: sum(amount) filter (where status = 'paid')\n"
P95 = "      p95: {quantile_of: ms}\n"
FINE = "      - {level: fine, when: bad <= 0.01 * calls}\n"
POOR = "      - {level: poor, when: otherwise}\n"
SUM = """\
metrics:
  - ref: Shop.total
    id: total
    title: Total
    kind: sum
    unit: USD
    target: {cmp: '>=', value: 1, unit: USD}
    scopes: [network]
    window: calendar month
    definition: sum
    from: sale
    terms: {total: sum(amount)}
    value: total
"""


@pytest.fixture
def metrics(load: Load) -> dict[str, Metric]:
    return dict(load(BASE).metrics)


def test_a_ratio_is_a_percentage_of_its_parts(metrics: dict[str, Metric]) -> None:
    share = metrics["paid_share"]
    assert share.value is not None
    assert share.value.text == "100 * (good) / (all_)"
    assert share.sample is not None
    assert share.sample.text == "all_"
    assert (share.ref, share.place.rpartition(":")[2]) == ("Shop.sales.share", "15")
    assert share.terms["good"].mergeable
    assert share.terms["good"].window == "trailing 30 days"


@pytest.mark.parametrize(
    ("kind", "unit", "text"),
    [
        ("ratio", "%", "100 * (a) / (b)"),
        ("mean", "s", "(a) / (b)"),
        ("growth", "%", "100 * ((a) - (b)) / (b)"),
    ],
)
def test_the_usual_value(load: Load, kind: str, unit: str, text: str) -> None:
    parts = "terms: {a: sum(amount), b: count(*)}\n    numerator: a\n    denominator: b\n"
    base = SUM.replace("terms: {total: sum(amount)}\n    value: total\n", parts)
    metric = load(base.replace("kind: sum", f"kind: {kind}").replace("USD", f"'{unit}'")).metrics
    value = metric["total"].value
    assert value is not None
    assert value.text == text


def test_a_quantile_is_its_one_term(metrics: dict[str, Metric]) -> None:
    wait = metrics["wait"]
    assert wait.value is not None
    assert wait.value.text == "p95"
    assert (wait.terms["p95"].q, wait.terms["p95"].quantile_of) == (0.95, "ms")
    assert wait.sample is None


def test_places_hang_on_their_metric(metrics: dict[str, Metric]) -> None:
    first, second = metrics["wait"].places
    assert (first.ref, first.min_sample, dict(first.at)) == ("Shop.calls.wait", 0, {})
    assert (second.ref, second.min_sample) == ("Shop.calls.other_wait", 7)
    assert dict(second.at) == {"integration": "square"}
    assert second.target.unit == "s"


def test_a_place_has_the_sample_of_its_metric(load: Load) -> None:
    text = changed("    min_sample: 7\n", "").replace(
        "    id: wait\n", "    id: wait\n    min_sample: 9\n"
    )
    assert load(text).metrics["wait"].places[1].min_sample == 9


def test_a_scale_is_read_in_order(metrics: dict[str, Metric]) -> None:
    fine, poor = metrics["mood"].scale
    assert (fine.level, poor.level, poor.when) == ("fine", "poor", None)
    assert fine.when is not None
    assert fine.when.names == {"bad", "calls"}


def test_facts_read_and_facts_named(load: Load) -> None:
    text = changed(GOOD, GOOD + "      alive: {from: answered, agg: sum(requests)}\n")
    text = changed("    numerator: good\n", "    numerator: good\n    heartbeat: alive\n", text)
    share = load(text).metrics["paid_share"]
    assert (share.facts, share.named_facts) == (("call", "sale"), ("sale",))
    judged = load(
        changed("    heartbeat: alive\n", "    censored: alive\n    heartbeat: alive\n", text)
    )
    assert judged.metrics["paid_share"].named_facts == ("call", "sale")
    declared = load(changed("    heartbeat: alive\n", "    facts: [call]\n", text))
    assert declared.metrics["paid_share"].named_facts == ("call",)


def test_a_rule_reads_results(load: Load) -> None:
    text = RULE.replace("{metric: success, verdict: met}", "{group: Shop}")
    assert load(text).metrics["success"].named_facts == ("metric_result",)


def test_a_metric_of_metrics_names_no_fact(load: Load) -> None:
    text = SUM.replace("    from: sale\n    terms: {total: sum(amount)}\n    value: total\n", "")
    text = text.replace("metrics:\n", BASE[BASE.index("metrics:") : BASE.index("gates:")])
    text += "    inputs: [wait]\n    value: 2 * wait\n"
    text = BASE[: BASE.index("metrics:")] + text
    assert load(text).metrics["total"].named_facts == ()


def test_rows_for_a_bootstrap(load: Load) -> None:
    text = SUM + "    uncertainty: bootstrap\n    resample: amount\n"
    metric = load(text).metrics["total"]
    assert metric.terms["_resample"].agg == "list(amount)"
    assert not metric.terms["_resample"].mergeable


def test_a_term_may_have_its_own_window(load: Load) -> None:
    term = "      before: {agg: sum(amount), window: calendar month, shift: previous_period}\n"
    share = load(changed(GOOD, GOOD + term)).metrics["paid_share"]
    assert (share.terms["before"].window, share.terms["before"].shift) == (
        "calendar month",
        "previous_period",
    )


def test_hooks_are_checked_where_they_are_known(load: Load, refuse: Refuse) -> None:
    text = SUM.replace("kind: sum", "kind: finance").replace("value: total", "hook: roi # <-")
    assert load(text).metrics["total"].raw.hook == "roi"
    assert load(text, hooks={"roi"}).metrics["total"].value is None
    [error] = refuse(text, {"finance.roi", "finance.payback"})
    assert error.cause == "unknown hook 'roi'"
    assert error.mend.startswith("known: finance.payback, finance.roi")


@pytest.mark.parametrize(
    ("old", "new", "cause", "mend"),
    [
        ("id: paid_share", "id: paid share # <-", "'paid share' is no id", "letters, digits"),
        (
            "window: trailing 30 days",
            "window: a month # <-",
            "unknown window 'a month'",
            "instant; al",
        ),
        (
            "window: trailing 30 days",
            "window: trailing 0 days # <-",
            "window 'trailing 0 days' is empty or longer than a century",
            "write one of",
        ),
        ("window: trailing 30 days", "window: trailing 9999999 weeks # <-", "window 'trai", ""),
        (
            "window: trailing 30 days",
            "window: instant # <-",
            "an instant has no length",
            "over: mom",
        ),
        (
            "from: sale\n",
            "from: sael # <-\n",
            "unknown fact or relation 'sael'",
            "did you mean 'sale'?",
        ),
        (GOOD, "      good: sum(amuont) # <-\n", "sale has no column 'amuont'", "'amount'?"),
        (
            GOOD,
            "      good: |\n        sum(amount)\n        filter (where stats = 'paid') # <-\n",
            "cannot read the SQL",
            "",
        ),
        (
            GOOD,
            "      good: |\n        sum(amount) filter (\n        where stats = 'paid') -- <-\n",
            "sale has no column 'stats'",
            "did you mean 'status'?",
        ),
        (GOOD, "      good: amount # <-\n", "'amount' aggregates nothing", "sum(amount)"),
        (GOOD, "      good: avg(amount) # <-\n", "avg() is not in the metric language", "divide"),
        (
            GOOD,
            "      good: {agg: sum(amount), where: stats = 'paid'} # <-\n",
            "sale has no column 'stats'",
            "did you mean 'status'?",
        ),
        (
            GOOD,
            "      good: {from: answered, agg: sum(requests), where: ms > 1} # <-\n",
            "answered has no column 'ms'",
            "",
        ),
        (
            GOOD,
            "      good: {from: anserd, agg: count(*)} # <-\n",
            "unknown fact or relation",
            "'answe",
        ),
        (
            GOOD,
            "      good: {window: calendar day} # <-\n",
            "term 'good' needs one of `agg`",
            "agg: s",
        ),
        (GOOD, "      good: {agg: count(*), quantile_of: amount} # <-\n", "term 'good' needs", ""),
        (
            GOOD,
            "      good: {agg: count(*), weight: amount} # <-\n",
            "`weight` belongs to",
            "remove",
        ),
        (GOOD, "      good: {agg: count(*), q: 0.5} # <-\n", "`q` belongs to `quantile_of`", ""),
        (
            GOOD,
            "      good: {agg: count(*), window: soon} # <-\n",
            "unknown window 'soon'",
            "instant",
        ),
        (
            GOOD,
            "      good: {agg: count(*), window: all time, shift: year_earlier} # <-\n",
            "window 'all time' cannot be shifted",
            "trailing",
        ),
        (GOOD, GOOD + "      is: count(*) # <-\n", "'is' cannot be used in a formula", "keyword"),
        (GOOD, GOOD + "      a-b: count(*) # <-\n", "'a-b' cannot be used in a formula", "letters"),
        (
            P95,
            P95 + "      p95_lower: sum(requests) # <-\n",
            "'p95_lower' is given by the",
            "rename",
        ),
        (
            P95,
            "      p95: {quantile_of: 2 * ms} # <-\n",
            "rollup 'answered' keeps a histogram of ms",
            "",
        ),
        (P95, "      p95: {quantile_of: msec} # <-\n", "answered has no column 'msec'", ""),
        (
            P95,
            "      p95: {quantile_of: ms, where: ms > 3} # <-\n",
            "answered has no column 'ms'",
            "",
        ),
        (P95, "      p95: {quantile_of: max(ms)} # <-\n", "MAX is an aggregate", "over columns"),
        (
            "numerator: good",
            "numerator: goood # <-",
            "unknown term 'goood'",
            "did you mean 'good'?",
        ),
        ("numerator: good", "numerator: good + # <-", "cannot read the formula", "write terms"),
        (
            "numerator: good",
            "numerator: '5' # <-",
            "'5' is the same whatever is recorded",
            "over the",
        ),
        ("    denominator: all_\n", "", "numerator and denominator come together", "write both"),
        ("    numerator: good\n", "", "numerator and denominator come together", "write both"),
        ("numerator: good\n", "value: 3\n", "'value' must be text", "quotes"),
        (
            "    numerator: good\n    denominator: all_\n",
            "",
            "a ratio needs `numerator` and `denominator`",
            "add it",
        ),
        (
            "numerator: good",
            "heartbeat: alive # <-\n    numerator: good",
            "unknown term 'alive'",
            "",
        ),
        (
            "numerator: good",
            "gates: [{title: t, holds: x > 1}] # <-\n    numerator: good",
            "unknown t",
            "",
        ),
        (
            "numerator: good",
            "gates:\n      - {title: t, holds: good > 1}\n"
            "      - {title: t, holds: all_ > 1} # <-\n"
            "    numerator: good",
            "two gates are titled 't'",
            "rename",
        ),
        ("numerator: good", "shown:\n      x: y # <-\n    numerator: good", "unknown term 'y'", ""),
        (
            "numerator: good",
            "facts: [slae] # <-\n    numerator: good",
            "unknown fact 'slae'",
            "'sale'?",
        ),
        (
            "numerator: good",
            "inputs: [waiting] # <-\n    numerator: good",
            "unknown input 'waiting'",
            "?",
        ),
        (
            "numerator: good",
            "hook: x # <-\n    numerator: good",
            "a ratio has no `hook`",
            "kind: forec",
        ),
        (
            "numerator: good",
            "rule: {group: Shop} # <-\n    numerator: good",
            "a ratio has no `rule`",
            "",
        ),
        (
            "numerator: good",
            "scale: [{level: a, when: otherwise}] # <-\n    numerator: good",
            "a ratio has no `scale`",
            "kind: state",
        ),
        (
            "uncertainty: wilson",
            "uncertainty: bootstrap # <-",
            "bootstrap needs `resample_by`",
            "one row",
        ),
        (
            "uncertainty: wilson",
            "uncertainty: histogram_order_statistic # <-",
            "histogram_order_statistic needs a term with `quantile_of`",
            "",
        ),
        (
            "uncertainty: wilson",
            "verdict_on: bound # <-",
            "a bound needs an interval",
            "name a method",
        ),
        (
            "    numerator: good\n    denominator: all_\n",
            "    value: 100 * good / all_\n",
            "wilson needs `numerator` and `denominator`",
            "add both",
        ),
        (
            "uncertainty: wilson",
            "uncertainty: bootstrap\n    resample: amuont # <-",
            "sale has no column 'amuont'",
            "",
        ),
        (
            SHARE_TARGET,
            "target: {cmp: '>=', value: 95, unit: ms} # <-\n",
            "the target is in 'ms', the metric in '%'",
            "write `unit: '%'`",
        ),
        (
            SHARE_TARGET,
            "target: {cmp: '>=', value: many, unit: '%'} # <-\n",
            "'many' is no number",
            "",
        ),
        (
            SHARE_TARGET,
            "target: {cmp: '>=', value: true, unit: '%'} # <-\n",
            "True is no number",
            "",
        ),
        (
            SHARE_TARGET,
            "target: {cmp: '>=', value: .nan, unit: '%'} # <-\n",
            "nan is no number",
            "",
        ),
        (
            SHARE_TARGET,
            "target: {cmp: '>=', value: [1, 2], unit: '%'} # <-\n",
            "[1.0, 2.0] is no",
            "",
        ),
        (
            SHARE_TARGET,
            "target: {cmp: within, value: 95, unit: '%'} # <-\n",
            "`within` needs two",
            "[l",
        ),
        (
            SHARE_TARGET,
            "target: {cmp: within, value: [1, 2, 3], unit: '%'} # <-\n",
            "`within` nee",
            "",
        ),
        (
            SHARE_TARGET,
            "target: {cmp: within, value: [9, 1], unit: '%'} # <-\n",
            "the range is",
            "[1, 9]",
        ),
        (SHARE_TARGET, "target: {cmp: within, value: [1, .inf], unit: '%'} # <-\n", "`within`", ""),
        (
            SHARE_TARGET,
            "target: {cmp: at_least, value: 95, unit: '%'} # <-\n",
            "at_least compares",
            ">=",
        ),
        (
            MOOD_TARGET,
            "target: {cmp: at_least, value: fin, unit: state} # <-\n",
            "'fin' is not on the scale",
            "did you mean 'fine'?",
        ),
        (
            MOOD_TARGET,
            "target: {cmp: at_least, value: 1, unit: state} # <-\n",
            "1.0 is no word",
            "fine, p",
        ),
        (
            MOOD_TARGET,
            "target: {cmp: '>=', value: fine, unit: state} # <-\n",
            "a word cannot be",
            "at_l",
        ),
        (PLACE_TARGET, "target: {cmp: <, value: 1, unit: '%'} # <-\n", "the target is in '%'", ""),
        (PLACE_TARGET, "target: {cmp: <, value: x, unit: s} # <-\n", "'x' is no number", ""),
        (
            POOR,
            "      - {level: poor, when: bad > 1} # <-\n",
            "the last level takes what is left",
            "oth",
        ),
        (
            FINE,
            FINE.replace("bad <= 0.01 * calls}", "otherwise} # <-"),
            "a level after otherwise",
            "",
        ),
        (FINE, FINE + FINE.replace("}", "} # <-"), "the word 'fine' is taken", "another word"),
        (
            FINE,
            FINE + "      - {level: unknown, when: bad > 1} # <-\n",
            "the word 'unknown' is taken",
            "",
        ),
        (
            FINE,
            FINE.replace("bad <=", "bda <=").replace("}", "} # <-"),
            "unknown term 'bda'",
            "'bad'?",
        ),
        ("    scale:\n" + FINE + POOR, "", "a state needs `scale`", "add `scale:`"),
        ("same_as: wait", "same_as: wiat # <-", "unknown metric 'wiat'", "did you mean 'wait'?"),
        (
            "at: {integration: square}",
            "at: {franchise: f1} # <-",
            "metric 'wait' is not measured for scope 'franchise'",
            "known: integration, network",
        ),
        (
            "scopes: [network, franchise]",
            "scopes: [network]\n    at: {franchise: f1} # <-",
            "metric 'paid_share' is not measured",
            "",
        ),
        (
            GOOD,
            GOOD.replace(
                "good: sum(amount) filter", "good: {from: answered, agg: sum(requests)} #"
            ),
            "'answered', which term 'good' reads, has no scope 'franchise'",
            "it has: network, integration",
        ),
        (
            "scopes: [network, integration]\n    window: calendar day",
            "scopes: [franchise]\n    window: calendar day",
            "'answered', which term 'p95' reads, has no scope 'franchise'",
            "",
        ),
    ],
    ids=lambda value: value[:35] if isinstance(value, str) else None,
)
def test_a_wrong_metric(refuse: Refuse, old: str, new: str, cause: str, mend: str) -> None:
    found = [error for error in refuse(changed(old, new)) if error.cause.startswith(cause)]
    assert len(found) == 1
    assert mend in found[0].mend


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("value: true", "value: 1", "a rule is true or false"),
        ("cmp: ==", "cmp: '>='", "a rule is true or false"),
        ("    rule: {metric: success, verdict: met}\n", "", "a threshold needs `rule`"),
    ],
)
def test_a_wrong_rule_metric(refuse: Refuse, old: str, new: str, cause: str) -> None:
    [error] = refuse(changed(old, new, RULE))
    assert error.cause == cause


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        ("quantile", "a quantile needs a term with `quantile_of`, or `value`"),
        ("sum", "a sum needs `value`"),
        ("forecast", "a forecast needs `value` or `hook`"),
        ("trend", "a trend needs `inputs`"),
        ("cadence", "a cadence needs `schedule`"),
        ("milestone", "a milestone needs `rule`"),
    ],
)
def test_what_a_kind_needs(refuse: Refuse, kind: str, cause: str) -> None:
    text = SUM.replace("    value: total\n", "").replace("kind: sum", f"kind: {kind}")
    text = text.replace("{total:", "{total: count(*), other:")
    assert cause in [error.cause for error in refuse(text)]


def test_a_metric_without_a_source(refuse: Refuse) -> None:
    [error] = refuse(SUM.replace("    from: sale\n", ""))
    assert (error.cause, error.mend) == (
        "the terms have no `from`",
        "add `from:` with a fact or relation",
    )


def test_metrics_that_are_inputs_of_each_other(refuse: Refuse) -> None:
    second = (
        SUM[9:]
        .replace("total", "again")
        .replace("{again:", "{again_:")
        .replace("value: again", "value: again_ + total\n    inputs: [total]")
    )
    first = SUM.replace("value: total", "inputs: [again] # <-\n    value: all_ + again").replace(
        "{total:", "{all_:"
    )
    [error] = refuse(first + second)
    assert error.cause == "metrics are inputs of each other: total → again → total"
    assert error.mend == "compute one of them from facts"


def test_a_metric_that_is_its_own_input(refuse: Refuse) -> None:
    [error] = refuse(
        SUM.replace("value: total", "inputs: [total] # <-\n    value: t").replace("{total:", "{t:")
    )
    assert error.cause == "metrics are inputs of each other: total → total"


def test_a_term_and_an_input_of_one_name(refuse: Refuse) -> None:
    text = changed(GOOD, GOOD + "      wait: count(*) # <-\n")
    text = changed("    numerator: good\n", "    inputs: [wait]\n    numerator: good\n", text)
    [error] = refuse(text)
    assert error.cause == "'wait' is a term and an input"


def test_the_scale_of_a_trend_has_its_own_names(load: Load, refuse: Refuse) -> None:
    text = (
        BASE[: BASE.index("  - ref: Shop.calls.state")]
        + """\
  - ref: Shop.trend
    id: trend
    title: Trend
    kind: trend
    unit: state
    target: {cmp: ==, value: falling, unit: state}
    scopes: [network]
    window: trailing 28 days
    definition: a trend
    verdict_on: state
    inputs: [wait]
    scale:
      - {level: falling, when: falling and change <= -2}
      - {level: flat, when: otherwise}
"""
    )
    assert load(text).metrics["trend"].named_facts == ("metric_result",)
    [error] = refuse(text.replace("value: falling, unit: state}", "value: up, unit: state} # <-"))
    assert error.cause == "'up' is not on the scale"


def test_all_errors_of_a_metric_are_reported(refuse: Refuse) -> None:
    text = changed(GOOD, "      good: sum(amuont) # <-\n")
    text = changed("denominator: all_", "denominator: al_ # <-", text)
    text = changed("uncertainty: wilson", "uncertainty: bootstrap # <-", text)
    text = changed("window: trailing 30 days", "window: soon # <-", text)
    text = changed(SHARE_TARGET, "target: {cmp: '>=', value: x, unit: '%'} # <-\n", text)
    text = changed("same_as: wait", "same_as: wiat # <-", text)
    text = changed("group: Shop", "group: Shopping # <-", text)
    assert len(refuse(text)) == 7
