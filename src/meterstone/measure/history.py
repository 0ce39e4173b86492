"""Results day by day: as published, or reconstructed as known now where nothing was published.

A published result is a ``metric_result`` fact of report ``daily``, written at the end of its day.
Where history was imported there is none; the day is then evaluated now, and says so. Reconstructed
verdicts are kept by day until a fact of that day or an earlier one is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np

from meterstone.catalogue import Catalogue, Metric, Place
from meterstone.facts import Vocabulary
from meterstone.measure.compile import Compiler, literal
from meterstone.measure.days import day_end, last_closed_day
from meterstone.measure.evaluate import Column, Evaluation, Evaluator
from meterstone.measure.results import Scope
from meterstone.warehouse.base import Warehouse

ANY = Scope("network").key
"""The key of the network, and of a place that judges every key of its kind of scope."""

_WORST_FIRST = (
    "not_met", "expired", "inconclusive", "insufficient_data", "no_data", "met", "not_applicable",
    "reference",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DayResult:
    """One ref on one day. ``first_verdict`` is what was published first, before restatements."""

    verdict: str
    value: float | str | None
    kind: Literal["published", "reconstructed"]
    revision: int = 0
    first_verdict: str = ""

    @property
    def restated(self) -> bool:
        """A later revision changed the verdict."""
        return bool(self.first_verdict) and self.first_verdict != self.verdict


Days = dict[date, dict[str, DayResult]]
_Kept = tuple[str, float | str | None]
"""Verdict and value."""


def _unjudged(_metric: Metric, _scope: Scope, moments: Sequence[datetime]) -> list[_Kept]:
    return [("no_data", None)] * len(moments)


def place_scope(metric: Metric, place: Place) -> Scope:
    """The scope at which a place sets its target; key ``*``: everywhere in this kind of scope."""
    for kind, key in place.at.items():
        return Scope(kind, key)  # type: ignore[arg-type]  # keys of `at` are scope kinds
    kinds = metric.raw.scopes
    return Scope("network") if "network" in kinds else Scope(kinds[0], ANY)


def _worse(a: DayResult, b: DayResult) -> DayResult:
    """A target for every key of a scope is met where each of them meets it; there is no one value.
    Which of the two was restated is kept."""
    first = min(a.first_verdict, b.first_verdict, key=_WORST_FIRST.index)
    verdict = min(a.verdict, b.verdict, key=_WORST_FIRST.index)
    return DayResult(verdict, None, a.kind, max(a.revision, b.revision), first)


class History:
    """Day results of refs, as known at one moment.

    Args:
        evaluator: evaluates what was not published.
        known_at: only rows recorded by then; None for all.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        vocabulary: Vocabulary,
        catalogue: Catalogue,
        evaluator: Evaluator,
        known_at: datetime | None,
    ) -> None:
        self._warehouse = warehouse
        self._catalogue = catalogue
        self._evaluator = evaluator
        self._known_at = known_at
        self._zone = ZoneInfo(catalogue.time_zone)
        self._compiler = Compiler(warehouse, vocabulary, catalogue.relations, known_at)
        self._evaluated: dict[date, dict[str, _Kept]] = {}
        self._found: dict[tuple[date, str], DayResult] = {}
        self._cells: dict[tuple[str, bool], dict[datetime, tuple[Evaluation, int]]] = {}
        self.memo: dict[Any, Any] = {}
        """What rules found at a moment, by what they asked: rules over rules ask the same again."""
        self.judge: Callable[[Metric, Scope, Sequence[datetime]], list[_Kept]] = _unjudged
        """Verdict and value of a metric that looks back, one a moment; set by whoever has the
        rules."""

    def take(self, evaluation: Evaluation) -> None:
        """Keep what an evaluation of the whole catalogue says of the days that its moments end, so
        that they need not be evaluated again."""
        judged = [ref for ref, (m, _) in self._catalogue.by_ref().items() if not m.looks_back]
        ends = {at: last_closed_day(at, self._zone) for at in evaluation.moments}
        self._keep(
            {
                day: self._results(evaluation.alone(index), 0, judged)
                for index, (at, day) in enumerate(ends.items())
                if at == day_end(day, self._zone)
            }
        )

    def missing(self, refs: Iterable[str], days: Sequence[date]) -> list[date]:
        """The days that would have to be evaluated to tell the results of refs."""
        by_ref = self._catalogue.by_ref()
        wanted = [ref for ref in refs if not by_ref[ref][0].looks_back]
        found: Days = {day: {} for day in days}
        self._add_published(found, set(wanted))
        return self._unknown(found, wanted, days)

    def _unknown(self, found: Days, wanted: list[str], days: Sequence[date]) -> list[date]:
        """Days of which a ref is neither found nor kept; what was kept is taken in."""

        def open_(day: date) -> bool:
            known = self._evaluated.get(day, {})
            return not all(ref in known or ref in found[day] for ref in wanted)

        asked = [day for day in days if open_(day)]
        if asked:
            for day, kept in self._evaluator.cached_days(asked).items():
                self._evaluated[day] = kept | self._evaluated.get(day, {})
        return [day for day in asked if open_(day)]

    def days(self, refs: Iterable[str], days: Sequence[date], *, rules: bool = False) -> Days:
        """Results of refs on each day.

        Args:
            rules: also of metrics that look back (thresholds, cadences …); else they are left out.
        """
        by_ref = self._catalogue.by_ref()
        wanted = [ref for ref in refs if rules or not by_ref[ref][0].looks_back]
        computed = [ref for ref in wanted if not by_ref[ref][0].looks_back]
        unknown = [d for d in days if any((d, ref) not in self._found for ref in wanted)]
        found: Days = {day: {} for day in unknown}
        self._add_published(found, set(wanted))
        open_days = [day for day in unknown if any(ref not in found[day] for ref in computed)]
        if open_days:
            self._add_reconstructed(found, computed, open_days)
        self._add_judged(found, set(wanted).difference(computed))
        for day, results in found.items():
            self._found |= {(day, ref): result for ref, result in results.items()}
        return {day: {ref: self._found[day, ref] for ref in wanted} for day in days}

    def _add_published(self, found: Days, wanted: set[str]) -> None:
        if not found:
            return
        by_end = {day_end(day, self._zone): day for day in found}
        table = self._warehouse.query(
            "SELECT ref, scope, scope_key, period_end, verdict, value, state, revision, "
            "first_value(verdict) OVER (PARTITION BY ref, scope, scope_key, period_end "
            "ORDER BY revision) AS first_verdict FROM facts.metric_result "
            f"WHERE report = 'daily' AND NOT retracted AND period_end >= {literal(min(by_end))} "
            f"AND period_end <= {literal(max(by_end))}{self._known} QUALIFY row_number() OVER "
            "(PARTITION BY ref, scope, scope_key, period_end ORDER BY revision DESC) = 1"
        )
        places = self._catalogue.by_ref()
        for row in table.to_pylist():
            day = by_end.get(row["period_end"].replace(tzinfo=UTC))
            if day is None or row["ref"] not in wanted:
                continue
            scope = place_scope(*places[row["ref"]]).recorded
            if scope != Scope(row["scope"], row["scope_key"] if scope.key != ANY else ANY):
                continue
            value = row["value"] if row["value"] is not None else row["state"]
            result = DayResult(
                row["verdict"], value, "published", row["revision"], row["first_verdict"]
            )
            before = found[day].get(row["ref"])
            found[day][row["ref"]] = result if before is None else _worse(before, result)

    def _add_reconstructed(self, found: Days, wanted: list[str], days: list[date]) -> None:
        missing = self._unknown(found, wanted, days)
        for day in set(days) - set(missing):
            for ref in wanted:
                if ref not in found[day]:
                    found[day][ref] = DayResult(*self._evaluated[day][ref], "reconstructed")
        if not missing:
            return
        results = self._evaluate(wanted, missing)
        for day, by_ref in results.items():
            for ref, result in by_ref.items():
                found[day].setdefault(ref, result)
        self._keep(results)

    def _add_judged(self, found: Days, wanted: Set[str]) -> None:
        """Metrics that look back, where nothing was published."""
        places = self._catalogue.by_ref()
        open_days = [day for day, results in found.items() if not wanted <= results.keys()]
        missing = set(self._unknown(found, list(wanted), open_days))
        for ref in wanted:
            days = [day for day in open_days if ref not in found[day]]
            kept = {day: self._evaluated.get(day, {}).get(ref) for day in days}
            asked = [day for day in days if day in missing and kept[day] is None]
            ends = [day_end(day, self._zone) for day in asked]
            judged = self.judge(places[ref][0], place_scope(*places[ref]), ends) if ends else []
            new = dict(zip(asked, judged, strict=True))
            self._keep(
                {day: {ref: DayResult(*result, "reconstructed")} for day, result in new.items()}
            )
            for day in days:
                found[day][ref] = DayResult(*(kept[day] or new[day]), "reconstructed")

    def _evaluate(self, wanted: list[str], days: list[date]) -> Days:
        places = self._catalogue.by_ref()
        metrics = {places[ref][0].id for ref in wanted}
        ends = [day_end(day, self._zone) for day in days]
        evaluation = self._evaluator.evaluate(ends, sorted(metrics), all_bounds=False)
        return {day: self._results(evaluation, n, wanted) for n, day in enumerate(days)}

    def _results(
        self, evaluation: Evaluation, index: int, refs: Iterable[str]
    ) -> dict[str, DayResult]:
        places = self._catalogue.by_ref()
        return {ref: _day_result(evaluation, *places[ref], index) for ref in refs}

    def _keep(self, results: Days) -> None:
        kept = {
            d: {ref: (r.verdict, r.value) for ref, r in by.items()} for d, by in results.items()
        }
        for day, by_ref in kept.items():
            self._evaluated.setdefault(day, {}).update(by_ref)
        self._evaluator.cache_days(kept)

    def series(
        self, metric: str, scope: Scope, moments: Sequence[datetime], field: str = "value"
    ) -> list[Any]:
        """Values of a metric at a scope, one a moment (None where there is none).

        Args:
            field: ``value``; a bound of its interval, ``lower95`` or ``upper95``; its sample ``n``;
                or the name of what is shown beside it.
        """
        found: list[Any] = []
        for column, index in self._columns(metric, scope, moments, field in ("lower95", "upper95")):
            if column is None or scope.key not in column.keys:
                found.append(None)
                continue
            array = _field(column, field)
            k = column.keys.index(scope.key)
            found.append(_plain(np.broadcast_to(array, column.value.shape)[index, k]))
        return found

    def verdicts(self, metric: Metric, scope: Scope, moments: Sequence[datetime]) -> list[str]:
        """Verdicts by the defining target at a scope, one a moment, computed as known."""
        return [
            "no_data"
            if column is None or scope.key not in column.keys
            else str(column.verdicts[0][index, column.keys.index(scope.key)])
            for column, index in self._columns(metric.id, scope, moments, bounds=False)
        ]

    def _columns(
        self, metric: str, scope: Scope, moments: Sequence[datetime], bounds: bool
    ) -> list[tuple[Column | None, int]]:
        """The column of a metric and the index in it, one a moment; evaluated once a moment."""
        kept = self._cells.setdefault((metric, bounds), {})
        missing = sorted({at for at in moments if at not in kept})
        if missing:
            evaluation = self._evaluator.evaluate(missing, [metric], all_bounds=bounds)
            kept |= {at: (evaluation, index) for index, at in enumerate(missing)}
        return [(kept[at][0].columns.get((metric, scope.kind)), kept[at][1]) for at in moments]

    def terms(
        self, metric: Metric, scope: Scope, moments: Sequence[datetime]
    ) -> list[dict[str, tuple[float, float]]]:
        """The terms of a metric that looks back, with the rows that each read; one dict a moment.
        The value of a trend is the term ``value``."""
        kept = self._cells.setdefault((f"{metric.id} terms", False), {})
        missing = sorted({at for at in moments if at not in kept})
        if missing:
            columns = self._evaluator.terms(metric, missing)
            evaluation = Evaluation(missing, self._known_at, {}, {})
            evaluation.columns = {(metric.id, kind): c for kind, c in columns.items()}
            kept |= {at: (evaluation, index) for index, at in enumerate(missing)}
        found = []
        for at in moments:
            evaluation, index = kept[at]
            column = evaluation.columns[metric.id, scope.kind]
            if scope.key not in column.keys:
                found.append(dict.fromkeys(metric.terms, (np.nan, 0.0)))
                continue
            k = column.keys.index(scope.key)
            terms = {
                name: (float(array[index, k]), float(column.rows[name][index, k]))
                for name, array in column.terms.items()
                if name in column.rows and array.dtype != object
            }
            terms["value"] = (float(column.value[index, k]), float(column.sample[index, k]))
            found.append(terms)
        return found

    def anchor(self, words: str) -> tuple[datetime, datetime] | None:
        """When a claim was attested, and the end of the month after it that is named."""
        key = ("anchor", words)
        if key not in self.memo:
            self.memo[key] = self._evaluator.anchor(words)
        found: tuple[datetime, datetime] | None = self.memo[key]
        return found

    def counts(
        self,
        fact: str,
        where: str | None,
        windows: Sequence[tuple[datetime | None, datetime]],
        scope: Scope,
    ) -> list[tuple[int, bool]]:
        """Rows of a fact that fulfil a condition, are valid at the end of a window
        (``expires_at`` is null or later) and have their event time in it; and whether the fact had
        any row before its end. One pair a window; None opens it at the beginning.

        At a franchise or an integration only its own rows are counted, where the fact has them.
        """
        column = {"franchise": "franchise_id", "integration": "integration"}.get(scope.kind)
        own = ""
        if column:
            key = scope.key.replace("'", "''")
            own = f" AND r.{column} = '{key}'"
        source = self._compiler.fact(fact)
        first = self._warehouse.query(
            f"SELECT epoch(min(r.newest)) AS first FROM {source} AS r WHERE true{own}"
        ).to_pylist()[0]["first"]
        table = self._warehouse.query(
            "SELECT epoch(r.newest) AS at, coalesce(epoch(r.expires_at), 'Infinity') AS expires "
            f"FROM {source} AS r WHERE ({where or 'true'}){own} ORDER BY r.newest"
        )
        times = table.column("at").to_numpy().astype(float)
        expires = table.column("expires").to_numpy().astype(float)
        found = []
        for opens, closes in windows:
            start, end = (opens.timestamp() if opens else -np.inf), closes.timestamp()
            valid = (times >= start) & (times < end) & (expires > end)
            found.append((int(valid.sum()), first is not None and first < end))
        return found

    def times(
        self, fact: str, where: str | None, same: str | None, last: int, at: datetime
    ) -> list[datetime]:
        """Just after the newest rows of a fact before a moment, oldest first: windows are
        half-open, so that a row counts from the next microsecond on.

        Args:
            same: only rows that share this column with the newest one.
        """
        condition = f" AND ({where})" if where else ""
        rows = self._warehouse.query(
            f"SELECT newest, {same or 'NULL'} AS series FROM {self._compiler.fact(fact)} "
            f"WHERE newest < {literal(at)}{condition} ORDER BY newest DESC, series"
        ).to_pylist()
        times = [row["newest"] for row in rows if row["series"] == rows[0]["series"]]
        distinct = list(dict.fromkeys(times))[:last]
        after = timedelta(microseconds=1)
        return [moment.replace(tzinfo=UTC) + after for moment in reversed(distinct)]

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Rows of a query in which ``{attestation}`` stands for the current rows of that fact."""
        query = sql.format(attestation=self._compiler.fact("attestation"))
        rows: list[dict[str, Any]] = self._warehouse.query(query).to_pylist()
        return rows

    def publications(self, columns: str, where: str) -> list[dict[str, Any]]:
        """What was published, every revision of it: a restatement does not undo that a result
        came in time, nor does another report of the same period."""
        rows: list[dict[str, Any]] = self._warehouse.query(
            f"SELECT {columns} FROM facts.metric_result WHERE NOT retracted "
            f"AND published_at IS NOT NULL{self._known} AND {where}"
        ).to_pylist()
        return rows

    @property
    def _known(self) -> str:
        return "" if self._known_at is None else f" AND recorded_at <= {literal(self._known_at)}"


def _field(column: Column, field: str) -> Any:
    """An array of a column by the name that a rule has for it."""
    if field in column.shown:
        return column.shown[field]
    arrays = {
        "value": column.value, "lower95": column.lower, "upper95": column.upper,
        "n": column.sample,
    }  # fmt: skip
    return arrays[field]


def cell_value(column: Column, index: int, key: str) -> float | str | None:
    """The value of one cell as Python; None where there is none."""
    return _plain(column.value[index, column.keys.index(key)])


def _plain(value: Any) -> float | str | None:
    if value is None or isinstance(value, str):
        return value
    return None if np.isnan(value) else float(value)


def _day_result(evaluation: Evaluation, metric: Metric, place: Place, index: int) -> DayResult:
    scope = place_scope(metric, place)
    column = evaluation.columns[metric.id, scope.kind]
    verdicts = column.verdicts[metric.places.index(place)][index]
    if scope.key == ANY and scope.kind != "network" and len(verdicts):
        worst = min(map(str, verdicts), key=_WORST_FIRST.index)
        return DayResult(worst, None, "reconstructed")
    if scope.key not in column.keys:
        return DayResult("no_data", None, "reconstructed")
    k = column.keys.index(scope.key)
    own = column.own_values.get(metric.places.index(place))
    value = cell_value(column, index, scope.key) if own is None else _plain(own[index, k])
    return DayResult(str(verdicts[k]), value, "reconstructed")
