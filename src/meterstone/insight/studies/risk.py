"""Which integration fails next, why, and what prevents it."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from statsmodels.stats.proportion import proportion_confint

from meterstone.insight import risk as hazard
from meterstone.insight.actions import action_link
from meterstone.insight.findings import (
    Advice,
    Check,
    Column,
    Curve,
    Figure,
    Finding,
    Found,
    Picture,
    Point,
    Table,
)
from meterstone.insight.signals import SIGNALS, Deviations, Panel, Signal, deviations
from meterstone.insight.studies import risk_facts as facts
from meterstone.insight.studies.reading import NETWORK
from meterstone.insight.studies.risk_actions import prevention
from meterstone.insight.studies.risk_rows import READ, felt_share, read_panel
from meterstone.insight.study import Say, Source
from meterstone.measure.results import Scope

KEY = "failure_risk"
LEAST_DAYS = 60
"""Of telemetry, before a model is tried on its later part."""
OFF = 0.05
"""By how much probabilities may differ from what came, on average, before they are withheld."""
_SHOWN_DAYS = 28
_BY_ID = {signal.id: signal for signal in SIGNALS}

_WEEK_CHECK = "Better than the usual rate for 7 days"
_METHOD = (
    "Expected incidents are a base, a part for the incidents of the last 90 days, and a part for "
    "the signal that deviates most from its own fortnight; learnt by maximum likelihood and tried "
    "on later stretches that were not learnt from."
)


@dataclass(frozen=True, slots=True)
class Record:
    """What the trials of the past show."""

    day: hazard.Trials
    week: hazard.Trials
    warned: hazard.Warned

    @property
    def skills(self) -> tuple[float, float]:
        """Brier skill of a day and of a week against the usual rate."""
        return hazard.skill(*self.day.daily()), hazard.skill(*self.week.daily())

    def off(self) -> tuple[float, float]:
        """Mean difference of given and came over tenths of the day's probability, weighted by
        trials; and what chance alone makes of it where all is calibrated."""
        bins = hazard.reliability(*self.day.daily())
        n = sum(b.n for b in bins)
        chance = sum((2 / np.pi * b.n * b.given * (1 - b.given)) ** 0.5 for b in bins)
        return sum(b.n * abs(b.given - b.came) for b in bins) / n, float(chance) / n


@dataclass(frozen=True, slots=True)
class _Told:
    """What findings have in common.

    Attributes:
        recommended: integration and reason of every action on record.
    """

    checks: tuple[Check, ...]
    withheld: str | None
    recommended: Container[tuple[str, str]]


class FailureRisk:
    """See `meterstone.insight.study.Study`."""

    name = "risk"
    title = "Failure risk"
    version = "2"
    facts = (*READ, "forecast", "prevention_action", "integration")

    def run(self, source: Source, say: Say) -> Found:
        """Ask it."""
        outcomes = [*facts.outcomes(source), *facts.foreseen(source)]
        panel = read_panel(source)
        little = _too_little(panel)
        if panel is None or little:
            return Found((_nothing(little or "no telemetry of integrations is on record"),),
                         tuple(outcomes))  # fmt: skip
        say(f"measuring {len(panel.keys)} integrations against their past")
        found = deviations(panel)
        z = hazard.counted(found)
        x = hazard.features(panel, z)
        say("trying the model on later incidents")
        day, tried_day = hazard.learn(panel, x, hazard.DAY_H)
        week, tried_week = hazard.learn(panel, x, hazard.WEEK_H)
        record = Record(tried_day, tried_week, hazard.best_threshold(panel, tried_day))
        felt = felt_share(source)
        usual = {k: _a_week(panel, n) for n, k in enumerate(panel.keys)}
        risks = _risks(
            panel, found, z, (x, (day, week if record.skills[1] > 0 else None)), usual,
            (record.warned.threshold, felt),
        )  # fmt: skip
        checks = _checks(record)
        failed = [check.says for check in checks if not (check.passed or check.name == _WEEK_CHECK)]
        withheld = "; ".join(failed) or None
        issued: list[facts.Row] = []
        if withheld is None:
            least = min(record.warned.threshold, 3 * float(np.mean(tried_day.daily()[1])))
            issued = list(facts.actions(source, risks, least))
        told = _Told(checks, withheld, facts.recommended(source, issued))
        findings = [_network(risks, record, told)]
        findings += [_integration(panel, r, told) for r in risks]
        followed = prevention(source, panel, tried_week)
        findings += [followed] if followed else []
        if withheld is None:
            issued += facts.forecasts(source, risks, usual, felt)
        return Found(tuple(findings), (*outcomes, *issued))


def _too_little(panel: Panel | None) -> str:
    if panel is None:
        return ""
    incidents = sum(map(len, panel.starts))
    if panel.hours < LEAST_DAYS * 24:
        return (
            f"{panel.hours // 24} days of telemetry are known; {LEAST_DAYS} are needed to try a "
            "model on incidents that it has not seen"
        )
    if incidents < hazard.LEAST_INCIDENTS:
        return (
            f"{incidents} incidents are known; {hazard.LEAST_INCIDENTS} are needed to learn what "
            "announces one"
        )
    return ""


def _a_week(panel: Panel, n: int) -> float:
    return len(panel.starts[n]) / panel.hours * hazard.WEEK_H


def _risks(
    panel: Panel, found: Deviations, z: hazard.Floats,
    learnt: tuple[hazard.Floats, tuple[hazard.Model, hazard.Model | None]],
    usual: Mapping[str, float], levels: tuple[float, float],
) -> list[facts.Risk]:  # fmt: skip
    """The highest first; without a model of the week the usual rate stands in for it.

    Args:
        usual: incidents a week, by integration.
        levels: threshold of warnings, and the share of incidents that customers feel.
    """
    (x, (day, week)), (threshold, felt) = learnt, levels
    names, ids = hazard.parts_named(), [signal.id for signal in SIGNALS]
    risks = []
    for k, key in enumerate(panel.keys):
        now = x[k, -1]
        p = float(day.probability(now))
        p7 = -float(np.expm1(-usual[key])) if week is None else float(week.probability(now))
        parts = dict(zip(names, map(float, day.parts(now, z[k, -1])), strict=True))
        figures = [
            dict(zip(ids, map(float, values[k, -1]), strict=True))
            for values in (found.z, found.now, found.usual)
        ]
        # of events that come one by one, a share that is felt thins the expected number
        risks.append(
            facts.Risk(key, p, max(p, p7), 1 - (1 - max(p, p7)) ** felt, p >= threshold, parts,
                       *figures)
        )  # fmt: skip
    return sorted(risks, key=lambda risk: (-risk.day, risk.key))


# -- what is said -------------------------------------------------------------------------------


def _nothing(why: str) -> Finding:
    return Finding(
        study=FailureRisk.name, key=KEY, scope=NETWORK, title="Risk of incidents",
        sentence="How likely each integration is to fail cannot be told yet.", method=_METHOD,
        withheld=why,
    )  # fmt: skip


def _checks(record: Record) -> tuple[Check, ...]:
    better_day, better_week = record.skills
    (off, chance), n = record.off(), len(record.day.daily()[0])
    return (
        Check(
            "Better than the usual rate for 24 hours", better_day > 0,
            f"on {n:,} days of integrations that were not learnt from, its Brier score is "
            f"{_better(better_day)} that of the usual rate",
        ),
        Check(
            _WEEK_CHECK, better_week > 0,
            f"its Brier score is {_better(better_week)} that of the usual rate"
            + ("" if better_week > 0 else ", which stands in its place"),
        ),
        Check(
            "Calibrated", off - chance <= OFF,
            f"what was given and what came differ by {100 * off:.1f} points on average, of which "
            f"chance explains {100 * chance:.1f}; {100 * OFF:.0f} more are allowed",
        ),
    )  # fmt: skip


def _better(skill: float) -> str:
    return f"{abs(skill):.0%} {'below' if skill > 0 else 'above'}".replace("%", " %")


def _network(
    risks: Sequence[facts.Risk], record: Record, told: _Told
) -> Finding:  # fmt: skip
    withheld, warned = told.withheld, record.warned
    high = [risk for risk in risks if risk.warned]
    top = risks[0]
    if withheld:
        sentence = "How likely each integration is to fail cannot be told reliably."
    elif high:
        names = ", ".join(f"{risk.key} ({_percent(risk.day)})" for risk in high[:3])
        sentence = f"An incident is likely within 24 hours at {names}{_because(top)}."
    else:
        sentence = (
            f"No warning: the highest risk within 24 hours is {_percent(top.day)}, at {top.key}."
        )
    sentence += (
        f" Of {warned.incidents} past incidents {_percent(warned.share)} were foreseen, with "
        f"{warned.false_a_week:.2f} false warnings a week and integration."
    )
    rows = tuple(
        (
            risk.key, 100 * risk.day, 100 * risk.week,
            _why(risk) or "nothing deviates", "warning" if risk.warned else "",
        )
        for risk in risks
    )  # fmt: skip
    columns = (
        Column("integration", "Integration"), Column("day", "Within 24 hours", "%"),
        Column("week", "Within 7 days", "%"), Column("why", "Because"), Column("state", "State"),
    )  # fmt: skip
    nobody = float(np.prod([1 - risk.felt for risk in risks]))
    return Finding(
        study=FailureRisk.name, key=KEY, scope=NETWORK, title="Risk of incidents",
        sentence=sentence, method=_METHOD, withheld=withheld, checks=told.checks,
        figures=(
            Figure("felt_7d", "An incident that customers feel within 7 days", 100 * (1 - nobody),
                   "%"),
            Figure("foreseen", "Incidents foreseen, on trial", 100 * warned.share, "%",
                   *_wilson(warned.foreseen, warned.incidents)),
            Figure("false_a_week", "False warnings a week and integration", warned.false_a_week,
                   "warnings"),
            Figure("threshold", "Warned from a probability of", 100 * warned.threshold, "%"),
            Figure("skill_day", "Better than the usual rate, 24 hours", 100 * record.skills[0],
                   "%"),
            Figure("skill_week", "Better than the usual rate, 7 days", 100 * record.skills[1],
                   "%"),
        ),
        pictures=(_reliability("24 hours", record.day), _reliability("7 days", record.week)),
        tables=(Table("integrations", "By integration", columns, rows),),
        advice=tuple(each for risk in high for each in _advice(risk, told.recommended)),
    )  # fmt: skip


def _integration(
    panel: Panel, risk: facts.Risk, told: _Told
) -> Finding:  # fmt: skip
    withheld = told.withheld
    n = panel.keys.index(risk.key)
    usual = 100 * (1 - float(np.exp(-_a_week(panel, n))))
    if withheld:
        sentence = f"How likely {risk.key} is to fail cannot be told reliably."
    else:
        sentence = (
            f"{risk.key} has an incident within 24 hours with a probability of "
            f"{_percent(risk.day)}, within 7 days with {_percent(risk.week)} (usual: "
            f"{usual:.0f} %){_because(risk)}."
        )
    rows: list[tuple[str, float, float | None, str]] = [
        ("How it is anyway", 100 * risk.parts["base"], None, "")
    ]
    recent = int(np.sum(panel.starts[n] > panel.hours - 90 * 24))
    rows.append(("Its record", 100 * risk.parts["history"], None, f"{recent} incidents in 90 days"))
    rows += [
        (s.title, 100 * risk.parts[s.id], risk.z[s.id], _says(s, risk))
        for s in sorted(SIGNALS, key=lambda s: -risk.parts[s.id])
    ]
    columns = (
        Column("part", "Part"), Column("share", "Share of the risk", "%"),
        Column("deviation", "Deviation (spreads)"), Column("seen", "What is seen"),
    )  # fmt: skip
    return Finding(
        study=FailureRisk.name, key=KEY, scope=Scope("integration", risk.key),
        title=f"Risk of {risk.key}", sentence=sentence, method=_METHOD, withheld=withheld,
        figures=(
            Figure("p_24h", "An incident within 24 hours", 100 * risk.day, "%"),
            Figure("p_7d", "An incident within 7 days", 100 * risk.week, "%"),
            Figure("felt_7d", "One that customers feel within 7 days", 100 * risk.felt, "%"),
            Figure("usual_7d", "Usual within 7 days", usual, "%"),
        ),
        tables=(Table("parts", "Why", columns, tuple(rows)),),
        checks=told.checks, advice=tuple(_advice(risk, told.recommended)),
    )  # fmt: skip


def _advice(risk: facts.Risk, recommended: Container[tuple[str, str]]) -> list[Advice]:
    """What prevents it; where that is recommended as an action, the link leads there."""
    return [
        Advice(
            id=f"risk:{risk.key}:{reason}", title=f"{risk.key}: {_BY_ID[reason].action}",
            says=f"{_says(_BY_ID[reason], risk)}: {_percent(risk.parts[reason])} of the risk of "
            f"{_percent(risk.day)} within 24 hours.",
            link=action_link(risk.key, FailureRisk.name, reason)
            if (risk.key, reason) in recommended
            else f"/integrations/{risk.key}",
        )
        for reason in risk.reasons()
        if risk.z[reason] >= 2
    ]  # fmt: skip


def _because(risk: facts.Risk) -> str:
    why = _why(risk)
    return f", because {why}" if why else ""


def _why(risk: facts.Risk) -> str:
    return " and ".join(_says(_BY_ID[reason], risk) for reason in risk.reasons()[:2])


def _says(signal: Signal, risk: facts.Risk) -> str:
    factor = 100 if signal.unit == "%" else 1
    now, usual = risk.now[signal.id] * factor, risk.usual[signal.id] * factor
    if np.isnan(now) or np.isnan(usual):
        return "not recorded"
    return signal.says.format(now=_short(now), usual=_short(max(usual, 0.0)))


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _reliability(within: str, trials: hazard.Trials) -> Picture:
    bins = hazard.reliability(*trials.daily())
    came = []
    for b in bins:
        low, high = _wilson(round(b.came * b.n), b.n)
        came.append(Point(round(100 * b.given, 1), 100 * b.came, low, high))
    even = tuple(Point(x, x) for x in (0.0, 100.0))
    return Picture(
        f"Given and come true within {within}", "probability given", "%",
        (Curve("came", "Came true", "observed", tuple(came)),
         Curve("even", "As given", "compared", even)),
    )  # fmt: skip


def _wilson(k: int, n: int) -> tuple[float, float]:
    """95 % interval of a share, in per cent."""
    low, high = proportion_confint(k, max(n, 1), method="wilson")
    return 100 * float(low), 100 * float(high)
