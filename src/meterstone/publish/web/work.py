"""The work list of reconciliation, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from meterstone.ledger import Discrepancy
from meterstone.publish.web.trouble import Moment, clock
from meterstone.scorecard.values import NOTHING, format_value

_KINDS: Mapping[str, str] = {
    "missing": "Missing in the copy",
    "extra": "Only in the copy",
    "mismatched": "Differs",
}


@dataclass(frozen=True, slots=True)
class Item:
    """A difference between two systems.

    Attributes:
        kind: how they differ, in words.
        what: entity and key.
        fields: those that differ: name, in the reference, in the other.
        amount: at stake; empty where it is no money.
        why: what the comparison says of it.
        person, taken: who is on it: the id, and the name; empty: nobody yet.
    """

    id: int
    kind: str
    what: str
    connection: str
    fields: Sequence[tuple[str, str, str]]
    amount: str
    why: str
    found: Moment
    person: str = ""
    taken: str = ""


def item(
    found: Discrepancy, now: datetime, zone: ZoneInfo, called: Callable[[str], str] = str
) -> Item:
    """An item of the work list. ``called``: how a person is called."""
    return Item(
        found.id,
        _KINDS[found.kind],
        f"{found.entity.replace('_', ' ')} {found.key}",
        found.connection,
        [_field(name, pair) for name, pair in sorted(found.detail.items())],
        "" if found.amount is None else format_value(found.amount, "USD"),
        found.reason,
        clock(found.found_at, now, zone),
        found.assigned_to,
        called(found.assigned_to) if found.assigned_to else "",
    )


def _field(name: str, pair: Any) -> tuple[str, str, str]:
    """A field with both values; a detail that is no pair stands for itself."""
    if isinstance(pair, list | tuple) and len(pair) == 2:
        return name.replace("_", " "), _text(pair[0]), _text(pair[1])
    return name.replace("_", " "), _text(pair), ""


def _text(value: Any) -> str:
    return NOTHING if value is None else str(value)
