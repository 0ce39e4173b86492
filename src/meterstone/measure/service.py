"""``measure``: everything a catalogue asks for, at one moment, as known at one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from meterstone.catalogue import Catalogue, Metric, Place, Target, parse_window
from meterstone.errors import InputError, suggest
from meterstone.facts import EVIDENCE_LEVELS, Evidence, Vocabulary
from meterstone.measure.compile import literal
from meterstone.measure.days import day_end, last_closed_day
from meterstone.measure.evaluate import Column, Evaluation, Evaluator, is_at
from meterstone.measure.gates import (
    LEAST_DAYS,
    MaintenanceWindow,
    evaluate_gate,
    group_refs,
    maintenance_windows,
)
from meterstone.measure.history import DayResult, History, cell_value, place_scope
from meterstone.measure.results import (
    GateResult,
    Measurement,
    MetricResult,
    PlaceVerdict,
    Scope,
    Verdict,
)
from meterstone.measure.rules import Rules
from meterstone.warehouse.base import Warehouse


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured, and by which definitions."""

    warehouse: Warehouse
    vocabulary: Vocabulary
    catalogue: Catalogue


def measure(
    subject: Subject,
    at: datetime,
    known_at: datetime | None = None,
    *,
    gates: bool = True,
) -> Measurement:
    """All results and gates.

    Args:
        subject: facts and definitions.
        at: the moment that is measured, by event time, UTC.
        known_at: only rows recorded by then; None for everything known now.
        gates: also evaluate the gates and the kinds that look back over days.
    """
    return Measuring(subject, at, known_at).measurement(gates=gates)


_FEW_DAYS = 2
"""Up to so many days are evaluated together with the moment that is measured."""


