"""How much a system carries: the universal scalability law, and when demand reaches a limit.

The law says what N users get out of a system together, a second::

    X(N) = λ N / (1 + σ (N - 1) + κ N (N - 1))

λ: what one user alone gets; σ: contention, the share that has to wait for one another; κ:
coherency, what users cost each other in pairs. Where κ > 0 there is a most: more users than
√((1 - σ) / κ) get less together than fewer do.

Source: N. J. Gunther, *Guerrilla Capacity Planning* (2007), ch. 4 to 6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from meterstone.insight.series import Floats

LEAST = 4
"""Levels that a fit takes: three are always on some curve."""

WORST = 0.10
"""Mean relative error from which on the law is no description of the levels."""

HEADROOM = 1.25
"""What is to be had for each expected user: the framework's reserve of a quarter."""

_DRAWS, _TRIES, _FEWEST = 400, 40_000, 100
_EDGE = 0.015
"""What is left out on either side of the draws. With 0.025 too few intervals held the truth; how
many do: docs/proofs/capacity.md."""
_STRAIGHT = 0.05
"""Below this share that is lost at the largest level, nothing is known of a limit."""


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a load test.

    Attributes:
        users: virtual users at once.
        throughput: requests that were answered well, a second.
    """

    users: float
    throughput: float


@dataclass(frozen=True, slots=True)
class Law:
    """The universal scalability law with its three parameters."""

    rate: float
    """λ, requests a second of one user alone."""
    contention: float
    """σ."""
    coherency: float
    """κ."""

    def at(self, users: float) -> float:
        """Requests a second of this many users together."""
        return self.rate * users / self.loss(users)

    def loss(self, users: float) -> float:
        """By what factor throughput stays behind a straight line; 1: not at all."""
        return 1 + self.contention * (users - 1) + self.coherency * users * (users - 1)

    @property
    def peak(self) -> float:
        """Users from which on throughput falls; infinite where it never does."""
        if self.coherency <= 0:
            return math.inf
        return math.sqrt(max(1 - self.contention, 0.0) / self.coherency)

    @property
    def most(self) -> float:
        """The largest throughput there is at any number of users; infinite where none is."""
        if self.coherency > 0:
            return self.at(max(self.peak, 1.0))
        return self.rate / self.contention if self.contention > 0 else math.inf

    def needed(self, users: float, held: float) -> float:
        """Resources for `users` in multiples of those on which `held` were held, if what users
        waited for there is shared by all resources, such as one database; infinite where no
        number of them suffices.

        m units with m times the users lose what the law says of m · held users; related to one
        unit, that is the law again, with σ' = (a + b) / (1 + a + b) and κ' = b / (1 + a + b),
        where a = σ (held - 1) and b = κ held (held - 1).
        """
        wanted = users / held
        if wanted <= 1:
            return wanted
        a, b = self.contention * (held - 1), self.coherency * held * (held - 1)
        whole = 1 + a + b
        unit = Law(1.0, (a + b) / whole, b / whole)
        if wanted >= unit.most:
            return math.inf
        # m / (1 + σ' (m - 1) + κ' m (m - 1)) = wanted: the smaller root of a quadratic in m
        square = unit.coherency * wanted
        linear = wanted * (unit.contention - unit.coherency) - 1
        rest = wanted * (1 - unit.contention)
        if square < 1e-12:
            return rest / -linear
        under = max(linear * linear - 4 * square * rest, 0.0)
        return (-linear - math.sqrt(under)) / (2 * square)


@dataclass(frozen=True, slots=True)
class Interval:
    """A value and where it lies with 95 % probability; bounds may be infinite."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Fitted:
    """The law of some levels.

    Attributes:
        error: root mean square of the relative errors.
        withheld: why nothing may be concluded from it; None: it holds.
        draws: laws that these levels might as well have come from.
    """

    law: Law
    levels: tuple[Level, ...]
    error: float
    withheld: str | None
    draws: tuple[Law, ...]

    def interval(self, of: Any) -> Interval:
        """A number of the law with its 95 % interval.

        Args:
            of: takes a `Law`.
        """
        # ranks, not interpolated quantiles: between a number and infinity there is no middle
        found = sorted(float(of(law)) for law in self.draws)
        edge = int(_EDGE * len(found))
        return Interval(float(of(self.law)), found[edge], found[-1 - edge])


