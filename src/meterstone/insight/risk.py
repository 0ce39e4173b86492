"""The probability that an integration has an incident within a day, or a week.

What can go wrong adds up: the incidents to be expected are a base, a part that grows with the
incidents of the last 90 days, and a part for the signal that deviates most (`signals`). From the
expected number H the probability is 1 − exp(−H), as for events that come one by one. Every part is
non-negative, so each says how much of the risk it stands for: these are the reasons. All signals
share one response to a deviation: there are too few incidents to learn one for each.

The parts are learnt by maximum likelihood from what happened before (the problem is convex) and
tried on later stretches that were not learnt from. What is reported of the record are those trials.
Nothing corrects the probabilities by earlier trials: such a correction has too few of them to learn
from, and gives the chance in them on, most of all where probabilities are high.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from meterstone.insight.signals import FORTNIGHT_H, SIGNALS, Deviations, Panel

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

DAY_H, WEEK_H = 24, 168
LEAST_INCIDENTS = 20
"""Incidents that have to be known before a probability is given."""
WANTED = 0.85
"""Share of incidents that is to be foreseen: the target is 80 %, and trials flatter."""
FOLDS = 5
"""Stretches of time; the first two are only learnt from, each other is predicted from those before
it."""
_STEP_H = 6
_HISTORY_H = 90 * 24
_USUAL_H = 30 * 24
"""So much time at the mean rate of all integrations is added to what an integration's own history
says: few incidents are little to go by (the mean of a gamma posterior)."""
_RAMPS = ((1.0, 2.5), (2.5, 3.25), (3.25, 4.5), (4.5, 9.0))
"""Between these deviations a part of the risk rises from nothing to all of it."""
_PEAK_H = 12
_FALLING, _WOBBLE = 1.5, 0.5
"""A deviation that has fallen from its peak of the last hours by more than a wobble counts less."""
_SOON_H = 5 / 60
"""What begins sooner than five minutes after a warning was not foreseen."""


@dataclass(frozen=True, slots=True)
class Model:
    """Expected incidents within a horizon: weights of base, history and ramps."""

    horizon: int
    weights: Floats

    def probability(self, x: Floats) -> Floats:
        """Of at least one incident, of rows of `features`."""
        return np.asarray(-np.expm1(-np.minimum(x @ self.weights, 30.0)))

    def parts(self, x: Floats, z: Floats) -> Floats:
        """Share of the risk of one row: base, history, then each signal; they sum to 1.

        Args:
            z: what `counted` says of each signal: the part of the one that deviates most is
                shared out by what each would have brought alone.
        """
        each = x * self.weights
        alone = _ramps(z) @ self.weights[2:]
        shared = each[2:].sum() * alone / max(float(alone.sum()), 1e-12)
        found = np.concatenate([each[:2], shared])
        return np.asarray(found / max(float(found.sum()), 1e-12))


@dataclass(frozen=True, slots=True)
class Trials:
    """Probabilities given without knowledge of what followed, and what followed.

    Attributes:
        p: of each hour and integration (integrations × hours); NaN where not tried.
        y: 1 where an incident came within the horizon.
    """

    horizon: int
    p: Floats
    y: Floats

    def daily(self) -> tuple[Floats, Floats]:
        """One trial a day and integration, as forecasts are issued."""
        return self.each(DAY_H)

    def each(self, hours: int) -> tuple[Floats, Floats]:
        """One trial every so many hours and integration."""
        p, y = self.p[:, hours - 1 :: hours].ravel(), self.y[:, hours - 1 :: hours].ravel()
        there = ~np.isnan(p)
        return p[there], y[there]


@dataclass(frozen=True, slots=True)
class Bin:
    """Trials that were given a probability of one tenth: how often it came true."""

    low: float
    n: int
    given: float
    came: float


@dataclass(frozen=True, slots=True)
class Warned:
    """What warnings at a threshold would have done in trials.

    Attributes:
        foreseen, incidents: incidents warned of 5 minutes to 24 hours before, of all tried.
        warnings, false: warnings, and those that nothing followed within 24 hours.
        weeks: integration-weeks that were tried.
    """

    threshold: float
    foreseen: int
    incidents: int
    warnings: int
    false: int
    weeks: float

    @property
    def share(self) -> float:
        """Of incidents that were foreseen."""
        return self.foreseen / self.incidents if self.incidents else 0.0

    @property
    def false_a_week(self) -> float:
        """False warnings a week and integration."""
        return self.false / self.weeks if self.weeks else 0.0


def counted(found: Deviations) -> Floats:
    """Deviations as they count: less where they have begun to fall."""
    z = found.z
    hours = z.shape[1]
    padded = np.concatenate([np.repeat(z[:, :1], _PEAK_H - 1, axis=1), z], axis=1)
    peak = np.max([padded[:, n : n + hours] for n in range(_PEAK_H)], axis=0)
    return np.asarray(z - _FALLING * np.maximum(peak - z - _WOBBLE, 0))


def _ramps(z: Floats) -> Floats:
    """How much of each ramp a deviation has climbed, in a new last axis."""
    return np.stack([np.clip((z - low) / (high - low), 0, 1) for low, high in _RAMPS], axis=-1)


def features(panel: Panel, z: Floats) -> Floats:
    """Integrations × hours × parts, as of the end of each hour: base, history, ramps of the signal
    that deviates most.

    The history is incidents a week of the last 90 days, drawn towards the mean of all integrations
    the more the shorter the record is: an empty record is no sign of health.
    """
    hours = np.arange(1, panel.hours + 1, dtype=float)
    counts = [
        np.searchsorted(starts, hours) - np.searchsorted(starts, hours - _HISTORY_H)
        for starts in panel.starts
    ]
    before = np.array(counts, float)
    seen = np.minimum(hours, _HISTORY_H)
    usual = before.mean(axis=0) / seen
    history = ((before + usual * _USUAL_H) / (seen + _USUAL_H) * WEEK_H)[..., None]
    return np.concatenate([np.ones_like(history), history, _ramps(z.max(axis=-1))], axis=-1)


def outcomes(panel: Panel, horizon: int) -> tuple[Floats, Flags]:
    """Whether an incident begins within the horizon after each hour, and whether that is known and
    nothing lasts at the hour's end."""
    hours = np.arange(1, panel.hours + 1, dtype=float)
    y = np.zeros((len(panel.keys), panel.hours))
    for k, starts in enumerate(panel.starts):
        y[k] = np.searchsorted(starts, hours + horizon) > np.searchsorted(starts, hours + _SOON_H)
    return y, ~panel.failing() & (hours + horizon <= panel.hours)


