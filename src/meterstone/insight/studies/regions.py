"""New regions within twelve months: the expected number of first-level regions without an active
franchise that get an opening, from open deals and awarded territories (metrics.yaml, new_regions).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from meterstone.insight.forecasts import LEVEL
from meterstone.insight.series import Floats
from meterstone.insight.studies.reading import ELIGIBLE
from meterstone.insight.study import Source
from meterstone.measure.compile import literal

_CALIBRATED = 50
"""So many closed deals tell whether stated probabilities hold."""

_OPENED = 10
"""So many awards of more than a year ago tell how often a territory opens."""

_CHI2 = 3.841459
"""95 % of chi-squared with one degree of freedom."""

YEAR = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Regions:
    """What is expected of regions.

    Attributes:
        chances: of each region that something is on the way in, by name, likeliest first.
        expected, low, high: how many get an opening; the interval is that of their number.
        opens: the share of awarded territories that opened within a year; None: too few are known.
        awards: of how many that is known.
        unplaced: open deals that name no franchise, so no region.
        withheld: why none of it is a claim.
    """

    chances: tuple[tuple[str, float], ...]
    expected: float
    low: float
    high: float
    opens: float | None
    awards: int
    unplaced: int
    withheld: str | None


def regions(source: Source) -> Regions | None:
    """What is expected; None: there is neither a deal nor a territory on record."""
    at = literal(source.at)
    taken = {row["region"] for row in source.rows(_TAKEN.replace("{at}", at))}
    deals = source.rows(_DEALS.replace("{at}", at))
    awarded = source.rows(_AWARDED.replace("{at}", at))
    past = source.rows(_PAST.replace("{at}", at))
    if not deals and not awarded and not past:
        return None
    opens = sum(row["opened"] for row in past) / len(past) if len(past) >= _OPENED else None
    misses: dict[str, float] = {}
    unplaced = 0
    for deal in deals:
        if deal["region"] is None:
            unplaced += 1
        elif deal["p"] is not None and deal["region"] not in taken:
            misses[deal["region"]] = misses.get(deal["region"], 1.0) * (1 - deal["p"])
    waiting = [row["region"] for row in awarded if row["region"] not in taken]
    for region in waiting:
        misses[region] = misses.get(region, 1.0) * (1 - (opens or 0.0))
    chances = sorted(((k, 1 - v) for k, v in misses.items()), key=lambda each: (-each[1], each[0]))
    low, high = _bounds([chance for _, chance in chances])
    withheld = _uncalibrated(source, at)
    if withheld is None and unplaced > len(deals) / 2:
        withheld = f"{unplaced} of {len(deals)} open deals name no franchise, and so no region"
    if withheld is None and waiting and opens is None:
        withheld = (
            f"{len(waiting)} awarded territories count, and how often such open is known of "
            f"{len(past)} only; it takes {_OPENED} awarded more than a year ago"
        )
    return Regions(
        tuple(chances), sum(chance for _, chance in chances), low, high, opens, len(past), unplaced,
        withheld,
    )  # fmt: skip


def _uncalibrated(source: Source, at: str) -> str | None:
    """Why stated win probabilities are not to be trusted."""
    closed = source.rows(_CLOSED.replace("{at}", at))
    if len(closed) < _CALIBRATED:
        return (
            f"win probabilities are known to hold on {len(closed)} closed deals only; "
            f"it takes {_CALIBRATED}"
        )
    p = np.array([row["p"] for row in closed])
    won = sum(row["won"] for row in closed)
    if (won - p.sum()) ** 2 > _CHI2 * float((p * (1 - p)).sum()):
        return f"win probabilities do not hold: {won} deals were won, {p.sum():.1f} were expected"
    return None


def _bounds(chances: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of how many of independent things happen (Poisson binomial, exact)."""
    mass: Floats = np.array([1.0])
    for chance in chances:
        mass = np.convolve(mass, [1 - chance, chance])
    upto = np.cumsum(mass)
    tail = (1 - LEVEL) / 2
    low, high = np.searchsorted(upto, [tail, 1 - tail]).tolist()
    return float(low), float(min(high, len(chances)))


_STATE = (
    "SELECT f.franchise_id, max_by(f.status, f.status_at) AS status, "
    "max_by(f.region, f.status_at) AS region FROM {franchise} AS f "
    f"WHERE f.status_at < {{at}} AND {ELIGIBLE} GROUP BY f.franchise_id"
)
_TAKEN = f"SELECT DISTINCT s.region FROM ({_STATE}) AS s WHERE s.status IN ('opened', 'suspended')"
_DEALS = (
    "WITH newest AS (SELECT d.*, row_number() OVER (PARTITION BY d.dedupe_key ORDER BY d.stage_at "
    f"DESC, d.deal_id DESC) AS nth FROM {{deal}} AS d WHERE d.stage_at < {{at}} AND {ELIGIBLE}) "
    f"SELECT n.win_probability AS p, s.region FROM newest AS n LEFT JOIN ({_STATE}) AS s "
    "ON s.franchise_id = n.franchise_id "
    "WHERE n.nth = 1 AND n.outcome = 'open' AND n.kind IN ('new', 'expansion')"
)
_AWARDED = (
    "SELECT s.region FROM (SELECT t.territory_id, max_by(t.status, t.status_at) AS status, "
    "max_by(t.region, t.status_at) AS region FROM {territory} AS t "
    f"WHERE t.status_at < {{at}} AND {ELIGIBLE} GROUP BY t.territory_id) AS s "
    "WHERE s.status = 'awarded'"
)
_PAST = (
    "SELECT a.territory_id, max(CASE WHEN o.status_at <= a.since + INTERVAL 365 DAY "
    "AND o.status_at < {at} THEN 1 ELSE 0 END) AS opened FROM (SELECT t.territory_id, "
    "min(t.status_at) AS since FROM {territory} AS t WHERE t.status = 'awarded' "
    f"AND {ELIGIBLE} GROUP BY t.territory_id) AS a LEFT JOIN {{territory}} AS o "
    "ON o.territory_id = a.territory_id AND o.status = 'open' AND o.status_at >= a.since "
    "WHERE a.since < {at} - INTERVAL 365 DAY GROUP BY a.territory_id"
)
_CLOSED = (
    "WITH closed AS (SELECT d.*, row_number() OVER (PARTITION BY d.dedupe_key ORDER BY d.closed_at "
    "DESC, d.deal_id DESC) AS nth FROM {deal} AS d WHERE d.outcome IN ('won', 'lost') "
    f"AND d.closed_at < {{at}} AND d.closed_at >= {{at}} - INTERVAL 24 MONTH AND {ELIGIBLE}) "
    "SELECT c.win_probability AS p, CASE WHEN c.outcome = 'won' THEN 1 ELSE 0 END AS won "
    "FROM closed AS c WHERE c.nth = 1 AND c.win_probability IS NOT NULL"
)
