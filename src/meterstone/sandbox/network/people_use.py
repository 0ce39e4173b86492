"""Use of the product: who works with it, on which days, and with which features.

Time is counted in whole seconds since 1970, days since 1970; arrays have one element an event.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meterstone.sandbox.network.facts import Facts
from meterstone.sandbox.network.world import DAY, Shop, World

Array = NDArray[Any]

_DAY = 86400
_EPOCH = date(1970, 1, 1)
BASE_FEATURES = (
    "dashboard", "sales_report", "bookings", "inventory", "staff_planner", "payroll_export",
    "customer_list", "campaigns", "royalty_report", "document_vault", "audit_log", "api_keys",
)  # fmt: skip
_LIST = BASE_FEATURES.index("customer_list")
"""A premium feature."""
_EVERY = 24
"""Days between the releases of two features."""


@dataclass(frozen=True, slots=True)
class UseKnobs:
    """How the product is used.

    Attributes:
        heavy: share of users who work with it on most days.
        before: use a year earlier, as a share of today's.
        adopts: share of franchises that take up a new feature in time.
        session_s, session_s_before: median length of a session, today and a year earlier.
        leaves: share of users who leave in a month.
        lists: whether every owner looks at the list of customers three times a month.
    """

    heavy: float = 0.85
    before: float = 0.6
    adopts: float = 0.95
    session_s: float = 420.0
    session_s_before: float = 300.0
    leaves: float = 0.01
    lists: bool = False
    gap: tuple[int, int] | None = None
    """Days before the end at which the collector was down, and for how many days."""


@dataclass(frozen=True, slots=True)
class User:
    """One person at a shop, at work with the product from ``since`` until ``until`` (days)."""

    id: str
    shop: Shop
    role: str
    since: int
    until: int
    heavy: bool


@dataclass(frozen=True, slots=True)
class Feature:
    """One entry of the catalogue of features."""

    key: str
    released: datetime
    retired: datetime | None = None
    visible: bool = True
    plans: str = "*"
    premium: bool = False
    advanced: bool = False
    automation: bool = False
    integration: bool = False


@dataclass(slots=True)
class Use:
    """All that users did themselves, in no particular order of time.

    ``feature`` is an index into ``features``, -1 for none.
    """

    users: list[User] = field(default_factory=list)
    features: list[Feature] = field(default_factory=list)
    at: Array = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    user: Array = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    session: Array = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    feature: Array = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def between(self, opens: datetime, closes: datetime) -> Array:
        """Which events lie in [opens, closes)."""
        chosen: Array = (self.at >= seconds(opens)) & (self.at < seconds(closes))
        return chosen

    def shops_using(self, features: Collection[int], opens: datetime, closes: datetime) -> set[str]:
        """Shops that used one of the features (by index) on two days of [opens, closes)."""
        days: dict[tuple[str, int], set[int]] = {}
        chosen = self.between(opens, closes)
        for user, at, feature in zip(
            self.user[chosen].tolist(), self.at[chosen].tolist(), self.feature[chosen].tolist(),
            strict=True,
        ):  # fmt: skip
            if feature in features:
                days.setdefault((self.users[user].shop.id, feature), set()).add(at // _DAY)
        return {shop for (shop, _), on in days.items() if len(on) >= 2}

    def days_of_users(self, opens: datetime, closes: datetime) -> dict[int, set[int]]:
        """The active days of each user, by index."""
        chosen = self.between(opens, closes)
        found: dict[int, set[int]] = {}
        for user, day in set(
            zip(self.user[chosen].tolist(), (self.at[chosen] // _DAY).tolist(), strict=True)
        ):
            found.setdefault(user, set()).add(day)
        return found

    def sessions(self, opens: datetime, closes: datetime) -> list[int]:
        """Length in seconds of the sessions of two events or more that ended in the range."""
        order = np.lexsort((self.at, self.session))
        session, at = self.session[order], self.at[order]
        starts = np.flatnonzero(np.append(True, np.diff(session) != 0))
        sizes = np.diff(np.append(starts, len(session)))
        first, last = at[starts], at[starts + sizes - 1]
        chosen = (sizes >= 2) & (last >= seconds(opens)) & (last < seconds(closes))
        return sorted((last - first)[chosen].tolist())


def seconds(at: datetime) -> int:
    """Whole seconds since 1970."""
    return int(at.timestamp())


Part = tuple[Array, Array, Array, Array]
"""Events: time, user, session, feature."""


def simulate_use(world: World, facts: Facts, knobs: UseKnobs) -> Use:
    """Make users, features and events, and write them (with rows that never count)."""
    use = Use(features=_features(world))
    if not world.shops:
        return use
    use.users = _users(world, knobs)
    parts = [_daily(world, use, knobs), _edges(world, use)]
    use.at, use.user, use.session, use.feature = (
        np.concatenate(columns).astype(np.int64) for columns in zip(*parts, strict=True)
    )
    _take_up(world, use, knobs)
    if knobs.lists:
        _look_at_lists(world, use)
    _write(world, facts, use)
    return use


def _features(world: World) -> list[Feature]:
    """Features that were always there, then a new one every few weeks."""
    if not world.shops:
        return []
    long_ago = world.start - 400 * DAY
    found = [
        Feature(key, long_ago, advanced=n > 8, premium=n % 4 > 0)
        for n, key in enumerate(BASE_FEATURES)
    ]
    count = (world.end - world.start).days // _EVERY
    for nth in range(count):
        released = world.end - timedelta(days=14 + _EVERY * nth, hours=-9)
        number = count - nth
        found.append(
            Feature(
                f"feature_{number:03d}", released, premium=number % 5 == 0,
                advanced=number % 3 == 0, automation=number % 4 == 0, integration=number % 6 == 0,
            )
        )  # fmt: skip
    # Not for customers, taken back, and just outside and inside of 90 to 180 days of age.
    found += [
        Feature("internal_console", world.end - 120 * DAY, visible=False),
        Feature("beta_chat", world.end - 130 * DAY, retired=world.end - 40 * DAY),
        Feature("edge_90_days", world.end - 90 * DAY),
        Feature("edge_180_days", world.end - 180 * DAY),
        Feature("edge_over_180_days", world.end - 180 * DAY - timedelta(seconds=1)),
    ]
    return found


def _users(world: World, knobs: UseKnobs) -> list[User]:
    """An owner at every shop and a manager at every third; who leaves is replaced the next day."""
    rng = world.rng("people-users")
    end = _day(world.end.date())
    found = []
    for number, shop in enumerate(world.shops):
        last = min(_day(shop.closed) if shop.closed else end, end)
        for role in ("owner", "manager", "staff")[: 1 + (number % 3 == 0) + (number % 12 == 0)]:
            since = max(_day(shop.opened), _day(world.start.date()))
            nth = 1
            while since < last:
                stays = last - since
                if role != "owner":
                    stays = int(rng.exponential(30 / knobs.leaves)) + 3
                until = min(since + stays, last)
                name = f"U-{shop.id}-{role}-{nth}"
                found.append(User(name, shop, role, since, until, bool(rng.random() < knobs.heavy)))
                since, nth = until, nth + 1
    return found


def _daily(world: World, use: Use, knobs: UseKnobs) -> Part:
    rng = world.rng("people-use")
    end = _day(world.end.date())
    at, user, session, feature = [], [], [], []
    for index, who in enumerate(use.users):
        days = np.arange(who.since, who.until)
        factor = _habit(end - days, knobs)
        chance = (0.68 if who.heavy else 0.25) * factor
        seen = (rng.random(len(days)) < chance) & _trading(who.shop, days)
        if knobs.gap:
            back, down = knobs.gap
            seen &= (days < end - back) | (days >= end - back + down)
        days = days[seen]
        size = len(days)
        count = rng.choice([1, 2, 3], size, p=[0.5, 0.35, 0.15])
        start = days * _DAY + rng.integers(9 * 3600, 19 * 3600, size)
        median = np.interp(
            end - days, [0, 150, 350, 520],
            [knobs.session_s, knobs.session_s, knobs.session_s_before, knobs.session_s_before],
        )  # fmt: skip
        length = np.clip(median * np.exp(rng.normal(0, 0.5, size)), 20, 5000).astype(np.int64)
        middle = (length * rng.uniform(0.2, 0.8, size)).astype(np.int64)
        ids = index * 5000 + (days - who.since)
        offsets: tuple[Array, ...] = (np.zeros(size, np.int64), length, middle)
        for nth, offset in enumerate(offsets):
            chosen = count > nth
            at.append((start + offset)[chosen])
            session.append(ids[chosen])
            user.append(np.full(int(chosen.sum()), index))
            feature.append(rng.integers(-1, len(BASE_FEATURES), int(chosen.sum())))
    return (
        np.concatenate(at), np.concatenate(user), np.concatenate(session), np.concatenate(feature)
    )  # fmt: skip


def _look_at_lists(world: World, use: Use) -> None:
    """Owners look at the list of customers when their shop opens, and three times a month."""
    days = [d for d in world.days[-400:] if d.day in (5, 15, 25)]
    times = np.array([_day(d) for d in days], dtype=np.int64)
    rows = []
    for index, who in enumerate(use.users):
        if who.role == "owner":
            first = np.arange(who.since, who.since + 2, dtype=np.int64)
            mine = np.union1d(times, first[first >= times[0]])
            mine = mine[(mine >= who.since) & (mine < who.until) & _trading(who.shop, mine)]
            rows += [(day * _DAY + 8 * 3600 + 7 * (index % 500), index) for day in mine.tolist()]
    if not rows:
        return
    at, user = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    use.at = np.concatenate([use.at, at])
    use.user = np.concatenate([use.user, user])
    use.session = np.concatenate([use.session, 10**9 + np.arange(len(rows))])
    use.feature = np.concatenate([use.feature, np.full(len(rows), _LIST)])


def _habit(back: Array, knobs: UseKnobs) -> Array:
    """Use on a day so many days before the end, as a share of today's."""
    before = knobs.before
    habit: Array = np.interp(back, [0, 150, 350, 520, 900], [1, 1, before, before, 0.6 * before])
    return habit