def fit(levels: Sequence[Level], seed: int = 0) -> Fitted | str:
    """The law of the levels of one load test; why there is none, where there are too few.

    Levels of the same number of users are averaged.
    """
    by_users: dict[float, list[float]] = {}
    for level in levels:
        if level.users >= 1 and level.throughput > 0:
            by_users.setdefault(level.users, []).append(level.throughput)
    users = np.array(sorted(by_users), dtype=float)
    if len(users) < LEAST:
        return (
            f"{len(users)} level{'s' * (len(users) != 1)} of load: the law takes at least {LEAST}"
        )
    through = np.array([float(np.mean(by_users[n])) for n in users])
    pairs = list(zip(users, through, strict=True))
    law, draws = _fit(users, through, seed)
    error = float(np.sqrt(np.mean([(x / law.at(n) - 1) ** 2 for n, x in pairs])))
    withheld = None
    if error > WORST:
        withheld = f"the scalability law is off by {error:.0%} on average at the levels measured"
    elif 1 - 1 / law.loss(users[-1]) < _STRAIGHT:
        withheld = (
            f"up to {users[-1]:,.0f} users throughput grew with them: "
            "a limit is not yet in sight, test more users"
        )
    kept = tuple(Level(float(n), float(x)) for n, x in pairs)
    return Fitted(law, kept, error, withheld, draws)


def _fit(users: Floats, through: Floats, seed: int) -> tuple[Law, tuple[Law, ...]]:
    """The law and others that might be it.

    Turned over, the law is linear: N / X = (1 + σ (N - 1) + κ N (N - 1)) / λ. Least squares of
    the relative errors under the constraint that none of the three is negative have one solution.
    The others are drawn from Student's t distribution of the unconstrained one, as far as they keep
    the constraint: the posterior under a flat prior.
    """
    from scipy.optimize import nnls  # noqa: PLC0415 - half a second; few commands need it

    table = np.column_stack([np.ones_like(users), users - 1, users * (users - 1)])
    table *= (through / users)[:, None]
    scale = table.max(axis=0)
    table /= scale
    ones = np.ones(len(users))
    best, _ = nnls(table, ones)
    free = np.linalg.lstsq(table, ones, rcond=None)[0]
    freedom = len(users) - 3
    spread = max(float(((ones - table @ free) ** 2).sum()) / freedom, 1e-18)
    root = np.linalg.cholesky(np.linalg.pinv(table.T @ table) * spread + 1e-20 * np.eye(3))
    random = np.random.default_rng(seed)
    wide = np.sqrt(freedom / random.chisquare(freedom, _TRIES))
    drawn = free + random.normal(size=(_TRIES, 3)) @ root.T * wide[:, None]
    drawn = drawn[drawn[:, 0] > 0]
    kept = drawn[(drawn[:, 1:] >= 0).all(axis=1)][:_DRAWS]
    if len(kept) < _FEWEST:  # the constraint binds: as near to it as they come
        kept = np.maximum(drawn[:_DRAWS], 0.0)
    return _law(best / scale), tuple(_law(each / scale) for each in kept)


def _law(of: Floats) -> Law:
    first = max(float(of[0]), 1e-300)
    return Law(1 / first, float(of[1]) / first, float(of[2]) / first)


@dataclass(frozen=True, slots=True)
class Reach:
    """In how many steps a limit is reached.

    Attributes:
        expected: steps ahead at which the expected value is there; None: not within the horizon.
        earliest, latest: the same of the bounds of the 95 % interval.
    """

    expected: float | None
    earliest: float | None
    latest: float | None
    horizon: int


def reach(
    now: float, mean: Sequence[float], low: Sequence[float], high: Sequence[float], limit: float
) -> Reach:
    """When a forecast reaches a limit; 0: it was there in the last value already."""
    return Reach(
        _crossing(now, mean, limit), _crossing(now, high, limit), _crossing(now, low, limit),
        len(mean),
    )  # fmt: skip


def _crossing(now: float, path: Sequence[float], limit: float) -> float | None:
    if now >= limit:
        return 0.0
    before = now
    for step, value in enumerate(path, start=1):
        if value >= limit:
            return step - 1 + (limit - before) / (value - before) if value > before else step
        before = min(value, limit)
    return None
