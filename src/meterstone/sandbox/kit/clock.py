"""The time of a stand-in: real time, which may be set off, and stamps in microseconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Clock:
    """What a stand-in takes for now.

    Attributes:
        skew: how far its clock is off; a fault sets it.
    """

    def __init__(
        self,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now = now
        self.monotonic = monotonic
        self.skew = timedelta(0)

    def now(self) -> datetime:
        """The moment, UTC, with the skew."""
        return self._now() + self.skew


def micros(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(microseconds: int) -> datetime:
    """The inverse of `micros`, UTC."""
    return _EPOCH + timedelta(microseconds=int(microseconds))


def rfc3339(at: datetime, *, digits: int = 3) -> str:
    """Such as ``2026-03-01T09:30:00.000Z``; ``digits`` of a second."""
    text = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{at.microsecond:06d}"[:digits]
    return f"{text}.{fraction}Z" if digits else f"{text}Z"


def spread(key: str, low: float, high: float) -> float:
    """A number in [low, high) that depends on the key alone: same key, same number."""
    share = int.from_bytes(sha256(key.encode()).digest()[:6]) / 2**48
    return low + share * (high - low)


def token(*parts: object, length: int = 22) -> str:
    """Letters and digits that depend on the parts alone; looks like the ids of vendors."""
    return sha256(":".join(map(str, parts)).encode()).hexdigest().upper()[:length]