def _trading(shop: Shop, days: Array) -> Array:
    open_: Array = days >= _day(shop.opened)
    if shop.closed:
        open_ &= days < _day(shop.closed)
    for since, until in shop.suspended:
        open_ &= (days < _day(since)) | (days > _day(until))
    return open_


def _edges(world: World, use: Use) -> Part:
    """Events at the edges of windows, of people who do nothing else."""
    shop = next(s for s in world.shops if s.closed is None and not s.suspended)
    end, year = world.end, world.end.replace(year=world.end.year - 1)
    month = (end - DAY).replace(day=1)
    second = timedelta(seconds=1)
    moments = (
        (month - 20 * DAY, month - 9 * DAY, month),  # comes back in the first second of the month
        (month - 20 * DAY, month - second, end),  # … and in the first one after it
        (month - 31 * DAY - second, month - 31 * DAY),  # one day of the month before
        (end - 28 * DAY,),
        (end - 28 * DAY - second,),
        (year - 28 * DAY,),
        (year - 28 * DAY - second,),
        (year,),
    )
    at, user, session = [], [], []
    for nth, times in enumerate(moments):
        use.users.append(User(f"U-EDGE-{nth + 1}", shop, "staff", 0, 0, heavy=False))
        for time in times:
            at.append(seconds(time))
            user.append(len(use.users) - 1)
            session.append(-len(at))
    return np.array(at), np.array(user), np.array(session), np.zeros(len(at))