def fit(x: Floats, y: Floats, horizon: int) -> Model:
    """Learn weights of rows that lie ``_STEP_H`` hours apart.

    Rows overlap by their horizon: each counts as its part of one independent trial. A weak
    exponential prior, with a mean of one incident a day, keeps a ramp that was never climbed from
    being given a weight.
    """
    weight, prior = _STEP_H / horizon, DAY_H / horizon

    def loss(w: Floats) -> tuple[float, Floats]:
        h = np.maximum(x @ w, 1e-9)
        lost = np.where(y > 0, -np.log(-np.expm1(-h)), h)
        slope = np.where(y > 0, -1 / np.expm1(h), 1.0)
        return weight * float(lost.sum()) + prior * float(w.sum()), weight * (x.T @ slope) + prior

    rate = float(y.mean()) if len(y) else 0.0
    first = np.full(x.shape[1], max(rate, 1e-4) / 2)
    done = minimize(loss, first, jac=True, method="L-BFGS-B", bounds=[(0, 20)] * x.shape[1])
    return Model(horizon, np.asarray(done.x))


def learn(panel: Panel, x: Floats, horizon: int) -> tuple[Model, Trials]:
    """The model of all that is known, and its trials: each stretch of time but the first two,
    predicted from those before it. The first fortnight has nothing to be measured against."""
    y, known = outcomes(panel, horizon)
    tried = np.full(y.shape, np.nan)
    edges = np.linspace(FORTNIGHT_H, panel.hours, FOLDS + 1).astype(int)
    for begin, end in pairwise(edges[2:]):
        model = fit(*_rows(x, y, known, begin - horizon), horizon)
        p = model.probability(x[:, begin:end])
        tried[:, begin:end] = np.where(known[:, begin:end], p, np.nan)
    return fit(*_rows(x, y, known, panel.hours), horizon), Trials(horizon, tried, y)


