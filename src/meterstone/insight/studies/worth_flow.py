"""The flow by month that is on record: what was booked when, and how many shops were live."""

from __future__ import annotations

from datetime import datetime, time

from meterstone.insight.cashflow import Flow
from meterstone.insight.studies.money import Money
from meterstone.insight.studies.quantities import months_after, months_between
from meterstone.measure.compile import literal

_RUNNING = "('operating', 'infrastructure', 'maintenance', 'support')"
"""Categories of what `annual_operating_costs` counts."""

_YEAR = 12


def flow_of(money: Money) -> Flow | str:
    """The flow up to the newest month that is over; or why there is none, and an even one has to be
    supposed.

    Benefits are spread over the months as the shops that were live in them, and operating costs
    as booked, both beside the mean of the last twelve months: what is known of a year comes to
    itself. What is planned is spread as what was booked.
    """
    newest = money.source.at.astimezone(money.source.zone).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0, tzinfo=None
    )
    booked = _booked(money, newest)
    live = _live(money, newest)
    begin = min([*booked, *live], default=None)
    if begin is None or not live:
        return "no shop was live in a month that is over"
    months = [_moved(begin, n) for n in range(months_between(begin, newest))]
    shops = [live.get(month, 0.0) for month in months]
    usual = sum(shops[-_YEAR:]) / len(shops[-_YEAR:])
    if usual == 0:
        return "no shop was live in the last twelve months"
    invested = [booked.get(month, (0.0, 0.0))[0] for month in months]
    operated = [booked.get(month, (0.0, 0.0))[1] for month in months]
    if min(invested) < 0 or sum(invested) <= 0:
        invested = [1.0, *(0.0 for _ in months[1:])]
    a_month = sum(operated[-_YEAR:]) / len(operated[-_YEAR:])
    running = [each / a_month for each in operated] if a_month > 0 else [1.0] * len(months)
    whole = sum(invested)
    return Flow(
        tuple(each / usual for each in shops), tuple(each / whole for each in invested),
        tuple(running),
    )  # fmt: skip


def _booked(money: Money, newest: datetime) -> dict[datetime, tuple[float, float]]:
    """Investment and operating by month, USD."""
    rows = money.source.rows(
        "SELECT date_trunc('month', CAST(incurred_on AS TIMESTAMP)) AS month, "
        "CAST(coalesce(sum(net_usd) FILTER (WHERE category = 'development'), 0) AS DOUBLE) AS own, "
        f"CAST(coalesce(sum(net_usd) FILTER (WHERE category IN {_RUNNING}), 0) AS DOUBLE) "
        "AS running FROM {cost} AS c WHERE programme AND party = 'operator' "
        f"AND (category = 'development' OR category IN {_RUNNING}) "
        f"AND incurred_on < DATE '{newest:%Y-%m-%d}' GROUP BY 1"
    )
    return {row["month"]: (row["own"], row["running"]) for row in rows}


def _live(money: Money, newest: datetime) -> dict[datetime, float]:
    """Shops that were live by month; one that went live within it counts the rest of it."""
    at = literal(money.source.at)
    rows = money.source.rows(
        "SELECT min(connected_at) AS since, CASE WHEN count(*) > count(disconnected_at) THEN NULL "
        "ELSE max(disconnected_at) END AS until FROM {connection} AS c "
        f"WHERE franchise_id IS NOT NULL AND connected_at < {at} GROUP BY franchise_id"
    )
    found: dict[datetime, float] = {}
    for row in rows:
        since, until = row["since"], min(row["until"] or newest, newest)
        month = since.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        while month < until:
            after = _moved(month, 1)
            share = (min(until, after) - max(since, month)) / (after - month)
            found[month] = found.get(month, 0.0) + share
            month = after
    return found


def _moved(month: datetime, by: int) -> datetime:
    return datetime.combine(months_after(month, by), time())
