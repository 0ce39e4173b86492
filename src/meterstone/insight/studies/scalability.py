"""What the scalability law of the newest load test says of more users."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from meterstone.insight.capacity import HEADROOM, Fitted, Interval
from meterstone.insight.findings import Advice, Check, Curve, Figure, Finding, Picture, Point
from meterstone.insight.studies.demand import FRESH_DAYS, Expected, Test
from meterstone.insight.studies.reading import NETWORK
from meterstone.insight.study import Source


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of users before anything is concluded.

    Attributes:
        held: users that are proven; None: no valid load test.
        fitted: the law of the newest test, or why there is none.
        peak: the forecast of the next 30 days.
    """

    held: float | None
    test: Test | None
    fitted: Fitted | str
    peak: Expected | None

    def age_days(self, source: Source) -> int | None:
        """Of the newest load test."""
        return None if self.test is None else (source.at - self.test.ended).days

    def fresh(self, source: Source) -> Check:
        """Whether the newest load test still proves something."""
        age = self.age_days(source)
        says = "there is none" if age is None else f"it is {age} days old"
        good = age is not None and age <= FRESH_DAYS
        return Check(f"The load test is at most {FRESH_DAYS} days old", good, says)


_TEST = Advice(
    "test_levels", "Test at least four levels of load",
    "Hold each for 15 minutes, from few users to beyond the point where answers slow down, on one "
    "system with one scenario: meterstone loadtest URL --hold 900 --production-like --users …",
)  # fmt: skip
"""What would let the law be claimed."""


def no_limit(age: int | None) -> str:
    """Why no number of users is proven.

    Args:
        age: of the newest load test, in days.
    """
    if age is None:
        return "no load test is on record, so nobody knows how many users are too many"
    if age > FRESH_DAYS:
        return f"the newest load test is {age} days old: tests prove something for {FRESH_DAYS}"
    return "no level of the newest load test was held for 15 minutes within the limits"


def scalability(source: Source, asked: Asked) -> Finding:
    """What the newest load test says of more users."""
    fitted, test = asked.fitted, asked.test
    age = asked.age_days(source)
    why = fitted if isinstance(fitted, str) else fitted.withheld
    if why is None and age is not None and age > FRESH_DAYS:
        why = no_limit(age)
    law = None if isinstance(fitted, str) else fitted
    figures = [] if law is None else list(_law_figures(law, asked))
    needed = next((each for each in figures if each.id == "needed"), None)
    if why is not None or law is None or test is None:
        sentence = f"What more users would take is not claimed: {why}."
    else:
        most = law.interval(lambda each: each.most)
        sentence = (
            f"By its newest load test the system gives at most {number(most.value)} good answers "
            f"a second (95 %: {number(most.low)} to {number(most.high)})"
        )
        peak = law.law.peak
        sentence += f", at {number(peak)} users." if math.isfinite(peak) else ", however many ask."
        sentence += _needed_words(needed, asked)
    return Finding(
        study="capacity", key="capacity_requirement_factor", scope=NETWORK,
        title="What more users would take",
        sentence=sentence, withheld=why,
        method=(
            "Universal scalability law (Gunther 2007) of the levels of the newest production-like "
            "load test, by least squares; intervals by parametric bootstrap. Resources are a "
            "multiple of today's: at least in proportion to users, and by the law if what users "
            f"wait for is shared by all resources. Expected users count {HEADROOM:g} times."
        ),
        figures=tuple(figures), pictures=tuple(_law_pictures(law)),
        checks=(*_law_checks(law), asked.fresh(source)),
        advice=tuple(_law_advice(needed)) if why is None else (_TEST,),
    )  # fmt: skip


def _law_figures(law: Fitted, asked: Asked) -> Iterator[Figure]:
    def figure(id_: str, title: str, unit: str, found: Interval) -> Figure:
        value, low, high = (_finite(x) for x in (found.value, found.low, found.high))
        return Figure(id_, title, value, unit, low, high)

    of = law.interval
    yield figure("most", "Most good answers a second", "requests/s", of(lambda e: e.most))
    yield figure("peak", "Users at which that is reached", "users", of(lambda e: e.peak))
    yield figure(
        "contention", "Contention: share that waits in line", "%",
        of(lambda e: 100 * e.contention),
    )  # fmt: skip
    yield figure(
        "coherency", "Coherency: cost of each pair of users, in millionths", "",
        of(lambda e: 1e6 * e.coherency),
    )  # fmt: skip
    yield Figure("error", "Mean error of the law at the levels", 100 * law.error, "%")
    if asked.peak is not None and asked.held:
        held, wanted = asked.held, HEADROOM * asked.peak.high
        yield Figure("straight", "Resources needed at least, in multiples", wanted / held, "x")
        yield figure(
            "needed", "Resources needed by the law, in multiples of today's", "x",
            of(lambda e: e.needed(wanted, held)),
        )  # fmt: skip


def _needed_words(needed: Figure | None, asked: Asked) -> str:
    if asked.peak is None or asked.held is None or needed is None:
        return " What will be needed is not known: no forecast of the peak is on record."
    least = HEADROOM * asked.peak.high / asked.held
    peak = f"the peak of the next 30 days (at most {number(asked.peak.high)} users, 95 %)"
    if needed.value is None:
        return f" For {peak} more of the same would not do: what all share has to change."
    few, many = f"{least:.2g}", f"{max(float(needed.value), least):.2g}"
    times = few if few == many else f"{few} to {many}"
    enough = " Today's are enough." if max(float(needed.value), least) <= 1 else ""
    return f" For {peak}, {times} times today's resources are needed.{enough}"


def _law_pictures(law: Fitted | None) -> Iterator[Picture]:
    if law is None:
        return
    seen = tuple(Point(level.users, level.throughput) for level in law.levels)
    top = 1.5 * law.levels[-1].users
    grid = [float(n) for n in np.linspace(1, top, 60)]
    curve = []
    for n in grid:
        band = law.interval(lambda each, n=n: each.at(n))
        curve.append(Point(n, band.value, band.low, band.high))
    straight = tuple(Point(n, law.law.rate * n) for n in (1.0, law.levels[-1].users))
    yield Picture(
        "Good answers a second by number of users", "users", "requests/s",
        (
            Curve("measured", "Measured", "observed", seen),
            Curve("law", "Scalability law", "expected", tuple(curve)),
            Curve("straight", "If nobody waited for anybody", "compared", straight),
        ),
    )  # fmt: skip


def _law_checks(law: Fitted | None) -> Iterator[Check]:
    if law is not None:
        yield Check(
            "The law describes the levels", law.withheld is None,
            law.withheld or f"off by {law.error:.1%} on average at {len(law.levels)} levels",
        )  # fmt: skip


def _law_advice(needed: Figure | None) -> Iterator[Advice]:
    if needed is None:
        return
    if needed.value is None:
        yield Advice(
            "unshare", "Split what all share",
            "By the law no number of further instances carries the expected peak: find what users "
            "wait for together (database, lock, queue) and split or cache it, then test again.",
        )  # fmt: skip
    elif isinstance(needed.value, float) and needed.value > 1:
        yield Advice(
            "scale_out", f"Provide {needed.value:.2g} times today's resources",
            f"The expected peak with a reserve of a quarter needs {needed.value:.2g} times what "
            "the load test ran on.",
        )  # fmt: skip


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def number(value: float | None) -> str:
    """A number as people read it."""
    if value is None or math.isinf(value):
        return "no limit"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:,.3g}"
