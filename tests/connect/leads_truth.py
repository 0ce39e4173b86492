"""What a mapping gave, held against the simulated rows: equal on the fact's own columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from meterstone.connect.catalogue import connectors
from meterstone.connect.formats import Mappings, page_of, vendor_formats
from meterstone.connect.mapping import StreamMapping
from meterstone.facts import Reject, vocabulary
from meterstone.record.model import LandedRecord
from meterstone.sandbox.kit import Books


def own_columns(fact: str) -> list[str]:
    """The fact's own columns and franchise_id."""
    common = {
        "recorded_at", "source", "source_ref", "revision", "retracted", "environment",
        "synthetic", "evidence", "integration", "entered_by", "entered_role", "evidence_uri",
        "expires_at",
    }  # fmt: skip
    return [name for name in vocabulary()[fact].columns if name not in common]


def simulated(books: Books, fact: str, source: str) -> Counter[tuple[Any, ...]]:
    """The newest rows of a source that were not taken back."""
    rows = books.rows(fact, source)
    kept = [row for row, gone in zip(rows.all, rows.retracted.to_pylist(), strict=True) if not gone]
    return comparable(kept, fact)


def comparable(rows: Iterable[Mapping[str, Any]], fact: str) -> Counter[tuple[Any, ...]]:
    columns = own_columns(fact)
    return Counter(tuple(_plain(row.get(name)) for name in columns) for row in rows)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal | float | int) and not isinstance(value, bool):
        return round(Decimal(str(value)), 9).normalize()
    if isinstance(value, datetime):
        return value.timestamp()
    return value.isoformat() if isinstance(value, date) else value


def mapping_of(connector: str, stream: str) -> StreamMapping:
    shipped = connectors()
    return StreamMapping(shipped[connector], stream, shipped.quirks(connector))


def mapped(
    connector: str, stream: str, body: bytes, **context: str
) -> tuple[list[dict[str, Any]], list[Reject]]:
    """Rows and rejects of one landed body."""
    given = {"connector": connector, "stream": stream, "connection": "c1", **context}
    rows, rejects = list[dict[str, Any]](), list[Reject]()
    for found in mapping_of(connector, stream).rows(body, given):
        if isinstance(found, Reject):
            rejects.append(found)
        else:
            rows.append(found[1])
    return rows, rejects


def checked(connector: str, body: bytes, **context: str) -> tuple[int, list[Reject]]:
    """How many facts a landed body gives, and what goes to quarantine: by the format itself."""
    form, _ = vendor_formats(Mappings(connectors))
    given = {"connector": connector, "stream": "leads", "connection": "c1", **context}
    incoming = page_of(body, given)
    landed = LandedRecord(
        1, datetime.now(UTC), body, incoming.format, incoming.media_type, incoming.source,
        incoming.name, given, incoming.sha256,
    )  # fmt: skip
    rows, rejects = 0, list[Reject]()
    for found in form.map(landed):
        if isinstance(found, Reject):
            rejects.append(found)
        else:
            rows += found.table.num_rows
            rejects += found.rejects
    return rows, rejects
