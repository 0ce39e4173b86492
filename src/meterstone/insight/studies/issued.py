"""Forecasts on record: as they were issued, and what came of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from meterstone.insight.forecasts import VERSION
from meterstone.insight.studies.reading import ELIGIBLE, utc
from meterstone.insight.study import Source
from meterstone.insight.totals import Replay
from meterstone.measure.days import day_end

MODEL = "rolling-origin ensemble"
"""Of all that is issued here: a record is one of one model."""

_COLUMNS = (
    "forecast_id", "issued_at", "model", "model_version", "quantity", "scope_key", "horizon_start",
    "horizon_end", "point", "lower95", "upper95", "naive_point", "outcome", "outcome_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Issue:
    """One forecast as issued; ``outcome`` is None until it is known."""

    row: Mapping[str, Any]
    zone: ZoneInfo

    @property
    def ours(self) -> bool:
        """Whether it was issued here."""
        return bool(self.row["model"] == MODEL)

    @property
    def outcome(self) -> float | None:
        """What came."""
        value: float | None = self.row["outcome"]
        return value

    @property
    def issued(self) -> datetime:
        """When, UTC."""
        return utc(self.row["issued_at"])

    @property
    def start(self) -> date:
        """The first day that it is of."""
        return utc(self.row["horizon_start"]).astimezone(self.zone).date()

    @property
    def end(self) -> date:
        """The day after the last one that it is of."""
        return utc(self.row["horizon_end"]).astimezone(self.zone).date()

    @property
    def replay(self) -> Replay | None:
        """It beside what came, where all of it is known."""
        low, high, naive = (self.row[name] for name in ("lower95", "upper95", "naive_point"))
        if self.outcome is None or low is None or high is None or naive is None:
            return None
        last = (self.end - timedelta(days=1)).isoformat()
        return Replay(last, self.row["point"], low, high, naive, self.outcome)

    def with_outcome(self, value: float, at: datetime) -> dict[str, Any]:
        """The fact again, with what came: its next revision."""
        told = {name: _written(self.row[name]) for name in _COLUMNS}
        told |= {"outcome": value, "outcome_at": at.isoformat()}
        return {"fact": "forecast", "source": "hub", **told}


def _written(value: Any) -> Any:
    return utc(value).isoformat() if isinstance(value, datetime) else value


def issues_of(source: Source, quantity: str) -> list[Issue]:
    """All that was issued of a quantity of the network before the end of the day, oldest first."""
    names = ", ".join(f"f.{name}" for name in _COLUMNS)
    rows = source.rows(
        f"SELECT {names} FROM {{forecast}} AS f WHERE f.quantity = '{quantity}' "
        f"AND coalesce(f.scope_key, '*') = '*' AND {ELIGIBLE} "
        f"AND f.issued_at <= TIMESTAMP '{source.at:%Y-%m-%d %H:%M:%S}' "
        "ORDER BY f.issued_at, f.forecast_id"
    )
    return [Issue(row, source.zone) for row in rows]


def is_due(source: Source, every: int, alone: int, known: Sequence[Issue]) -> bool:
    """Whether one is to be issued: ours are old, and nobody else issues it. Two issuers of one
    quantity would leave its metric with the record of neither.

    Args:
        every: days between two of ours.
        alone: days for which somebody else's keeps ours back.
    """
    for each in known:
        most = every if each.ours else alone
        if source.at - each.issued < timedelta(days=most) - timedelta(hours=12):
            return False
    return True


def issue(
    source: Source, quantity: str, start: date, end: date, point: float,
    bounds: tuple[float, float], naive: float | None, model: str,
) -> dict[str, Any]:  # fmt: skip
    """The fact of a new forecast."""
    first, last = (day_end(day - timedelta(days=1), source.zone) for day in (start, end))
    return {
        "fact": "forecast", "source": "hub",
        "forecast_id": f"{quantity}:{source.day}", "issued_at": source.at.isoformat(),
        "model": MODEL, "model_version": f"{VERSION} {model}", "quantity": quantity,
        "horizon_start": first.isoformat(), "horizon_end": last.isoformat(), "point": point,
        "lower95": bounds[0], "upper95": bounds[1], "naive_point": naive,
    }  # fmt: skip
