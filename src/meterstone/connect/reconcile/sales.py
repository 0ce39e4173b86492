"""Cross-system: what one shop took, by its till and by the books of another system.

The tills' side are our payments (which reconciliation holds against Square and Clover); the other
is read at its source. Both are summed a shop, period and currency, part by part, and compared by
gross sales as the contract defines them. The hub writes to nobody's books: what differs in gross
sales is work for people, with the reason; what differs only in parts that are no sales is kept.
"""

from __future__ import annotations

import json
import secrets
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from meterstone.connect.hub import Hub
from meterstone.connect.landing import SITES
from meterstone.connect.paths import at_path
from meterstone.connect.reconcile.reasons import Parts, less, reason
from meterstone.connect.reconcile.result import Difference, Reconciliation
from meterstone.connect.reconcile.rules import PARTS, Book, PartPath, Rules
from meterstone.connect.reconcile.telling import tell
from meterstone.connect.values import word
from meterstone.connect.walk import Walk
from meterstone.facts import Reject
from meterstone.ledger import Connection
from meterstone.warehouse.base import Warehouse

ENTITY = "sales"
_COMPLETED, _NOT_COMPLETED = "= 'completed'", "<> 'completed'"
Key = tuple[str, date, str]
"""Franchise, first day of the period, currency."""


@dataclass(slots=True)
class _Till:
    parts: dict[str, Decimal]
    systems: set[str]


def compare_sales(
    hub: Hub, warehouse: Warehouse, rules: Rules, connection: Connection
) -> list[Reconciliation]:
    """Compare the books of a connection with the tills, note what differs, and tell the facts.

    Returns:
        One comparison for each kind of till (such as square).

    Raises:
        VendorError, AuthError, SyncError: the books could not be read.
    """
    book = rules.sales.books[connection.connector]
    at = hub.clock.now()
    tills = _tills(warehouse, book, until=_begin(at.date(), book))
    told = _told(hub, connection, book, at)
    sold = {key[0] for key in tills}  # shops whose till we know
    comparing = _Comparing(warehouse, rules, book, tills, told)
    done: dict[str, Reconciliation] = {}
    for key in sorted(
        {*tills, *(key for key in told if key[0] in sold and _closed(key, at, book))}
    ):
        systems = "+".join(sorted(tills[key].systems)) if key in tills else "pos"
        result = done.setdefault(
            systems,
            Reconciliation(
                f"{connection.id}-{ENTITY}-{secrets.token_hex(6)}", connection.id, ENTITY, systems,
                connection.connector, "full", at,
            ),
        )  # fmt: skip
        comparing.one(result, key)
    results = list(done.values())
    tell(hub, connection, ENTITY, results)
    return results


class _Comparing:
    """One book against the tills, period by period."""

    def __init__(
        self, warehouse: Warehouse, rules: Rules, book: Book, tills: Mapping[Key, _Till],
        told: Mapping[Key, Parts],
    ) -> None:  # fmt: skip
        self._warehouse = warehouse
        self._rules = rules
        self._book = book
        self._tills = tills
        self._told = told

    def one(self, result: Reconciliation, key: Key) -> None:
        """Compare one period of one shop."""
        till, told = self._tills.get(key), self._told.get(key)
        result.saw(key[1])
        if till is None:
            result.differs(self._difference(key, "extra", told or {}, "the till took nothing"))
            return
        result.checked += 1
        result.fields_checked += len(PARTS)
        result.money_checked += float(self._gross_sales(till.parts))
        if told is None:
            result.differs(self._difference(key, "missing", till.parts, "nothing is booked"))
            return
        wrong = less(told, till.parts)
        right = [part for part in PARTS if abs(wrong[part]) <= self._rules.sales.tolerance]
        result.fields_matched += len(right)
        if len(right) == len(PARTS):
            result.matched += 1
            return
        self._differs(result, key, till.parts, told, wrong)

    def _differs(
        self, result: Reconciliation, key: Key, till: Parts, told: Parts, wrong: Parts
    ) -> None:
        why = reason(
            till,
            told,
            same=self._same,
            payments=lambda: _payments(self._warehouse, self._book, key, _COMPLETED),
            voided=lambda: _payments(self._warehouse, self._book, key, _NOT_COMPLETED),
            neighbours=self._neighbours(key),
        )
        fields = {part: (till[part], told[part]) for part in PARTS
                  if abs(wrong[part]) > self._rules.sales.tolerance}  # fmt: skip
        gross = self._gross_sales(wrong)
        found = self._difference(key, "mismatched", wrong, why, fields)
        if abs(gross) <= self._rules.sales.tolerance:
            found.outcome = "kept"
            found.reason = f"{why}; gross sales by the contract are the same"
        result.differs(found)

    def _difference(
        self, key: Key, kind: Any, parts: Parts, why: str,
        fields: Mapping[str, tuple[Any, Any]] | None = None,
    ) -> Difference:  # fmt: skip
        text = json.dumps(
            {"franchise_id": key[0], self._book.period: key[1].isoformat(), "currency": key[2]},
            sort_keys=True,
        )
        return Difference(
            f"{ENTITY} {text}", kind, dict(parts), fields or {}, float(self._gross_sales(parts)),
            reason=why,
        )  # fmt: skip

    def _gross_sales(self, parts: Parts) -> Decimal:
        weights = self._rules.sales.gross_sales
        return sum((weights[part] * parts[part] for part in parts), Decimal(0))

    def _same(self, one: Parts, other: Parts) -> bool:
        allowed = self._rules.sales.tolerance
        return all(abs(one[part] - other[part]) <= allowed for part in PARTS)

    def _neighbours(self, key: Key) -> dict[str, Parts]:
        found: dict[str, Parts] = {}
        for name, day in (
            (f"{self._book.period} before", _begin(key[1] - timedelta(days=1), self._book)),
            (f"{self._book.period} after", _after(key[1], self._book)),
        ):
            beside = key[0], day, key[2]
            till, told = self._tills.get(beside), self._told.get(beside)
            if till and told:
                found[name] = less(told, till.parts)
        return found


