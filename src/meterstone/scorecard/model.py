"""The scorecard document: for a scope and a day, what was measured and what it means.

The types are frozen `msgspec` structs that refuse an unknown member, so that one definition gives
the model, the strict reader and the JSON Schema (`meterstone.scorecard.schema`). Times are kept as
text: what is read is written again byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from meterstone.errors import InputError
from meterstone.facts import Evidence
from meterstone.measure.results import ScopeKind, Value, Verdict
from meterstone.scorecard.canonical import canonical, parse

Label = Literal["simulated", "real", "reconstructed"]
ChangeKind = Literal[
    "value", "verdict", "interval", "evidence", "late_data", "target", "appeared", "disappeared",
    "gate", "maintenance", "catalogue", "labels", "revision", "input", "other",
]  # fmt: skip

Count = Annotated[int, Meta(ge=0)]
Day = Annotated[str, Meta(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$", description="A calendar day.")]
Instant = Annotated[
    str,
    Meta(
        pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?Z$",
        description="A moment in UTC, RFC 3339.",
    ),
]
Moment = Annotated[
    str,
    Meta(
        pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?"
        "(Z|[+-][0-9]{2}:[0-9]{2})$",
        description="A moment as a person gave it, RFC 3339 with its offset from UTC.",
    ),
]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="SHA-256 in hex.")]


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Part of the document; an unknown member is an error."""


class SchemaRef(_Part, frozen=True, kw_only=True):
    """Which form the document has; the version counts up when a member changes its meaning."""

    name: Literal["meterstone.scorecard"]
    version: Literal[1]


THIS_SCHEMA = SchemaRef(name="meterstone.scorecard", version=1)


class ScopeRef(_Part, frozen=True, kw_only=True):
    """What the numbers are about; the key of the network is ``*``."""

    kind: ScopeKind
    key: str


class CatalogueRef(_Part, frozen=True, kw_only=True):
    """The definitions that were used; the hash is of their content."""

    hash: str
    name: str
    version: str


class InputRef(_Part, frozen=True, kw_only=True):
    """What had landed: the highest number of the landing log, and a digest of the log up to it."""

    highest_seq: Count
    digest: str


class Lineage(_Part, frozen=True, kw_only=True):
    """Where a number comes from: rows of one fact with event times in [from, to), of which the
    newest revision known by the document's ``known_at`` was used. ``where`` narrows them, in the
    words of the metric language; ``rows`` is how many there were, null where not counted."""

    fact: str
    from_: Instant = msgspec.field(name="from")
    to: Instant
    where: str | None = None
    rows: Count | None = None


class Place(_Part, frozen=True, kw_only=True):
    """A place where the framework sets a target for the metric, judged there by its own target."""

    ref: str
    target: dict[str, Any]
    verdict: Verdict


class Metric(_Part, frozen=True, kw_only=True):
    """One number with all that is needed to judge and to question it.

    ``value``, both bounds of the 95 % ``interval`` and numbers in ``target`` are in ``unit``; ``n``
    counts ``sample_unit``; ``evidence`` is the weakest level among the rows; ``freshness_s`` is
    seconds from the newest event to ``at``; ``revision`` counts restatements; ``run`` is days in a
    row, ending on this day, with the verdict met (null where not tracked).
    """

    id: str
    title: str
    refs: tuple[str, ...]
    scope: ScopeRef
    value: Value
    unit: str
    interval: tuple[float, float] | None
    n: Count
    sample_unit: str
    evidence: Evidence | None
    verdict: Verdict
    target: dict[str, Any]
    freshness_s: float | None
    window: tuple[Instant, Instant]
    revision: Count
    run: Count | None
    places: tuple[Place, ...]
    reason: str
    parts: dict[str, Value]
    lineage: tuple[Lineage, ...]


class Maintenance(_Part, frozen=True, kw_only=True):
    """An approved maintenance window: when, why, and the person who approved it."""

    from_: Moment = msgspec.field(name="from")
    to: Moment
    reason: str
    person: str


class GateDay(_Part, frozen=True, kw_only=True):
    """One mark of a gate's ribbon."""

    day: Day
    verdict: Literal["met", "broken", "excused", "missing"]
    kind: Literal["published", "reconstructed"]
    held_back_by: tuple[str, ...]


