"""When a delivery is tried again, and when an endpoint is left alone for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """The attempts of one delivery; the waits are the example of Standard Webhooks.

    Attributes:
        waits_s: before each attempt, counted from the one before it: as many attempts as waits.
        jitter: up to this share is added to a wait, so that what failed together does not come
            back together.
        longest_wait_s: the most that a receiver can ask for by ``Retry-After``.
        timeout_s: of each step of an attempt.
        within_s: of the whole attempt; the lease of a delivery is twice as long.
    """

    waits_s: Sequence[float] = (
        0, 5, 5 * _MINUTE, 30 * _MINUTE, 2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 14 * _HOUR, 20 * _HOUR,
        24 * _HOUR,
    )  # fmt: skip
    jitter: float = 0.1
    longest_wait_s: float = _DAY
    timeout_s: float = 15.0
    within_s: float = 20.0

    @property
    def lease_s(self) -> float:
        """So long nobody else tries a delivery that somebody is trying."""
        return 2 * self.within_s

    @property
    def window(self) -> timedelta:
        """From a message to its last attempt, when nothing comes between."""
        return timedelta(seconds=sum(self.waits_s) * (1 + self.jitter))

    def wait_s(self, attempts: int, retry_after_s: float | None, spread: float) -> float | None:
        """How long to wait after so many attempts; None: that was the last.

        Args:
            retry_after_s: what the receiver asked for; it can only make the wait longer.
            spread: between 0 and 1, where in the jitter.
        """
        if attempts >= len(self.waits_s):
            return None
        planned = self.waits_s[attempts] * (1 + self.jitter * spread)
        return max(planned, min(retry_after_s or 0.0, self.longest_wait_s))


@dataclass(frozen=True, slots=True)
class Breaker:
    """When an endpoint is left alone although deliveries wait for it.

    Attributes:
        after: failures in a row that open it; from then on one delivery at a time is tried.
        pauses_s: how long it stays open: the first time, the second in a row …; then the last.
        give_up: failing for so long disables the endpoint, and people are told.
    """

    after: int = 5
    pauses_s: Sequence[float] = (30.0, 60.0, 5 * _MINUTE, 15 * _MINUTE)
    give_up: timedelta = field(default=timedelta(days=5))

    def pause_s(self, failures: int) -> float:
        """How long nothing is tried after so many failures in a row; 0: go on."""
        if failures < self.after:
            return 0.0
        return self.pauses_s[min(failures - self.after, len(self.pauses_s) - 1)]