class Measuring:
    """One evaluation of a catalogue, with its history at hand."""

    def __init__(self, subject: Subject, at: datetime, known_at: datetime | None) -> None:
        self._subject = subject
        self._at = at
        self._known_at = known_at
        warehouse, vocabulary, catalogue = subject.warehouse, subject.vocabulary, subject.catalogue
        self._evaluator = Evaluator(warehouse, vocabulary, catalogue, known_at)
        self._history = History(warehouse, vocabulary, catalogue, self._evaluator, known_at)
        self._history.judge = self._judge

    def _judge(
        self, metric: Metric, scope: Scope, moments: Sequence[datetime]
    ) -> list[tuple[str, float | str | None]]:
        """Verdict and value of a metric that looks back, at other moments."""
        catalogue, history = self._subject.catalogue, self._history
        Rules(catalogue, history, max(moments)).look_at(metric, scope, moments)
        newest_first = sorted(moments, reverse=True)
        found = {at: Rules(catalogue, history, at).evaluate(metric, scope) for at in newest_first}
        return [(found[at].verdict, found[at].value) for at in moments]

    def measurement(self, *, gates: bool = True) -> Measurement:
        """The results in the order of the catalogue, network first."""
        known = self._known_at or datetime.now(UTC)
        earlier = self._newly_touched() if gates else []
        together = self._evaluator.evaluate([*earlier, self._at])
        if gates:
            self._look_back(together)
        evaluation = together.alone(len(earlier))
        revisions = self._revisions()
        results = list(self._results(evaluation, revisions, rules=gates))
        windows = self.maintenance()
        return Measurement(
            at=self._at,
            known_at=known,
            catalogue=self._subject.catalogue.hash,
            metrics=results,
            gates=self._gates(windows) if gates else [],
        )

    def of(self, ids: Collection[str]) -> list[MetricResult]:
        """The results of some metrics at all their scopes, in the order of the catalogue."""
        evaluation = self._evaluator.evaluate([self._at], ids)
        return list(self._results(evaluation, self._revisions(), rules=True, only=ids))

    def _look_back(self, evaluation: Evaluation) -> None:
        """Evaluate the days that gates look at once, for all of them."""
        self._history.take(evaluation)
        self._history.days(*self._looked_at())

    def _looked_at(self) -> tuple[set[str], list[date]]:
        """The refs that gates judge, and the days."""
        catalogue = self._subject.catalogue
        refs = {ref for gate in catalogue.gates.values() for ref in group_refs(catalogue, gate)}
        newest = last_closed_day(self._at, ZoneInfo(catalogue.time_zone))
        return refs, [newest - timedelta(days=n) for n in reversed(range(LEAST_DAYS))]

    def _newly_touched(self) -> list[datetime]:
        """Ends of the few days before a day's end that gates need and that facts have touched since
        they were measured: one more moment costs little beside the one that is measured."""
        zone = ZoneInfo(self._subject.catalogue.time_zone)
        refs, days = self._looked_at()
        if self._at != day_end(days[-1], zone):
            return []
        missing = self._history.missing(refs, days[:-1])
        return [day_end(day, zone) for day in missing] if len(missing) <= _FEW_DAYS else []

    def outdated(self, days: Sequence[date]) -> list[date]:
        """Days whose results are not known any more (or never were): a fact of theirs or of an
        earlier day was touched. To be asked before anything is measured."""
        refs = [ref for ref, (m, _) in self._subject.catalogue.by_ref().items() if not m.looks_back]
        return self._history.missing(refs, days)

    def by_day(self, days: Sequence[date]) -> Iterator[tuple[date, MetricResult]]:
        """The results of each day at all scopes, with their intervals; without metrics that
        look back (see `on_record`)."""
        zone = ZoneInfo(self._subject.catalogue.time_zone)
        computed = [m.id for m in self._subject.catalogue.metrics.values() if not m.looks_back]
        evaluation = self._evaluator.evaluate([day_end(day, zone) for day in days], computed)
        self._history.take(evaluation)
        for index, day in enumerate(days):
            for result in self._results(evaluation.alone(index), {}, rules=False):
                yield day, result

    def on_record(self, days: Sequence[date]) -> Iterator[tuple[str, date, DayResult]]:
        """What is said of the network on each day, by id: as published, else as it is known now;
        also of metrics that look back."""
        places = self._subject.catalogue.by_ref()
        refs = {
            metric.id: ref
            for ref, (metric, place) in reversed(places.items())
            if place_scope(metric, place).kind == "network"
        }
        found = self._history.days(refs.values(), days, rules=True)
        for id_, ref in refs.items():
            for day in days:
                yield id_, day, found[day][ref]

    def one(
        self, metric: Metric, scope: Scope
    ) -> tuple[MetricResult, dict[str, float | str | None]]:
        """One metric at one scope, with the terms behind it."""
        if metric.looks_back:
            rules = Rules(self._subject.catalogue, self._history, self._at)
            results = [r for r in self._rule_results(metric, rules) if r.scope == scope]
            if not results:
                raise InputError(f"{metric.id} is not judged for {scope}", mend="omit --scope")
            return results[0], {}
        column = self._evaluator.evaluate([self._at], [metric.id]).columns[metric.id, scope.kind]
        if scope.key not in column.keys:
            raise InputError(f"nothing is known of {scope}", mend=suggest(scope.key, column.keys))
        revision = self._revisions().get((metric.ref, scope), 0)
        k = column.keys.index(scope.key)
        terms = {
            name: _plain(array[0, k])
            for name, array in column.terms.items()
            if not name.startswith("_")
        }
        return self._result(column, scope, revision), terms

    def runs(self, day: date, results: Sequence[MetricResult]) -> dict[str, int]:
        """Days in a row, up to a day, on which the place of each result was met, by metric id;
        looked up over the days that a gate shows."""
        places = {r.id: r.places[0].ref for r in results if r.places}
        days = [day - timedelta(days=back) for back in range(LEAST_DAYS)]
        history = self._history.days(places.values(), sorted(days))
        runs = {}
        for id_, ref in places.items():
            met = [ref in history[d] and history[d][ref].verdict == "met" for d in days]
            runs[id_] = met.index(False) if False in met else len(met)
        return runs

    def maintenance(self) -> list[MaintenanceWindow]:
        """Approved maintenance windows, as known."""
        return maintenance_windows(self._history.rows, self._at)

    def _gates(self, windows: list[MaintenanceWindow]) -> list[GateResult]:
        catalogue = self._subject.catalogue
        return [
            evaluate_gate(gate, catalogue, self._history, self._at, windows)
            for gate in catalogue.gates.values()
        ]

    def _results(
        self,
        evaluation: Evaluation,
        revisions: Mapping[tuple[str, Scope], int],
        *,
        rules: bool,
        only: Collection[str] | None = None,
    ) -> Iterator[MetricResult]:
        judge = Rules(self._subject.catalogue, self._history, self._at)
        for metric in self._subject.catalogue.metrics.values():
            if only is not None and metric.id not in only:
                continue
            if metric.looks_back:
                if rules:
                    yield from self._rule_results(metric, judge)
                continue
            for scope in metric.scopes:
                column = evaluation.columns[metric.id, scope]
                for key in column.keys:
                    revision = revisions.get((metric.ref, Scope(scope, key)), 0)
                    yield self._result(column, Scope(scope, key), revision)

    def _result(self, column: Column, scope: Scope, revision: int) -> MetricResult:
        metric, k = column.metric, column.keys.index(scope.key)
        verdict: Verdict = str(column.verdicts[0][0, k])  # type: ignore[assignment]  # a verdict word
        value = cell_value(column, 0, scope.key)
        interval = _pair(column.lower[0, k], column.upper[0, k])
        newest = column.newest[0, k]
        failed = [title for title, bad in column.failed_gates.items() if bad[0, k]]
        sample = round(float(column.sample[0, k]))
        return MetricResult(
            id=metric.id,
            refs=tuple(place.ref for place in metric.places),
            scope=scope,
            value=value,
            unit=metric.raw.unit,
            interval=interval,
            n=sample,
            evidence=_level(column.evidence[0, k]),
            verdict=verdict,
            target=metric.raw.target.as_dict(),
            freshness_s=None if np.isnan(newest) else self._at.timestamp() - float(newest),
            window=self._window(metric),
            revision=revision,
            places=tuple(
                PlaceVerdict(
                    place.ref,
                    place.target.as_dict(),
                    str(column.verdicts[i][0, k]),  # type: ignore[arg-type]
                    (_plain(column.own_values[i][0, k]),) if i in column.own_values else None,
                )
                for i, place in enumerate(metric.places)
                if is_at(place, metric, scope)
            ),
            reason=reason(metric, metric.places[0], verdict, sample, failed),
            parts={
                name: value
                for name, shown in column.shown.items()
                if (value := _plain(np.broadcast_to(shown, column.value.shape)[0, k])) is not None
            },
        )

    def _rule_results(self, metric: Metric, judge: Rules) -> Iterator[MetricResult]:
        scopes = {
            Scope(kind, key)  # type: ignore[arg-type]  # keys of `at` are scope kinds
            for place in metric.places
            for kind, key in place.at.items()
        } or {Scope(metric.raw.scopes[0])}
        for scope in sorted(scopes):
            found = judge.evaluate(metric, scope)
            verdict: Verdict = found.verdict  # type: ignore[assignment]  # a verdict word
            yield MetricResult(
                id=metric.id,
                refs=tuple(place.ref for place in metric.places),
                scope=scope,
                value=found.value,
                unit=metric.raw.unit,
                interval=found.interval,
                n=found.n,
                evidence=metric.raw.evidence if found.n else None,
                verdict=verdict,
                target=metric.raw.target.as_dict(),
                freshness_s=None,
                window=self._window(metric),
                places=tuple(
                    PlaceVerdict(place.ref, place.target.as_dict(), verdict)
                    for place in metric.places
                    if is_at(place, metric, scope)
                ),
                reason=found.reason or reason(metric, metric.places[0], verdict, found.n, []),
                parts=found.parts,
            )

    def _window(self, metric: Metric) -> tuple[datetime, datetime]:
        zone = ZoneInfo(self._subject.catalogue.time_zone)
        return parse_window(metric.raw.window).bounds(self._at, zone)

    def _revisions(self) -> dict[tuple[str, Scope], int]:
        """Restatements of what was published for this moment, by ref and scope."""
        known = "" if self._known_at is None else f" AND recorded_at <= {literal(self._known_at)}"
        rows = self._subject.warehouse.query(
            "SELECT ref, scope, scope_key, count(*) - 1 AS revision FROM facts.metric_result "
            f"WHERE report = 'daily' AND period_end = {literal(self._at)}{known} GROUP BY ALL"
        ).to_pylist()
        return {(r["ref"], Scope(r["scope"], r["scope_key"])): r["revision"] for r in rows}


