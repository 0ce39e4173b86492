"""What going live did: the effect on an outcome, from units that went live at different times.

Staggered difference-in-differences in two stages (J. Gardner, *Two-stage differences in
differences*, 2022, https://arxiv.org/abs/2207.05943) on units not yet or never treated. Two other
estimators look at the same data (Callaway and Sant'Anna, 2021; Sun and Abraham, 2021); they, the
trend before, and placebos in time and space are the checks. When a check fails no effect is given,
and the reason is said. The estimators are those of the library diff-diff.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy

from meterstone.insight.panel import NEVER, Panel, seen_before
from meterstone.insight.pretrend import apart

LEAST_UNITS = 5
"""Units on each side below which nothing is said."""

MOST_UNITS = 10_000
"""Units above which nothing is said: the time that the variance takes grows with their square."""

NAMES = {
    "did2s": "two stages (Gardner)", "callaway_santanna": "Callaway and Sant'Anna",
    "sun_abraham": "Sun and Abraham",
}  # fmt: skip
"""The estimators, for people."""

CANNOT = (ValueError, ArithmeticError, LookupError, RuntimeError, np.linalg.LinAlgError)
"""What the library raises when rows do not suffice; what is said then is ours."""

_PRE_TREND_P, _PLACEBO_P = 0.05, 0.01
_POWER = 0.8
_CERTAIN = 1e-9
"""Of the spread of the outcome: a standard error below it is rounding, and no uncertainty."""

_LEAST_NUMBER, _MOST_NUMBER = 1e-100, 1e100
_COLUMNS = {"outcome": "y", "unit": "u", "time": "t", "first_treat": "g"}
_SCALE = "give it on another scale"
_ALONE = (
    "what would have been cannot be told: in the periods after units were treated nothing is known "
    "of others that are not treated yet and were seen before; record some of those in these periods"
)
_NO_SECOND = (
    f"a second estimator ({NAMES['callaway_santanna']}) has too little to compare: it takes units "
    "seen both in the last period before they were treated and in one after it, beside others seen "
    "in the same two; fill those periods"
)
_EXACT = (
    "its uncertainty cannot be told: the outcome follows unit, period and treatment without any "
    "chance, as if by a formula; give what was measured"
)
Verdict = Literal["effect", "none shown", "withheld"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """An average effect on the treated, with its standard error and 95 % interval."""

    att: float
    se: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Check:
    """Something that would make an effect unbelievable: whether it was found, in a sentence.

    Attributes:
        passed: None: these rows do not let it be tried, which holds nothing back.
    """

    name: str
    passed: bool | None
    says: str
    p: float | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """What can be said of an effect.

    Attributes:
        estimate: None where it is withheld.
        by_time: by periods since going live; before it (negative) there should be nothing.
        estimators: what each estimator says, also where the effect is withheld.
        smallest: the smallest effect that these data would show four times of five.
        dropped: rows and units that could not be used, and why.
    """

    verdict: Verdict
    estimate: Estimate | None
    by_time: Mapping[int, Estimate]
    estimators: Mapping[str, Estimate]
    checks: Sequence[Check]
    withheld: str | None
    smallest: float | None
    units: int
    treated: int
    sentence: str
    dropped: Sequence[str] = ()


def effect(panel: Panel, seed: int = 7) -> Effect:
    """The effect, or why it is withheld. Deterministic by seed (of the placebo in space)."""
    panel = seen_before(panel)
    refused = _unusable(panel)
    if refused:
        return _withheld(panel, refused)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the library, on thin cells; the checks tell
        return _effect(panel, panel.frame(), seed)


def _effect(panel: Panel, frame: Any, seed: int) -> Effect:
    import diff_diff as dd  # noqa: PLC0415 - seconds to load; few commands need it

    freedom = _freedom(frame)
    certain = _CERTAIN * float(frame.y.std())
    control = "never_treated" if (frame.g == NEVER).any() else "not_yet_treated"
    two_stage = _tried(lambda: dd.TwoStageDiD().fit(frame, aggregate="event_study", **_COLUMNS))
    if two_stage is None:
        return _withheld(panel, _ALONE)
    main = _estimate(two_stage, freedom)
    if not main.se > certain:
        return _withheld(panel, _EXACT)
    group_time = _tried(
        lambda: dd.CallawaySantAnna(control_group=control).fit(frame, aggregate="all", **_COLUMNS)
    )
    second = None if group_time is None else _estimate(group_time, freedom)
    if second is None or not second.se > certain:
        return _withheld(panel, _NO_SECOND)
    found = {"did2s": main, "callaway_santanna": second}
    if control == "never_treated":  # it takes some that never went live
        third = _tried(lambda: dd.SunAbraham(control_group=control).fit(frame, **_COLUMNS))
        if third is not None:
            found["sun_abraham"] = _estimate(third, freedom)
    checks = [
        _pre_trend(frame),
        _agreement(found, control),
        _placebo_in_time(dd, frame),
        _placebo_in_space(dd, frame, seed),
    ]
    failed = [check for check in checks if check.passed is False]
    by_time = {e: v for e, v in _by_time(group_time, freedom).items() if e < 0} | {
        e: v for e, v in _by_time(two_stage, freedom).items() if e >= 0
    }
    withheld = "; ".join(check.says for check in failed) or None
    verdict: Verdict = "withheld" if withheld else "effect" if _shown(found) else "none shown"
    units, treated = _counts(panel)
    return Effect(
        verdict, None if withheld else main, by_time, found, checks, withheld,
        _found(freedom) * main.se, units, treated, _sentence(verdict, main, treated, withheld),
        panel.dropped,
    )  # fmt: skip


def _tried(fit: Callable[[], Any]) -> Any | None:
    """What an estimator of the library finds; None where it says that it cannot, or finds no
    number."""
    try:
        found = fit()
    except CANNOT:
        return None
    told = math.isfinite(found.overall_att) and math.isfinite(found.overall_se)
    return found if told else None


def _by_time(result: Any, freedom: int) -> dict[int, Estimate]:
    """By periods since going live, where it could be told."""
    found = {
        int(e): _interval(float(v["effect"]), float(v["se"]), freedom)
        for e, v in sorted(result.event_study_effects.items())
    }
    return {e: v for e, v in found.items() if math.isfinite(v.att) and math.isfinite(v.se)}


def _shown(found: Mapping[str, Estimate]) -> bool:
    """Whether two estimators show an effect by themselves, and the same one: of those that one
    alone shows, more than 5 % are chance where shops are few."""
    pair = (found["did2s"], found["callaway_santanna"])
    return all(each.low > 0 for each in pair) or all(each.high < 0 for each in pair)


def _unusable(panel: Panel) -> str:
    """Why these rows cannot show an effect, and what would mend it; empty where they can be tried.
    That nobody can be compared is told before how few they are: more of the same would not help."""
    firsts = dict(zip(panel.unit, panel.first, strict=True))
    treated = panel.treated()
    cohorts = {first for first in firsts.values() if first != NEVER}
    never = sum(first == NEVER for first in firsts.values())
    if not cohorts:
        return "no unit is treated within the data, after their first period"
    if never == 0 and len(cohorts) == 1:
        return (
            "all units are treated at one time: there is nobody to compare them with; add some "
            "that are treated later, or never"
        )
    if not treated:
        return "no unit has a value both before and after being treated; record both"
    if len(treated) < LEAST_UNITS or (never and never < LEAST_UNITS):
        others = f"{never} never treated" if never else f"{len(firsts) - len(treated)} other"
        return f"{len(treated)} treated and {others} units; each side takes {LEAST_UNITS}"
    if len(firsts) > MOST_UNITS:
        return (
            f"{len(firsts):,} units; at most {MOST_UNITS:,} can be compared at once: take a random "
            "sample of them"
        )
    return _unusable_outcome(panel)


def _unusable_outcome(panel: Panel) -> str:
    pairs = Counter(zip(panel.unit, panel.period, strict=True))
    for (unit, period), count in pairs.items():
        if count > 1:
            return (
                f"some unit has two values in one period ({unit}, {panel.when(period)}); leave one "
                "of them"
            )
    largest = max(map(abs, panel.outcome))
    if not all(map(math.isfinite, panel.outcome)):
        return "some outcome is no finite number; correct it, or leave it out"
    if len(set(panel.outcome)) == 1:
        return "the outcome is constant"
    if not _LEAST_NUMBER < largest < _MOST_NUMBER:
        return "the numbers of the outcome are too large or small to be computed with: " + _SCALE
    return ""


def _pre_trend(frame: Any) -> Check:
    """Whether those who went live moved apart from the others before."""
    before = frame[(frame.g == NEVER) | (frame.t < frame.g)]
    p = apart(
        before.u.to_numpy(), before.t.to_numpy(), before.y.to_numpy(dtype=float),
        np.where(before.g == NEVER, 0, before.g - before.t),
    )  # fmt: skip
    if p is None:
        said = "no trend before can be seen in so few periods before going live"
        return Check("trend before", False, said)
    passed = p >= _PRE_TREND_P
    said = (
        "no sign of a trend before"
        if passed
        else f"those who went live moved apart from the others before (p = {p:.2g})"
    )
    return Check("trend before", passed, said, p)


def _agreement(found: Mapping[str, Estimate], control: str) -> Check:
    name, main = "other estimators", found["did2s"]
    for key, other in found.items():
        if abs(other.att - main.att) > 3 * math.hypot(main.se, other.se):
            said = f"estimators disagree: {NAMES[key]} say {other.att:.3g}, not {main.att:.3g}"
            return Check(name, False, said)
    if len(found) > 2:
        return Check(name, True, "the other estimators agree")
    third = (
        "that of Sun and Abraham cannot be told from these rows"
        if control == "never_treated"
        else "that of Sun and Abraham takes some that never go live"
    )
    return Check(name, True, f"the estimator of {NAMES['callaway_santanna']} agrees; {third}")


def _placebo_in_time(dd: Any, frame: Any) -> Check:
    """As if everybody had gone live earlier, on the periods before they did."""
    name = "placebo in time"
    before = frame[(frame.g == NEVER) | (frame.t < frame.g)].copy()
    before["g"] = np.where(before.g == NEVER, NEVER, before.g - 2)
    before = before[(before.g == NEVER) | (before.g > before.t.min())]
    if before[before.g != NEVER].u.nunique() < LEAST_UNITS:
        return Check(name, None, "there are too few periods before going live to pretend one")
    return _placebo(dd, before, name, "two periods too early")


def _placebo_in_space(dd: Any, frame: Any, seed: int) -> Check:
    """As if some of those who never went live had, at the times of the others."""
    name = "placebo in space"
    never = frame[frame.g == NEVER].copy()
    units = never.u.unique()
    if len(units) < 4 * LEAST_UNITS:
        return Check(name, None, "too few never went live to pretend that some did")
    drawn = np.random.default_rng(seed)
    cohorts = frame[frame.g != NEVER].groupby("u").g.first().to_numpy()
    pretended = dict(zip(drawn.permutation(units)[: len(units) // 2],
                         drawn.choice(cohorts, len(units) // 2), strict=True))  # fmt: skip
    never["g"] = never.u.map(pretended).fillna(NEVER).astype(int)
    return _placebo(dd, never, name, "others")


def _placebo(dd: Any, frame: Any, name: str, what: str) -> Check:
    fitted = _tried(lambda: dd.TwoStageDiD().fit(frame, **_COLUMNS))
    if fitted is None or not fitted.overall_se > _CERTAIN * float(frame.y.std()):
        return Check(name, None, "a start cannot be pretended on these rows: too few remain")
    freedom = _freedom(frame)
    found = _estimate(fitted, freedom)
    p = float(2 * scipy.stats.t.sf(abs(found.att / found.se), freedom))
    passed = p >= _PLACEBO_P
    said = (
        f"a pretended start ({what}) shows nothing"
        if passed
        else (f"a pretended start ({what}) shows an effect of {found.att:.3g} too (p = {p:.2g})")
    )
    return Check(name, passed, said, p)


def _freedom(frame: Any) -> int:
    """Degrees of freedom of an interval: the units of the smaller side, less one. With nine others
    beside forty the normal law holds the truth 9 times of 10 where t holds it 19 of 20."""
    firsts = frame.groupby("u").g.first()
    never = int((firsts == NEVER).sum())
    treated = int(frame[(frame.g != NEVER) & (frame.t >= frame.g)].u.nunique())
    smaller = min(treated, never) if never else treated - int(firsts.nunique()) + 1
    return max(1, smaller - 1)


def found_from(freedom: int) -> float:
    """Of the noise of an estimate: the effect that is found with the chance `_POWER`."""
    return _found(freedom) * math.sqrt((freedom + 1) / freedom)


def _found(freedom: int) -> float:
    """Of the corrected standard error: the effect that is found with the chance `_POWER`."""
    return float(scipy.stats.t.ppf(0.975, freedom) + scipy.stats.t.ppf(_POWER, freedom))


def _estimate(result: Any, freedom: int) -> Estimate:
    return _interval(float(result.overall_att), float(result.overall_se), freedom)


def _interval(att: float, se: float, freedom: int) -> Estimate:
    """With the correction m / (m - 1) of a variance that m units of the smaller side tell."""
    corrected = se * math.sqrt((freedom + 1) / freedom)
    half = float(scipy.stats.t.ppf(0.975, freedom)) * corrected
    return Estimate(att, corrected, att - half, att + half)


def _counts(panel: Panel) -> tuple[int, int]:
    return len(set(panel.unit)), len(panel.treated())


def _withheld(panel: Panel, why: str) -> Effect:
    units, treated = _counts(panel)
    return Effect(
        "withheld", None, {}, {}, (), why, None, units, treated,
        f"No effect is given: {why}.", panel.dropped,
    )  # fmt: skip


def _sentence(verdict: Verdict, main: Estimate, treated: int, withheld: str | None) -> str:
    if verdict == "withheld":
        return f"No effect is given: {withheld}."
    bounds = f"95 %: {main.low:.3g} to {main.high:.3g}"
    if verdict == "none shown":
        doubt = "" if main.low <= 0 <= main.high else ", and a second estimator does not show it"
        return f"No effect is shown ({bounds}{doubt}), {treated} units, no sign of a trend before."
    word = "raised" if main.att > 0 else "lowered"
    return (
        f"Going live {word} the outcome by {abs(main.att):.3g} ({bounds}), {treated} units, "
        "no sign of a trend before."
    )
