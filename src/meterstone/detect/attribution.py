"""Whose fault it is, from what failed calls say of themselves and from what works beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from meterstone.detect.feed import Bad
from meterstone.ledger.alerts import Blame

_OURS_TOO = frozenset({"timeout", "connection"})
_OF_FAULTS: dict[str, Blame] = {"provider": "provider", "hub": "hub", "caller": "caller"}


def blame(bads: Iterable[Bad], failing: Collection[str], all_: Collection[str]) -> Blame:
    """Whose fault bad events are.

    Args:
        bads: the events.
        failing: integrations that cannot be reached at this time.
        all_: integrations that are connected.

    When several vendors cannot be reached at once and none can, it is our own network; when all
    failures are of one franchise among several and of its sign-in, it is the caller's; else what
    most of the events say.
    """
    found = list(bads)
    weights: Counter[Blame] = Counter()
    for bad in found:
        weights[_OF_FAULTS.get(bad.fault, "unknown")] += max(1, round(bad.count))
    unreached = bool(found) and all(bad.error_class in _OURS_TOO for bad in found)
    if unreached and len(all_) > 1 and set(failing) >= set(all_):
        return "hub"
    said = [(fault, count) for fault, count in weights.most_common() if fault != "unknown"]
    return said[0][0] if said else "unknown"
