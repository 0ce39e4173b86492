"""Gates over time, schedules and rules: everything that they speak of has to be there."""

from __future__ import annotations

import pytest

from .conftest import BASE, RULE, Load, Refuse, changed

CADENCE = """\
metrics:
  - ref: Shop.cadence
    id: cadence
    title: On time
    kind: cadence
    unit: '%'
    target: {cmp: ==, value: 100, unit: '%'}
    scopes: [network]
    window: trailing 30 days
    definition: a schedule
    schedule:
      - {group: Shop, report: daily, every: day, due_within: PT8H}
"""
SCHEDULE = "{group: Shop, report: daily, every: day, due_within: PT8H}"
GROUP = "    group: Shop\n"
IS_MET = "{metric: success, verdict: met}"


def test_a_sound_gate(load: Load) -> None:
    text = changed(
        GROUP, "    group: [Shop.calls, Shop.sales.share]\n    except: [Shop.calls.state]\n"
    )
    gate = load(text).gates["month"]
    assert (gate.hold.periods, gate.missing_day) == (30, "breaks")
    assert gate.excluding == ["Shop.calls.state"]


@pytest.mark.parametrize(
    ("group", "cause", "mend"),
    [
        (
            "group: Shop.cals # <-",
            "no ref of the catalogue lies under 'Shop.cals'",
            "'Shop.calls'?",
        ),
        ("group: Shop.calls.wai # <-", "no ref of the catalogue lies under", "'Shop.calls.wait'?"),
        ("group: Sho # <-", "no ref of the catalogue lies under 'Sho'", "did you mean 'Shop'?"),
        ("group: [] # <-", "the group is empty", "add a ref"),
        (
            "group:\n      - Shop\n      - Shop.cals # <-",
            "no ref of the catalogue",
            "'Shop.calls'?",
        ),
        (
            "group: Shop\n    except: [wait] # <-",
            "no ref of the catalogue lies under 'wait'",
            "known",
        ),
    ],
)
def test_a_wrong_gate(refuse: Refuse, group: str, cause: str, mend: str) -> None:
    [error] = refuse(changed("group: Shop", group))
    assert error.cause.startswith(cause)
    assert mend in error.mend


def test_a_gate_without_any_metric(refuse: Refuse) -> None:
    text = "gates:\n  - {id: g, title: t, group: Shop, hold: {periods: 1}} # <-\n"
    [error] = refuse(text)
    assert error.mend == "known: "


@pytest.mark.parametrize(
    "schedule",
    [
        SCHEDULE,
        "{group: Shop, report: live, every: PT60S, share_of_minutes: 99}",
        "{group: Shop, report: monthly, every: month, except: [Shop.cadence]}",
    ],
)
def test_a_sound_schedule(load: Load, schedule: str) -> None:
    assert load(changed(SCHEDULE, schedule, CADENCE)).metrics["cadence"].raw.schedule


@pytest.mark.parametrize(
    ("schedule", "cause"),
    [
        ("{group: Shops, report: daily, every: day} # <-", "no ref of the catalogue lies under"),
        ("{group: Shop, report: daily, every: daily} # <-", "unknown duration 'daily'"),
        ("{group: Shop, report: daily, every: PT0S} # <-", "'PT0S' has no length"),
        ("{group: Shop, report: daily, every: day, due_within: soon} # <-", "unknown duration"),
        ("{group: Shop, report: daily, every: day, except: [x]} # <-", "unknown ref 'x'"),
        (
            "{group: Shop, report: live, every: day, share_of_minutes: 101} # <-",
            "'share_of_minutes'",
        ),
    ],
)
def test_a_wrong_schedule(refuse: Refuse, schedule: str, cause: str) -> None:
    [error] = refuse(changed(SCHEDULE, schedule, CADENCE))
    assert error.cause.startswith(cause)


