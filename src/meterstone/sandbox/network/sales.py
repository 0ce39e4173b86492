"""Counter sales and bookings of the shops: season, weekday, holidays, growth, and the true effect
of going live. What was really sold hangs on the world for the domains that come later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meterstone.sandbox.network.facts import Facts
from meterstone.sandbox.network.presets import months_before
from meterstone.sandbox.network.truth import Truth
from meterstone.sandbox.network.world import DAY, Shop, World

Array = NDArray[Any]

_WEEKDAY = np.array([0.86, 0.9, 0.94, 1.0, 1.18, 1.3, 0.82])
_FEEDS = ("square", "clover")
_CAD = 0.74
"""US dollars for a Canadian one; shops at the border take both."""


@dataclass(frozen=True, slots=True)
class Knobs:
    """How much is sold in one story.

    Attributes:
        payments: payments of a shop and day.
        day_usd: net sales of an average shop on an average day at the start.
        growth: growth of that a year, without any integration.
        effect: the true effect of going live on sales, as a share.
        reach: how sales grow with the number of connections beyond three: (connections + 1) / 4 to
            the power of this.
        bookings: bookings of a shop and day.
    """

    payments: int
    day_usd: float
    growth: float
    effect: float
    reach: float
    bookings: float


KNOBS = {
    "thriving": Knobs(1, 900.0, 0.09, 0.14, 1.6, 0.2),
    "struggling": Knobs(1, 900.0, 0.09, 0.14, 1.6, 0.2),
    "honest": Knobs(2, 700.0, 0.04, 0.08, 1.2, 0.5),
    "quiet": Knobs(0, 0.0, 0.0, 0.0, 0.0, 0.0),
}

MISSED: frozenset[str] = frozenset()


@dataclass
class Sold:
    """What the shops really sold.

    Attributes:
        cents: net sales of completed payments, shape (shops, days), in the order of the world.
        trading: whether a sale was recorded on a day, same shape.
        lift: by what factor going live raised what was to be expected, same shape.
    """

    world: World
    cents: Array
    trading: Array
    lift: Array

    @cached_property
    def _index(self) -> dict[str, int]:
        return {shop.id: nth for nth, shop in enumerate(self.world.shops)}

    def usd(self, shop: Shop, start: datetime, end: datetime) -> float:
        """Net sales of a shop in [start, end); both are midnights."""
        return float(self.cents[self._index[shop.id], self._days(start, end)].sum()) / 100

    def days(self, shop: Shop, start: datetime, end: datetime) -> int:
        """Days of [start, end) with a sale."""
        return int(self.trading[self._index[shop.id], self._days(start, end)].sum())

    def _days(self, start: datetime, end: datetime) -> slice:
        first = (start - self.world.start) // DAY
        return slice(max(first, 0), max((end - self.world.start) // DAY, 0))


def simulate(world: World, facts: Facts, truth: Truth) -> None:
    """Payments and bookings, and what is true of them (``world.shared``: sold, sales, visits)."""
    shape = (len(world.shops), len(world.days))
    sold = Sold(world, np.zeros(shape, dtype=np.int64), np.zeros(0), np.ones(shape))
    world.shared |= {"sold": sold, "sales": {}, "visits": {}}
    if not world.shops:
        return
    knobs = KNOBS[world.preset.story]
    sold.trading = _trading(world)
    level, without = _levels(world, knobs)
    _pay(world, facts, knobs, sold, level)
    visits = _book(world, facts, knobs, sold.trading)
    _tell(world, sold, visits)
    sold.lift = np.where(level > 0, level / np.where(level > 0, without, 1), 1.0)
    lift = np.where(level > 0, 1 - without / np.where(level > 0, level, 1), 0.0)
    _effects(world, truth, sold, lift)
    _never_counts(world, facts)


def _trading(world: World) -> Array:
    """Whether each shop records a sale on each day, shape (shops, days)."""
    trading = np.array([[shop.trades(day) for day in world.days] for shop in world.shops])
    trading &= ~np.array([(day.month, day.day) == (12, 25) for day in world.days])
    if world.preset.story == "honest":
        gone = slice(len(world.days) - 130, len(world.days) - 95)
        trading[3::20, gone] = False  # the feed of some shops was silent for five weeks
    return trading


def _levels(world: World, knobs: Knobs) -> tuple[Array, Array]:
    """Expected net sales in USD by shop and day, as they are and without any connection."""
    days = np.arange(len(world.days))
    weekday = _WEEKDAY[np.array([day.weekday() for day in world.days])]
    of_year = np.array([day.timetuple().tm_yday for day in world.days])
    season = 1 + 0.1 * np.sin(2 * np.pi * (of_year - 100) / 365.25)
    holiday = np.array([1.35 if _is_holiday(day) else 1.0 for day in world.days])
    common = knobs.day_usd * (1 + knobs.growth) ** (days / 365.25) * weekday * season * holiday
    size = np.array([shop.size for shop in world.shops])
    noise = world.rng("sales noise").lognormal(-0.02, 0.2, (len(world.shops), len(world.days)))
    without = size[:, None] * common[None, :] * noise
    return without * _lift(world, knobs), without


def _lift(world: World, knobs: Knobs) -> Array:
    """By what factor the connections of a shop lift its sales, shape (shops, days)."""
    live: dict[str, Array] = {}
    for connection in world.connections:
        if connection.shop is None:
            continue
        of_shop = live.setdefault(connection.shop.id, np.zeros(len(world.days)))
        of_shop[max((connection.connected - world.start) // DAY + 1, 0) :] += 1
    rng = world.rng("effects")
    lift = np.ones((len(world.shops), len(world.days)))
    for nth, shop in enumerate(world.shops):
        own = knobs.effect * float(rng.uniform(0.7, 1.3))
        if shop.id in live:
            count = live[shop.id]
            lift[nth] = np.where(
                count > 0, (1 + own) * (np.maximum(1 + count, 4) / 4) ** knobs.reach, 1.0
            )
    return lift


def _is_holiday(day: date) -> bool:
    return (day.month, day.day) in {(2, 14), (7, 3), (7, 4), (12, 23), (12, 24), (12, 31)}


def _pay(world: World, facts: Facts, knobs: Knobs, sold: Sold, level: Array) -> None:
    """One or more payments for every day of trading, some voided, failed or given back."""
    rng = world.rng("payments")
    shop, day = np.nonzero(sold.trading)
    shop, day = np.repeat(shop, knobs.payments), np.repeat(day, knobs.payments)
    nth = np.tile(np.arange(knobs.payments), len(shop) // knobs.payments)
    count = len(shop)
    border = shop % 40 == 39
    rate = np.where(border, _CAD, 1.0)
    net = level[shop, day] / knobs.payments / rate * 100 * rng.uniform(0.8, 1.2, count)
    gross = np.maximum(np.rint(net * 1.04).astype(np.int64), 100)
    discount = np.where(rng.random(count) < 0.4, np.rint(gross * 0.06).astype(np.int64), 0)
    refund = np.zeros(count, dtype=np.int64)
    back = rng.random(count) < 0.004
    refund[back] = np.rint((gross - discount)[back] * rng.uniform(0.1, 1.0, back.sum()))
    second = np.rint(rng.uniform(9 * 3600, 20 * 3600, count)).astype(np.int64) * 1_000_000
    _to_the_edges(world, shop, day, second)
    start = np.datetime64(world.start.replace(tzinfo=None), "us")
    paid_at = start + day * np.timedelta64(86_400_000_000, "us") + second
    ids = np.array([s.id for s in world.shops])
    columns: dict[str, Any] = {
        "payment_id": [f"P-{ids[s]}-{d}-{n}" for s, d, n in zip(shop, day, nth, strict=True)],
        "franchise_id": ids[shop].tolist(),
        "integration": np.array(_FEEDS)[(shop % 3 == 0).astype(int)].tolist(),
        "source": np.array(_FEEDS)[(shop % 3 == 0).astype(int)].tolist(),
        "paid_at": paid_at,
        "gross": gross / 100,
        "discount": discount / 100,
        "refund": np.zeros(count),
        "tax": np.rint(gross * 0.08) / 100,
        "tip": np.where(nth == 0, np.rint(gross * 0.03), 0) / 100,
        "currency": np.where(border, "CAD", "USD").tolist(),
        "net_sales_usd": np.rint((gross - discount) * rate) / 100,
        "status": ["completed"] * count,
        "origin": ["pos"] * count,
    }
    facts.extend("payment", columns)
    final = np.rint((gross - discount - refund) * rate).astype(np.int64)
    changed = np.flatnonzero(back)
    revised = {name: _pick(column, changed) for name, column in columns.items()}
    revised |= {"refund": refund[changed] / 100, "net_sales_usd": final[changed] / 100}
    facts.extend("payment", revised, version=2)
    np.add.at(sold.cents, (shop, day), final)
    _not_sold(facts, columns, rng)


def _to_the_edges(world: World, shop: Array, day: Array, second: Array) -> None:
    """Some payments at the very first and the very last moment of a month."""
    first = np.array([d.day == 1 for d in world.days])
    last = np.array([(d + DAY).day == 1 for d in world.days])
    second[first[day] & (shop % 5 == 0)] = 0
    second[last[day] & (shop % 5 == 1)] = 86_400_000_000 - 1_000  # vendors keep milliseconds


def _pick(column: Any, rows: Array) -> Any:
    if isinstance(column, list):
        return [column[row] for row in rows]
    return column[rows]


def _not_sold(facts: Facts, columns: dict[str, Any], rng: np.random.Generator) -> None:
    """Payments that were voided or failed: rows that look like sales and are none."""
    rows = np.flatnonzero(rng.random(len(columns["payment_id"])) < 0.006)
    for status, part in (("voided", rows[::2]), ("failed", rows[1::2])):
        copied = {name: _pick(column, part) for name, column in columns.items()}
        copied["payment_id"] = [f"{id_}-{status}" for id_ in copied["payment_id"]]
        copied["status"] = [status] * len(part)
        facts.extend("payment", copied)


def _book(world: World, facts: Facts, knobs: Knobs, trading: Array) -> Array:
    """Bookings, most of them kept.

    Returns:
        Completed bookings by shop and day of creation, shape (shops, days).
    """
    rng = world.rng("bookings")
    booked = trading & (rng.random(trading.shape) < knobs.bookings)
    shop, day = np.nonzero(booked)
    count = len(shop)
    status = rng.choice(["completed", "cancelled", "no_show"], count, p=[0.9, 0.07, 0.03])
    open_ = day >= len(world.days) - 5
    status = np.where(open_, "confirmed", status)
    start = np.datetime64(world.start.replace(tzinfo=None), "us")
    hour = np.timedelta64(3_600_000_000, "us")
    created = start + day * 24 * hour + rng.integers(8, 20, count) * hour
    ids = np.array([s.id for s in world.shops])
    columns: dict[str, Any] = {
        "booking_id": [f"B-{ids[s]}-{d}" for s, d in zip(shop, day, strict=True)],
        "franchise_id": ids[shop].tolist(),
        "created_at": created,
        "starts_at": created + rng.integers(20, 100, count) * hour,
        "status": ["pending"] * count,
        "origin": ["integration"] * count,
        "amount_usd": np.rint(rng.uniform(20, 180, count) * 100) / 100,
    }
    facts.extend("booking", columns)
    kept = np.flatnonzero(np.isin(status, ["completed", "cancelled", "no_show", "confirmed"]))
    revised = {name: _pick(column, kept) for name, column in columns.items()}
    facts.extend("booking", revised | {"status": status[kept].tolist()}, version=2)
    completed = np.zeros(trading.shape, dtype=np.int64)
    done = status == "completed"
    np.add.at(completed, (shop[done], day[done]), 1)
    return completed


def _tell(world: World, sold: Sold, booked: Array) -> None:
    """Monthly sales and visits of each shop, for the domains that look at them."""
    knobs = KNOBS[world.preset.story]
    sales, visits = world.shared["sales"], world.shared["visits"]
    for nth, shop in enumerate(world.shops):
        sales[shop.id], visits[shop.id] = {}, {}
        for month in world.months:
            first = (month - world.start) // DAY
            last = ((month + 32 * DAY).replace(day=1) - world.start) // DAY
            sales[shop.id][month] = float(sold.cents[nth, first:last].sum()) / 100
            paid = int(sold.trading[nth, first:last].sum()) * knobs.payments
            visits[shop.id][month] = paid + int(booked[nth, first:last].sum())


def _effects(world: World, truth: Truth, sold: Sold, lift: Array) -> None:
    """What going live did to the sales of a shop, USD a month over the last three months."""
    first = (months_before(world.end, 3) - world.start) // DAY
    gained = (sold.cents * lift)[:, max(first, 0) :].sum(axis=1) / 100 / 3
    truth.effects["sales"] = {
        shop.id: round(float(gained[nth]), 2)
        for nth, shop in enumerate(world.shops)
        if shop.go_live
    }


def _never_counts(world: World, facts: Facts) -> None:
    """Sales of other environments, synthetic ones, and one that was taken back."""
    row: dict[str, Any] = {
        "franchise_id": world.shops[0].id, "integration": "square", "source": "square",
        "paid_at": world.end - timedelta(days=9, hours=3), "gross": 99_000.0, "discount": 0.0,
        "refund": 0.0, "tax": 0.0, "tip": 0.0, "currency": "USD", "net_sales_usd": 99_000.0,
        "status": "completed", "origin": "pos",
    }  # fmt: skip
    facts.add("payment", payment_id="P-staging", **row, environment="staging")
    facts.add("payment", payment_id="P-synthetic", **row, synthetic=True)
    facts.add("payment", payment_id="P-mistake", **row)
    facts.add("payment", version=2, payment_id="P-mistake", **row, retracted=True)


def midnight(day: date) -> datetime:
    """The first moment of a day, UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
