"""Candidates at rolling origins: what each would have said, and what came."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from meterstone.insight.series import Floats
from meterstone.insight.shape import Shape

ORIGINS = 24

BETTER = 0.99
"""Better than naive is an error below this share of its: less is luck."""

_NEAR_BEST = 1.15
"""Candidates whose error is within this factor of the best one's are averaged."""

NO_FIT = (ValueError, ArithmeticError, LookupError, RuntimeError, np.linalg.LinAlgError)
"""What libraries raise when a series is not one for a model."""

NAIVE = ("naive", "seasonal naive")

Model = Any
"""A model of statsforecast: `fit(y)`, `predict(h)`, and `forward(y, h)` with what it learnt."""

Candidates = Mapping[str, Callable[[], Model]]


def candidates(size: int, season: int) -> dict[str, Callable[[], Model]]:
    """Those that a series of a size can be asked of, by name; naive ones first."""
    from statsforecast import models as sf  # noqa: PLC0415 - a second to load; few commands need it

    found: dict[str, Callable[[], Model]] = {"naive": sf.Naive}
    short = season if 1 < season <= 24 and size >= 3 * season else 1
    if season > 1 and size > 2 * season:
        found["seasonal naive"] = partial(sf.SeasonalNaive, season)
    found["ARIMA"] = partial(sf.AutoARIMA, season_length=short)
    found["ETS"] = partial(sf.AutoETS, season_length=short)
    found["CES"] = partial(sf.AutoCES, season_length=short)
    if season > 1 and size >= 3 * season:
        found["theta"] = partial(sf.DynamicOptimizedTheta, season_length=season)
        found["STL+ETS"] = lambda: sf.MSTL(season, trend_forecaster=sf.AutoETS(model="ZZN"))
        found["STL+ARIMA"] = lambda: sf.MSTL(season, trend_forecaster=sf.AutoARIMA())
    else:
        found["theta"] = partial(sf.DynamicOptimizedTheta, season_length=1)
    return found


@dataclass(frozen=True, slots=True)
class Rolled:
    """What candidates would have said at origins of the past.

    Attributes:
        origins: how many observations were known at each.
        said: of each candidate, origins × steps ahead, as learnt, holidays given back.
        came: what came, on the same scale; NaN in gaps.
    """

    shape: Shape
    origins: tuple[int, ...]
    said: Mapping[str, Floats]
    came: Floats

    def error(self, said: Floats) -> float:
        """The mean absolute error on the scale that people use."""
        back = self.shape.given_back
        return float(np.nanmean(np.abs(back(self.came) - back(said))))

    def chosen(self) -> tuple[tuple[str, ...], str, float]:
        """The candidates near the best, if their mean is better than naive; else naive's.

        Returns:
            Names, the name of the better naive one, and by what share the error is below its.
        """
        errors = {name: self.error(said) for name, said in self.said.items()}
        naive = min((name for name in NAIVE if name in errors), key=errors.__getitem__)
        near = _NEAR_BEST * min(errors.values())
        names = tuple(
            name for name, error in errors.items() if error <= near and error < errors[naive]
        )
        if names:
            error = self.error(self.mean(names))
            if error < BETTER * errors[naive]:
                return names, naive, 1 - error / errors[naive]
        return (naive,), naive, 0.0

    def mean(self, names: Sequence[str]) -> Floats:
        """What several said together."""
        return np.asarray(np.mean([self.said[name] for name in names], axis=0))


def roll(models: Candidates, shape: Shape, span: int) -> Rolled:
    """Each candidate at up to `ORIGINS` origins over the newest `span` steps: it learns once,
    before the first of them, and looks at what was seen up to each."""
    horizon, size = shape.horizon, len(shape.filled)
    first = size - span - horizon
    origins = sorted({first + round(at) for at in np.linspace(0, span, min(ORIGINS, span + 1))})
    effects = shape.effects(first)
    plain = shape.filled - effects[:size]
    lifts = np.stack([effects[at : at + horizon] for at in origins])
    came = np.stack([shape.target[at : at + horizon] for at in origins])
    said = {}
    for name, make in models.items():
        try:
            model = make().fit(plain[:first])
            found = [model.forward(y=plain[:at], h=horizon)["mean"] for at in origins]
        except NO_FIT:
            continue  # a candidate that cannot be fitted is none
        paths = np.array(found, dtype=float) + lifts
        if np.isfinite(shape.given_back(paths)).all():
            said[name] = paths
    return Rolled(shape, tuple(origins), said, came)


def ahead(models: Candidates, names: Sequence[str], shape: Shape) -> Floats:
    """What chosen candidates say of the time ahead, as learnt, holidays given back.

    One that cannot be fitted to all that is known is left out, unless all are.
    """
    size = len(shape.filled)
    effects = shape.effects(size)
    paths = []
    for name in names:
        try:
            model = models[name]().fit(shape.filled - effects[:size])
            path = np.asarray(model.predict(h=shape.horizon)["mean"], dtype=float)
        except NO_FIT:
            continue
        if np.isfinite(shape.given_back(path)).all():
            paths.append(path)
    if not paths:
        paths.append(np.full(shape.horizon, shape.filled[-1]))
    return np.asarray(np.mean(paths, axis=0) + effects[size:])


def half_widths(errors: Floats, level: float) -> Floats:
    """Half of each interval: errors are scaled by how far ahead they were made, and the quantile
    of all together is that of their number, less what origins that overlap tell twice."""
    horizon = errors.shape[1]
    by_step = np.sqrt(np.nanmean(errors**2, axis=0))
    steps = np.arange(1.0, horizon + 1)
    scale = steps ** _growth(by_step, steps)
    scores = np.abs(errors / scale)
    scores = scores[~np.isnan(scores)]
    independent = max(len(errors) / max(1.0, horizon / 2), 2.0) * math.sqrt(horizon)
    rank = min(1.0, level * (1 + 0.5 / independent))
    return np.asarray(np.quantile(scores, rank) * scale)


def _growth(by_step: Floats, steps: Floats) -> float:
    """The power by which errors grow with the steps ahead, between not at all and linearly."""
    usable = np.isfinite(by_step) & (by_step > 0)
    if usable.sum() < 3:
        return 0.5
    slope = np.polyfit(np.log(steps[usable]), np.log(by_step[usable]), 1)[0]
    return float(np.clip(slope, 0.0, 1.0))
