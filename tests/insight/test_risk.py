"""Probabilities of incidents: calibrated on trials, with reasons, without a look ahead."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import cast

import numpy as np
import pytest

from insight.network import Rows, network
from meterstone.insight import risk
from meterstone.insight.actions import Said, action_link, answered
from meterstone.insight.prevention import LEAST, Followed, outcome
from meterstone.insight.signals import SIGNALS, Panel, deviations
from meterstone.insight.studies import risk_facts
from meterstone.insight.studies.risk import FailureRisk
from meterstone.insight.studies.risk_rows import READ, read_panel
from meterstone.insight.study import Source
from meterstone.sandbox.network.ops_signs import Odds

KEYS = ("clover", "quickbooks", "square")
NAMES = (*READ, "forecast", "prevention_action", "integration")
ODDS = Odds(a_week=1.4)


def _panel(seed: int = 1, hours: int = 24 * 90) -> Panel:
    """Latency doubles in the twelve hours before three of four incidents."""
    rng = np.random.default_rng(seed)
    values = np.full((2, hours, len(SIGNALS)), np.nan)
    starts = []
    for k in range(2):
        values[k, :, 0] = 100 * np.exp(rng.normal(0, 0.05, hours))
        mine = np.sort(rng.choice(np.arange(400, hours - 30), 14, replace=False)) + 0.5
        for n, start in enumerate(mine):
            if n % 4:
                values[k, int(start) - 12 : int(start), 0] *= 2
        starts.append(mine.astype(float))
    ends = [each + 0.4 for each in starts]
    return Panel(("a", "b"), values, tuple(starts), tuple(ends))


def _learnt(panel: Panel) -> tuple[risk.Model, risk.Trials, risk.Floats, risk.Floats]:
    z = risk.counted(deviations(panel))
    x = risk.features(panel, z)
    return (*risk.learn(panel, x, risk.DAY_H), x, z)


def test_what_deviates_before_incidents_is_the_reason() -> None:
    panel = _panel()
    model, trials, x, z = _learnt(panel)
    hour = int(panel.starts[0][-1]) - 1
    quiet = 300
    assert model.probability(x[0, hour]) > 0.5
    assert model.probability(x[0, quiet]) < 0.2
    parts = dict(zip(risk.parts_named(), model.parts(x[0, hour], z[0, hour]), strict=True))
    assert max(parts, key=lambda part: parts[part]) == "latency"
    assert sum(parts.values()) == pytest.approx(1)
    assert risk.skill(*trials.daily()) > 0.2


def test_nothing_is_known_of_what_comes_after() -> None:
    panel = _panel()
    half = panel.hours // 2
    later = panel.values.copy()
    later[:, half:] *= 7
    cut = tuple(s[s < half] for s in panel.starts)
    other = Panel(panel.keys, later, cut, tuple(s + 0.4 for s in cut))
    one, two = deviations(panel), deviations(other)
    np.testing.assert_array_equal(one.z[:, :half], two.z[:, :half])
    _, first, _, _ = _learnt(panel)
    _, second, _, _ = _learnt(other)
    known = half - risk.DAY_H
    np.testing.assert_allclose(first.p[:, :known], second.p[:, :known])


def test_a_history_is_drawn_towards_that_of_all_integrations() -> None:
    starts = (np.array([20.0, 30.0, 800.0]), np.array([50.0]))
    panel = Panel(("a", "b"), np.zeros((2, 2500, 1)), starts, tuple(s + 1 for s in starts))
    history = risk.features(panel, np.zeros((2, 2500, 1)))[..., 1]
    for hour, a, b in ((100, 2, 1), (1000, 3, 1)):
        usual = (a + b) / 2 / hour
        for k, n in enumerate((a, b)):
            expected = (n + usual * 720) / (hour + 720) * 168
            assert history[k, hour - 1] == pytest.approx(expected)
    usual = 0.5 / 2160  # all but one are more than 90 days old
    expected = [(n + usual * 720) / 2880 * 168 for n in (1, 0)]
    assert history[:, 2400].tolist() == pytest.approx(expected)


def test_an_incident_is_not_its_own_sign() -> None:
    panel = _panel()
    start = int(panel.starts[0][5])
    loud = panel.values.copy()
    loud[0, start] *= 50
    z = deviations(replace(panel, values=loud)).z
    np.testing.assert_array_equal(z[0], deviations(panel).z[0])


def test_an_open_incident_is_not_warned_of() -> None:
    panel = _panel()
    open_ = tuple(np.append(e[:-1], np.inf) for e in panel.ends)
    found = replace(panel, ends=open_)
    _, known = risk.outcomes(found, 24)
    assert not known[0, int(panel.starts[0][-1]) :].any()


def test_warnings_are_a_day_apart_and_counted_by_what_follows() -> None:
    p = np.zeros(100)
    p[10:60] = 0.9
    assert risk.warnings(p, 0.5).tolist() == [10, 34, 58]
    panel = Panel(("a",), np.zeros((1, 100, 1)), (np.array([40.0, 90.0]),), (np.array([41.0, 91]),))
    found = risk.warned(panel, risk.Trials(24, p[None, :], p[None, :]), 0.5)
    assert (found.foreseen, found.incidents, found.warnings, found.false) == (1, 2, 3, 2)
    soon = replace(panel, starts=(np.array([11.05]),), ends=(np.array([12.0]),))
    assert risk.warned(soon, risk.Trials(24, p[None, :], p[None, :]), 0.5).foreseen == 0


def test_reliability_is_by_tenths() -> None:
    p = np.array([0.05, 0.05, 0.72, 0.78, 1.0])
    y = np.array([0.0, 1.0, 1.0, 0.0, 1.0])
    assert [(b.low, b.n, b.came) for b in risk.reliability(p, y)] == [
        (0.0, 2, 0.5), (0.7, 2, 0.5), (0.9, 1, 1.0),
    ]  # fmt: skip
    assert risk.brier(p, y) == pytest.approx((0.05**2 + 0.95**2 + 0.28**2 + 0.78**2) / 5)


def test_chance_of_a_sum_is_exact() -> None:
    given = [0.1, 0.5, 0.9, 0.3]
    found = outcome([Followed(p, came=p > 0.4) for p in given])
    chance = np.zeros(5)
    for came in product((0, 1), repeat=4):
        chance[sum(came)] += np.prod([p if c else 1 - p for p, c in zip(given, came, strict=True)])
    below = np.cumsum(chance)
    assert found.low == next(n for n in range(5) if below[n] >= 0.025)
    assert found.high == next(n for n in range(5) if below[n] >= 0.975)
    assert (found.came, found.expected) == (2, pytest.approx(1.8))
    assert not found.fewer
    assert outcome([Followed(0.9, came=False)] * LEAST).fewer


@pytest.fixture
def rows() -> Rows:
    """Cut where a sign of an incident is well under way."""
    found, _, signs = network(7, 84, KEYS, ODDS, NAMES)
    last = max(
        s.ends for s in signs
        if s.incident and s.kind == "backlog" and s.strength > 1 and s.ends - s.begins > 12
    )  # fmt: skip
    found.at = found.known_at = found.at - timedelta(hours=84 * 24 - int(last) + 1)
    return found


def test_a_study_warns_gives_reasons_and_recommends_once(rows: Rows) -> None:
    study = FailureRisk()
    found = study.run(cast("Source", rows), lambda _: None)
    [whole, *each] = found.findings
    assert whole.withheld is None, whole.withheld
    assert sorted(f.scope.key for f in each) == sorted(KEYS)
    top = each[0]
    likely = top.figure("p_24h")
    assert likely is not None
    assert float(likely.value or 0) > 30
    assert "changes wait" in top.sentence
    assert any(advice.id.endswith(":backlog") for advice in top.advice)
    assert any(advice.id == top.advice[0].id for advice in whole.advice)
    by_fact = {name: [r for r in found.facts if r["fact"] == name] for name in NAMES}
    assert {r["quantity"] for r in by_fact["forecast"]} == {
        "incident_probability_7d", "incidents_week",
    }  # fmt: skip
    assert all(r["lower95"] <= r["point"] <= r["upper95"] or r["point"] < 1
               for r in by_fact["forecast"] if "lower95" in r)  # fmt: skip
    action = next(r for r in by_fact["prevention_action"] if r["cause_key"] == "risk:backlog")
    assert (action["status"], action["origin"]) == ("recommended", "failure_prediction")
    rows.land(found.facts)
    again = study.run(cast("Source", rows), lambda _: None)
    assert not [r for r in again.facts if r["fact"] == "prevention_action"]


def test_outcomes_are_added_when_the_week_is_over_and_incidents_say_that_they_were_foreseen(
    rows: Rows,
) -> None:
    source = cast("Source", rows)
    issued = [r for r in FailureRisk().run(source, lambda _: None).facts if r["fact"] == "forecast"]
    rows.land(issued)
    assert not list(risk_facts.outcomes(source))
    before, rows.at = rows.at, rows.at + timedelta(days=7)
    try:
        done = {r["forecast_id"]: r for r in risk_facts.outcomes(source)}
        assert set(done) == {r["forecast_id"] for r in issued}
        for r in done.values():
            if r["quantity"] == "incidents_week":
                [n] = rows.rows(
                    "SELECT count(*) AS n FROM {incident} AS f WHERE f.integration = "
                    f"'{r['scope_key']}' AND f.started_at >= TIMESTAMP '{before:%Y-%m-%d %H:%M}' "
                    f"AND f.started_at < TIMESTAMP '{rows.at:%Y-%m-%d %H:%M}'"
                )
                assert r["outcome"] == n["n"]
        told = list(risk_facts.foreseen(source))
        assert told, "the warned one came within the hour after"
        for r in told:
            assert r["predicted"]
            assert r["predicted_at"] == before.isoformat().replace("+00:00", "Z")
            assert r["forecast_id"] in done
    finally:
        rows.at = before


def test_too_little_is_withheld_with_what_is_needed() -> None:
    few, _, _ = network(1, 62, KEYS[:1], Odds(a_week=0.5), NAMES)
    found = FailureRisk().run(cast("Source", few), lambda _: None)
    [only] = found.findings
    assert only.withheld
    assert "20 are needed" in only.withheld
    assert not found.facts
    few.at -= timedelta(days=30)
    [only] = FailureRisk().run(cast("Source", few), lambda _: None).findings
    assert "60 are needed" in str(only.withheld)
    few.at -= timedelta(days=400)
    assert read_panel(cast("Source", few)) is None
    [only] = FailureRisk().run(cast("Source", few), lambda _: None).findings
    assert "no telemetry" in str(only.withheld)


def test_advice_leads_to_the_action_that_is_on_record(rows: Rows) -> None:
    """An action that was said to be done still stands there, and is not recommended again."""
    source = cast("Source", rows)
    found = FailureRisk().run(source, lambda _: None)
    rows.land([row for row in found.facts if "action_id" in row])
    known = [row | {"revision": 0} for row in risk_facts.all_actions(source)]
    causes = {(row["integration"], row["cause_key"].removeprefix("risk:")) for row in known}
    assert causes
    links = {advice.id: advice.link for finding in found.findings for advice in finding.advice}
    for integration, cause in causes:
        assert links[f"risk:{integration}:{cause}"] == action_link(integration, "risk", cause)
    others = {i: link for i, link in links.items() if tuple(i.split(":")[1:]) not in causes}
    assert all(link.startswith("/integrations/") for link in others.values())
    name = known[0]["action_id"]
    done = answered(known, name, Said("implemented", "cli", "J. Doe"), rows.at)
    assert (done["status"], done["entered_by"]) == ("implemented", "J. Doe")
    assert done["implemented_at"] == rows.at.isoformat().replace("+00:00", "Z")
    assert done["recommended_at"]
    rows.land([done])
    again = FailureRisk().run(source, lambda _: None)
    assert not [row for row in again.facts if "action_id" in row]


def test_a_day_may_end_within_an_hour_of_utc() -> None:
    found, _, _ = network(1, 5, KEYS[:1], ODDS, NAMES)
    found.at -= timedelta(minutes=30)
    panel = read_panel(cast("Source", found))
    assert panel is not None
    assert panel.hours == 5 * 24
