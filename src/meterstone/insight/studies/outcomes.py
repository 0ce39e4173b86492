"""The outcomes on which going live is judged, each a value of a shop in a month."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from meterstone.insight.golive import ShopMonth
from meterstone.insight.studies.demand import ELIGIBLE
from meterstone.insight.study import Source

_MOST_MONTHS = 48
OPEN_DAYS = 12
"""Days with a sale that a month must have to count: a shop that was hardly open says little."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is looked at.

    Attributes:
        noun: in a sentence.
        share: effects are shares of the outcome: its logarithm is taken.
        sql: rows of franchise_id, month and value; ``{month}`` stands for a function of a moment.
        unit, unit_word: of effects as they are shown, and in a sentence.
        factor: what an effect is multiplied by to be shown in that unit; shares become per cent.
        absolute: id, title, unit of a figure in absolute terms, and how it follows from an effect
            and the mean level after going live.
        missing: what has to be recorded where there is nothing.
    """

    key: str
    title: str
    noun: str
    sql: str
    unit: str
    unit_word: str
    missing: str
    share: bool = False
    factor: float = 1.0
    absolute: tuple[str, str, str, Callable[[float, float], float]] | None = None

    def shown(self, effect: float) -> float:
        """An effect in the unit in which it is shown."""
        return 100 * math.expm1(effect) if self.share else self.factor * effect

    def number(self, effect: float) -> str:
        """The same in words, without its unit."""
        return f"{self.shown(effect):,.1f}"


_DAYS_A_MONTH = 365.25 / 12


def _usd(effect: float, level: float) -> float:
    """USD a month: of the sales a day after going live, what would not be there without."""
    return -math.expm1(-effect) * level * _DAYS_A_MONTH


OUTCOMES = (
    Outcome(
        "sales", "Sales of the shops", "sales",
        "SELECT p.franchise_id, {month:p.paid_at} AS month, "
        "CAST(sum(p.net_sales_usd) AS DOUBLE) / count(DISTINCT {day:p.paid_at}) AS value "
        "FROM {payment} AS p WHERE p.status = 'completed' AND {eligible:p} AND {closed:p.paid_at} "
        f"GROUP BY 1, 2 HAVING count(DISTINCT {{day:p.paid_at}}) >= {OPEN_DAYS}",
        "%", "%", "Connect the tills: sales by shop and day are needed.", share=True,
        absolute=("usd_per_shop_month", "Sales a shop and month", "USD per franchise-month", _usd),
    ),
    Outcome(
        "hours", "Manual hours of the owners", "manual hours of owners",
        "SELECT w.franchise_id, {month:w.period_end} AS month, "
        "sum(w.minutes) / 60 "
        "/ count(DISTINCT date_trunc('week', w.period_end - INTERVAL 1 SECOND)) AS value "
        "FROM {work_sample} AS w WHERE w.party = 'franchisee' AND w.franchise_id IS NOT NULL "
        "AND NOT w.automated AND w.method <> 'self_report' AND {eligible:w} "
        "AND {closed:w.period_end} GROUP BY 1, 2",
        "h per franchise-week", "h a week",
        "Observe manual work (work_sample) at shops before and after they go live.",
        absolute=(
            "hours_per_shop_week", "Hours saved a shop and week", "h per franchise-week",
            lambda effect, _: -effect,
        ),
    ),
    Outcome(
        "no_shows", "Appointments not kept", "no-shows",
        "SELECT b.franchise_id, {month:b.starts_at} AS month, "
        "avg(CASE WHEN b.status = 'no_show' THEN 1.0 ELSE 0.0 END) AS value "
        "FROM {booking} AS b WHERE b.status IN ('completed', 'no_show') AND {eligible:b} "
        "AND {closed:b.starts_at} GROUP BY 1, 2 HAVING count(*) >= 5",
        "percentage points", "points", "Connect the calendars: bookings with their end are needed.",
        factor=100.0,
    ),
)  # fmt: skip


def live_days(source: Source) -> dict[str, date]:
    """The day on which each shop went live: that of its first connection."""
    rows = source.rows(
        "SELECT c.franchise_id, CAST(min("
        f"{_local(source, 'c.connected_at')}) AS DATE) AS day FROM {{connection}} AS c "
        "WHERE c.franchise_id IS NOT NULL GROUP BY 1"
    )
    return {row["franchise_id"]: row["day"] for row in rows}


def shop_months(source: Source, outcome: Outcome) -> list[ShopMonth]:
    """The outcome of each shop in each month that is over, at most four years back."""
    rows = source.rows(_filled(source, outcome.sql))
    return [
        ShopMonth(row["franchise_id"], row["month"], float(row["value"]))
        for row in rows
        if row["value"] is not None
    ]


def _filled(source: Source, sql: str) -> str:
    """The SQL of an outcome with its functions spelled out."""
    last = (source.at.astimezone(source.zone)).replace(day=1).date()
    begin = date(last.year - _MOST_MONTHS // 12, last.month, 1)

    def spelled(name: str, of: str) -> str:
        local = _local(source, of)
        return {
            "month": f"CAST(date_trunc('month', {local}) AS DATE)",
            "day": f"CAST({local} AS DATE)",
            "closed": f"({local} >= DATE '{begin}' AND {local} < DATE '{last}')",
            "eligible": ELIGIBLE.replace("environment", f"{of}.environment").replace(
                "synthetic", f"{of}.synthetic"
            ),
        }[name]

    for name in ("month", "day", "closed", "eligible"):
        while (start := sql.find(f"{{{name}:")) >= 0:
            end = sql.index("}", start)
            of = sql[start + len(name) + 2 : end]
            sql = f"{sql[:start]}{spelled(name, of)}{sql[end + 1 :]}"
    return sql


def _local(source: Source, moment: str) -> str:
    return f"timezone('{source.zone.key}', timezone('UTC', {moment}))"
