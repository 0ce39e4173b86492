"""Shops by month as a panel: what each sold, from when on it is live, and which months count.

The month in which a shop goes live is neither before nor after, and is left out.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from meterstone.insight.panel import Panel

_BEFORE = 3
"""Months before going live that a shop must have been seen in, to be compared with itself."""


@dataclass(frozen=True, slots=True)
class ShopMonth:
    """What was seen of one shop in one whole month; ``month`` is its first day."""

    shop: str
    month: date
    value: float


_SHOPS = (
    ("were treated", "went live"), ("are treated", "go live"), ("is treated", "is live"),
    ("being treated", "going live"), ("treated", "live"), ("unit", "shop"),
)  # fmt: skip


def in_shops(text: str, period: str = "month") -> str:
    """What is said of units that are treated, said of shops that go live; in months, or others."""
    for theirs, ours in (*_SHOPS, ("period", period)):
        text = text.replace(theirs, ours)
    return text


def panel_of(
    rows: Iterable[ShopMonth], live: Mapping[str, date], *, logarithm: bool = False
) -> Panel:
    """The panel of shops by month.

    Args:
        rows: at most one a shop and month; values that are no numbers are left out.
        live: the day on which each shop went live; shops without one never did.
        logarithm: take the natural logarithm, so that effects are shares; values that are not
            positive are left out then.

    Returns:
        Periods are months since the first one; `Panel.dropped` names what was left out.
    """
    by_shop: dict[str, dict[int, float]] = defaultdict(dict)
    unusable = 0
    for row in rows:
        if not math.isfinite(row.value) or (logarithm and row.value <= 0):
            unusable += 1
            continue
        by_shop[row.shop][_index(row.month)] = math.log(row.value) if logarithm else row.value
    panel = Panel()
    if unusable:
        panel.dropped.append(f"{unusable} months without a usable value")
    begin = min((month for months in by_shop.values() for month in months), default=0)
    end = max((month for months in by_shop.values() for month in months), default=0)
    without = 0
    for shop, months in sorted(by_shop.items()):
        since = live.get(shop)
        first = None if since is None else _index(since)
        if first is not None and first <= end:
            whole = since is not None and since.day == 1
            if sum(month < first for month in months) < _BEFORE:
                without += 1
                continue
            if not whole:
                months.pop(first, None)
        for month, value in sorted(months.items()):
            panel.unit.append(shop)
            panel.period.append(month - begin + 1)
            panel.first.append(0 if first is None or first > end else first - begin + 1)
            panel.outcome.append(value)
    if without:
        panel.dropped.append(
            f"{without} shops went live with fewer than {_BEFORE} months of records before"
        )
    return panel


def _index(day: date) -> int:
    return day.year * 12 + day.month - 1
