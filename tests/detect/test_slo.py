"""Definitions are checked when they are read; all errors are told together, with their lines."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tests.detect.scenes import DEFAULT, written

from meterstone.app import definitions
from meterstone.catalogue import framework_path
from meterstone.catalogue.problems import ExpressionError
from meterstone.detect.slo import default_path, duration, load, load_of_home
from meterstone.errors import CatalogueError

COUNTER = "counters: {calls: {fact: api_request, good: outcome = 'success'}}\n"
SAYS = "says: {means: It fails., next: Look.}"


def refused(folder: Path, text: str) -> str:
    with pytest.raises(CatalogueError) as caught:
        load(written(folder, text), definitions(framework_path()))
    return str(caught.value)


def test_the_target_of_answers_is_that_of_the_objective_of_95_per_cent(tmp_path: Path) -> None:
    assert DEFAULT.answers_within_ms == 500
    text = (
        "counters: {fast: {fact: api_request, where: direction = 'inbound', "
        "good: duration_ms <= 250}}\n"
        "slos: [{slo: s, title: T, counter: fast, objective: %s, " + SAYS + "}]\n"
    )
    known = definitions(framework_path())
    assert load(written(tmp_path, text % 95), known).answers_within_ms == 250
    assert load(written(tmp_path, text % 99), known).answers_within_ms is None, (
        "of another quantile"
    )


def test_the_default_ones_are_right_and_over_known_metrics() -> None:
    known = load(default_path(), definitions(framework_path()))
    assert [rule.id for rule in known.rules] == [rule.id for rule in DEFAULT.rules]
    assert len({rule.id for rule in known.rules}) == len(known.rules)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("counters: {c: {fact: nothing, good: ok}}", "no fact is called 'nothing'"),
        ("counters: {c: {fact: probe}}", "`good` or `bad`"),
        ("counters: {c: {fact: probe, good: okay}}", "okay"),
        (f"slos: [{{slo: s, title: t, objective: 99, {SAYS}}}]", "a `counter` or a `metric`"),
        (f"slos: [{{slo: s, title: t, objective: 100, counter: calls, {SAYS}}}]", "< 100"),
        (f"slos: [{{slo: s, title: t, objective: 9, counter: call, {SAYS}}}]", "no counter 'call'"),
        (f"slos: [{{slo: s, title: t, objective: 9, metric: up, {SAYS}}}]", "no metric 'up'"),
        (f"slos: [{{slo: s, title: t, objective: 9, counter: calls, period: soon, {SAYS}}}]",
         "'soon' is no duration"),
        (f"slos: [{{slo: s, title: t, objective: 9, counter: calls, period: 1d, {SAYS}, "
         "paces: [{share: 2, within: 2d, severity: sev1}]}]", "longer than the period"),
        (f"rules: [{{rule: r, title: t, type: share, kind: error, severity: sev3, {SAYS}}}]",
         "a share has"),
        (f"rules: [{{rule: r, title: t, type: control, kind: error, severity: sev3, {SAYS}}}]",
         "is about a `metric`"),
        (f"rules: [{{rule: r, title: t, type: below, kind: data, severity: sev3, {SAYS}, "
         "metric: data_synchronization_accuracy}]", "has a `limit`"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    message = refused(tmp_path, text if text.startswith("counters") else COUNTER + text)
    assert said in message
    assert "alerts.yaml:" in message


def test_an_id_is_used_once_and_all_errors_are_told(tmp_path: Path) -> None:
    one = f"{{slo: s, title: t, objective: 99, counter: calls, {SAYS}}}"
    other = f"{{slo: o, title: t, objective: 99, counter: gone, {SAYS}}}"
    message = refused(tmp_path, f"{COUNTER}slos: [{one}, {one}, {other}]")
    assert "'s' is defined twice" in message
    assert "no counter 'gone'" in message


def test_a_home_has_its_own_or_the_default_ones(tmp_path: Path) -> None:
    catalogue = definitions(framework_path())
    assert [slo.id for slo in load_of_home(tmp_path, lambda: catalogue).slos] == [
        slo.id for slo in DEFAULT.slos
    ]
    one = f"{{slo: s, title: t, objective: 99, counter: calls, {SAYS}}}"
    written(tmp_path, f"{COUNTER}slos: [{one}]")
    [own] = load_of_home(tmp_path, lambda: catalogue).slos
    assert (own.id, own.objective, own.period) == ("s", 0.99, timedelta(days=30))


def test_durations() -> None:
    assert [duration(text).total_seconds() for text in ("30s", "5min", "6h", "1.5 d")] == [
        30, 300, 21600, 129600,
    ]  # fmt: skip
    for wrong in ("", "5", "5m", "900d"):
        with pytest.raises(ExpressionError):
            duration(wrong)
