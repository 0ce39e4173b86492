"""The simulated network itself: shops, clients, integrations and connections, made from a seed.

Nothing here is a fact yet: domain modules turn the world into facts, and say what is true of it.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np

from meterstone.sandbox.network.presets import Preset, months_before

DAY = timedelta(days=1)

_STATES = (
    "AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ "
    "NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY"
)
STATES = tuple(_STATES.split())
"""First-level regions of the United States by ISO 3166-2 (without ``US-``): the lead market."""

NAMED = (
    # key, name, category, auth
    ("franconnect", "FranConnect", "franchise_management", "oauth2_client_credentials"),
    ("fransmart", "Fransmart", "lead_source", "email"),
    ("ifpg", "IFPG", "lead_source", "signed_link"),
    ("quickbooks", "QuickBooks Online", "accounting", "oauth2_code"),
    ("square", "Square", "pos", "oauth2_code"),
    ("clover", "Clover", "pos", "oauth2_code"),
    ("salesforce", "Salesforce", "crm", "oauth2_pkce"),
    ("tableau", "Tableau", "analytics", "token"),
    ("powerbi", "Power BI", "analytics", "oauth2_client_credentials"),
)
"""The nine systems that the framework names."""

_MORE = ("payroll", "scheduling", "marketing", "inventory", "loyalty", "payments", "support", "hr")

# Monthly signings of the large network, oldest first: steady for three years, and growing by 40 %
# a month at the end (the framework asks for 15 %).
_SIGNED_LARGE = (2,) * 12 + (2,) * 6 + (4,) * 9 + (8,) * 9 + (5, 7, 10, 14, 20, 28, 39, 55, 77)
_OPENS_AFTER = 75
"""Days from the signature to the opening of a shop."""


_UPSETS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "honest": ((5, 17, 29), (11, 23)),
    "thriving": ((31, 77), (60,)),
    "struggling": ((31, 77), (60,)),
}
"""Which shops close, and which are suspended, by their number."""


@dataclass(slots=True)
class Client:
    """A company that holds a platform contract, with one shop or several."""

    id: str
    segment: str
    since: date
    """Day on which its first platform contract was signed."""
    left: date | None = None


@dataclass(slots=True)
class Shop:
    """One franchise.

    ``size`` scales its sales (1 is average). ``go_live`` is the moment of its first connection: the
    treatment whose true effect the simulator knows. ``suspended`` are half-open ranges of days.
    """

    id: str
    client: Client
    region: str
    signed: date
    opened: date
    size: float
    territory: str
    closed: date | None = None
    suspended: list[tuple[date, date]] = field(default_factory=list)
    go_live: datetime | None = None

    @property
    def opened_at(self) -> datetime:
        """The moment of the status ``opened``: 08:00 of the day."""
        return at_hour(self.opened, 8)

    @property
    def closed_at(self) -> datetime | None:
        """The moment of the status ``closed``: 18:00 of the day."""
        return at_hour(self.closed, 18) if self.closed else None

    def is_open(self, at: datetime) -> bool:
        """Whether its newest status at a moment is opened or suspended (``open_franchise``)."""
        return self.opened_at < at and (self.closed_at is None or at <= self.closed_at)

    def is_suspended(self, at: datetime) -> bool:
        """Whether its newest status at a moment is suspended (from and until noon of the days)."""
        return any(at_hour(a, 12) < at <= at_hour(b, 12) for a, b in self.suspended)

    def trades(self, day: date) -> bool:
        """Whether it has sales on a day: opened, not yet on its last day, not suspended."""
        return (
            self.opened <= day
            and (self.closed is None or day < self.closed)
            and not any(a <= day <= b for a, b in self.suspended)
        )


@dataclass(slots=True)
class Integration:
    """One entry of the registry; ``live`` is when its status became live, None for none."""

    key: str
    name: str
    category: str
    auth: str
    live: datetime | None
    certified: bool = True
    certification_expires: datetime | None = None


@dataclass(slots=True)
class Connection:
    """A shop (or a client, where ``shop`` is None) connected to an integration."""

    id: str
    integration: Integration
    shop: Shop | None
    client: Client
    connected: datetime
    disconnected: datetime | None = None

    def is_live(self, at: datetime) -> bool:
        """Whether it is connected at a moment (population ``live_connection``)."""
        return self.connected < at and (self.disconnected is None or self.disconnected > at)


class World:
    """A network made from a preset; the same preset makes the same network.

    Domain modules may hang what others need on it (``world.shared["contracts"] = …``); they run in
    the order of `meterstone.sandbox.network.DOMAINS`.
    """

    def __init__(self, preset: Preset) -> None:
        self.preset = preset
        self.start = preset.start
        self.end = preset.end
        self.programme_start = preset.programme_start
        self.shared: dict[str, Any] = {}
        self.clients: list[Client] = []
        self.shops: list[Shop] = []
        self.integrations: list[Integration] = []
        self.connections: list[Connection] = []
        if preset.shops:
            self._make_clients()
            self._make_shops()
            self._make_integrations()
            self._connect()

    def rng(self, name: str) -> np.random.Generator:
        """Random numbers of one part, independent of what other parts draw."""
        return np.random.default_rng([self.preset.seed, zlib.crc32(name.encode())])

    @cached_property
    def days(self) -> list[date]:
        """All days of the history, oldest first."""
        count = (self.end - self.start).days
        return [self.start.date() + i * DAY for i in range(count)]

    @cached_property
    def months(self) -> list[datetime]:
        """First moments of all months of the history, oldest first."""
        first, found = self.end, []
        while (first := months_before(first, 1)) >= self.start:
            found.append(first)
        return found[::-1]

    @property
    def telemetry_start(self) -> datetime:
        """From when on high-volume telemetry is written."""
        return max(self.start, self.end - self.preset.telemetry_days * DAY)

    def open_shops(self, at: datetime) -> list[Shop]:
        """Population ``open_franchise`` at a moment (newest status opened or suspended)."""
        return [shop for shop in self.shops if shop.is_open(at)]

    def active_shops(self, at: datetime) -> list[Shop]:
        """Population ``active_franchise`` at a moment: open, not suspended, and with sales on one
        of the 30 days before."""
        days = [(at - n * DAY).date() for n in range(1, 31)]
        return [
            shop
            for shop in self.open_shops(at)
            if not shop.is_suspended(at) and any(shop.trades(day) for day in days)
        ]

    def live_connections(self, at: datetime) -> list[Connection]:
        """Population ``live_connection`` at a moment."""
        return [c for c in self.connections if c.is_live(at)]

    # -- making it --------------------------------------------------------------------------------

    def _make_clients(self) -> None:
        rng = self.rng("clients")
        large = self.preset.large
        count = 60 if large else max(self.preset.shops // 4, 1)
        before = self.start.date()
        for number in range(count):
            segment = "enterprise" if large or number % 3 == 0 else "mid_market"
            since = before - timedelta(days=int(rng.integers(200, 900)))
            self.clients.append(Client(f"K{number + 1:04d}", segment, since))
        if large:
            # New enterprise clients: one a month for two years, two a month in the last one.
            for index, month in enumerate(self.months[-30:]):
                for nth in range(2 if index >= 15 else 1):
                    since = (month + timedelta(days=9 + 8 * nth)).date()
                    self.clients.append(
                        Client(f"K{len(self.clients) + 1:04d}", "enterprise", since)
                    )
            self.clients[7].left = (self.end - timedelta(days=500)).date()
        for number in range(6 if large else 2):
            since = before - timedelta(days=400 + number)
            self.clients.append(Client(f"K{len(self.clients) + 1:04d}", "small", since))

    def _make_shops(self) -> None:
        rng = self.rng("shops")
        for number, signed in enumerate(self._signing_days()):
            candidates = [c for c in self.clients if c.since <= signed and c.left is None]
            client = (candidates or self.clients)[number % len(candidates or self.clients)]
            opened = signed + timedelta(days=_OPENS_AFTER)
            shop = Shop(
                id=f"F{number + 1:04d}",
                client=client,
                region=f"US-{STATES[number % len(STATES)]}",
                signed=signed,
                opened=opened,
                size=float(np.exp(rng.normal(0, 0.25))),
                territory=f"T{number + 1:04d}",
            )
            self.shops.append(shop)
        self._upset()

    def _signing_days(self) -> list[date]:
        """Day of signature of each shop, oldest first."""
        rng = self.rng("signings")
        if self.preset.large and self.preset.shops == 480 and len(self.months) == 45:
            monthly: Sequence[int] = _SIGNED_LARGE
        else:
            most = max(self.preset.shops // 5, 1) if self.preset.shops > 1 else 0
            monthly = [most // len(self.months)] * len(self.months)
            for nth in range(most % len(self.months)):
                monthly[nth] += 1
        old = self.preset.shops - sum(monthly)
        begin = self.start.date()
        days = [begin - timedelta(days=int(d)) for d in rng.integers(460, 1600, old)]
        for month, number in zip(self.months, monthly, strict=True):
            days += [month.date() + timedelta(days=int(d)) for d in rng.integers(0, 28, number)]
        return sorted(days)

    def _upset(self) -> None:
        """What goes wrong: shops that close, are suspended, or change hands."""
        end = self.end.date()
        closing, suspended = _UPSETS[self.preset.story]
        for nth, index in enumerate(closing):
            if index < len(self.shops):
                self.shops[index].closed = end - timedelta(days=150 + 40 * nth)
        for nth, index in enumerate(suspended):
            if index < len(self.shops):
                since = end - timedelta(days=20 if self.preset.story == "honest" else 300 + nth)
                until = end + DAY if self.preset.story == "honest" else since + timedelta(days=30)
                self.shops[index].suspended.append((since, until))

    def _make_integrations(self) -> None:
        """The nine named ones go live at the start of the programme; the large network adds others:
        52 are live by the end of June 2026, and six more each quarter."""
        for nth, (key, name, category, auth) in enumerate(NAMED):
            live = self.programme_start - timedelta(days=40 - 3 * nth)
            if self.preset.story == "honest" and key in ("tableau", "powerbi"):
                self.integrations.append(Integration(key, name, category, auth, None, False))
                continue
            self.integrations.append(Integration(key, name, category, auth, max(live, self.start)))
        more = 0
        if self.preset.large:
            more = 49
        for nth in range(more):
            category = _MORE[nth % len(_MORE)]
            quarters_back = (more - 1 - nth) // 6
            live = months_before(self.end, 3 * (quarters_back + 1)) + timedelta(
                days=5 + 7 * (nth % 6)
            )
            if quarters_back > 5:
                live = self.programme_start + timedelta(days=20 * nth)
            self.integrations.append(
                Integration(
                    f"{category}_{nth // len(_MORE) + 1}",
                    f"{category.title()} connector {nth // len(_MORE) + 1}",
                    category,
                    "oauth2_pkce",
                    live,
                )
            )

    def _connect(self) -> None:
        """Shops get their point of sale, accounting and franchise system when they go live, and
        more later; the other integrations are connected by clients."""
        by_key = {i.key: i for i in self.integrations}
        rng = self.rng("connections")
        first = self.programme_start
        roll_out = 150 if self.preset.large else 120
        for number, shop in enumerate(self.shops):
            if shop.opened >= self.end.date() or (shop.closed and shop.closed <= first.date()):
                continue
            staggered = first + timedelta(days=10 + number * 7 % roll_out, hours=9)
            go_live = max(staggered, shop.opened_at)
            if self._stays_without(number, shop) or go_live >= self.end:
                continue
            shop.go_live = go_live
            pos = "square" if number % 3 else "clover"
            keys = [pos, "quickbooks", "franconnect"]
            for nth, key in enumerate(keys):
                self._add(by_key[key], shop, go_live + timedelta(minutes=7 * nth))
            if self.preset.large:
                for nth, key in enumerate(("salesforce", "tableau")):
                    wait = int(rng.integers(0, 420))
                    later = datetime(2025, 1, 6, 10, tzinfo=UTC) + timedelta(days=wait + 30 * nth)
                    if number % (2 + nth) == 0 and later > go_live and later < self.end:
                        self._add(by_key[key], shop, later)
        for nth, integration in enumerate(self.integrations):
            if integration.live is None or any(
                c.integration is integration for c in self.connections
            ):
                continue
            joined = [
                c for c in self.clients if c.since <= integration.live.date() and c.left is None
            ]
            for client in joined[nth % 5 :: 17][:1] or joined[:1]:
                self._add(integration, None, integration.live + timedelta(hours=3), client)
        for connection in self.connections:
            closed = connection.shop and connection.shop.closed
            if closed:
                connection.disconnected = at_hour(closed, 18)

    def _stays_without(self, number: int, shop: Shop) -> bool:
        """Whether a shop is never connected: what connected ones are compared with."""
        if self.preset.story == "honest":
            return number % 6 == 5
        return number % 6 == 2 and shop.opened < self.start.date()

    def _add(
        self,
        integration: Integration,
        shop: Shop | None,
        at: datetime,
        client: Client | None = None,
    ) -> None:
        owner = shop.client if shop else client
        assert owner is not None  # noqa: S101  # one of the two is given
        name = shop.id if shop else owner.id
        self.connections.append(
            Connection(f"C-{name}-{integration.key}", integration, shop, owner, at)
        )


def at_hour(day: date, hour: int) -> datetime:
    """A whole hour of a day, UTC."""
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
