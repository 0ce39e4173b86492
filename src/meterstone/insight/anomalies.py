"""Anomalies of one series as it comes in: each value is judged by what came before it alone.

The newest stretch of values is compared with all stretches of the recent past: its distance to the
nearest of them (k nearest neighbours) is large when the series does what it never did, whatever its
level, season or shape. That distance is judged by those of the recent past (a conformal measure:
which share of them is as large), so that a noisy series alarms as seldom as a calm one. After an
alarm there is quiet for a while: one disturbance is one alarm.

The method follows E. Burnaev and V. Ishimtsev, *Conformalized density- and distance-based anomaly
detection in time-series data* (2016), https://arxiv.org/abs/1608.04585; the scale beyond
the largest known distance and the quiet are ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from meterstone.insight.series import Floats

LEAST = 60
"""Values that are looked at before any can be judged, or 15 % of the series where that is more."""

_STRETCH = 40
_NEIGHBOURS = 20
_MOST_MEMORY = 3_000
_PROBATION, _MOST_PROBATION = 0.15, 750
_QUIET = 0.2
_STEEP = 20.0
_SURE = 20


@dataclass(frozen=True, slots=True)
class Scored:
    """A value: how odd it is, from 0 (as ever) to 1, and whether it is flagged: from 0.5 on, where
    its stretch is as far from the past as the farthest that the past itself had."""

    score: float
    flagged: bool


def probation(size: int) -> int:
    """How many of the first values are not judged."""
    return max(LEAST, min(int(_PROBATION * size), _MOST_PROBATION))


def anomalies(values: Floats) -> list[Scored]:
    """Each value of a series by those before it.

    A missing value is judged as the one before it. A series that is shorter than its probation has
    no anomalies: nothing is known of how it usually is.
    """
    known = _filled(values)
    wait = probation(len(known))
    scored = [Scored(0.0, flagged=False)] * len(known)
    if len(known) <= wait:
        return scored
    distances = _distances(known, wait)
    quiet = 0
    for at in range(wait, len(known)):
        if quiet > 0:
            quiet -= 1
            continue
        oddness = _oddness(distances, at, wait)
        if oddness is None:
            continue
        score = 1 / (1 + math.exp(-max(-30.0, min(30.0, _STEEP * oddness))))
        flagged = oddness >= 0
        scored[at] = Scored(score, flagged)
        if flagged:
            quiet = int(wait * _QUIET)
    return scored


def _distances(values: Floats, wait: int) -> Floats:
    """Of the stretch that ends at each value: the sum of distances to its nearest in the past;
    NaN where the past is too short."""
    stretches = np.lib.stride_tricks.sliding_window_view(values, _STRETCH)
    squares = np.einsum("ij,ij->i", stretches, stretches)
    memory = min(2 * wait, _MOST_MEMORY)
    found = np.full(len(values), np.nan)
    for at in range(_NEIGHBOURS + 2, len(stretches)):
        past = slice(max(0, at - memory), at)
        to_past = squares[past] + squares[at] - 2 * stretches[past] @ stretches[at]
        near = np.partition(to_past, min(_NEIGHBOURS, len(to_past) - 1))[:_NEIGHBOURS]
        found[at + _STRETCH - 1] = np.sqrt(np.maximum(near, 0.0)).sum()
    return found


def _oddness(distances: Floats, at: int, wait: int) -> float | None:
    """Below 0: the share of past distances that were larger; from 0: by how much (logarithm) it is
    beyond the largest. None where too few are known."""
    past = distances[max(0, at - 2 * wait) : at]
    past = past[~np.isnan(past)]
    own = distances[at]
    if len(past) < _SURE or math.isnan(own):
        return None
    share = float((past < own).mean())
    if share < 1:
        return share - 1
    return math.log(max(own, 1e-12) / max(float(past.max()), 1e-12))


def _filled(values: Sequence[float] | Floats) -> Floats:
    filled = np.array(values, dtype=float)
    last = next((value for value in filled if not math.isnan(value)), 0.0)
    for at, value in enumerate(filled):
        if math.isnan(value):
            filled[at] = last
        else:
            last = value
    return filled
