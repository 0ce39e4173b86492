"""Arithmetic of error budgets: burn rates, and when each of them calls somebody.

An objective of 99.9 % over 30 days leaves a *budget* of 0.1 % bad events. The *burn rate* says how
many times faster than even it is spent: 1 spends it in just the period. A *pace* is a share of the
budget spent in a long window; the short window, a twelfth of it, ends an alert soon after its cause
has ended. Both windows have to burn.

Source: Google, *The Site Reliability Workbook*, chapter 5, "Alerting on SLOs", method 6
(https://sre.google/workbook/alerting-on-slos/): 2 % in 1 h, 5 % in 6 h, 10 % in 3 d; the fourth
pace, 10 % in 1 d, is the one that Sloth and Elastic add.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

Severity = Literal["sev1", "sev2", "sev3", "sev4"]


@dataclass(frozen=True, slots=True)
class Pace:
    """``share`` (0 to 1) of the budget of a period, spent within a long window."""

    share: float
    long: timedelta
    severity: Severity

    @property
    def short(self) -> timedelta:
        """The window that has to burn too: a twelfth."""
        return self.long / 12

    def factor(self, period: timedelta) -> float:
        """The burn rate at which the share is spent within the long window."""
        return self.share * (period / self.long)


PACES: tuple[Pace, ...] = (
    Pace(0.02, timedelta(hours=1), "sev1"),
    Pace(0.05, timedelta(hours=6), "sev2"),
    Pace(0.10, timedelta(days=1), "sev3"),
    Pace(0.10, timedelta(days=3), "sev4"),
)
"""30 days: 14.4, 6, 3, 1."""


def threshold(pace: Pace, period: timedelta) -> float:
    """From which burn rate on a pace alarms. At least 1: below, the budget lasts for the period,
    and nobody is called for that (in 7 days, 10 % in 3 days would be 0.23)."""
    return max(pace.factor(period), 1.0)


def burn_rate(good: float, total: float, objective: float) -> float | None:
    """How many times faster than even the budget goes; None without events.

    Args:
        objective: share of good events that is promised, 0 to 1 (1 excluded).
    """
    if total <= 0:
        return None
    return max(0.0, (total - good) / total) / (1 - objective)


def budget_left(good: float, total: float, objective: float) -> float | None:
    """Share of the budget that is left: 1 untouched, below 0 overspent; None without events."""
    burn = burn_rate(good, total, objective)
    return None if burn is None else 1 - burn


def exhausted_in(left: float, burn: float | None, period: timedelta) -> timedelta | None:
    """How long what is left lasts at a burn rate; None: for ever. Overspent: no time."""
    if burn is None or burn <= 0:
        return None
    seconds = max(0.0, left) * period.total_seconds() / burn
    return timedelta(seconds=seconds) if seconds < timedelta.max.total_seconds() else None


def surely_bad(bad: float, total: float, z: float = 1.645) -> float:
    """The lower 95 % bound (one-sided, Wilson) of the share of bad events: what chance alone does
    not explain. With few events it is far below the share itself: the guard at low traffic."""
    if total <= 0:
        return 0.0
    p, z2 = min(max(bad / total, 0.0), 1.0), z * z / total
    return max(0.0, (p + z2 / 2 - z * math.sqrt(p * (1 - p) / total + z2 / total / 4)) / (1 + z2))


def longest(paces: Sequence[Pace]) -> timedelta:
    """The longest window that any pace looks at."""
    return max(pace.long for pace in paces)
