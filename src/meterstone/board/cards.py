"""From one measurement to the signed scorecards of its scopes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from meterstone.board.model import Origin
from meterstone.catalogue import Catalogue
from meterstone.measure.days import day_end
from meterstone.measure.results import Measurement, MetricResult, Scope, rfc3339
from meterstone.measure.service import Measuring, Subject
from meterstone.scorecard import About, Lineage, Scorecard, build


class Log(Protocol):
    """The landing log, as far as a scorecard names it."""

    def digest(self, known_at: datetime) -> tuple[int, str]:
        """The highest number by then, and a digest of the log up to it."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A day that was measured, ready to become the scorecard of any of its scopes."""

    measurement: Measurement
    measuring: Measuring
    catalogue: Catalogue
    day: date
    origin: Origin
    input: tuple[int, str]

    def card(self, scope: Scope, former: Scorecard | None = None) -> Scorecard:
        """The unsigned scorecard of a scope.

        Args:
            former: the revision that it replaces, if any.

        Raises:
            InputError: nothing was measured for this scope.
        """
        measurement, measuring = self.measurement, self.measuring
        mine = [result for result in measurement.metrics if result.scope == scope]
        rebuilt = scope.kind == "network" and any(g.reconstructed for g in measurement.gates)
        return build(
            measurement,
            scope=scope,
            day=self.day,
            time_zone=self.catalogue.time_zone,
            catalogue_name=self.catalogue.name,
            catalogue_version=self.catalogue.version,
            highest_seq=self.input[0],
            input_digest=self.input[1],
            labels=[self.origin, "reconstructed"] if rebuilt else [self.origin],
            about=self._about(mine),
            maintenance=[window.as_dict() for window in measuring.maintenance()],
            former=former,
        )

    def _about(self, results: Sequence[MetricResult]) -> dict[str, About]:
        runs = self.measuring.runs(self.day, results)
        metrics = self.catalogue.metrics
        return {
            result.id: About(
                title=metrics[result.id].raw.title,
                sample_unit=metrics[result.id].raw.sample_unit,
                run=runs.get(result.id),
                lineage=tuple(
                    Lineage(
                        fact=fact, from_=rfc3339(result.window[0]), to=rfc3339(result.window[1])
                    )
                    for fact in metrics[result.id].facts
                ),
            )
            for result in results
        }


def measured(
    subject: Subject,
    log: Log,
    origin: Origin,
    day: date,
    known_at: datetime,
    *,
    stored: bool,
    before: Callable[[Measuring], Any] = lambda _: None,
) -> Measured:
    """Measure a day, as known at a moment.

    Args:
        stored: that moment is now, so what was kept of earlier evaluations may be used.
        before: called with what measures before it does.
    """
    zone = ZoneInfo(subject.catalogue.time_zone)
    measuring = Measuring(subject, day_end(day, zone), None if stored else known_at)
    before(measuring)
    measurement = replace(measuring.measurement(), known_at=known_at)
    return Measured(measurement, measuring, subject.catalogue, day, origin, log.digest(known_at))
