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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy import stats

from meterstone.errors import InputError
from meterstone.insight.pretrend import apart
from meterstone.insight.series import number, read_columns

LEAST_UNITS = 5
"""Units on each side below which nothing is said."""

_PRE_TREND_P, _PLACEBO_P = 0.05, 0.01
_POWER = 0.8

_NEVER = 0
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
    """Something that would make an effect unbelievable: whether it was found, in a sentence."""

    name: str
    passed: bool
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


@dataclass(slots=True)
class Panel:
    """Rows of units by period; periods count from 1, `first` 0 is never treated."""

    unit: list[str] = field(default_factory=list)
    period: list[int] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    outcome: list[float] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    def frame(self) -> Any:
        """As a data frame with the columns u, t, g, y."""
        import pandas as pd  # noqa: PLC0415 - a second to load; few commands need it

        made = pd.DataFrame({"u": self.unit, "t": self.period, "g": self.first, "y": self.outcome})
        made["u"] = made["u"].astype("category").cat.codes
        return made


def read_panel(path: Path, *, unit: str, time: str, first_treated: str, outcome: str) -> Panel:
    """The panel of a CSV file; the arguments name its columns.

    Times are numbers or dates; whoever is never treated has 0, or nothing, in ``first_treated``.

    Raises:
        InputError: a line cannot be read, or a unit is treated first at two times.
    """
    rows = []
    for line, told in read_columns(path, [unit, time, first_treated, outcome]):
        place = f"{path}:{line}"
        rows.append(
            (told[0], _time(told[1], place), _first(told[2], place), number(told[3], place))
        )
    times = {t: n for n, t in enumerate(sorted({t for _, t, _, _ in rows}), 1)}
    firsts: dict[str, float] = {}
    panel = Panel()
    for who, _, first, _ in rows:
        if firsts.setdefault(who, first) != first:
            raise InputError(
                f"{unit} {who} has two first times", place=str(path), mend="give it one"
            )
    early = {who for who, first in firsts.items() if first <= min(times, default=0.0)}
    late = max(times, default=0.0)
    for who, when, first, value in rows:
        if who in early or math.isnan(value):
            continue
        # whoever is treated after the data end is not treated in them
        g = _NEVER if first > late else next(n for t, n in sorted(times.items()) if t >= first)
        panel.unit.append(who)
        panel.period.append(times[when])
        panel.first.append(g)
        panel.outcome.append(value)
    if early:
        panel.dropped.append(f"{len(early)} units were treated before the data begin")
    empty = sum(math.isnan(value) for *_, value in rows)
    if empty:
        panel.dropped.append(f"{empty} rows have no outcome")
    return panel


def effect(panel: Panel, seed: int = 7) -> Effect:
    """The effect, or why it is withheld. Deterministic by seed (of the placebo in space)."""
    panel = _seen_before(panel)
    refused = _unusable(panel)
    if refused:
        return _withheld(panel, refused)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the library, on thin cells; the checks tell
        return _effect(panel, panel.frame(), seed)


def _seen_before(panel: Panel) -> Panel:
    """The panel without units that were treated whenever they were seen: they cannot be compared
    with themselves, and do not count."""
    begun: dict[str, int] = {}
    for unit, period in zip(panel.unit, panel.period, strict=True):
        begun[unit] = min(period, begun.get(unit, period))
    firsts = dict(zip(panel.unit, panel.first, strict=True))
    late = {unit for unit, first in firsts.items() if first != _NEVER and begun[unit] >= first}
    if not late:
        return panel
    kept = [n for n, unit in enumerate(panel.unit) if unit not in late]
    return Panel(
        [panel.unit[n] for n in kept], [panel.period[n] for n in kept],
        [panel.first[n] for n in kept], [panel.outcome[n] for n in kept],
        [*panel.dropped, f"{len(late)} units have no value before they were treated"],
    )  # fmt: skip


