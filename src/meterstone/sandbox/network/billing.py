"""What the operator bills and spends: invoices by service period, subscriptions, costs; and what is
true of revenue, of the return on the programme, and of a customer's lifetime value."""

from __future__ import annotations

import calendar
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from meterstone.sandbox.network.facts import SIMULATED, Facts
from meterstone.sandbox.network.presets import months_before
from meterstone.sandbox.network.sales import Sold, midnight
from meterstone.sandbox.network.truth import Truth
from meterstone.sandbox.network.world import DAY, Client, Shop, World, at_hour

PLATFORM = ("subscription", "usage", "consulting", "marketplace", "other")
"""Kinds of platform_revenue."""

_YEAR_S = 365.25 * 86_400
_EUR = 1.08


@dataclass(frozen=True, slots=True)
class Knobs:
    """Prices and costs of one story, USD a month unless said.

    Attributes:
        price: of the premium plan, by year.
        usage: usage of a shop, by year.
        addon: upsold and expanded services of a shop, by year.
        consulting: consulting of the network a quarter, by year.
        basic: one in so many shops stays on the basic plan.
        upgrade_days: days from the start of the programme within which old shops upgrade.
        development: development of the programme, in all.
        operating: operating cost of the programme.
        overdue: one in so many lines is paid late; 0 for none.
    """

    price: dict[int, float]
    usage: dict[int, float]
    addon: dict[int, float]
    consulting: dict[int, float]
    basic: int
    upgrade_days: int
    development: float
    operating: float
    overdue: int = 0


_THRIVING = Knobs(
    price={2023: 1400, 2024: 1700, 2025: 1920, 2026: 2080},
    usage={2023: 190, 2024: 310, 2025: 350, 2026: 390},
    addon={2023: 60, 2024: 130, 2025: 210, 2026: 330},
    consulting={2023: 30_000, 2024: 70_000, 2025: 160_000, 2026: 235_000},
    basic=50,
    upgrade_days=360,
    development=296_000,
    operating=10_700,
)
KNOBS = {
    "thriving": _THRIVING,
    # Too few upgrades, consulting that falls short, and a programme above its budget.
    "struggling": Knobs(
        price=_THRIVING.price,
        usage=_THRIVING.usage,
        addon=_THRIVING.addon,
        consulting=_THRIVING.consulting | {2026: 170_000},
        basic=6,
        upgrade_days=360,
        development=331_000,
        operating=12_400,
    ),
    "honest": Knobs(
        price={2025: 1500, 2026: 1640},
        usage={2025: 220, 2026: 250},
        addon={2025: 60, 2026: 90},
        consulting={2025: 20_000, 2026: 35_000},
        basic=4,
        upgrade_days=200,
        development=120_000,
        operating=4_000,
        overdue=17,
    ),
}

