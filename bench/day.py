"""One new day: append it, refresh, evaluate with all gates; against the whole, and against history.

- The whole: the same year with empty rollups, all 365 day ends evaluated, and the gates.
- History: the same new day after a tenth of the requests in the year before, and after a tenth of
  the days (every fact a tenth).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

from bench.engine import measured_by, seconds, subject
from bench.report import Figure, Outcome, spread
from bench.world import DAYS, World, day_end
from meterstone.measure.evaluate import Evaluator
from meterstone.measure.service import Subject, measure

NEW_DAYS = 5
SHORT = DAYS // 10


class _History:
    """A warehouse with some days, to which days of one world are added one by one."""

    def __init__(self, subject: Subject, new: World, days: int) -> None:
        self.subject = subject
        self._new = new
        self._days = days

    def whole(self) -> float:
        """Seconds of a full evaluation from empty rollups."""
        return seconds(self._whole)

    def _whole(self) -> None:
        warehouse, vocabulary, catalogue = (
            self.subject.warehouse, self.subject.vocabulary, self.subject.catalogue,
        )  # fmt: skip
        Evaluator(warehouse, vocabulary, catalogue).evaluate(
            [day_end(day) for day in range(self._days)]
        )
        measure(self.subject, day_end(self._days - 1))

    def one_more(self) -> float:
        """Seconds to append the next day and to measure at its end, gates and all."""
        day, self._days = self._days, self._days + 1
        return seconds(lambda: self._add(day))

    def _add(self, day: int) -> None:
        self._new.fill(self.subject.warehouse, self.subject.vocabulary, day, 1)
        measure(self.subject, day_end(day))


def run(requests: int, step: Callable[[str], None], *, whole: bool = False) -> Outcome:
    """The new day of a network with this many requests a year."""
    with tempfile.TemporaryDirectory() as folder:
        worlds = {
            "a year": (World(requests), DAYS),
            "a year, a tenth of the requests": (World(requests // 10), DAYS),
            f"{SHORT} days": (World(requests), SHORT),
        }
        histories: dict[str, _History] = {}
        full: dict[str, float] = {}
        for number, (name, (world, days)) in enumerate(worlds.items()):
            step(f"making {name}")
            made = subject(Path(folder, f"{number}.duckdb"), whole=whole)
            world.fill(made.warehouse, made.vocabulary, 0, days)
            histories[name] = _History(made, World(requests), days)
            step(f"full evaluation of {name}")
            full[name] = histories[name].whole()
        taken = _new_days(histories, step)
        for history in histories.values():
            history.subject.warehouse.close()
        outcome = _outcome(requests, full, taken)
        return replace(outcome, notes=[*outcome.notes, measured_by(made.catalogue)])


def _new_days(
    histories: dict[str, _History], step: Callable[[str], None]
) -> dict[str, list[float]]:
    """Seconds of each new day by history, in turn; the first one warms up."""
    found: dict[str, list[float]] = {name: [] for name in histories}
    for number in range(NEW_DAYS + 1):
        step(f"new day {number + 1} of {NEW_DAYS + 1}")
        for name, history in histories.items():
            elapsed = history.one_more()
            if number:
                found[name].append(elapsed)
    return found


def _outcome(requests: int, whole: dict[str, float], days: dict[str, list[float]]) -> Outcome:
    year, tenth, short = days
    figures = [
        Figure(
            f"a new day over the full evaluation of {DAYS} days",
            f"{median(days[year]):.2f} s", f"{whole[year]:.1f} s",
            median(days[year]) / whole[year], 0.02, percent=True,
        )
    ]  # fmt: skip
    for other, goal in ((tenth, 1.1), (short, None)):
        pairs = zip(days[year], days[other], strict=True)
        figures.append(
            Figure(
                f"a new day after {year} over one after {other}",
                f"{median(days[year]):.2f} s", f"{median(days[other]):.2f} s",
                median(a / b for a, b in pairs), goal,
            )
        )  # fmt: skip
    notes = [
        f"{requests:,} requests a year, a new day has {requests // DAYS:,} and the other facts",
        *(f"a new day after {name}: {spread(taken)}" for name, taken in days.items()),
        "a new day is: make its rows, append, refresh the rollups, evaluate the catalogue at its "
        "end, and all gates over 90 days",
        f"after {short} the windows of 30 and 90 days are not full, so that day has less to read "
        "whatever the engine does",
    ]
    return Outcome("day", figures, notes)