def _effect(panel: Panel, frame: Any, seed: int) -> Effect:
    import diff_diff as dd  # noqa: PLC0415 - seconds to load; few commands need it

    columns = {"outcome": "y", "unit": "u", "time": "t", "first_treat": "g"}
    try:
        two_stage = dd.TwoStageDiD().fit(frame, aggregate="event_study", **columns)
        control = "never_treated" if (frame.g == _NEVER).any() else "not_yet_treated"
        group_time = dd.CallawaySantAnna(control_group=control).fit(
            frame, aggregate="all", **columns
        )
        interacted = (  # it takes some that never went live
            dd.SunAbraham(control_group=control).fit(frame, **columns)
            if control == "never_treated"
            else None
        )
    except (ValueError, np.linalg.LinAlgError) as error:
        return _withheld(panel, f"it cannot be estimated: {error}")
    units, treated = _counts(panel)
    freedom = _freedom(frame)
    main = _estimate(two_stage, freedom)
    found = {
        "did2s": main,
        "callaway_santanna": _estimate(group_time, freedom),
    }
    if interacted is not None:
        found["sun_abraham"] = _estimate(interacted, freedom)
    if not (math.isfinite(main.se) and main.se > 0):
        return _withheld(panel, "its uncertainty cannot be estimated")
    checks = [
        _pre_trend(frame),
        _agreement(found),
        _placebo_in_time(dd, frame, columns),
        _placebo_in_space(dd, frame, columns, seed),
    ]
    failed = [check for check in checks if not check.passed]
    by_time = {
        int(e): _interval(float(v["effect"]), float(v["se"]), freedom)
        for e, v in sorted(group_time.event_study_effects.items())
        if int(e) < 0
    } | {
        int(e): _interval(float(v["effect"]), float(v["se"]), freedom)
        for e, v in sorted(two_stage.event_study_effects.items())
        if int(e) >= 0
    }
    withheld = "; ".join(check.says for check in failed) or None
    verdict: Verdict = "withheld" if withheld else "effect" if _shown(found) else "none shown"
    return Effect(
        verdict, None if withheld else main, by_time, found, checks, withheld,
        _found(freedom) * main.se, units, treated, _sentence(verdict, main, treated, withheld),
        panel.dropped,
    )  # fmt: skip


def _shown(found: Mapping[str, Estimate]) -> bool:
    """Whether two estimators show an effect by themselves, and the same one: of those that one
    alone shows, more than 5 % are chance where shops are few."""
    pair = (found["did2s"], found["callaway_santanna"])
    return all(each.low > 0 for each in pair) or all(each.high < 0 for each in pair)


def _unusable(panel: Panel) -> str:
    firsts = dict(zip(panel.unit, panel.first, strict=True))
    treated = [unit for unit, first in firsts.items() if first != _NEVER]
    cohorts = {first for first in firsts.values() if first != _NEVER}
    never = len(firsts) - len(treated)
    if not treated:
        return "no unit is treated within the data, after their first period"
    if never == 0 and len(cohorts) == 1:
        return "all units are treated at one time: there is nobody to compare them with"
    if len(treated) < LEAST_UNITS or (never and never < LEAST_UNITS):
        return f"{len(treated)} treated and {never} other units; each side takes {LEAST_UNITS}"
    pairs = Counter(zip(panel.unit, panel.period, strict=True))
    if any(count > 1 for count in pairs.values()):
        return "some unit has two values in one period"
    if len(set(panel.outcome)) == 1:
        return "the outcome is constant"
    return ""


