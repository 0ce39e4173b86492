"""Whether those who went live moved apart from the others before they did.

A joint test of all periods before takes more units than periods, and rejects far too often where
there are fewer. A slope of their own, and a step in the last periods before, take few: both are
tested on rows not yet treated, with the effects of unit and period taken out, variances by unit
(Liang and Zeger), and limits of F with as many degrees of freedom as there are units, less one.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

from meterstone.insight.series import Floats

Codes = NDArray[np.int64]

_STEPS = (1, 2, 3)
_STEP_WEIGHT = 5.0
"""A step is a second look at the same rows: its p counts so many times."""

_ROUNDS, _NOTHING = 200, 1e-10


def apart(unit: Codes, period: Codes, outcome: Floats, ahead: Codes) -> float | None:
    """The p that they did not move apart; None: it cannot be seen.

    Args:
        unit, period: of each row not yet treated.
        ahead: periods until its unit goes live; 0: it never does.
    """
    units, periods = (np.unique(each, return_inverse=True)[1] for each in (unit, period))
    ever = ahead > 0
    if len(set(period[ever])) < 2:
        return None
    slope = (ever * periods).astype(float)[:, None]
    steps = np.column_stack([ahead == near for near in _STEPS]).astype(float)
    by_slope = _joint(units, periods, outcome, slope)
    by_steps = _joint(units, periods, outcome, steps)
    found = [] if by_slope is None else [by_slope]
    found += [] if by_steps is None else [min(1.0, _STEP_WEIGHT * by_steps)]
    return min(found, default=None)


def _joint(unit: Codes, period: Codes, outcome: Floats, columns: Floats) -> float | None:
    """The p of a joint test that columns have no part in the outcome; None: they cannot be told
    from the effects of unit and period."""
    inner = _within(np.column_stack([outcome, columns]), unit, period)
    y, x = inner[:, 0], inner[:, 1:]
    x = x[:, np.abs(x).max(axis=0) > _NOTHING * np.maximum(1.0, np.abs(columns).max(axis=0))]
    count = x.shape[1]
    if not count or np.linalg.matrix_rank(x) < count:
        return None
    bread = np.linalg.inv(x.T @ x)
    beta = bread @ x.T @ y
    scores = np.zeros((unit.max() + 1, count))
    np.add.at(scores, unit, x * (y - x @ beta)[:, None])
    units = len(scores)
    variance = bread @ (scores.T @ scores) @ bread * units / (units - 1)
    wald = float(beta @ np.linalg.pinv(variance) @ beta) / count
    return float(scipy.stats.f.sf(wald, count, units - 1))


def _within(values: Floats, unit: Codes, period: Codes) -> Floats:
    """Values without what is common to a unit and to a period: the means are taken out in turn."""
    left: Floats = values - values.mean(axis=0)
    codes = [(code, np.bincount(code)[:, None].astype(float)) for code in (unit, period)]
    for _ in range(_ROUNDS):
        moved = 0.0
        for code, sizes in codes:
            sums = np.zeros((len(sizes), left.shape[1]))
            np.add.at(sums, code, left)
            left = left - (sums / sizes)[code]
            moved = max(moved, float(np.abs(sums / sizes).max()))
        if moved < _NOTHING:
            break
    return left