class Gate(_Part, frozen=True, kw_only=True):
    """A rule over verdicts and time, with its run of days (see `measure.results.GateResult`)."""

    id: str
    title: str
    needed: Count
    run: Count
    passed: bool
    since: Day | None
    broken_on: Day | None
    broken_by: tuple[str, ...]
    chance: dict[str, float]
    chance_all: float | None
    reconstructed: bool
    restated: tuple[Day, ...]
    maintenance: tuple[Maintenance, ...]
    days: tuple[GateDay, ...]
    reason: str


class Summary(_Part, frozen=True, kw_only=True):
    """How the targets of this scope stand: ``counts`` of verdicts over ``places``."""

    places: Count
    counts: dict[Verdict, Count]
    sentence: str


class Change(_Part, frozen=True, kw_only=True):
    """One difference between two scorecards, in a plain sentence and in fields.

    ``subject`` is ``metric:<id>``, ``gate:<id>``, ``maintenance`` or ``scorecard``; ``before`` and
    ``after`` are JSON values, null where there was none; ``unit`` is theirs where they are numbers;
    ``verdicts`` are those before and after where the verdict changed; ``why`` are the causes that
    the two documents show.
    """

    kind: ChangeKind
    subject: str
    before: Any = None
    after: Any = None
    unit: str = ""
    verdicts: tuple[Verdict, Verdict] | None = None
    why: tuple[str, ...] = ()
    sentence: str

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return _plain(self)


class Signature(_Part, frozen=True, kw_only=True):
    """Ed25519 over the canonical bytes of the content; ``value`` is base64url without padding."""

    algorithm: Literal["Ed25519"]
    key_id: Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
    value: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{86}$")]


class Scorecard(_Part, frozen=True, kw_only=True):
    """The document that every face renders.

    ``day`` is a day in ``time_zone``; ``at`` is the moment measured, ``known_at`` the moment up to
    which records count. ``supersedes`` is the content hash of the former revision, ``changes`` say
    what is different from it. ``content_hash`` and ``signature`` are there once it is signed.
    """

    schema: SchemaRef
    scope: ScopeRef
    day: Day
    time_zone: str
    at: Instant
    known_at: Instant
    catalogue: CatalogueRef
    labels: tuple[Label, ...]
    input: InputRef
    revision: Count
    supersedes: Sha256 | None
    changes: tuple[Change, ...]
    summary: Summary
    metrics: tuple[Metric, ...]
    gates: tuple[Gate, ...]
    maintenance: tuple[Maintenance, ...]
    content_hash: Sha256 | UnsetType = UNSET
    signature: Signature | UnsetType = UNSET

    def as_dict(self) -> dict[str, Any]:
        """The document as JSON-ready fields."""
        return _plain(self)

    def as_bytes(self) -> bytes:
        """The document as canonical JSON: the bytes to publish."""
        return canonical(self.as_dict())


def read(document: bytes | Mapping[str, Any] | Scorecard) -> Scorecard:
    """A scorecard from its JSON; says nothing about whether it is genuine (see `verify`).

    Raises:
        FormatError: the bytes are not JSON.
        InputError: a member is missing, unknown or of the wrong kind; ``place`` is its path.
    """
    if isinstance(document, Scorecard):
        return document
    fields = parse(document) if isinstance(document, bytes) else dict(document)
    try:
        return msgspec.convert(fields, Scorecard)
    except ValueError as error:  # msgspec.ValidationError, or half a surrogate pair in a text
        raise _not_a_scorecard(error, fields) from error


def _not_a_scorecard(error: ValueError, fields: Mapping[str, Any]) -> InputError:
    words = "".join(c if c.isprintable() else "?" for c in str(error))  # it quotes the document
    cause, _, path = words.partition(" - at `")
    version = fields.get("schema")
    return InputError(
        f"is not a scorecard of version {THIS_SCHEMA.version}: {cause}",
        place=path.rstrip("`") or "$",
        mend=f"read it with the Meterstone that wrote it; it says of its form: {version!r}",
    )


def _plain(part: msgspec.Struct) -> dict[str, Any]:
    """JSON types only: a tuple becomes the list that JSON Schema expects."""
    fields: dict[str, Any] = json.loads(json.dumps(msgspec.to_builtins(part), allow_nan=False))
    return fields