def _rows(x: Floats, y: Floats, known: Flags, end: int) -> tuple[Floats, Floats]:
    """Every sixth hour after the first fortnight, where the outcome is known."""
    there = np.zeros(y.shape, bool)
    there[:, FORTNIGHT_H:end:_STEP_H] = True
    there &= known
    return x[there], y[there]


# -- the record ---------------------------------------------------------------------------------


def brier(p: Floats, y: Floats) -> float:
    """Mean squared difference of probability and outcome (Brier 1950)."""
    return float(np.mean((p - y) ** 2))


def skill(p: Floats, y: Floats) -> float:
    """How much better than always saying how often it happens: 1 − Brier / Brier of the rate."""
    rate = float(y.mean())
    usual = rate * (1 - rate)
    return 1 - brier(p, y) / usual if usual else 0.0


def reliability(p: Floats, y: Floats) -> list[Bin]:
    """By tenths of the probability given; tenths without trials are left out."""
    tenth = np.minimum((p * 10).astype(int), 9)
    found = []
    for n in range(10):
        mine = tenth == n
        if mine.any():
            found.append(Bin(n / 10, int(mine.sum()), float(p[mine].mean()), float(y[mine].mean())))
    return found


def warnings(p: Floats, threshold: float) -> NDArray[np.intp]:
    """Hours at which one warning after the other is given: the probability has reached the
    threshold, and the warning before is at least a day old."""
    found: list[int] = []
    for hour in np.flatnonzero(np.nan_to_num(p) >= threshold):
        if not found or hour - found[-1] >= DAY_H:
            found.append(int(hour))
    return np.array(found, np.intp)


def warned(panel: Panel, trials: Trials, threshold: float) -> Warned:
    """What warnings by the hour at a threshold would have done in trials."""
    foreseen = incidents = count = false = 0
    tried = ~np.isnan(trials.p)
    for k, starts in enumerate(panel.starts):
        at = warnings(trials.p[k], threshold) + 1.0
        hour = np.minimum(starts.astype(int), panel.hours - 1)
        mine = starts[tried[k, np.maximum(hour - 1, 0)]]
        first = np.searchsorted(at, mine - DAY_H)
        last = np.searchsorted(at, mine - _SOON_H, side="right")
        incidents += len(mine)
        foreseen += int((last > first).sum())
        followed = np.searchsorted(starts, at + DAY_H, side="right") > np.searchsorted(
            starts, at + _SOON_H
        )
        count += len(at)
        false += int((~followed).sum())
    return Warned(threshold, foreseen, incidents, count, false, float(tried.sum()) / WEEK_H)


def best_threshold(panel: Panel, trials: Trials) -> Warned:
    """The highest threshold that foresees ``WANTED`` of the incidents; where none does within the
    limits (one false warning a week and integration, and no more than half of all false), the one
    that foresees most within them; where nothing keeps them, the highest."""
    tried = [warned(panel, trials, t / 100) for t in range(95, 4, -5)]
    fine = [w for w in tried if w.false_a_week <= 1 and w.false <= w.warnings / 2]
    enough = [w for w in fine if w.share >= WANTED]
    return (enough or [max(fine, key=lambda w: (w.share, -w.false))])[0] if fine else tried[0]


def parts_named() -> tuple[str, ...]:
    """Ids of the parts that `Model.parts` gives."""
    return ("base", "history", *(signal.id for signal in SIGNALS))
