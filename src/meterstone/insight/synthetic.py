"""The effect on one unit alone: what went live is held against a mixture of those that never did.

Synthetic difference-in-differences (Arkhangelsky, Athey, Hirshberg, Imbens and Wager, *American
Economic Review* 111, 2021): weights of the others and of the periods before are chosen so that the
mixture moved as the unit did; what happens after is the effect. Its uncertainty is that of
pretending the same for each of the others. The estimator is that of the library diff-diff.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy

from meterstone.insight.effect import Check, Estimate
from meterstone.insight.panel import Panel

_log = logging.getLogger(__name__)

LEAST_OTHERS, LEAST_BEFORE, LEAST_AFTER = 8, 5, 2
_FIT_P = 0.05
_DRAWS = 200


@dataclass(frozen=True, slots=True)
class Single:
    """What can be said of one unit.

    Attributes:
        estimate: None where it is withheld.
        periods, observed, mixture: what happened beside what the mixture of the others did, on
            the level of the unit.
        since: the period in which it went live.
        weights: of the others, the largest first.
    """

    unit: str
    estimate: Estimate | None
    withheld: str | None
    checks: tuple[Check, ...] = ()
    since: int = 0
    periods: tuple[int, ...] = ()
    observed: tuple[float, ...] = ()
    mixture: tuple[float, ...] = ()
    weights: tuple[tuple[str, float], ...] = ()


def single(panel: Panel, unit: str, seed: int = 7) -> Single:
    """The effect on one unit, or why it is withheld.

    Args:
        panel: with units that are not live, or not yet; only periods that the unit has are used.
    """
    by_unit: dict[str, dict[int, float]] = defaultdict(dict)
    firsts = dict(zip(panel.unit, panel.first, strict=True))
    for who, period, value in zip(panel.unit, panel.period, panel.outcome, strict=True):
        by_unit[who][period] = value
    since, own = firsts.get(unit, 0), by_unit.get(unit, {})
    periods, others = _window(unit, since, firsts, by_unit)
    before = [period for period in periods if period < since]
    refused = _unusable(since, sorted(own), before, others)
    if refused:
        return Single(unit, None, refused)
    table = np.array([[by_unit[who][period] for period in periods] for who in (unit, *others)])
    if np.ptp(table[0][: len(before)]) == 0:
        return Single(unit, None, "its outcome was constant before")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the library, on a poor fit; the check tells
        return _single(unit, since, periods, len(before), others, table, seed)


def _window(
    unit: str, since: int, firsts: Mapping[str, int], by_unit: Mapping[str, Mapping[int, float]]
) -> tuple[list[int], list[str]]:
    """The periods of the unit up to the latest one until which enough others were not live, and
    those others: whoever goes live later is one too until then."""
    periods = sorted(by_unit.get(unit, {}))
    while periods:
        others = sorted(
            who
            for who, first in firsts.items()
            if who != unit
            and (first == 0 or first > periods[-1])
            and all(period in by_unit[who] for period in periods)
        )
        if len(others) >= LEAST_OTHERS or periods[-1] < since + LEAST_AFTER:
            return periods, others
        periods.pop()
    return [], []


def _unusable(since: int, own: list[int], before: list[int], others: list[str]) -> str:
    if not since:
        return "it never went live within the data"
    if len(before) < LEAST_BEFORE:
        return f"{len(before)} periods before going live; it takes {LEAST_BEFORE}"
    if not any(period >= since for period in own):
        return "nothing is on record since it went live"
    if len(others) < LEAST_OTHERS:
        return (
            f"{len(others)} others were not live in the periods just after, with a value in "
            f"all the same periods; it takes {LEAST_OTHERS}"
        )
    return ""


def _single(
    unit: str, since: int, periods: list[int], before: int, others: list[str],
    table: np.ndarray[tuple[int, ...], np.dtype[np.float64]], seed: int,
) -> Single:  # fmt: skip
    import diff_diff as dd  # noqa: PLC0415 - seconds to load; few need it
    import pandas as pd  # noqa: PLC0415

    frame = pd.DataFrame(
        [
            (row, at, value, int(row == 0))
            for row, values in enumerate(table)
            for at, value in enumerate(values)
        ],
        columns=["u", "t", "y", "d"],
    )
    try:
        found = dd.SyntheticDiD(n_bootstrap=_DRAWS, seed=seed).fit(
            frame, outcome="y", treatment="d", unit="u", time="t",
            post_periods=list(range(before, len(periods))),
        )  # fmt: skip
    except (ValueError, np.linalg.LinAlgError) as error:
        _log.debug("%s cannot be estimated: %s", unit, error)
        return Single(unit, None, "it cannot be estimated from these periods and others")
    weights = {int(row): float(weight) for row, weight in found.unit_weights.items()}
    mixture = np.array([weights.get(row, 0.0) * table[row] for row in range(1, len(table))]).sum(0)
    mixture += float((table[0][:before] - mixture[:before]).mean())
    checks = (_fit(table, before, mixture),)
    att, se = float(found.att), float(found.se)
    failed = [check for check in checks if check.passed is False]
    estimate = None
    why = "; ".join(check.says for check in failed) or None
    if not (math.isfinite(se) and se > 0):
        why = "its uncertainty cannot be estimated"
    elif why is None:
        half = float(scipy.stats.t.ppf(0.975, len(others) - 1)) * se
        estimate = Estimate(att, se, att - half, att + half)
    leading = sorted(weights.items(), key=lambda pair: -pair[1])[:5]
    return Single(
        unit, estimate, why, checks, since, tuple(periods), tuple(map(float, table[0])),
        tuple(map(float, mixture)), tuple((others[row - 1], weight) for row, weight in leading),
    )  # fmt: skip


def _fit(
    table: np.ndarray[tuple[int, ...], np.dtype[np.float64]], before: int,
    mixture: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> Check:  # fmt: skip
    """Whether the mixture moved as the unit did: its last third before is held against what the
    others do among themselves."""
    name = "fit before"
    last = max(2, before // 3)
    gap = table[0][:before] - mixture[:before]
    drift = abs(float(gap[-last:].mean() - gap[:-last].mean()))
    mean = table[1:, :before].mean(axis=0)
    others = table[1:, :before] - mean
    usual = np.abs(others[:, -last:].mean(axis=1) - others[:, :-last].mean(axis=1))
    p = float((1 + (usual >= drift).sum()) / (1 + len(usual)))
    limit = max(_FIT_P, 1.5 / (1 + len(usual)))
    passed = p > limit
    said = (
        "a mixture of the others moved as it did before"
        if passed
        else "it moved apart from any mixture of the others before going live"
    )
    return Check(name, passed, said, p)
