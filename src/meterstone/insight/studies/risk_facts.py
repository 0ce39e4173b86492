"""What the study of risk puts on record: forecasts and their outcomes, preventive actions, and
which incidents had been foreseen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import scipy

from meterstone.facts import vocabulary
from meterstone.insight.revised import sent, text
from meterstone.insight.signals import SIGNALS
from meterstone.insight.studies.reading import eligible, utc
from meterstone.insight.studies.risk_rows import between
from meterstone.insight.study import Source
from meterstone.measure.compile import literal

MODEL, VERSION = "additive_hazard", "2"
WEEK = timedelta(days=7)
DAY = timedelta(days=1)
SOON = timedelta(minutes=5)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Risk:
    """What is given for one integration at the end of the day.

    Attributes:
        day, week: probability of an incident within 24 hours, and within 7 days.
        felt: probability within 7 days of one that customers feel.
        warned: whether the day's probability reaches the threshold of warnings.
        parts: share of the day's risk by part (`meterstone.insight.risk.parts_named`).
        z: deviation of each signal, with the figures that it comes from.
    """

    key: str
    day: float
    week: float
    felt: float
    warned: bool
    parts: Mapping[str, float]
    z: Mapping[str, float]
    now: Mapping[str, float]
    usual: Mapping[str, float]

    def reasons(self) -> list[str]:
        """Signals that deviate and stand for a tenth of the risk, the largest first."""
        found = [s.id for s in SIGNALS if self.parts[s.id] >= 0.1 and self.z[s.id] >= 1]
        return sorted(found, key=lambda s: -self.parts[s])


def forecasts(
    source: Source, risks: Sequence[Risk], usual: Mapping[str, float], felt: float
) -> Iterator[Row]:
    """Issued now: of each integration, and of the network the chance that customers feel one.

    Args:
        usual: by integration, the incidents of a week so far: what naive says.
        felt: share of incidents that customers feel.
    """
    at = source.at
    common: Row = {
        "fact": "forecast", "model": MODEL, "model_version": VERSION, "source": "hub",
        "issued_at": text(at), "horizon_start": text(at), "horizon_end": text(at + WEEK),
    }  # fmt: skip
    if risks:
        nothing = float(np.prod([1 - risk.felt for risk in risks]))
        yield common | {
            "forecast_id": f"risk:felt:{source.day}", "quantity": "incident_probability_7d",
            "point": 1 - nothing, "naive_point": -float(np.expm1(-felt * sum(usual.values()))),
        }  # fmt: skip
    for risk in risks:
        mine = common | {"scope_key": risk.key, "integration": risk.key}
        expected = -float(np.log1p(-min(risk.week, 1 - 1e-9)))
        yield mine | {
            "forecast_id": f"risk:felt:{risk.key}:{source.day}", "point": risk.felt,
            "quantity": "incident_probability_7d",
            "naive_point": -float(np.expm1(-felt * usual[risk.key])),
        }  # fmt: skip
        yield mine | {
            "forecast_id": f"risk:week:{risk.key}:{source.day}", "quantity": "incidents_week",
            "point": expected, "naive_point": usual[risk.key], "alarm": risk.warned,
            "lower95": float(scipy.stats.poisson.ppf(0.025, expected)),
            "upper95": float(scipy.stats.poisson.ppf(0.975, expected)),
        }  # fmt: skip


def outcomes(source: Source) -> Iterator[Row]:
    """Of forecasts whose week is over: what came."""
    for row in _whole(source, "forecast", f"f.model = '{MODEL}' AND f.outcome IS NULL"):
        if row["horizon_end"] > source.at:
            continue
        felt = row["quantity"] == "incident_probability_7d"
        whom = "" if row["scope_key"] is None else f" AND f.integration = '{row['scope_key']}'"
        hurt = " AND f.customer_impact_s > 0" if felt else ""
        [found] = source.rows(
            f"SELECT count(*) AS n FROM {{incident}} AS f WHERE {eligible('f')} "
            "AND f.kind <> 'security' AND f.severity <> 'sev4' "
            f"AND {between('f.started_at', row['horizon_start'], row['horizon_end'])}{whom}{hurt}"
        )
        came = float(found["n"])
        yield sent("forecast", row) | {
            "outcome": min(came, 1.0) if felt else came, "outcome_at": text(row["horizon_end"]),
        }  # fmt: skip


def actions(source: Source, risks: Sequence[Risk], least: float) -> Iterator[Row]:
    """Recommended now: one an integration and reason, unless one is open, or was done or declined
    within the last fortnight.

    Args:
        least: probability within 24 hours from which on acting is recommended.
    """
    kept = {(row["integration"], row["cause_key"]) for row in _known(source)}
    for risk in risks:
        if risk.day < least:
            continue
        for reason in risk.reasons():
            if risk.z[reason] < 2 or (risk.key, f"risk:{reason}") in kept:
                continue
            yield {
                "fact": "prevention_action", "action_id": f"risk:{risk.key}:{reason}:{source.day}",
                "integration": risk.key, "recommended_at": text(source.at - timedelta(seconds=1)),
                "origin": "failure_prediction", "cause_key": f"risk:{reason}",
                "status": "recommended", "due_at": text(source.at + DAY), "source": "hub",
            }  # fmt: skip


def recommended(source: Source, issued: Sequence[Row]) -> set[tuple[str, str]]:
    """Integration and reason of all actions, with those that are issued now."""
    rows = [*all_actions(source), *issued]
    return {(row["integration"], str(row["cause_key"]).removeprefix("risk:")) for row in rows}


def _known(source: Source) -> Iterator[Row]:
    fortnight = source.at - 2 * WEEK
    for row in all_actions(source):
        if row["status"] in ("recommended", "accepted"):
            if row["due_at"] is None or row["due_at"] >= fortnight:
                yield row
        elif (row["implemented_at"] or row["recommended_at"]) >= fortnight:
            yield row


def all_actions(source: Source) -> list[Row]:
    """Actions that forecasts of failures recommended before `Source.at`, newest first."""
    which = (
        "f.origin = 'failure_prediction' AND f.integration IS NOT NULL "
        f"AND f.recommended_at < {literal(source.at)}"
    )
    rows = _whole(source, "prevention_action", which)
    return sorted(rows, key=lambda row: (row["recommended_at"], row["action_id"]), reverse=True)


def foreseen(source: Source) -> Iterator[Row]:
    """Incidents of ours that a warning was on record for, 5 minutes to 24 hours before they began,
    and that do not say so yet."""
    warned = _whole(source, "forecast", f"f.model = '{MODEL}' AND f.alarm")
    if not warned:
        return
    first = min(row["issued_at"] for row in warned)
    which = (
        "NOT f.predicted AND f.kind <> 'security' AND f.source = 'hub' AND "
        f"f.integration IS NOT NULL AND {between('f.started_at', first, source.at)}"
    )
    for row in _whole(source, "incident", which):
        before = [
            w for w in warned
            if w["scope_key"] == row["integration"]
            and DAY >= row["started_at"] - w["issued_at"] >= SOON
            and w["recorded_at"] < row["started_at"]
        ]  # fmt: skip
        if before:
            newest = max(before, key=lambda w: w["issued_at"])
            yield sent("incident", row) | {
                "predicted": True, "forecast_id": newest["forecast_id"],
                "predicted_at": text(newest["issued_at"]),
            }  # fmt: skip


def _whole(source: Source, fact: str, which: str) -> list[Row]:
    """Whole rows of production."""
    rows = source.rows(
        f"SELECT f.* FROM {{{fact}}} AS f "  # of names of ours
        f"WHERE {eligible('f')} AND {which}"
    )
    times = [n for n, c in vocabulary()[fact].columns.items() if c.type == "timestamp"]
    return [
        row | {name: utc(row[name]) for name in times if row.get(name) is not None} for row in rows
    ]