def _tills(warehouse: Warehouse, book: Book, until: date) -> dict[Key, _Till]:
    """What the tills took in closed periods."""
    sums = ", ".join(f"sum(k.{part}) AS {part}" for part in PARTS)
    rows = warehouse.query(
        f"SELECT k.franchise_id, CAST(date_trunc('{book.period}', k.paid_at) AS DATE) AS period, "
        f"k.currency, k.integration, {sums} FROM {_sold(warehouse, _COMPLETED)} "
        f"AND k.paid_at < TIMESTAMP '{until.isoformat()} 00:00:00' GROUP BY 1, 2, 3, 4"
    ).to_pylist()
    found: dict[Key, _Till] = {}
    for row in rows:
        key = row["franchise_id"], row["period"], row["currency"]
        till = found.setdefault(key, _Till(dict.fromkeys(PARTS, Decimal(0)), set()))
        till.systems.add(row["integration"])
        for part in PARTS:
            till.parts[part] += _cents(row[part])
    return found


def _payments(warehouse: Warehouse, book: Book, key: Key, status: str) -> Iterator[Parts]:
    columns = ", ".join(f"k.{part}" for part in PARTS)
    rows = warehouse.query(
        f"SELECT {columns} FROM {_sold(warehouse, status)} "
        f"AND k.franchise_id = {_quoted(key[0])} AND k.currency = {_quoted(key[2])} "
        f"AND CAST(date_trunc('{book.period}', k.paid_at) AS DATE) = DATE '{key[1]}'"
    ).to_pylist()
    for row in rows:
        yield {part: _cents(row[part]) for part in PARTS}


def _sold(warehouse: Warehouse, status: str) -> str:
    """Payments of shops, whose status is compared as in ``= 'completed'``."""
    return (
        f"{warehouse.relation('payment', None)} AS k WHERE k.status {status} "
        "AND k.environment = 'production' AND NOT coalesce(k.synthetic, false)"
    )


def _told(hub: Hub, connection: Connection, book: Book, at: datetime) -> dict[Key, Parts]:
    """What the other system says, read at its source."""
    mapping = hub.mappings.of(connection.connector, book.stream)
    if book.site and not connection.settings.get(SITES):
        connection = hub.find_sites(connection)
    walk = Walk(hub.client(connection), book.stream, mapping, since=None, until=at)
    sites: Mapping[str, str] = connection.settings.get(SITES, {})
    found: dict[Key, dict[str, Decimal]] = defaultdict(lambda: dict.fromkeys(PARTS, Decimal(0)))
    seen: set[str | None] = set()
    for page in walk.pages():
        for record in page.records:
            ref = mapping.ref_of(record)
            if isinstance(record, Reject) or ref in seen:
                continue
            seen.add(ref)
            key = _key(record, book, sites)
            if key is not None:
                for part in PARTS:
                    found[key][part] += _part(record, book.parts[part])
    return dict(found)


def _key(record: Any, book: Book, sites: Mapping[str, str]) -> Key | None:
    """Which shop and period a record is of; None: of no shop."""
    site = word(at_path(record, book.site)) if book.site else None
    shop = sites.get(site or "") if book.site else word(at_path(record, book.franchise))
    day, currency = at_path(record, book.day), word(at_path(record, book.currency))
    if shop is None or currency is None or not isinstance(day, str):
        return None
    return shop, _begin(date.fromisoformat(day[:10]), book), currency


def _part(record: Any, spec: PartPath) -> Decimal:
    if not spec.of:
        return spec.sign * _cents(at_path(record, spec.path))
    elements = at_path(record, spec.of) or []
    chosen = [e for e in elements if word(at_path(e, spec.where)) == spec.is_]
    return spec.sign * sum((_cents(at_path(e, spec.path)) for e in chosen), Decimal(0))


def _cents(value: Any) -> Decimal:
    try:
        return round(Decimal(str(value or 0)), 2)
    except InvalidOperation:
        return Decimal(0)


def _begin(day: date, book: Book) -> date:
    return day if book.period == "day" else day.replace(day=1)


def _after(day: date, book: Book) -> date:
    return _begin(day + timedelta(days=1 if book.period == "day" else 31), book)


def _closed(key: Key, at: datetime, book: Book) -> bool:
    return key[1] < _begin(at.astimezone(UTC).date(), book)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