@pytest.mark.parametrize(
    "rule",
    [
        IS_MET,
        "{metric: success, cmp: '>=', value: 3, at: {integration: square}}",
        "{group: Shop, verdict: met, hold: {periods: 2, unit: quarter}}",
        "{fact: sale, where: status = 'paid', cmp: '>=', value: 1}",
        "{fact: sale}",
        "{group: Shop, except: [success]}",
        "{metric: success, period: months 1-12 after programme_start, cmp: '>=', value: 3}",
        "{metric: success, change: previous_period, period: month, cmp: '>', value: 0}",
        "{fact: sale, per: month, cmp: '>=', value: 1}",
        "{all: [{any: [{metric: success, verdict: met}]}, {fact: sale}], hold: {periods: 2}}",
    ],
)
def test_a_sound_rule(load: Load, rule: str) -> None:
    assert load(changed(IS_MET, rule, RULE)).metrics["success"].raw.rule


@pytest.mark.parametrize(
    ("rule", "cause", "mend"),
    [
        ("{metrik: success} # <-", "unknown key 'metrik'", "did you mean 'metric'?"),
        ("{verdict: met} # <-", "a rule is about one subject, not none", "write one of: all, any"),
        ("{metric: success, fact: sale} # <-", "a rule is about one subject, not metric, fact", ""),
        ("{metric: success} # <-", "nothing is asked of the metric", "verdict: met"),
        (
            "{metric: succes, verdict: met} # <-",
            "unknown metric 'succes'",
            "did you mean 'success'?",
        ),
        ("{metric: success, verdict: good} # <-", "'verdict' is 'good'", "known: expired"),
        ("{metric: success, cmp: '>='} # <-", "`cmp` and `value` come together", "write both"),
        (
            "{group: Shops} # <-",
            "no ref of the catalogue lies under 'Shops'",
            "did you mean 'Shop'?",
        ),
        ("{group: Shop, except: [sucess]} # <-", "unknown ref 'sucess'", "Shop.success"),
        ("{term: yeers, cmp: '>=', value: 3} # <-", "unknown term 'yeers'", "known"),
        (
            "{metric: success, field: mode, cmp: '>=', value: 3} # <-",
            "unknown word 'mode'",
            "value",
        ),
        (
            "{metric: success, change: yearly, period: month, cmp: '>=', value: 3} # <-",
            "unknown word 'yearly'",
            "year_earlier",
        ),
        (
            "{metric: success, period: soon, cmp: '>=', value: 3} # <-",
            "unknown moment 'soon'",
            "months 1-12 after programme_start",
        ),
        ("{fact: sale, per: hour} # <-", "unknown word 'hour'", "day"),
        ("{fact: sael} # <-", "unknown fact 'sael'", "did you mean 'sale'?"),
        ("{fact: sale, where: stats = 'x'} # <-", "sale has no column 'stats'", "'status'?"),
        ("{fact: sale, where: 'status = '} # <-", "cannot read the SQL", "DuckDB"),
        ("{group: Shop, hold: {periods: 0}} # <-", "'periods' must be a whole number >= 1", ""),
        ("{all: 3} # <-", "'all' must be a list", "write a list"),
        (
            "\n      all:\n        - {fact: sael}\n        - {x: 1} # <-",
            "unknown key 'x'",
            "",
        ),
    ],
)
def test_a_wrong_rule(refuse: Refuse, rule: str, cause: str, mend: str) -> None:
    [error] = refuse(changed(IS_MET, rule, RULE))
    assert error.cause.startswith(cause)
    assert mend in error.mend


def test_every_part_of_a_rule_reports_its_error(refuse: Refuse) -> None:
    rule = "\n      any:\n        - {fact: sael} # <-\n        - {metric: x, verdict: met} # <-"
    assert len(refuse(changed(IS_MET, rule, RULE))) == 2


def test_gates_and_metrics_are_reported_together(refuse: Refuse) -> None:
    text = changed("group: Shop", "group: Shops # <-", BASE)
    assert len(refuse(changed("numerator: good", "numerator: god # <-", text))) == 2
