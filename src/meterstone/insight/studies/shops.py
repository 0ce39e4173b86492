"""What the study of owners reads: shops' numbers, bookings, tickets and connections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from meterstone.insight.owner_value import Sales, Value
from meterstone.insight.studies.money import Money, Result, card_of, result_of
from meterstone.insight.studies.reading import ELIGIBLE, NETWORK
from meterstone.insight.study import Source
from meterstone.measure.compile import literal
from meterstone.measure.results import Scope

_DAYS = 90
_LEAST_BOOKINGS = 30
HOURS, SALES, FEES = "time_savings", "owner_revenue_increase", "average_revenue_per_franchise"


@dataclass(frozen=True, slots=True)
class Calendar:
    """Appointments of a shop in the last 90 days that came or were missed.

    Attributes:
        ticket: USD of a usual payment; None: none was recorded.
    """

    kept: int
    missed: int
    ticket: float | None

    @property
    def share(self) -> float:
        """Of those that were missed."""
        return self.missed / (self.kept + self.missed)

    @property
    def a_month(self) -> float:
        """Appointments a month."""
        return (self.kept + self.missed) / _DAYS * 365.25 / 12


@dataclass(frozen=True)
class Shops:
    """Everything that is read, once for each round."""

    source: Source

    @cached_property
    def money(self) -> Money:
        """What the network's own study reads."""
        return Money(self.source)

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Shops with a scorecard of the day, by key."""
        named = self.source.board.scopes("franchise")
        return {each.scope.key: each.name for each in named if card_of(self.source, each.scope)}

    @cached_property
    def results(self) -> Mapping[str, Mapping[str, Result]]:
        """The numbers of each shop, by metric and shop."""
        found: dict[str, dict[str, Result]] = {HOURS: {}, SALES: {}, FEES: {}}
        for shop in self.names:
            card = card_of(self.source, Scope("franchise", shop))
            for metric, of in found.items():
                of[shop] = result_of(card, metric)
        return found

    def values(self, metric: str) -> dict[str, float]:
        """Of the shops where it is known."""
        found = self.results[metric].items()
        return {shop: each.value for shop, each in found if each.value is not None}

    @cached_property
    def network_sales(self) -> Sales | str:
        """What going live brought a shop on average; or why that is not known."""
        kept = self.source.finding("effect", "sales", NETWORK)
        if kept is not None and kept.finding.withheld:
            return kept.finding.withheld
        if kept is not None:
            found = kept.finding.figure("usd_per_shop_month")
            if found and isinstance(found.value, int | float) and found.low is not None:
                high = found.value if found.high is None else found.high
                return Sales(found.value, found.low, high, "mean of all live shops since they are")
        metric = self.money.result(SALES)
        if metric.value is None or not metric.decided or metric.interval is None:
            return metric.reason[:1].lower() + metric.reason[1:]
        return Sales(
            metric.value, *metric.interval, "shops that went live beside those that did not"
        )

    def sales(self, shop: str) -> Sales | str:
        """What it brought this shop: by a comparison made for it alone, else the average of all
        that are live; or why that is not known."""
        if shop not in self.connected:
            return "it is not connected yet"
        kept = self.source.finding("effect", "sales", Scope("franchise", shop))
        found = kept.finding.figure("usd_per_shop_month") if kept else None
        if kept and not kept.finding.withheld and found and isinstance(found.value, int | float):
            low = found.value if found.low is None else found.low
            high = found.value if found.high is None else found.high
            return Sales(found.value, low, high, "your shop beside one made of others", own=True)
        return self.network_sales

    @cached_property
    def hours_proof(self) -> str:
        """Why it is not proven that going live saves hours; empty where it is."""
        kept = self.source.finding("effect", "hours", NETWORK)
        if kept is None:
            return "the effect of going live on hours was not studied"
        if kept.finding.withheld:
            return kept.finding.withheld
        found = kept.finding.figure("hours_per_shop_week")
        shown = found is not None and found.low is not None and found.low > 0
        return "" if shown else kept.finding.sentence.rstrip(".")

    def value(self, shop: str) -> Value:
        """What a shop has of it."""
        sales = self.sales(shop)
        return Value(
            self.results[HOURS][shop].value, self.money.hourly_usd,
            None if isinstance(sales, str) else sales, self.results[FEES][shop].value,
        )  # fmt: skip

    @cached_property
    def calendars(self) -> Mapping[str, Calendar]:
        """Of shops with enough appointments to speak of a share."""
        at = literal(self.source.at)
        since = f"{at} - INTERVAL '{_DAYS}' DAY"
        rows = self.source.rows(
            "WITH paid AS (SELECT franchise_id, avg(CAST(net_sales_usd AS DOUBLE)) AS ticket "
            f"FROM {{payment}} AS p WHERE status = 'completed' AND {ELIGIBLE} "
            f"AND paid_at >= {since} AND paid_at < {at} GROUP BY 1) "
            "SELECT b.franchise_id AS shop, count(*) FILTER (WHERE status = 'completed') AS kept, "
            "count(*) FILTER (WHERE status = 'no_show') AS missed, min(p.ticket) AS ticket "
            "FROM {booking} AS b LEFT JOIN paid AS p ON p.franchise_id = b.franchise_id "
            f"WHERE {ELIGIBLE} AND starts_at >= {since} AND starts_at < {at} GROUP BY 1"
        )
        return {
            row["shop"]: Calendar(row["kept"], row["missed"], row["ticket"])
            for row in rows
            if row["kept"] + row["missed"] >= _LEAST_BOOKINGS
        }

    @cached_property
    def connected(self) -> Mapping[str, frozenset[str]]:
        """The integrations of each shop that has one."""
        at = literal(self.source.at)
        rows = self.source.rows(
            "SELECT franchise_id AS shop, list(DISTINCT integration) AS all_ "
            "FROM {connection} AS c "
            f"WHERE franchise_id IS NOT NULL AND connected_at < {at} "
            f"AND (disconnected_at IS NULL OR disconnected_at >= {at}) GROUP BY 1"
        )
        return {row["shop"]: frozenset(row["all_"]) for row in rows}

    @cached_property
    def integrations(self) -> Mapping[str, str]:
        """What they are called."""
        return {each.scope.key: each.name for each in self.source.board.scopes("integration")}

    @cached_property
    def kinds(self) -> Mapping[str, str]:
        """What kind of system each is: a shop with one till needs no other."""
        rows = self.source.rows(
            "SELECT integration AS key, arg_max(category, status_at) AS kind "
            "FROM {integration} AS i "
            f"WHERE status_at < {literal(self.source.at)} GROUP BY 1"
        )
        return {row["key"]: row["kind"] for row in rows}
