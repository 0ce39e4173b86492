"""What is true in a simulated network, known before anything is measured.

The measuring side never reads it; tests hold what was measured against it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

Value = float | str | bool | None
Tolerance = Literal["exact", "interval"]

EXACT = 1e-9
"""Relative difference up to which two figures are equal: the order of a sum of floats."""


@dataclass(frozen=True, slots=True)
class True_:  # noqa: N801  # `True` is taken
    """The true result of one metric at one scope.

    Attributes:
        metric: id of the metric.
        place: the ref, where it is judged by a value of its own; None for the metric's value.
        scope: kind of the scope, and ``key`` (``*`` for the network).
        value: a number in the unit of the metric, a word of its scale, or None: there is none.
        n: sample size in the metric's sample unit; None where the truth does not say.
        verdict: the verdict at every place, where it does not follow from value and target
            (``no_data``, ``insufficient_data``, ``expired``, ``not_applicable`` …).
        tolerance: ``exact``, or ``interval``: the measured interval has to contain the value.
    """

    metric: str
    scope: str
    key: str
    value: Value
    n: float | None
    verdict: str | None
    tolerance: Tolerance
    place: str | None = None


class Truth:
    """Collects what is true at the end of the simulated time."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str, str], True_] = {}
        self.effects: dict[str, dict[str, float]] = {}
        """True causal effects of going live, by outcome and franchise."""
        self.missed: set[str] = set()
        """Refs that the story makes miss their target (struggling)."""

    def exact(
        self,
        metric: str,
        value: Value,
        *,
        n: float | None = None,
        verdict: str | None = None,
        scope: str = "network",
        key: str = "*",
        place: str | None = None,
    ) -> None:
        """A count, sum, share or word that has to be measured exactly.

        ``verdict`` only where it does not follow from the value (too small a sample, expired rows).
        ``place`` for a ref that is judged by a value of its own.
        """
        self._put(True_(metric, scope, key, value, n, verdict, "exact", place))

    def estimate(
        self,
        metric: str,
        value: float,
        *,
        n: float | None = None,
        verdict: str | None = None,
        scope: str = "network",
        key: str = "*",
    ) -> None:
        """What is measured by a sample or a model: the measured interval has to contain it."""
        self._put(True_(metric, scope, key, value, n, verdict, "interval"))

    def missing(
        self,
        metric: str,
        verdict: str = "no_data",
        *,
        scope: str = "network",
        key: str = "*",
        place: str | None = None,
    ) -> None:
        """There is no value, and the verdict says why."""
        self._put(True_(metric, scope, key, None, None, verdict, "exact", place))

    def of(self, metric: str, scope: str = "network", key: str = "*") -> True_:
        """What was said of a metric before: for truths that are made of others.

        Raises:
            KeyError: nothing was said of it.
        """
        return self._found[metric, scope, key, ""]

    def knows(self, metric: str) -> bool:
        """Whether something was said of a metric at any scope."""
        return any(found == metric for found, *_ in self._found)

    def all(self) -> list[True_]:
        """All truths, by metric, scope and key."""
        return [self._found[key] for key in sorted(self._found)]

    def write(self, path: Path, *, story: str, seed: int, at: datetime) -> None:
        """Write the truth file."""
        document = {
            "simulated": True,
            "story": story,
            "seed": seed,
            "at": at.isoformat().replace("+00:00", "Z"),
            "missed": sorted(self.missed),
            "effects": self.effects,
            "metrics": [asdict(found) for found in self.all()],
        }
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")

    def _put(self, found: True_) -> None:
        key = (found.metric, found.scope, found.key, found.place or "")
        if key in self._found:
            raise ValueError(f"two truths of {found.metric} at {found.scope} {found.key}")
        self._found[key] = found