def _pre_trend(frame: Any) -> Check:
    """Whether those who went live moved apart from the others before."""
    before = frame[(frame.g == _NEVER) | (frame.t < frame.g)]
    p = apart(
        before.u.to_numpy(), before.t.to_numpy(), before.y.to_numpy(dtype=float),
        np.where(before.g == _NEVER, 0, before.g - before.t),
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


def _agreement(found: Mapping[str, Estimate]) -> Check:
    main = found["did2s"]
    for name, other in found.items():
        if abs(other.att - main.att) > 3 * math.hypot(main.se, other.se):
            said = f"{name} says {other.att:.3g}, not {main.att:.3g}"
            return Check("other estimators", False, said)
    return Check("other estimators", True, "the other estimators agree")


def _placebo_in_time(dd: Any, frame: Any, columns: Mapping[str, str]) -> Check:
    """As if everybody had gone live earlier, on the periods before they did."""
    name = "placebo in time"
    before = frame[(frame.g == _NEVER) | (frame.t < frame.g)].copy()
    before["g"] = np.where(before.g == _NEVER, _NEVER, before.g - 2)
    before = before[(before.g == _NEVER) | (before.g > before.t.min())]
    if before[before.g != _NEVER].u.nunique() < LEAST_UNITS:
        return Check(name, True, "there are too few periods before going live to pretend one")
    return _placebo(dd, before, columns, name, "two periods too early")


def _placebo_in_space(dd: Any, frame: Any, columns: Mapping[str, str], seed: int) -> Check:
    """As if some of those who never went live had, at the times of the others."""
    name = "placebo in space"
    never = frame[frame.g == _NEVER].copy()
    units = never.u.unique()
    if len(units) < 4 * LEAST_UNITS:
        return Check(name, True, "too few never went live to pretend that some did")
    drawn = np.random.default_rng(seed)
    cohorts = frame[frame.g != _NEVER].groupby("u").g.first().to_numpy()
    pretended = dict(zip(drawn.permutation(units)[: len(units) // 2],
                         drawn.choice(cohorts, len(units) // 2), strict=True))  # fmt: skip
    never["g"] = never.u.map(pretended).fillna(_NEVER).astype(int)
    return _placebo(dd, never, columns, name, "others")


def _placebo(dd: Any, frame: Any, columns: Mapping[str, str], name: str, what: str) -> Check:
    try:
        freedom = _freedom(frame)
        found = _estimate(dd.TwoStageDiD().fit(frame, **columns), freedom)
    except (ValueError, np.linalg.LinAlgError) as error:
        return Check(name, True, f"it cannot be pretended: {error}")
    if not (math.isfinite(found.se) and found.se > 0):
        return Check(name, True, "it cannot be pretended: no uncertainty can be told")
    p = float(2 * stats.t.sf(abs(found.att / found.se), freedom))
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
    never = int((firsts == _NEVER).sum())
    treated = len(firsts) - never
    smaller = min(treated, never) if never else treated - int(firsts.nunique()) + 1
    return max(1, smaller - 1)


def _found(freedom: int) -> float:
    """Of the standard error: the effect that is found with the chance `_POWER`."""
    return float(stats.t.ppf(0.975, freedom) + stats.t.ppf(_POWER, freedom))


def _estimate(result: Any, freedom: int) -> Estimate:
    return _interval(float(result.overall_att), float(result.overall_se), freedom)


def _interval(att: float, se: float, freedom: int) -> Estimate:
    """With the correction m / (m - 1) of a variance that m units of the smaller side tell."""
    corrected = se * math.sqrt((freedom + 1) / freedom)
    half = float(stats.t.ppf(0.975, freedom)) * corrected
    return Estimate(att, corrected, att - half, att + half)


def _counts(panel: Panel) -> tuple[int, int]:
    firsts = dict(zip(panel.unit, panel.first, strict=True))
    return len(firsts), sum(first != _NEVER for first in firsts.values())


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


def _time(text: str, place: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return float(datetime.fromisoformat(text).toordinal())
    except ValueError:
        raise InputError(
            f"{text!r} is no time", place=place, mend="write a number, or 2026-11-30"
        ) from None


def _first(text: str, place: str) -> float:
    if text in ("", "0", "0.0", "NA", "NaN", "nan", "inf", "Inf", "never"):
        return math.inf
    return _time(text, place)
