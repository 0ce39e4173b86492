"""Forecasts as they were issued, what came of them, and what was recommended because of them.

A forecast knows the future of the simulated world up to a known error, so that its record is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from meterstone.sandbox.network.facts import Facts
from meterstone.sandbox.network.presets import Story, months_before
from meterstone.sandbox.network.truth import Truth
from meterstone.sandbox.network.world import DAY, World

HOUR = timedelta(hours=1)

_SYSTEM = "PerformancePredictionAnalytics"
MISSED = frozenset(
    {
        f"{_SYSTEM}.predict_integration_performance.capacity_forecasting.next_30_days",
        f"{_SYSTEM}.predict_integration_performance.failure_prediction.risk_assessment",
    }
)
"""Targets of PerformancePredictionAnalytics that the struggling network misses."""

PLATFORM = ("subscription", "usage", "consulting", "marketplace", "other")
"""Kinds of invoice lines that are platform revenue."""

METRICS = (
    "load_growth_forecast_30d", "peak_load_forecast", "capacity_requirement_factor", "failure_risk",
    "preventive_actions_recommended", "failure_prediction_calibration",
    "next_quarter_revenue_forecast", "annual_revenue_forecast", "revenue_forecast_interval",
    "franchise_network_forecast", "market_expansion_forecast", "competitive_lead_forecast",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Knobs:
    """What is forecast, and since when.

    Attributes:
        weeks: for how many weeks load and peak have been forecast.
        growth: forecast load of the next 30 days in relation to that of the last 30.
        peak: forecast peak of concurrent users.
        risk_days: for how many days the risk of an incident has been forecast.
        risk: the newest one.
        incident_weeks: for how many weeks incidents have been forecast.
        more_revenue: by how much the lower bound of the quarter and of the year lies above what is
            compared with, in USD; None for a network that grows by a twentieth.
        spread: half of the interval of revenue, of its point.
        network: forecast franchises in relation to those active a month after the issue.
        regions, lead: forecast new regions and lead in market share; None for no forecast.
        actions: whether preventive actions are recommended.
    """

    weeks: int = 120
    growth: float = 1.15
    peak: float = 8_100.0
    risk_days: int = 500
    risk: float = 0.02
    incident_weeks: int = 40
    more_revenue: tuple[float, float] | None = (450_000.0, 1_800_000.0)
    spread: float = 0.04
    network: float = 1.8
    regions: float | None = 4.4
    lead: float | None = 6.0
    actions: bool = True


KNOBS: Mapping[Story, Knobs] = {
    "thriving": Knobs(),
    "struggling": Knobs(growth=1.45, risk=0.3),
    "honest": Knobs(
        weeks=12, peak=60.0, risk_days=27, incident_weeks=10, more_revenue=None, spread=0.14,
        network=1.3, regions=None, lead=None, actions=False,
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Issue:
    """One forecast, and its outcome where the horizon is over."""

    quantity: str
    model: str
    at: datetime
    start: datetime
    end: datetime
    point: float
    low: float | None = None
    high: float | None = None
    naive: float | None = None
    outcome: float | None = None
    known: datetime | None = None
    scope: str | None = None
    version: str = "2"

    @property
    def inside(self) -> bool:
        """Whether the outcome lies in the interval."""
        assert self.low is not None and self.high is not None and self.outcome is not None  # noqa: S101, PT018
        return self.low <= self.outcome <= self.high


def simulate(world: World, facts: Facts, truth: Truth) -> None:
    """All facts of PerformancePredictionAnalytics, and what is true of its metrics."""
    forecaster = _Forecaster(world, KNOBS[world.preset.story], truth)
    issues = [
        *forecaster.load(),
        *forecaster.risk(),
        *forecaster.incidents(),
        *forecaster.revenue(),
        *forecaster.network(),
        *forecaster.market(),
    ]
    _write(facts, world, issues)
    _recommend(world, facts, truth, forecaster.knobs)


def quiet(truth: Truth) -> None:
    """What is true where nothing is recorded."""
    for metric in METRICS:
        truth.missing(metric)


class _Forecaster:
    """Issues the forecasts of one world, and says what is true of each at its end."""

    def __init__(self, world: World, knobs: Knobs, truth: Truth) -> None:
        self.world = world
        self.knobs = knobs
        self.truth = truth
        self.end = world.end

    # -- load -------------------------------------------------------------------------------------

    def load(self) -> list[Issue]:
        operations = self.world.shared.get("operations")
        observed: float | None = operations.mean_daily_requests if operations else None
        usual = observed or 1e6
        requests = list(self._weekly("mean_daily_requests", usual * self.knobs.growth))
        peaks = list(self._weekly("peak_concurrent_users", self.knobs.peak))
        newest, closed = requests[-1], self._closed(requests)
        if observed:
            growth, low, high = (
                100 * (x / observed - 1) for x in (newest.point, newest.low or 0, newest.high or 0)
            )
            sharp = (high - low) / 2 <= 0.25 * (100 + growth)
            agrees = "met" if low <= 15 <= high else "not_met"
            verdict = agrees if sharp or agrees == "not_met" else "inconclusive"
            self._say("load_growth_forecast_30d", growth, closed, 12, verdict)
        else:
            self.truth.missing("load_growth_forecast_30d")
        self._peak(peaks)
        return requests + peaks

    def _peak(self, peaks: list[Issue]) -> None:
        newest, closed = peaks[-1], self._closed(peaks)
        assert newest.low is not None and newest.high is not None  # noqa: S101, PT018
        verdict = "met" if newest.low <= 8000 <= newest.high else "not_met"
        self._say("peak_load_forecast", newest.point, closed, 12, verdict)
        try:
            capacity = self.truth.of("concurrent_user_capacity").value
        except KeyError:
            capacity = None
        if isinstance(capacity, float | int) and capacity:
            factor = 1.25 * newest.high / capacity
            verdict = "met" if factor <= 2 else "not_met"
            self._say("capacity_requirement_factor", factor, closed, 12, verdict)
        else:
            self.truth.missing("capacity_requirement_factor")

    def _weekly(self, quantity: str, newest: float) -> Iterator[Issue]:
        """A forecast of the next 30 days each Monday morning, up to the newest one; earlier ones
        are 1.5 % less a month. Outcomes are known a day later (one of them at the very end), and
        that of the 30th was never told."""
        last = self.end - timedelta(days=self.end.weekday()) + 6 * HOUR
        if last >= self.end:
            last -= 7 * DAY
        for back in range(self.knobs.weeks - 1, -1, -1):
            at = last - 7 * back * DAY
            if at < self.world.start:
                continue
            start, point = at.replace(hour=0), newest * 0.985 ** (7 * back / 30)
            yield self._issue(
                quantity, "load", at, start, start + 30 * DAY, point,
                None if back == 30 else point, 0.08, back, known=start + 31 * DAY,
                version="1" if back > 60 else "2",
            )  # fmt: skip

    def _issue(
        self,
        quantity: str,
        model: str,
        at: datetime,
        start: datetime,
        end: datetime,
        point: float,
        actual: float | None,
        spread: float,
        number: int,
        *,
        known: datetime | None = None,
        naive: float | None = None,
        version: str = "2",
        scope: str | None = None,
    ) -> Issue:
        """A forecast whose outcome is off by up to 0.6 of its half-interval; each 20th by more.

        ``naive`` is what the season before said; unless given, 12 to 18 % less than what came.
        """
        known = known or end
        outcome = None
        if actual is not None and known <= self.end:
            off = 1.4 if number % 20 == 13 else 0.2 * (number % 7 - 3)
            outcome = point * (1 + off * spread)
        usual = point * (0.88 - 0.02 * (number % 4))
        return Issue(
            quantity, model, at, start, end, point, point * (1 - spread), point * (1 + spread),
            usual if naive is None else naive, outcome, known if outcome is not None else None,
            scope, version,
        )  # fmt: skip

    # -- incidents --------------------------------------------------------------------------------

    def risk(self) -> list[Issue]:
        """Every morning the probability of an incident that customers feel within seven days. In
        three fortnights, the last of them long past, one came."""
        issues = []
        for back in range(self.knobs.risk_days, 0, -1):
            at = self.end - back * DAY + 6 * HOUR
            if at < self.world.start:
                continue
            felt = back // 14 in (12, 20, 30)
            point = 0.8 if felt else 0.02
            if back <= 3:
                point = self.knobs.risk
            closes = at + 7 * DAY
            over = closes <= self.end
            issues.append(
                Issue("incident_probability_7d", "failure-risk", at, at, closes, point,
                      outcome=float(felt) if over else None, known=closes if over else None)
            )  # fmt: skip
        closed = [x for x in issues if x.outcome is not None]
        state = "low" if self.knobs.risk < 0.05 else "high"
        happened = sum(x.outcome or 0 for x in closed)
        squared = sum((x.point - (x.outcome or 0)) ** 2 for x in closed)
        enough = len(closed) >= 30 and squared < happened * (1 - happened / len(closed))
        self.truth.exact(
            "failure_risk", state, n=len(closed), verdict=None if enough else "insufficient_data"
        )
        return issues

    def incidents(self) -> list[Issue]:
        """Incidents of the next week of each integration. Weeks are so that one ends at the end,
        and one where the 26 weeks begin; each 20th outcome lies outside."""
        issues, number = [], 0
        for integration in self.world.integrations:
            for back in range(self.knobs.incident_weeks, -1, -1):
                end = self.end - 7 * back * DAY
                start = end - 7 * DAY
                if integration.live is None or integration.live > start:
                    continue
                number += 1
                outcome = 3.0 if number % 20 == 7 else 2.0 * (number % 3 == 0)
                late = back == 0 and number % 11 == 0  # not known yet
                issues.append(
                    Issue("incidents_week", "incidents", start - HOUR, start, end, 0.4, 0.0, 2.0,
                          0.9, None if late else outcome, None if late else end, integration.key)
                )  # fmt: skip
        self._calibration(issues)
        return issues

    def _calibration(self, issues: list[Issue]) -> None:
        opens = self.end - 26 * 7 * DAY
        closed = [x for x in issues if opens < x.end <= self.end and x.outcome is not None]
        for key in ["*", *sorted({x.scope or "" for x in closed})]:
            mine = [x for x in closed if key in ("*", x.scope)]
            value = 100 * sum(x.inside for x in mine) / len(mine)
            verdict = "met" if len(mine) >= 100 else "insufficient_data"
            self.truth.exact(
                "failure_prediction_calibration", value, n=len(mine), verdict=verdict,
                scope="network" if key == "*" else "integration", key=key,
            )  # fmt: skip

    # -- revenue ----------------------------------------------------------------------------------

    def revenue(self) -> list[Issue]:
        quarters = list(self._monthly(self._quarter))
        years = list(self._monthly(self._year))
        before = self._earned(months_before(quarters[-1].start, 12), 3)
        if before is None:
            self.truth.missing("next_quarter_revenue_forecast")
        else:
            self._bounded("next_quarter_revenue_forecast", quarters, before, 1, 4, 400_000)
        trailing = self._earned(months_before(self.end, 12), 12)
        if trailing is None:
            self.truth.missing("annual_revenue_forecast")
        else:
            self._bounded("annual_revenue_forecast", years, trailing, 1, 4, 1_600_000)
        closed = self._closed(quarters) + self._closed(years)
        met = "met" if self.knobs.spread <= 0.1 else "not_met"
        self._say("revenue_forecast_interval", 100.0, closed, 8, met)
        return quarters + years

    def _monthly(self, issue: Callable[[datetime, int], Issue]) -> Iterator[Issue]:
        """An issue on the 20th of each month of the history."""
        months = self.world.months
        for number, month in enumerate(months):
            yield issue(month + 19 * DAY + 7 * HOUR, len(months) - number)

    def _quarter(self, at: datetime, number: int) -> Issue:
        """The quarter that begins next."""
        first = at.replace(day=1, hour=0)
        start = months_before(first, (first.month - 1) % 3 - 3)
        actual = self._earned(start, 3)
        newest = self._above(months_before(start, 12), 3, 0)
        return self._billed("platform_revenue_quarter", at, start, 3, actual or newest, number)

    def _year(self, at: datetime, number: int) -> Issue:
        """The twelve months that begin next."""
        start = months_before(at.replace(day=1, hour=0), -1)
        actual = self._earned(start, 12)
        newest = self._above(months_before(start, 12), 12, 1)
        return self._billed("platform_revenue_12m", at, start, 12, actual or newest, number)

    def _billed(
        self, quantity: str, at: datetime, start: datetime, months: int, point: float, number: int
    ) -> Issue:
        end = months_before(start, -months)
        return self._issue(
            quantity, "revenue", at, start, end, point, point, self.knobs.spread, number,
            known=end + 10 * DAY,
        )  # fmt: skip

    def _above(self, start: datetime, months: int, which: int) -> float:
        """A point whose lower bound lies as far above the period a year before as is asked for."""
        before = self._earned(start, months) or 1e6
        if self.knobs.more_revenue is None:
            return 1.05 * before
        return (before + self.knobs.more_revenue[which]) / (1 - self.knobs.spread)

    def _earned(self, start: datetime, months: int) -> float | None:
        """Platform revenue of so many months; None where one of them is not known."""
        revenue: Mapping[datetime, Mapping[str, float]] = self.world.shared.get("revenue", {})
        total = 0.0
        for nth in range(months):
            month = months_before(start, -nth)
            if month not in revenue:
                return None
            total += sum(usd for kind, usd in revenue[month].items() if kind in PLATFORM)
        return total

    # -- the network and its market ---------------------------------------------------------------

    def network(self) -> list[Issue]:
        issues = list(self._monthly(self._franchises))
        active = len(self.world.active_shops(self.end))
        self._bounded("franchise_network_forecast", issues, active, 100 / active, 4, 50)
        return issues

    def _franchises(self, at: datetime, number: int) -> Issue:
        """Active franchises in twelve months; the season before says that nothing changes."""
        end = months_before(at.replace(day=1), -12).replace(day=at.day)
        now = len(self.world.active_shops(min(at + 31 * DAY, self.end)))
        actual = len(self.world.active_shops(end)) if end <= self.end else None
        return self._issue(
            "active_franchises", "network", at, end - DAY, end,
            actual if actual is not None else self.knobs.network * now, actual, 0.08, number,
            naive=float(len(self.world.active_shops(at))),
        )  # fmt: skip

    def market(self) -> list[Issue]:
        regions, leads = [], []
        if self.knobs.regions is None:
            self.truth.missing("market_expansion_forecast")
        else:
            regions = list(self._monthly(self._regions))
            calibrated = self._deals_are_calibrated()
            self._bounded(
                "market_expansion_forecast", regions, 0, 1, 4, 3,
                verdict=None if calibrated else "insufficient_data",
            )  # fmt: skip
        if self.knobs.lead is None:
            self.truth.missing("competitive_lead_forecast")
        else:
            leads = [x for x in self._monthly(self._lead) if x.at.month % 3 == 0]
            self._say_lead(leads[-1])
        return regions + leads

    def _regions(self, at: datetime, number: int) -> Issue:
        point = self.knobs.regions or 0
        end = at + 365 * DAY
        return self._issue("new_regions", "regions", at, at, end, point, point, 0.2, number)

    def _lead(self, at: datetime, number: int) -> Issue:
        point = self.knobs.lead or 0
        end = at + 365 * DAY
        return self._issue(
            "share_lead", "share", at, end - 90 * DAY, end, point, point, 0.4, number
        )

    def _say_lead(self, newest: Issue) -> None:
        """A lead is forecast; whether it is one depends on the rank now and on the quarters in
        which the market was observed: those of ``world.shared["rival_catalogues"]``, at most the
        12 that are looked at."""
        quarters = min(len(self.world.shared.get("rival_catalogues", {})), 12)
        try:
            rank = self.truth.of("market_position").value
        except KeyError:
            rank = None
        if rank is None:
            self.truth.missing("competitive_lead_forecast")
            return
        assert newest.low is not None  # noqa: S101
        held = rank == 1
        verdict = "met" if held and newest.low > 0 else "not_met"
        value = newest.point if held else 0.0
        self._say("competitive_lead_forecast", value, quarters, 8, verdict)

    def _deals_are_calibrated(self) -> bool:
        """Deals closed in 24 months: won as often as was said, with at least 50 of them."""
        newest: dict[str, Any] = {}
        opens = months_before(self.end, 24)
        for deal in self.world.shared.get("deals", []):
            if deal.outcome in ("won", "lost") and opens <= deal.closed < self.end:
                before = newest.get(deal.key)
                if before is None or (before.closed, before.id) < (deal.closed, deal.id):
                    newest[deal.key] = deal
        stated = [d for d in newest.values() if getattr(d, "probability", None) is not None]
        won = sum(d.outcome == "won" for d in stated)
        expected = sum(d.probability for d in stated)
        variance = sum(d.probability * (1 - d.probability) for d in stated)
        return len(stated) >= 50 and (won - expected) ** 2 <= 1.96**2 * variance

    # -- what is true -----------------------------------------------------------------------------

    def _closed(self, issues: Iterable[Issue]) -> int:
        return sum(x.known is not None and max(x.known, x.end) <= self.end for x in issues)

    def _say(self, metric: str, value: float, closed: int, least: int, verdict: str) -> None:
        if closed < least:
            verdict = "insufficient_data"
        self.truth.exact(metric, value, n=closed, verdict=verdict)

    def _bounded(
        self,
        metric: str,
        issues: list[Issue],
        before: float,
        factor: float,
        least: int,
        target: float,
        *,
        verdict: str | None = None,
    ) -> None:
        """Say ``factor × (forecast - before)``, judged by the bounds of the newest issue."""
        newest = issues[-1]
        assert newest.low is not None and newest.high is not None  # noqa: S101, PT018
        value, low, high = (factor * (x - before) for x in (newest.point, newest.low, newest.high))
        if verdict is None:
            verdict = "met" if low >= target else "inconclusive" if high >= target else "not_met"
        self._say(metric, value, self._closed(issues), least, verdict)


# -- as facts -------------------------------------------------------------------------------------


def _write(facts: Facts, world: World, issues: list[Issue]) -> None:
    """Each forecast as it was issued; where its outcome is known, a second version says it."""
    for version, rows in ((1, issues), (2, [x for x in issues if x.outcome is not None])):
        if not rows:
            continue
        names = [f"{x.quantity}-{x.scope or 'network'}-{x.at:%Y%m%d}" for x in rows]
        told = version == 2
        facts.extend(
            "forecast",
            {
                "forecast_id": names,
                "issued_at": [x.at for x in rows],
                "model": [x.model for x in rows],
                "model_version": [x.version for x in rows],
                "quantity": [x.quantity for x in rows],
                "scope_key": [x.scope for x in rows],
                "horizon_start": [x.start for x in rows],
                "horizon_end": [x.end for x in rows],
                "point": [x.point for x in rows],
                "lower95": [x.low for x in rows],
                "upper95": [x.high for x in rows],
                "naive_point": [x.naive for x in rows],
                "outcome": [x.outcome if told else None for x in rows],
                "outcome_at": [x.known if told else None for x in rows],
            },
            version=version,
        )
    _never_counts(world, facts, issues[0])


def _never_counts(world: World, facts: Facts, first: Issue) -> None:
    """A forecast of a trial, one of another environment, and one that is issued at the end."""
    row: dict[str, Any] = {
        "model_version": "1",
        "quantity": first.quantity,
        "horizon_start": world.end,
        "horizon_end": world.end + 30 * DAY,
        "point": 1.0,
        "lower95": 0.5,
        "upper95": 1.5,
    }
    facts.add("forecast", forecast_id="aside-end", issued_at=world.end, model="load", **row)
    facts.add(
        "forecast", forecast_id="aside-staging", issued_at=world.end - HOUR, model="load",
        environment="staging", **row,
    )  # fmt: skip
    issued = world.months[-2] + 19 * DAY + 6 * HOUR  # an hour later a real one is issued
    trial = row | {
        "quantity": "active_franchises",
        "horizon_start": issued,
        "horizon_end": world.end - HOUR,
    }
    facts.add(
        "forecast", forecast_id="aside-trial", issued_at=issued, model="trial",
        naive_point=1.0, outcome=1e9, outcome_at=world.end - HOUR, **trial,
    )  # fmt: skip


def _recommend(world: World, facts: Facts, truth: Truth, knobs: Knobs) -> None:
    """Preventive actions; those of a forecast that are not done yet are open."""
    end = world.end
    usual: dict[str, Any] = {"recommended_at": end - 12 * DAY, "origin": "failure_prediction"}
    actions: list[tuple[bool, dict[str, Any]]] = [
        (True, {"status": "recommended", "integration": "square"}),
        (True, {"status": "recommended", "integration": "quickbooks"}),
        (True, {"status": "accepted", "integration": "square", "due_at": end + 9 * DAY}),
        (True, {"status": "recommended", "origin": "capacity_forecast"}),
        (True, {"status": "implemented", "implemented_at": end, "integration": "clover"}),
        (False, {"status": "implemented", "implemented_at": end - 2 * DAY}),
        (False, {"status": "verified", "implemented_at": end - 9 * DAY, "verified_at": end - DAY}),
        (False, {"status": "declined", "decline_reason": "too dear", "integration": "square"}),
        (False, {"status": "recommended", "origin": "staff"}),
        (False, {"status": "recommended", "recommended_at": end}),
        (False, {"status": "recommended", "environment": "staging"}),
    ]
    open_: list[str | None] = []
    for number, (counts, row) in enumerate(actions):
        if counts and not knobs.actions:
            continue
        facts.add("prevention_action", action_id=f"forecast-{number}", **(usual | row))
        if counts:
            open_.append(row.get("integration"))
    truth.exact("preventive_actions_recommended", len(open_), n=len(open_))
    for key in {"square", "quickbooks", "clover"} & set(open_):
        truth.exact(
            "preventive_actions_recommended", open_.count(key), n=open_.count(key),
            scope="integration", key=str(key),
        )  # fmt: skip
