"""Units that a place may use instead of the metric's own, with the factor between them."""

from __future__ import annotations

_SECONDS = {"s": 1.0, "ms": 0.001, "min": 60.0, "h": 3600.0, "days": 86400.0}
_PER = {"s": 1.0, "min": 60.0, "h": 3600.0, "day": 86400.0}


def factor(unit: str, other: str) -> float | None:
    """What a value in ``unit`` is multiplied by to be in ``other``; None: not convertible.

    Durations (``ms`` … ``days``) and rates (``requests/s`` … ``requests/day``) convert.

    >>> factor("requests/s", "requests/min")
    60.0
    """
    if unit == other:
        return 1.0
    if unit in _SECONDS and other in _SECONDS:
        return _SECONDS[unit] / _SECONDS[other]
    what, _, per = unit.rpartition("/")
    other_what, _, other_per = other.rpartition("/")
    if what and what == other_what and per in _PER and other_per in _PER:
        return _PER[other_per] / _PER[per]
    return None
