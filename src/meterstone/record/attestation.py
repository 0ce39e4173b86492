"""What no machine knows (awards, audits, penetration tests, market studies …): entered by a person
in a named role, with evidence and an expiry.

A statement is a row of a fact, landed like everything else. Evidence is a link, or a file that is
kept in the landing log under its hash. When the evidence expires, the verdict turns by itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal

from meterstone.errors import InputError, suggest
from meterstone.facts import Column, FactSchema, build_batch, vocabulary
from meterstone.record.model import Incoming, facts_of_ours
from meterstone.warehouse.base import Warehouse

ENTERED_BY_HAND = "CSV/attestation"
"""The source by which the vocabulary marks facts that a person enters."""

SOON = timedelta(days=60)
"""How long before its expiry a statement is due for review."""

EVIDENCE_LIMIT = 64 * 2**20
"""Most bytes of a file of evidence."""

_SET_BY_US = frozenset(
    {"recorded_at", "source", "revision", "retracted", "environment", "synthetic", "evidence"}
    | {"entered_by", "entered_role", "evidence_uri", "expires_at", "source_ref"}
)
_RENEWS: Mapping[str, tuple[str, ...]] = {
    "attestation": ("claim_key",),
    "market_observation": ("company", "measure", "subject", "market", "source_name"),
}
"""By which columns a newer row renews an older one, where that is not its key."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the form of a fact."""

    name: str
    type: str
    unit: str
    required: bool
    allowed: tuple[str, ...]
    desc: str


@dataclass(frozen=True, slots=True)
class Statement:
    """What a person states.

    Attributes:
        fact: the fact that it is a row of.
        columns: its columns; identifier and event time are made where they are left out.
        person, role: who says so, and as what.
        evidence: link to the evidence (``evidence_of`` makes one for a file).
        expires_at: until when it counts, UTC.
    """

    fact: str
    columns: Mapping[str, Any]
    person: str
    role: str
    evidence: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Due:
    """A statement whose evidence expires soon, or has expired and was not renewed."""

    fact: str
    what: str
    key: Mapping[str, Any]
    entered_by: str
    entered_role: str
    evidence_uri: str
    expires_at: datetime
    state: Literal["expired", "expires soon"]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return asdict(self) | {"expires_at": self.expires_at.isoformat().replace("+00:00", "Z")}


def forms() -> dict[str, list[Field]]:
    """The facts that can be attested, each with the fields of its form in order."""
    return {
        schema.name: [
            _field(schema, column)
            for column in schema.columns.values()
            if column.name not in _SET_BY_US
        ]
        for schema in vocabulary().values()
        if ENTERED_BY_HAND in schema.sources
    }


def statement_record(statement: Statement, now: datetime) -> Incoming:
    """A statement as the record to land.

    Raises:
        InputError: the fact cannot be attested, or a column is missing or wrong; names the mend.
    """
    if statement.fact not in forms():
        raise InputError(
            f"{statement.fact!r} is not entered by hand",
            place="fact",
            mend=suggest(statement.fact, list(forms())),
        )
    for name, given in (("person", statement.person), ("role", statement.role)):
        if not given.strip():
            raise InputError(f"no {name} is named", place=name, mend=f"say which {name}")
    schema = vocabulary()[statement.fact]
    row = _row(schema, statement, now)
    checked = build_batch(schema, [(1, row)], received_at=now)
    if checked.rejects:
        refused = checked.rejects[0]
        raise InputError(refused.reason, place=statement.fact, mend=refused.mend)
    body = json.dumps({"fact": statement.fact} | row, default=_json).encode() + b"\n"
    return facts_of_ours(body, f"attestation of {statement.fact}", "attestation")


def evidence_record(content: bytes, name: str, media_type: str = "") -> tuple[Incoming, str]:
    """A file of evidence as the record to land, and the link by which statements name it.

    Raises:
        InputError: it is empty or too large.
    """
    if not 0 < len(content) <= EVIDENCE_LIMIT:
        raise InputError(
            f"{name}: {len(content):,} bytes",
            place="evidence",
            mend="give a file of 1 byte to 64 MiB",
        )
    record = Incoming(
        body=content,
        format="evidence",
        media_type=media_type or "application/octet-stream",
        source="attestation",
        name=name,
    )
    return record, f"urn:sha256:{hashlib.sha256(content).hexdigest()}"


