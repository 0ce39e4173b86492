"""The outcomes on which going live is judged, each a value of a shop in a month."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from meterstone.insight.golive import ShopMonth
from meterstone.insight.studies.reading import eligible, local
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
        fact, at: what is read, as ``x``, and the moment that tells the month.
        value: of a shop in a month, as SQL; ``{day}`` is the day of that moment.
        where, having: rows, and months, that count, as SQL.
        unit, unit_word: of effects as they are shown, and in a sentence.
        factor: what an effect is multiplied by to be shown in that unit; shares become per cent.
        absolute: id, title, unit of a figure in absolute terms, and how it follows from an effect
            and the mean level after going live.
        missing: what has to be recorded where there is nothing.
    """

    key: str
    title: str
    noun: str
    fact: str
    at: str
    value: str
    where: str
    unit: str
    unit_word: str
    missing: str
    having: str = ""
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


def usd_a_month(effect: float, level: float) -> float:
    """USD a month: of the sales a day after going live, what would not be there without."""
    return -math.expm1(-effect) * level * _DAYS_A_MONTH


OUTCOMES = (
    Outcome(
        "sales", "Sales of the shops", "sales", "payment", "paid_at",
        "CAST(sum(x.net_sales_usd) AS DOUBLE) / count(DISTINCT {day})", "x.status = 'completed'",
        "%", "%", "Connect the tills: sales by shop and day are needed.",
        having=f"count(DISTINCT {{day}}) >= {OPEN_DAYS}", share=True,
        absolute=(
            "usd_per_shop_month", "Sales a shop and month", "USD per franchise-month", usd_a_month
        ),
    ),
    Outcome(
        "hours", "Manual hours of the owners", "manual hours of owners",
        "work_sample", "period_end",
        "sum(x.minutes) / 60 "
        "/ count(DISTINCT date_trunc('week', x.period_end - INTERVAL 1 SECOND))",
        "x.party = 'franchisee' AND x.franchise_id IS NOT NULL AND NOT x.automated "
        "AND x.method <> 'self_report'",
        "h per franchise-week", "h a week",
        "Observe manual work (work_sample) at shops before and after they go live, and in the same "
        "months at five or more that are not live yet.",
        absolute=(
            "hours_per_shop_week", "Hours saved a shop and week", "h per franchise-week",
            lambda effect, _: -effect,
        ),
    ),
    Outcome(
        "no_shows", "Appointments not kept", "no-shows", "booking", "starts_at",
        "avg(CASE WHEN x.status = 'no_show' THEN 1.0 ELSE 0.0 END)",
        "x.status IN ('completed', 'no_show')",
        "percentage points", "points", "Connect the calendars: bookings with their end are needed.",
        having="count(*) >= 5", factor=100.0,
    ),
)  # fmt: skip


def live_days(source: Source) -> dict[str, date]:
    """The day on which each shop went live: that of its first connection."""
    rows = source.rows(
        f"SELECT c.franchise_id, CAST(min({local(source, 'c.connected_at')}) AS DATE) AS day "
        "FROM {connection} AS c WHERE c.franchise_id IS NOT NULL GROUP BY 1"
    )
    return {row["franchise_id"]: row["day"] for row in rows}


def shop_months(source: Source, outcome: Outcome) -> list[ShopMonth]:
    """The outcome of each shop in each month that is over, at most four years back."""
    last = source.at.astimezone(source.zone).replace(day=1).date()
    begin = date(last.year - _MOST_MONTHS // 12, last.month, 1)
    at = local(source, f"x.{outcome.at}")
    having = f"HAVING {outcome.having}" if outcome.having else ""
    day = f"CAST({at} AS DATE)"
    rows = source.rows(
        f"SELECT x.franchise_id, CAST(date_trunc('month', {at}) AS DATE) AS month, "
        f"{outcome.value.replace('{day}', day)} AS value "
        f"FROM {{{outcome.fact}}} AS x WHERE {outcome.where} AND {eligible('x')} "
        f"AND {at} >= DATE '{begin}' AND {at} < DATE '{last}' "
        f"GROUP BY 1, 2 {having.replace('{day}', day)}"
    )
    return [
        ShopMonth(row["franchise_id"], row["month"], float(row["value"]))
        for row in rows
        if row["value"] is not None
    ]