_COSTS = "CostEfficiencyAnalytics.calculate_roi_metrics"
_TARGETS = "RevenueGrowthMetrics.target_metrics"
MISSED = frozenset({
    f"{_TARGETS}.premium_service_adoption", f"{_TARGETS}.integration_consulting_revenue",
    f"{_COSTS}.development_investment", f"{_COSTS}.annual_operating_costs",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an invoice, as it stands after credit notes."""

    id: str
    kind: str
    deal_kind: str
    client_id: str | None
    franchise_id: str | None
    partner_id: str | None
    service_from: date
    service_to: date
    issued_at: datetime
    due_on: date
    paid_on: date | None
    amount: float
    credited: float
    currency: str
    net_usd: float
    status: str

    def within(self, month: datetime) -> float:
        """USD accrued in a month, pro rata by day; both ends of the service period are in."""
        last = (month + 32 * DAY).replace(day=1).date()
        first = max(self.service_from, month.date())
        days = (min(self.service_to + DAY, last) - first).days
        whole = (self.service_to - self.service_from).days + 1
        return self.net_usd * max(days, 0) / whole if self.status != "void" else 0.0


@dataclass(frozen=True, slots=True)
class Spent:
    """One line of cost."""

    day: date
    category: str
    usd: float
    programme: bool = False
    party: str = "operator"


@dataclass(frozen=True, slots=True)
class Subscribed:
    """One status of a subscription."""

    shop: Shop
    id: str
    at: datetime
    premium: bool
    status: str


class Books:
    """Everything billed and spent (``world.shared["books"]``)."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.lines: list[Line] = []
        self.costs: list[Spent] = []
        self.subscriptions: list[Subscribed] = []
        self._accrued: dict[datetime, dict[tuple[str | None, str | None, str], float]] | None = None

    def accrued(self, month: datetime) -> dict[tuple[str | None, str | None, str], float]:
        """USD of a month by (client, franchise, kind)."""
        if self._accrued is None:
            self._accrued = {first: defaultdict(float) for first in self.world.months}
            for line in self.lines:
                month_ = midnight(line.service_from.replace(day=1))
                while month_.date() <= line.service_to:
                    if month_ in self._accrued:
                        key = (line.client_id, line.franchise_id, line.kind)
                        self._accrued[month_][key] += line.within(month_)
                    month_ = (month_ + 32 * DAY).replace(day=1)
        return self._accrued.get(month, {})

    def revenue(self, start: datetime, end: datetime, kinds: tuple[str, ...] = PLATFORM) -> float:
        """Accrued USD of the months in [start, end)."""
        return sum(
            usd
            for month in self.world.months
            if start <= month < end
            for (_, _, kind), usd in self.accrued(month).items()
            if kind in kinds
        )

    def spent(self, start: datetime, end: datetime, *categories: str, programme: bool) -> float:
        """USD that the operator spent on the days of [start, end)."""
        return sum(
            cost.usd
            for cost in self.costs
            if start.date() <= cost.day < end.date()
            and cost.category in categories
            and cost.party == "operator"
            and (cost.programme or not programme)
        )


def simulate(world: World, facts: Facts, truth: Truth) -> None:
    """Invoices, subscriptions and costs, and what is true of them (``world.shared``: books,
    invoices, revenue)."""
    books = Books(world)
    world.shared |= {"books": books, "invoices": books.lines, "revenue": {}}
    if world.shops:
        knobs = KNOBS[world.preset.story]
        _subscribe(world, books, knobs)
        _bill(world, books, knobs)
        for month in world.months:
            by_kind: dict[str, float] = defaultdict(float)
            for (_, _, kind), usd in books.accrued(month).items():
                by_kind[kind] += usd
            world.shared["revenue"][month] = dict(by_kind)
        _spend(world, books, knobs)
        _write(world, facts, books)
        if world.preset.story == "struggling":
            truth.missed |= MISSED
    tell(world, facts, truth)


# -- subscriptions ---------------------------------------------------------------------------------


def _subscribe(world: World, books: Books, knobs: Knobs) -> None:
    for number, shop in enumerate(world.shops):
        if shop.opened_at >= world.end:
            continue
        id_ = f"S-{shop.id}-1"
        add = books.subscriptions.append
        add(Subscribed(shop, id_, shop.opened_at, True, "trial"))
        paid = shop.opened_at + 5 * DAY
        basic = number % knobs.basic == knobs.basic - 1
        old = shop.opened < world.programme_start.date()
        upgrade = world.programme_start + timedelta(days=number * 37 % knobs.upgrade_days, hours=11)
        if old and not basic and upgrade < world.end:
            add(Subscribed(shop, id_, paid, number % 5 < 3, "active"))
            add(Subscribed(shop, id_, upgrade, True, "active"))
        else:
            add(Subscribed(shop, id_, paid, not basic, "active"))
        if number % 9 == 4:
            add(Subscribed(shop, id_, world.end - 12 * DAY, not basic, "past_due"))
        if number % 40 == 13:  # takes effect at the very end, and belongs to the next month
            add(Subscribed(shop, id_, world.end, False, "active"))
        if number % 30 == 11 and shop.opened < (world.end - 400 * DAY).date():
            # an older contract was replaced: its end is not the newest row
            add(Subscribed(shop, f"S-{shop.id}-0", world.end - 380 * DAY, False, "ended"))
        if shop.closed_at:
            add(Subscribed(shop, id_, shop.closed_at, not basic, "ended"))
    books.subscriptions = [
        row for row in books.subscriptions if row.at < (row.shop.closed_at or world.end + DAY)
        or row.status == "ended"
    ]  # fmt: skip


def _plan(books: Books, shop: Shop, at: datetime) -> Subscribed | None:
    """The newest subscription row of a shop at a moment."""
    rows = [row for row in books.subscriptions if row.shop is shop and row.at < at]
    return max(rows, key=lambda row: (row.at, row.id), default=None)


# -- invoices --------------------------------------------------------------------------------------


def _in(by_year: dict[int, float], month: datetime) -> float:
    """A price in a month; before the first and after the last year that of the nearest."""
    return by_year[min(max(month.year, min(by_year)), max(by_year))]


class _Biller:
    """Makes lines with their numbers, due dates and payments."""

    def __init__(self, world: World, books: Books, knobs: Knobs) -> None:
        self._world, self._books, self._knobs = world, books, knobs
        self._rng = world.rng("invoices")

    def line(
        self, kind: str, deal_kind: str, usd: float, start: date, end: date, issued: datetime,
        *, client: Client | None = None, shop: Shop | None = None,
    ) -> None:  # fmt: skip
        if issued >= self._world.end or usd <= 0:
            return
        number = len(self._books.lines)
        euro = kind == "consulting" and number % 7 == 3
        rate = _EUR if euro else 1.0
        net = round(usd / rate, 2)
        credited = round(net * 0.1, 2) if number % 53 == 5 else 0.0
        due = issued.date() + 30 * DAY
        late = self._knobs.overdue and number % self._knobs.overdue == 3
        paid: date | None = due - timedelta(days=int(self._rng.integers(1, 25)))
        if late or (paid and paid >= self._world.end.date()):
            paid = None
        self._books.lines.append(
            Line(
                id=f"I{number:06d}",
                kind=kind,
                deal_kind=deal_kind,
                client_id=client.id if client else None,
                franchise_id=shop.id if shop else None,
                partner_id=None,
                service_from=start,
                service_to=end,
                issued_at=issued,
                due_on=due,
                paid_on=paid,
                amount=round(net + credited, 2),
                credited=credited,
                currency="EUR" if euro else "USD",
                net_usd=round(net * rate, 2),
                status=_status(number, paid),
            )
        )


def _status(number: int, paid: date | None) -> str:
    if number % 61 == 17:
        return "void"
    if number % 211 == 40:
        return "written_off"
    return "paid" if paid else "open"


def _bill(world: World, books: Books, knobs: Knobs) -> None:
    biller = _Biller(world, books, knobs)
    rng = world.rng("usage")
    plans: dict[str, list[Subscribed]] = defaultdict(list)
    for row in sorted(books.subscriptions, key=lambda row: (row.at, row.id)):
        plans[row.shop.id].append(row)
    clients = {client.id: client for client in world.clients}
    for month in world.months:
        size = calendar.monthrange(month.year, month.month)[1]
        first, last = month.date(), month.date().replace(day=size)
        open_of: dict[str, float] = defaultdict(float)
        for shop in world.shops:
            start = max(shop.opened, first)
            end = min(shop.closed - DAY if shop.closed else last, last)
            if start > end:
                continue
            share = ((end - start).days + 1) / size
            open_of[shop.client.id] += share
            rows = [row for row in plans[shop.id] if row.at <= at_hour(end, 23)]
            premium = rows[-1].premium if rows else True
            price = _in(knobs.price, month) * (1.0 if premium else 0.6) * share
            deal = "new" if (first - shop.opened).days < 365 else "renewal"
            issued = max(month + timedelta(hours=6), at_hour(start, 9))
            biller.line(
                "subscription", deal, price, start, end, issued, client=shop.client, shop=shop
            )
            usage = _in(knobs.usage, month) * share * float(rng.uniform(0.7, 1.3))
            biller.line(
                "usage", "none", usage, start, end, at_hour(end, 20), client=shop.client, shop=shop
            )
        for nth, (client_id, units) in enumerate(sorted(open_of.items())):
            deal = "upsell" if nth % 2 else "expansion"
            biller.line(
                "other", deal, _in(knobs.addon, month) * units, first, last,
                at_hour(last, 21), client=clients[client_id],
            )  # fmt: skip
        biller.line("marketplace", "none", 1_500.0, first, last, at_hour(last, 21))
        if month.month % 3 == 1:
            _consult(world, biller, knobs, month, sorted(open_of))


def _consult(world: World, biller: _Biller, knobs: Knobs, month: datetime, of: list[str]) -> None:
    """Projects of a quarter: some lie in one quarter, others reach into the next."""
    clients = {client.id: client for client in world.clients}
    parts = 12
    for nth in range(parts):
        usd = _in(knobs.consulting, month) / parts
        start = month.date() + timedelta(days=3 + 5 * nth)
        end = start + timedelta(days=40)
        client = clients[of[nth * 5 % len(of)]]
        biller.line("consulting", "none", usd, start, end, at_hour(start, 9), client=client)
        biller.line(
            "royalty", "none", usd * 2, start, end, at_hour(start, 9), client=client
        )  # the franchisor's money: never platform_revenue


# -- costs -----------------------------------------------------------------------------------------


def _spend(world: World, books: Books, knobs: Knobs) -> None:
    rng = world.rng("costs")
    begins = months_before(world.programme_start, 3)
    months = [m for m in world.months if begins <= m < months_before(world.end, 6)][:12]
    for month in world.months:
        day = month.date()
        last = day.replace(day=calendar.monthrange(day.year, day.month)[1])
        revenue = sum(
            usd for kind, usd in world.shared["revenue"][month].items() if kind in PLATFORM
        )
        add = books.costs.append
        add(Spent(last, "cost_of_revenue", round(revenue * 0.18, 2)))
        add(Spent(day, "support", round(revenue * 0.06, 2)))
        add(Spent(day + 14 * DAY, "other", 9_000.0))
        add(Spent(day, "operating", 40_000.0))  # of the company, not of the programme
        add(Spent(day + 9 * DAY, "operating", 3_000.0, programme=True, party="franchisee"))
        if month in months:
            add(Spent(last, "development", round(knobs.development / len(months), 2), True))
            add(Spent(day, "development", 25_000.0))
        if month >= world.programme_start:
            for category, share in (("operating", 0.7), ("support", 0.3)):
                usd = knobs.operating * share * float(rng.uniform(0.97, 1.03))
                add(Spent(day if category == "operating" else last, category, round(usd, 2), True))
        tool = 4_200.0 if month < world.programme_start else 1_500.0 if month.month % 2 else 900.0
        add(Spent(day + 4 * DAY, "retired_tool", tool))


# -- facts -----------------------------------------------------------------------------------------


def _write(world: World, facts: Facts, books: Books) -> None:
    for row in books.subscriptions:
        facts.add(
            "subscription", subscription_id=row.id, franchise_id=row.shop.id, status_at=row.at,
            plan="premium" if row.premium else "basic", premium=row.premium, status=row.status,
            mrr_usd=0.0 if row.status in ("trial", "ended") else 2000.0 if row.premium else 1200.0,
        )  # fmt: skip
    for line in books.lines:
        _write_line(facts, line)
    for number, cost in enumerate(books.costs):
        facts.add(
            "cost", cost_id=f"X{number:05d}", incurred_on=cost.day, category=cost.category,
            programme=cost.programme, party=cost.party, amount=cost.usd, currency="USD",
            net_usd=cost.usd,
        )  # fmt: skip
    _never_counts(world, facts, books.lines[0])
    if world.preset.story == "honest":
        _close_in_vain(world, facts)


def _close_in_vain(world: World, facts: Facts) -> None:
    """Attestations that close no books: of something else, after the end, and one withdrawn."""
    month = months_before(world.end, 1)
    far = world.end + 900 * DAY
    for key, at, expires_at in (
        (f"budget_closed:{month:%Y-%m}", world.end - DAY, far),
        (f"period_closed:{month:%Y-%m}", world.end + 10 * DAY, far),
        (f"period_closed:{month:%Y}", world.end - 9 * DAY, world.end - 5 * DAY),
    ):
        facts.attest(
            "attestation", attestation_id=f"in-vain:{key}", claim_key=key, attested_at=at,
            statement="Closed.", expires_at=expires_at,
        )  # fmt: skip


def _write_line(facts: Facts, line: Line, **other: Any) -> None:
    row: dict[str, Any] = {
        "invoice_line_id": line.id, "invoice_id": f"N-{line.id}", "issued_at": line.issued_at,
        "kind": line.kind, "deal_kind": line.deal_kind, "client_id": line.client_id,
        "franchise_id": line.franchise_id, "partner_id": line.partner_id,
        "service_from": line.service_from, "service_to": line.service_to, "amount": line.amount,
        "credited": line.credited, "currency": line.currency, "net_usd": line.net_usd,
        "due_on": line.due_on, "paid_on": line.paid_on, "status": line.status,
    }  # fmt: skip
    facts.add("invoice", **(row | other))


def _never_counts(world: World, facts: Facts, line: Line) -> None:
    """Lines of another environment, synthetic ones, and some that were taken back."""
    day = (world.end - 20 * DAY).date()
    dated: dict[str, Any] = {
        "service_from": day, "service_to": day, "issued_at": world.end - 20 * DAY,
        "net_usd": 500_000.0, "amount": 500_000.0, "credited": 0.0, "kind": "consulting",
        "status": "paid", "franchise_id": None, "currency": "USD",
    }  # fmt: skip
    _write_line(facts, line, **dated, invoice_line_id="I-staging", environment="staging")
    _write_line(facts, line, **dated, invoice_line_id="I-synthetic", synthetic=True)
    _write_line(facts, line, **dated, invoice_line_id="I-mistake")
    _write_line(facts, line, **dated, invoice_line_id="I-mistake", retracted=True, version=2)
    cost: dict[str, Any] = {
        "incurred_on": day, "category": "development", "programme": True, "party": "operator",
        "amount": 400_000.0, "currency": "USD", "net_usd": 400_000.0,
    }  # fmt: skip
    facts.add("cost", cost_id="X-test", environment="test", **cost)
    facts.add("cost", cost_id="X-mistake", **cost)
    facts.add("cost", cost_id="X-mistake", version=2, retracted=True, **cost)


# -- truth -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Span:
    """A window of whole months."""

    start: datetime
    end: datetime


def months_to(end: datetime, count: int) -> _Span:
    """The ``count`` calendar months before a moment that begins one."""
    return _Span(months_before(end, count), end)


def baseline(
    facts: Facts, world: World, metric: str, value: float, n: int, months: int = 12
) -> None:
    """Freeze a baseline of the network at the start of the programme."""
    facts.add(
        "baseline", metric_id=metric, scope="network", scope_key="*", baseline_kind="programme",
        period_start=months_before(world.programme_start, months),
        period_end=world.programme_start, value=value, n=n, frozen_at=world.programme_start,
        approved_by=SIMULATED,
    )  # fmt: skip


def tell(world: World, facts: Facts, truth: Truth) -> None:
    """What is true of the money at ``world.end``, the end of a quarter; baselines are frozen."""
    books: Books = world.shared["books"]
    if not world.shops:
        for metric in (
            "network_revenue_growth", "premium_service_adoption", "average_revenue_per_franchise",
            "integration_consulting_revenue", "performance_above_average", "arpf_increase",
            "customer_lifetime_value_growth", "development_investment", "annual_operating_costs",
            "annual_revenue_increase", "active_franchise_rate",
        ):  # fmt: skip
            truth.missing(metric)
        return
    _tell_sales(world, facts, truth)
    _tell_plans(world, truth, books)
    _tell_revenue(world, facts, truth, books)
    _tell_costs(world, facts, truth, books)
    _tell_lifetime(world, facts, truth, books)


def _open_days(shop: Shop, start: datetime, end: datetime) -> float:
    """Days (with fractions) of [start, end) on which a shop was open or suspended."""
    until = min(shop.closed_at or end, end)
    return max((until - max(shop.opened_at, start)).total_seconds(), 0.0) / 86_400


_TOLD = ("F0001", "F0010")
"""Shops whose own growth is told."""


def _tell_sales(world: World, facts: Facts, truth: Truth) -> None:
    sold: Sold = world.shared["sold"]
    now, before = months_to(world.end, 12), months_to(months_before(world.end, 12), 12)
    sums = [0.0, 0.0]
    both = included_open = 0
    for shop in world.shops:
        usd = [sold.usd(shop, s.start, s.end) for s in (now, before)]
        if shop.opened_at >= now.start:
            if shop.opened_at < world.end:
                sums[0] += usd[0]
                included_open += shop.is_open(world.end)
            continue
        open_ = [_open_days(shop, s.start, s.end) for s in (now, before)]
        if not any(open_) or any(
            sold.days(shop, s.start, s.end) < 0.95 * days
            for s, days in zip((now, before), open_, strict=True)
        ):
            continue
        both += all(open_)
        sums = [a + b for a, b in zip(sums, usd, strict=True)]
        included_open += shop.is_open(world.end)
        if shop.id in _TOLD:
            truth.exact(
                "network_revenue_growth", 100 * (usd[0] / usd[1] - 1), n=1,
                verdict="insufficient_data", scope="franchise", key=shop.id,
            )  # fmt: skip
    if sums[1] == 0:
        truth.missing("network_revenue_growth", "insufficient_data")
    else:
        enough = world.start <= before.start and included_open >= 0.9 * len(
            world.open_shops(world.end)
        )
        truth.exact(
            "network_revenue_growth", 100 * (sums[0] / sums[1] - 1), n=both,
            verdict=None if enough else "insufficient_data",
        )  # fmt: skip
    _tell_mature(world, facts, truth, sold)
    there, active = world.open_shops(world.end), world.active_shops(world.end)
    truth.exact("active_franchise_rate", 100 * len(active) / len(there), n=len(there))


def _tell_mature(world: World, facts: Facts, truth: Truth, sold: Sold) -> None:
    """Sales of the older shops against the mean of the year before the programme."""
    base = months_to(world.programme_start, 12)
    year_ago = months_before(world.end, 12)
    mature = [s for s in world.active_shops(world.end) if s.opened_at <= year_ago]
    if base.start < world.start:
        truth.missing("performance_above_average")  # no whole year before the programme
        return
    units = [s for s in world.shops if s.opened_at < base.start and s.is_open(base.end)]
    mean = sum(sold.usd(s, base.start, base.end) for s in units) / len(units)
    baseline(facts, world, "performance_above_average", mean, len(units))
    above = sum(sold.usd(s, year_ago, world.end) > mean for s in mature)
    truth.exact("performance_above_average", 100 * above / len(mature), n=len(mature))


def _tell_plans(world: World, truth: Truth, books: Books) -> None:
    active = world.active_shops(world.end)
    premium = 0
    for shop in active:
        row = _plan(books, shop, world.end)
        premium += row is not None and row.premium and row.status in ("active", "past_due")
    truth.exact("premium_service_adoption", 100 * premium / len(active), n=len(active))


def _franchise_months(world: World, span: _Span, shops: list[Shop] | None = None) -> float:
    total = 0.0
    for month in world.months:
        if span.start <= month < span.end:
            end = (month + 32 * DAY).replace(day=1)
            size = (end - month) / DAY
            total += sum(
                round(_open_days(shop, month, end) / size, 6) for shop in shops or world.shops
            )
    return total


def _arpf(world: World, books: Books, span: _Span) -> tuple[float, float]:
    """Revenue without consulting, and franchise-months."""
    kinds = tuple(kind for kind in PLATFORM if kind != "consulting")
    return books.revenue(span.start, span.end, kinds), _franchise_months(world, span)


def _tell_revenue(world: World, facts: Facts, truth: Truth, books: Books) -> None:
    month = months_to(world.end, 1)
    revenue, units = _arpf(world, books, month)
    truth.exact("average_revenue_per_franchise", revenue / units, n=units)
    kinds = tuple(kind for kind in PLATFORM if kind != "consulting")
    for shop in world.open_shops(world.end)[:2]:
        own = sum(
            usd
            for (_, id_, kind), usd in books.accrued(month.start).items()
            if id_ == shop.id and kind in PLATFORM
        )
        peers = [
            s for s in world.shops
            if s.client is shop.client and _open_days(s, month.start, month.end) > 0
        ]  # fmt: skip
        shared = sum(
            usd
            for (client, id_, kind), usd in books.accrued(month.start).items()
            if id_ is None and client == shop.client.id and kind in kinds
        )
        truth.exact(
            "average_revenue_per_franchise",
            (own + shared / len(peers)) / _franchise_months(world, month, [shop]),
            n=1, verdict="insufficient_data", scope="franchise", key=shop.id,
        )  # fmt: skip
    now = _arpf(world, books, months_to(world.end, 3))
    months = min(12, sum(m < world.programme_start for m in world.months))
    before = _arpf(world, books, months_to(world.programme_start, months))
    frozen = before[0] / before[1]
    baseline(facts, world, "arpf_increase", frozen, round(before[1]), months)
    truth.exact("arpf_increase", now[0] / now[1] - frozen, n=now[1])
    quarter = months_to(world.end, 3)
    late = world.preset.story == "honest"  # the books of the last month are open
    truth.exact(
        "integration_consulting_revenue",
        books.revenue(quarter.start, quarter.end, ("consulting",)),
        n=1, verdict="insufficient_data" if late else None,
    )  # fmt: skip
    year, base = months_to(world.end, 12), months_to(world.programme_start, 12)
    if base.start < world.start:
        truth.missing("annual_revenue_increase")
        return
    frozen = books.revenue(base.start, base.end)
    baseline(facts, world, "annual_revenue_increase", frozen, 12)
    truth.exact("annual_revenue_increase", books.revenue(year.start, year.end) - frozen, n=12)


def _tell_costs(world: World, facts: Facts, truth: Truth, books: Books) -> None:
    late = world.preset.story == "honest"
    spent = books.spent(world.start, world.end, "development", programme=True)
    months = {
        (c.day.year, c.day.month)
        for c in books.costs
        if c.category == "development" and c.programme and c.day < world.end.date()
    }
    truth.exact(
        "development_investment", spent, n=len(months),
        verdict="insufficient_data" if late else None,
    )  # fmt: skip
    year = months_to(world.end, 12)
    truth.exact(
        "annual_operating_costs",
        books.spent(year.start, year.end, "operating", "support", programme=True),
        n=sum(max(year.start, world.programme_start) <= m < world.end for m in world.months),
        verdict="insufficient_data" if late else None,
    )  # fmt: skip
    del facts


def lifetime_value(world: World, books: Books, span: _Span) -> tuple[float, float]:
    """(V, franchise-years): margin per franchise-year over churn and discount rate. A shop is lost
    when it closes, or when its client leaves the platform."""
    years = lost = 0.0
    for shop in world.shops:
        left = at_hour(shop.client.left, 18) if shop.client.left else span.end
        open_ = round(_open_days(shop, span.start, min(span.end, left)) * 86_400 / _YEAR_S, 6)
        gone = min(shop.closed_at or span.end, left)
        years += open_
        lost += open_ > 0 and span.start <= gone < span.end
    margin = books.revenue(span.start, span.end) - books.spent(
        span.start, span.end, "cost_of_revenue", "support", programme=False
    )
    return margin / (lost + 0.1 * years), years


def _tell_lifetime(world: World, facts: Facts, truth: Truth, books: Books) -> None:
    base = months_to(world.programme_start, 12)
    if base.start < world.start:
        truth.missing("customer_lifetime_value_growth")
        return
    frozen, years = lifetime_value(world, books, base)
    baseline(facts, world, "customer_lifetime_value_growth", frozen, round(years))
    now, exposure = lifetime_value(world, books, months_to(world.end, 12))
    truth.exact("customer_lifetime_value_growth", 100 * (now / frozen - 1), n=exposure)