def _take_up(world: World, use: Use, knobs: UseKnobs) -> None:
    """Give events of franchises that take up a new feature that feature: on two days or more within
    90 days; some others try it on one day, or come too late."""
    rng = world.rng("people-features")
    numbers = {shop.id: n for n, shop in enumerate(world.shops)}
    shop_of = np.array([numbers[user.shop.id] for user in use.users])[use.user]
    order = np.lexsort((use.at, shop_of))
    edges = np.searchsorted(shop_of[order], np.arange(len(world.shops) + 1))
    for index, feature in enumerate(use.features):
        if index < len(BASE_FEATURES):
            continue
        released = seconds(feature.released)
        for number in range(len(world.shops)):
            mine = order[edges[number] : edges[number + 1]]
            times = use.at[mine]
            since, until, late = np.searchsorted(
                times, [released, released + 90 * _DAY, released + 120 * _DAY]
            )
            free = mine[since:until][use.feature[mine[since:until]] < len(BASE_FEATURES)]
            days = np.unique(use.at[free] // _DAY, return_index=True)[1]
            if len(days) < 2:
                continue
            if rng.random() < knobs.adopts:
                use.feature[free[rng.choice(days, 2, replace=False)]] = index
            elif rng.random() < 0.5:
                use.feature[free[days[-1]]] = index
                if until < late:
                    use.feature[mine[until]] = index


def _write(world: World, facts: Facts, use: Use) -> None:
    for feature in use.features:
        facts.add(
            "feature", feature_key=feature.key, name=feature.key.replace("_", " "),
            released_at=feature.released, retired_at=feature.retired,
            customer_visible=feature.visible, premium=feature.premium, advanced=feature.advanced,
            automation=feature.automation, integration_feature=feature.integration,
            entitled_plans=feature.plans,
        )  # fmt: skip
    keys = [feature.key for feature in use.features]
    users = use.users
    _events(
        facts, "e", use.at,
        user_id=[users[u].id for u in use.user.tolist()],
        user_role=[users[u].role for u in use.user.tolist()],
        franchise_id=[users[u].shop.id for u in use.user.tolist()],
        session_id=[f"people-s{s}" for s in use.session.tolist()],
        feature_key=[keys[f] if f >= 0 else None for f in use.feature.tolist()],
    )  # fmt: skip
    _never_counts(world, facts, use)


def _never_counts(world: World, facts: Facts, use: Use) -> None:
    """What is no use by people of the shops: rules that run for them, in their sessions; the
    operator's staff, tests, and rows of other environments."""
    rng = world.rng("people-rules")
    new = [f.key for f in use.features[len(BASE_FEATURES) :] if not f.automation]
    since = seconds(world.end - 120 * DAY)
    recent = np.flatnonzero((use.at >= since) & (use.session >= 0))
    chosen = np.sort(rng.choice(recent, len(recent) // 12, replace=False))
    at = use.at[chosen] + rng.integers(1200, 1700, len(chosen))
    owners = [use.users[u] for u in use.user[chosen].tolist()]
    _events(
        facts, "rule", at, automated=True, action="rule_ran",
        user_id=[u.id for u in owners], user_role=[u.role for u in owners],
        franchise_id=[u.shop.id for u in owners],
        session_id=[f"people-s{s}" for s in use.session[chosen].tolist()],
        feature_key=[new[n % len(new)] for n in range(len(chosen))],
    )  # fmt: skip
    at = at + rng.integers(1, 9, len(chosen)) * _DAY
    kept = at < seconds(world.end)
    ours = [u for u, keep in zip(owners, kept.tolist(), strict=True) if keep]
    at = at[kept]
    roles = ["operator_staff" if n % 3 else "test" for n in range(len(at))]
    _events(
        facts, "operator", at,
        user_id=[f"U-OPERATOR-{n % 7}" for n in range(len(at))], user_role=roles,
        franchise_id=[u.shop.id for u in ours],
        session_id=[f"people-o{n // 2}" for n in range(len(at))],
        feature_key=[new[n % len(new)] for n in range(len(at))],
    )  # fmt: skip
    user = use.users[int(use.user[recent[-1]])]
    common: dict[str, Any] = {
        "user_role": "owner", "action": "open", "automated": False, "session_id": "people-none",
        "franchise_id": user.shop.id,
    }  # fmt: skip
    for day in range(1, 26):
        moment = world.end - timedelta(days=day, hours=-3)
        row = common | {"at": moment}
        facts.add("product_event", event_id=f"people-staging-{day}", user_id="U-STAGING",
                  environment="staging", **row)  # fmt: skip
        facts.add("product_event", event_id=f"people-synthetic-{day}", user_id="U-SYNTHETIC",
                  synthetic=True, **row)  # fmt: skip
        facts.add("product_event", event_id=f"people-mistake-{day}", user_id="U-MISTAKE", **row)
        facts.add("product_event", event_id=f"people-mistake-{day}", user_id="U-MISTAKE",
                  version=2, retracted=True, **row)  # fmt: skip


def _events(facts: Facts, name: str, at: Array, **columns: Any) -> None:
    usual = {"action": "open", "automated": False}
    facts.extend(
        "product_event",
        usual
        | columns
        | {
            "event_id": [f"people-{name}{n}" for n in range(len(at))],
            "at": at.astype("datetime64[s]"),
        },
    )


def _day(day: date) -> int:
    return (day - _EPOCH).days


def moment(at: int) -> datetime:
    """A moment from whole seconds since 1970."""
    return datetime.fromtimestamp(at, UTC)