def retraction_record(
    warehouse: Warehouse,
    fact: str,
    key: Mapping[str, str],
    person: str,
    role: str,
    now: datetime,
) -> Incoming:
    """The withdrawal of a statement: its newest row again, retracted.

    Raises:
        InputError: nobody stated such a thing.
    """
    schema = vocabulary().get(fact)
    if schema is None or fact not in forms():
        raise InputError(f"{fact!r} is not entered by hand", mend=suggest(fact, list(forms())))
    rows = warehouse.query(f"SELECT * FROM {warehouse.relation(fact, None)} AS r").to_pylist()
    found = [row for row in rows if all(str(row[name]) == key.get(name) for name in schema.key)]
    if not found:
        names = ", ".join(schema.key)
        raise InputError(
            f"no {fact} with {dict(key)}",
            place="key",
            mend=f"name it by {names} as `due` lists them",
        )
    row = {n: v for n, v in found[0].items() if n in schema.columns and v is not None}
    row |= {"retracted": True, "entered_by": person, "entered_role": role}
    row |= {"revision": _revision(now)}
    for name in ("recorded_at", "evidence"):
        row.pop(name, None)
    return facts_of_ours(
        json.dumps({"fact": fact} | row, default=_json).encode() + b"\n",
        f"retraction of {fact}",
        "attestation",
    )


def due(
    warehouse: Warehouse,
    now: datetime,
    within: timedelta = SOON,
    known_at: datetime | None = None,
) -> list[Due]:
    """The review queue: statements that expire within a time or have expired, soonest first.

    A statement that was renewed (a newer review of the same register, a newer observation of the
    same company) is not due.

    Args:
        now: the moment (UTC); what was stated after it does not count.
        known_at: what was recorded after it (UTC) does not count; None: all does.
    """
    found = [
        entry
        for schema in vocabulary().values()
        for entry in _due_of(warehouse, schema, (now, now + within), known_at)
    ]
    return sorted(found, key=lambda entry: (entry.expires_at, entry.fact, entry.what))


def _due_of(
    warehouse: Warehouse,
    schema: FactSchema,
    bounds: tuple[datetime, datetime],
    known_at: datetime | None,
) -> list[Due]:
    columns = _RENEWS.get(schema.name, schema.key)
    now, until = bounds
    rows = warehouse.query(
        f"SELECT * FROM {warehouse.relation(schema.name, known_at)} AS r "
        "WHERE expires_at IS NOT NULL AND environment = 'production' AND NOT synthetic "
    ).to_pylist()
    newest: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: str(row[schema.event_time])):
        if _moment(row[schema.event_time]) > now:
            continue
        newest[tuple(row[name] for name in columns)] = row
    return [
        Due(
            fact=schema.name,
            what=" · ".join(str(value) for value in renewed if value is not None),
            key={name: _json(row[name]) for name in schema.key},
            entered_by=row["entered_by"] or "",
            entered_role=row["entered_role"] or "",
            evidence_uri=row["evidence_uri"] or "",
            expires_at=expires,
            state="expired" if expires <= now else "expires soon",
        )
        for renewed, row in newest.items()
        if (expires := row["expires_at"].replace(tzinfo=UTC)) <= until
    ]


def _moment(stated: date | datetime) -> datetime:
    """When something was stated; a day counts from its beginning."""
    if isinstance(stated, datetime):
        return stated.replace(tzinfo=UTC)
    return datetime.combine(stated, time(), UTC)


def _revision(now: datetime) -> int:
    """What is sent as the revision: microseconds since 1970. What is stated, withdrawn and stated
    again would be equal bytes without it, and those are one record of the landing log."""
    return (now - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _row(schema: FactSchema, statement: Statement, now: datetime) -> dict[str, Any]:
    row = dict(statement.columns)
    if schema.time.type == "date":
        row.setdefault(schema.event_time, now.date().isoformat())
    else:
        row.setdefault(schema.event_time, now.isoformat())
    made = hashlib.sha256(json.dumps(row, sort_keys=True, default=str).encode()).hexdigest()[:16]
    for name in schema.key:
        if schema.columns[name].type == "string":
            row.setdefault(name, f"{schema.name}-{made}")
    return row | {
        "source": "attestation",
        "revision": _revision(now),
        "entered_by": statement.person,
        "entered_role": statement.role,
        "evidence_uri": statement.evidence or None,
        "expires_at": statement.expires_at.isoformat(),
    }


def _field(schema: FactSchema, column: Column) -> Field:
    needed = not _optional(schema, column.name)
    return Field(column.name, column.type, column.unit, needed, column.allowed, column.desc)


def _optional(schema: FactSchema, name: str) -> bool:
    made = name == schema.event_time or (
        name in schema.key and schema.columns[name].type == "string"
    )
    return schema.columns[name].nullable or made


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, str | int | float | bool | None) else str(value)
