"""The benefits of a programme at every stage, from claims, forecasts, scorecards and effects."""

from __future__ import annotations

from collections.abc import Iterator

from meterstone.insight.benefits import (
    Assumptions,
    Benefit,
    Evidence,
    Party,
    booked,
    estimated,
    missing,
    reached,
)
from meterstone.insight.effect import Effect, effect
from meterstone.insight.golive import in_shops
from meterstone.insight.studies.money import Money, Result
from meterstone.insight.studies.reading import NETWORK
from meterstone.measure.compile import literal
from meterstone.scorecard.values import count_text

_WEEKS = 365.25 / 7
_FORECAST_DAYS = 45
CLAIM = "benefit:"
"""How the claim key of a stated benefit begins; the rest is the benefit's id, the value USD a
year."""


def gains(money: Money, assume: Assumptions) -> list[Benefit]:
    """The ledger: what the operator gains, then what owners gain."""
    made = _Made(money, assume)
    return [
        made.revenue(), made.work(), made.tools(), made.owner_sales(), made.owner_hours(),
        *made.others(),
    ]  # fmt: skip


class _Made:
    """Makes one benefit after the other."""

    def __init__(self, money: Money, assume: Assumptions) -> None:
        self._money, self._assume = money, assume

    def revenue(self) -> Benefit:
        """What the operator bills more than before the programme."""
        found = self._money.result("annual_revenue_increase")
        stages = [
            self._claimed("revenue", self._money.target("annual_revenue_increase")),
            self._forecast(found),
            self._observed(found, found.value),
            self._paid_more(),
        ]
        return _benefit("revenue", "More revenue of the operator", "operator", stages)

    def work(self) -> Benefit:
        """Hours of the operator's people, at their cost; the framework claims it and tools as one.
        It stays observed: one operator has nobody to be compared with."""
        found = self._money.result("annual_cost_savings")
        why = (
            "one operator cannot be compared with another, and hours are no money until a cost "
            "falls: book what was let go"
        )
        stages = [
            self._claimed("savings", self._money.target("annual_cost_savings")),
            missing("forecast", "nobody forecasts it"),
            self._observed(found, found.part("work")),
            missing("proven", why),
        ]
        return _benefit("savings", "Less work of the operator", "operator", stages)

    def tools(self) -> Benefit:
        """Tools that were given up: there is a bill less in closed books."""
        found = self._money.result("annual_cost_savings")
        tools = found.part("retired_tools")
        closed = self._money.result("annual_operating_costs").decided
        if tools is None or tools == 0 or not found.decided:
            seen = proven = "no bill of a tool that was given up has ended"
        else:
            seen, proven = "", "" if closed else "the books of the year are not closed"
        says = "bills of tools before the programme less those of the last year"
        stages = [
            missing("claimed", "claimed together with less work"),
            missing("forecast", "nobody forecasts it"),
            missing("observed", seen) if seen or tools is None else booked("observed", tools, says),
            missing("proven", proven) if proven or tools is None
            else booked("proven", tools, f"{says}, in closed books"),
        ]  # fmt: skip
        return _benefit("tools", "Tools that were given up", "operator", stages)

    def owner_sales(self) -> Benefit:
        """What owners sell more; theirs, and no part of the operator's return."""
        found = self._money.result("owner_revenue_increase")
        asked, a_year = self._money.target("owner_revenue_increase"), 12.0 * self._money.live_shops
        stages = [
            self._claimed("owner_sales", asked and asked * a_year),
            missing("forecast", "nobody forecasts it"),
            self._observed(
                found, found.value, a_year, "measured beside shops that are not connected"
            ),
            self._by_effect("sales", "usd_per_shop_month", a_year),
        ]
        return _benefit("owner_sales", "More sales of the owners", "franchisee", stages)

    def owner_hours(self) -> Benefit:
        """The hours that owners get back, at the attested cost of one."""
        found, hourly = self._money.result("time_savings"), self._money.hourly_usd
        asked = self._money.target("time_savings")
        if hourly is None:
            why = "nobody attested what an hour costs (loaded_hourly_usd)"
            stages = [missing(stage, why) for stage in ("claimed", "observed", "proven")]
        else:
            a_year = _WEEKS * hourly * self._money.live_shops
            stages = [
                self._claimed("owner_hours", asked and asked * a_year),
                self._observed(found, found.value, a_year),
                self._by_effect("hours", "hours_per_shop_week", a_year),
            ]
        stages.insert(1, missing("forecast", "nobody forecasts it"))
        return _benefit("owner_hours", "Hours that owners get back", "franchisee", stages)

    def others(self) -> Iterator[Benefit]:
        """Benefits that somebody stated and nobody measures."""
        known = ("revenue", "savings", "tools", "owner_sales", "owner_hours")
        for id_, value in sorted(self._money.stated(CLAIM).items()):
            if id_ not in known:
                why = "no metric measures it: it stays a claim"
                stages = [self._claimed(id_, value), missing("observed", why)]
                yield _benefit(id_, id_.replace("_", " ").capitalize(), "operator", stages)

    # -- stages -----------------------------------------------------------------------------------

    def _claimed(self, id_: str, asked: float | None) -> Evidence:
        """As stated by somebody; else as the framework has it."""
        said = self._money.attested.get(CLAIM + id_)
        if said is not None:
            return reached("claimed", said[0], self._assume.claim(said[0]), said[1])
        if asked is None:
            return missing("claimed", f"nobody claims it (attest {CLAIM}{id_}, USD a year)")
        return reached("claimed", asked, self._assume.claim(asked), "target of the framework")

    def _forecast(self, found: Result) -> Evidence:
        """The forecast of the next twelve months less the year before the programme."""
        before = found.part("before")
        if before is None:
            return missing("forecast", "the year before the programme is not on record")
        kept = self._money.source.finding("forecasts", "platform_revenue_12m", NETWORK)
        if kept is not None and kept.finding.withheld:
            return missing("forecast", kept.finding.withheld)
        rows = self._money.source.rows(
            "SELECT point, lower95, upper95, issued_at FROM {forecast} AS f "
            "WHERE quantity = 'platform_revenue_12m' AND lower95 IS NOT NULL "
            f"AND issued_at < {literal(self._money.source.at)} "
            f"AND issued_at >= {literal(self._money.source.at)} "
            f"- INTERVAL '{_FORECAST_DAYS}' DAY ORDER BY issued_at DESC LIMIT 1"
        )
        if not rows:
            return missing("forecast", "there is no forecast of the revenue of the next year")
        [row] = rows
        return estimated(
            "forecast", row["point"] - before, row["lower95"] - before, row["upper95"] - before,
            f"forecast of {row['issued_at']:%-d %B %Y} less the year before the programme",
        )  # fmt: skip

    def _observed(
        self, found: Result, value: float | None, times: float = 1.0,
        says: str = "measured; a plain difference, whatever brought it",
    ) -> Evidence:  # fmt: skip
        """As the scorecard has it, in so many USD a year a unit; an interval where the whole
        result is it."""
        if value is None or not found.decided:
            return missing("observed", found.reason)
        whole = found.interval if value == found.value else None
        low, high = whole or (value, value)
        spread = self._assume.observed(value * times, low * times, high * times)
        return reached("observed", value * times, spread, says)

    def _paid_more(self) -> Evidence:
        """What shops pay more because they went live: a comparison with those that did not yet."""
        revenue = self._money.revenue
        found = effect(revenue.panel)
        said = _why_not(found)
        if said or found.estimate is None:
            return missing("proven", said)
        months = revenue.live_months
        low, high = found.estimate.low * months, found.estimate.high * months
        each = f"${found.estimate.att:,.0f} a shop and month"
        says = f"{each} more after going live, {count_text(months, 'months')} of shops"
        return estimated("proven", found.estimate.att * months, low, high, says)

    def _by_effect(self, key: str, figure: str, times: float) -> Evidence:
        """By the study of the effect of going live."""
        kept = self._money.source.finding("effect", key, NETWORK)
        if kept is None:
            return missing("proven", f"the effect of going live on {key} was not studied")
        if kept.finding.withheld:
            return missing("proven", kept.finding.withheld)
        found = kept.finding.figure(figure)
        if found is None or not isinstance(found.value, int | float):
            return missing("proven", f"the effect on {key} is not known in absolute figures")
        if found.low is None or found.high is None or found.low <= 0 <= found.high:
            return missing("proven", f"no effect is shown: {kept.finding.sentence}")
        low, high = sorted((found.low * times, found.high * times))
        return estimated("proven", found.value * times, low, high, kept.finding.sentence)


def _why_not(found: Effect) -> str:
    """Why an effect is not evidence; empty where it is."""
    if found.verdict == "withheld":
        why = in_shops(found.withheld or "", "quarter")
        return f"what going live adds to bills cannot be told: {why}"
    if found.verdict == "none shown" and found.estimate is not None:
        low, high = found.estimate.low, found.estimate.high
        return (
            "shops pay no more after going live than others, as far as can be seen "
            f"(95 %: {low:,.0f} to {high:,.0f} USD a shop and month)"
        )
    return ""


def _benefit(id_: str, title: str, party: Party, stages: list[Evidence]) -> Benefit:
    return Benefit(id_, title, party, {each.stage: each for each in stages})