def reason(metric: Metric, place: Place, verdict: str, sample: int, failed: list[str]) -> str:
    """The verdict in words, with what would have to change."""
    target = f"{place.target.cmp} {_shown(place.target)}"
    if verdict == "insufficient_data":
        if failed:
            return "Not judged: " + "; ".join(f"needs {title}" for title in failed) + "."
        if sample >= place.min_sample:
            return "Not judged: what is known does not suffice to tell."
        return f"Not judged: needs {place.min_sample} {metric.raw.sample_unit}, has {sample}."
    words = {
        "met": f"The target {target} is met.",
        "not_met": f"The target {target} is missed.",
        "inconclusive": f"The target {target} lies within the uncertainty.",
        "no_data": "No rows in the window, or a zero that nothing shows to be real.",
        "expired": "The evidence has expired; enter it anew.",
        "not_applicable": f"Nothing to judge: no {metric.raw.sample_unit} in the window.",
        "reference": f"Compared with {target}; never counts in a verdict.",
    }
    return words[verdict]


def _shown(target: Target) -> str:
    value = target.value
    if isinstance(value, str | bool):
        return str(value)
    numbers = value if isinstance(value, list) else [value]
    return " to ".join(f"{number:,.12g}" for number in numbers) + f" {target.unit}"


def _plain(value: object) -> float | str | None:
    if isinstance(value, str):
        return value
    if not isinstance(value, int | float | np.number) or np.isnan(value):
        return None
    return float(value)


def _pair(lower: float, upper: float) -> tuple[float, float] | None:
    return None if np.isnan(lower) or np.isnan(upper) else (float(lower), float(upper))


def _level(rank: float) -> Evidence | None:
    return None if rank < 0 else EVIDENCE_LEVELS[int(rank)]
