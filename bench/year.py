"""A year of day ends: `Evaluator.evaluate` against SQL by hand over the same stored rollups.

The numbers of both sides (value and sample size of every moment and scope key) are compared first;
only then are they timed, in turn. Our side also makes verdicts, the gates of each metric and the
intervals that verdicts ask for; the SQL has values and sample sizes alone. Beside it stands the
time with every interval: the resampled one of integration_uptime, which no verdict asks for, is a
third of it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa

from bench import year_sql
from bench.engine import measured_by, seconds, subject
from bench.report import Figure, Outcome, spread
from bench.world import DAYS, World, day_end
from meterstone.measure.evaluate import Evaluation, Evaluator
from meterstone.measure.service import Subject
from meterstone.warehouse.base import Warehouse

ROUNDS = 5


def run(requests: int, step: Callable[[str], None], *, whole: bool = False) -> Outcome:
    """Compare, then time both sides."""
    with tempfile.TemporaryDirectory() as folder:
        made = subject(Path(folder, "warehouse.duckdb"), whole=whole)
        try:
            step(f"making {requests:,} requests and what goes with them")
            rows = World(requests).fill(made.warehouse, made.vocabulary)
            return measured(made, requests, rows, step)
        finally:
            made.warehouse.close()


def measured(made: Subject, requests: int, rows: int, step: Callable[[str], None]) -> Outcome:
    """The figures on a warehouse that is filled."""
    warehouse = made.warehouse
    evaluator = Evaluator(warehouse, made.vocabulary, made.catalogue)
    moments = [day_end(day) for day in range(DAYS)]
    by_hand = year_sql.queries(f"{moments[0]:%Y-%m-%d}", f"{moments[-1]:%Y-%m-%d}")
    ids = list(year_sql.metrics(by_hand))
    step("storing the rollups")
    evaluation = evaluator.evaluate(moments, ids)
    step("comparing the numbers")
    numbers, differing = _compare(warehouse, evaluation, by_hand)
    figures, timed = [], []
    for title, all_bounds, goal in (("", False, 1.5), (" with every interval", True, None)):
        figure, note = _timed(
            evaluator, warehouse, moments, by_hand, step, title=title, all_bounds=all_bounds
        )
        figures.append(replace(figure, goal=goal))
        timed.append(note)
    step("all metrics of the catalogue")
    evaluator.evaluate(moments)
    everything = seconds(lambda: evaluator.evaluate(moments))
    notes = [
        f"{requests:,} requests and {rows - requests:,} other rows, a year, 200 franchises",
        f"compared: {', '.join(ids)}; each at all of its scopes",
        f"{numbers:,} numbers (value, sample size) compared, {differing} differ by more than 1e-12",
        *timed,
        f"all of {measured_by(made.catalogue)} "
        f"({len(evaluator.evaluate(moments[-1:]).columns)} metrics × scopes) "
        f"at {DAYS} day ends: {everything:.2f} s",
    ]
    return Outcome("year", figures, notes)


def _timed(
    evaluator: Evaluator,
    warehouse: Warehouse,
    moments: list[datetime],
    by_hand: year_sql.Queries,
    step: Callable[[str], None],
    *,
    title: str,
    all_bounds: bool,
) -> tuple[Figure, str]:
    """The ratio of both sides over the metrics of these queries, and the times behind it."""
    ids = list(year_sql.metrics(by_hand))
    ours, other = [], []
    for number in range(ROUNDS):
        step(f"timing {len(ids)} metrics, round {number + 1} of {ROUNDS}")
        ours.append(seconds(lambda: evaluator.evaluate(moments, ids, all_bounds=all_bounds)))
        other.append(seconds(lambda: [warehouse.query(sql) for sql in by_hand.values()]))
    ratio = median(a / b for a, b in zip(ours, other, strict=True))
    figure = Figure(
        f"{len(ids)} metrics{title} at {DAYS} day ends over SQL by hand",
        f"{median(ours):.2f} s",
        f"{median(other):.2f} s",
        ratio,
    )
    note = (
        f"{len(ids)} metrics{title}: ours {spread(ours)}; SQL {spread(other)}; the ratio is the "
        "median of the rounds'"
    )
    return figure, note


def _compare(
    warehouse: Warehouse, evaluation: Evaluation, by_hand: year_sql.Queries
) -> tuple[int, int]:
    """How many numbers were compared, and how many differ."""
    numbers = differing = 0
    for (ids, scope), sql in by_hand.items():
        table = warehouse.query(sql)
        for id_ in ids:
            column = evaluation.columns[id_, scope]  # type: ignore[index]  # a kind of scope
            for name, array in (("value", column.value), ("n", column.sample)):
                theirs = _matrix(table, f"{name}_{id_}", evaluation.moments, column.keys)
                mine = np.asarray(array, dtype=float)
                if name == "n":  # no row is a sample of none
                    theirs = np.nan_to_num(theirs)
                same = np.isclose(mine, theirs, rtol=1e-12, atol=0, equal_nan=True)
                numbers += same.size
                differing += int((~same).sum())
    return numbers, differing


def _matrix(
    table: pa.Table, name: str, moments: Sequence[datetime], keys: Sequence[str]
) -> np.ndarray:
    """A column of a query as (moments, keys); NaN where it has no row."""
    rows = {moment: i for i, moment in enumerate(moments)}
    places = {key: k for k, key in enumerate(keys)}
    matrix = np.full((len(moments), len(keys)), np.nan)
    columns = (table.column(c).to_pylist() for c in ("moment", "k", name))
    for moment, key, value in zip(*columns, strict=True):
        i, k = rows.get(moment.replace(tzinfo=UTC)), places.get(key)
        if i is not None and k is not None and value is not None:
            matrix[i, k] = float(value)
    return matrix
