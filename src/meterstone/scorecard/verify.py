"""Whether a scorecard is what was signed, and whether it can be computed again.

Three questions, each with its own answer: does the content fit its hash (nobody changed it by
accident), does a trusted key's signature fit the content (nobody changed it on purpose), and does
the measurement, done again as known then, give the same bytes.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from itertools import islice
from typing import Any, Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from meterstone.errors import InputError, MeterstoneError, VerificationFailed
from meterstone.measure.results import Scope
from meterstone.scorecard.canonical import PROOF_MEMBERS, canonical, content, digest, parse
from meterstone.scorecard.model import Scorecard, Signature, read
from meterstone.scorecard.paths import differences
from meterstone.scorecard.sign import TrustedKeys, encode

Outcome = Literal["valid", "altered", "unknown_key"]
Part = Literal["content", "hash", "signature", "key", "schema"]

HISTORY_MEMBERS = PROOF_MEMBERS | {"revision", "supersedes", "changes"}
"""Members that depend on what was published before, which a recomputation does not know."""

SHOWN_DIFFERENCES = 5


@dataclass(frozen=True, slots=True)
class Request:
    """What to compute again: the scope and day, measured at ``at`` with what was known then."""

    scope: Scope
    day: date
    time_zone: str
    at: datetime
    known_at: datetime


Recompute = Callable[[Request], Mapping[str, Any]]
"""Gives the scorecard of a request, as a document; a `MeterstoneError` means: not possible."""


@dataclass(frozen=True, slots=True)
class Recomputation:
    """``equal``: the same bytes; ``differs``: ``differences`` says where first; ``not possible``:
    ``reason`` says why."""

    outcome: Literal["equal", "differs", "not possible"]
    differences: tuple[str, ...] = ()
    reason: str = ""

    @property
    def sentence(self) -> str:
        """The outcome in words."""
        if self.outcome == "equal":
            return "Computed again as known then, it is equal byte for byte."
        if self.outcome == "differs":
            return f"Computed again as known then, it differs: {'; '.join(self.differences)}."
        return f"It could not be computed again: {self.reason}."


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not hold, and of which part."""

    part: Part
    sentence: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What a check of one document found.

    Attributes:
        outcome: ``valid``, ``altered``, or ``unknown_key`` when content and hash fit but the key
            that signed is not among the trusted ones.
        findings: what does not hold, one sentence each; empty when valid.
        content_hash: of the content as it is, None where it has no canonical form.
        key_id: the key that the document names, None where it names none.
        exact: the bytes are the published ones; False when they were only laid out anew (spaces,
            order of members), None when a parsed document was given.
        recomputed: None where nobody asked.
    """

    outcome: Outcome
    findings: tuple[Finding, ...]
    content_hash: str | None
    key_id: str | None
    exact: bool | None
    recomputed: Recomputation | None = None

    @property
    def holds(self) -> bool:
        """Valid and, where a recomputation was asked for, equal."""
        again = self.recomputed
        return self.outcome == "valid" and (again is None or again.outcome == "equal")

    @property
    def sentence(self) -> str:
        """The outcome in words."""
        parts = [_OUTCOMES[self.outcome], *(finding.sentence for finding in self.findings)]
        if self.outcome == "valid" and self.exact is False:
            parts.append("Its bytes were laid out anew; what they say is what was signed.")
        if self.recomputed:
            parts.append(self.recomputed.sentence)
        return " ".join(parts)

    def require(self, place: str = "scorecard") -> None:
        """Raises `VerificationFailed` unless it holds."""
        if not self.holds:
            raise VerificationFailed(self.sentence, place=place, mend=_MENDS[self.outcome])

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        fields = asdict(self)
        fields["findings"] = [asdict(finding) for finding in self.findings]
        if self.recomputed:
            fields["recomputed"]["differences"] = list(self.recomputed.differences)
        return fields | {"holds": self.holds, "sentence": self.sentence}


_OUTCOMES: Mapping[Outcome, str] = {
    "valid": "The scorecard is as it was signed, by a key that is trusted here.",
    "altered": "The scorecard is not what was signed.",
    "unknown_key": "Nobody trusted here vouches for this scorecard.",
}
_MENDS: Mapping[Outcome, str] = {
    "valid": "compare the revisions of that day with `diff`; the input or a definition was changed",
    "altered": "take it again from where it was published, and keep this copy as evidence",
    "unknown_key": "put the signer's public key into keys/trusted once you know whose it is",
}


def verify_document(
    document: bytes | Mapping[str, Any] | Scorecard,
    trusted: TrustedKeys,
    recompute: Recompute | None = None,
) -> Verification:
    """Checks hash, signature and schema and, with ``recompute``, the measurement behind them.

    Args:
        document: the published bytes, or the document parsed.
        trusted: public keys by id, see `sign.trusted_keys`.
        recompute: computes the same scorecard again.

    Raises:
        FormatError: the bytes are not a JSON object.
        InputError: an object, but nothing that claims to be a scorecard; or genuine, but of a form
            that this version does not know.
    """
    fields, exact = _open(document)
    message, findings = _check_content(fields)
    findings += _check_signature(fields, trusted, message)
    findings += _check_schema(fields, genuine=not findings)
    return Verification(
        outcome=_outcome(findings),
        findings=tuple(findings),
        content_hash=digest(message) if message else None,
        key_id=_named_key(fields),
        exact=exact,
        recomputed=verify_with(fields, recompute) if recompute else None,
    )


def verify_with(document: Mapping[str, Any] | Scorecard, recompute: Recompute) -> Recomputation:
    """Computes the scorecard again as known then and compares it byte for byte.

    Compared is what was measured: not the signature, and not the members that follow from former
    publications (`HISTORY_MEMBERS`).
    """
    try:
        published = read(document)
        left = _measured(published.as_dict())
        right = _measured(recompute(_request(published)))
        if canonical(left) == canonical(right):
            return Recomputation("equal")
    except MeterstoneError as error:
        place = f"{error.place}: " if error.place else ""
        return Recomputation("not possible", reason=f"{place}{error.cause}")
    found = (d.sentence("published", "recomputed") for d in differences(left, right))
    return Recomputation("differs", tuple(islice(found, SHOWN_DIFFERENCES)))


def _request(published: Scorecard) -> Request:
    return Request(
        scope=Scope(published.scope.kind, published.scope.key),
        day=date.fromisoformat(published.day),
        time_zone=published.time_zone,
        at=datetime.fromisoformat(published.at),
        known_at=datetime.fromisoformat(published.known_at),
    )


def _measured(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in HISTORY_MEMBERS}


def _open(document: bytes | Mapping[str, Any] | Scorecard) -> tuple[dict[str, Any], bool | None]:
    """The fields, and whether the bytes are the canonical ones."""
    if isinstance(document, Scorecard):
        return document.as_dict(), None
    fields = parse(document if isinstance(document, bytes) else _json_of(document))
    if not fields.keys() & {"schema", *PROOF_MEMBERS}:
        raise InputError(
            "is not a scorecard: it has no schema, no content_hash and no signature",
            place="$",
            mend="give the JSON of a scorecard as it was published",
        )
    return fields, _is_exact(fields, document) if isinstance(document, bytes) else None


def _json_of(document: Mapping[str, Any]) -> bytes:
    """A parsed document as JSON again, so that it is read by the same rules as bytes are."""
    try:
        return json.dumps(dict(document)).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"is not a JSON document: {error}",
            place="$",
            mend="give what a JSON reader made of the published bytes",
        ) from error


def _is_exact(fields: dict[str, Any], data: bytes) -> bool:
    try:
        return canonical(fields) == data
    except InputError:
        return False


def _named_key(fields: Mapping[str, Any]) -> str | None:
    signature = fields.get("signature")
    named = signature.get("key_id") if isinstance(signature, Mapping) else None
    return named if isinstance(named, str) else None


def _check_content(fields: Mapping[str, Any]) -> tuple[bytes | None, list[Finding]]:
    """The bytes that were signed, and whether their hash is the one that the document states."""
    try:
        message = canonical(content(fields))
    except InputError as error:
        return None, [Finding("content", f"The content {error.cause}.")]
    stated, actual = fields.get("content_hash"), digest(message)
    if stated == actual:
        return message, []
    words = (
        f"The content hash does not fit: the document states {_short(stated)}, its content gives "
        f"{_short(actual)}."
    )
    return message, [Finding("hash", words)]


def _check_signature(
    fields: Mapping[str, Any], trusted: TrustedKeys, message: bytes | None
) -> list[Finding]:
    """Whether a trusted key signed this content; the hash member takes no part in that."""
    try:
        signature = msgspec.convert(fields.get("signature"), Signature)
        value = _decode(signature.value)
    except ValueError as error:  # msgspec.ValidationError is one
        return [Finding("signature", f"The signature is missing or unreadable: {error}.")]
    signers = [name for name, key in trusted.items() if message and _fits(key, value, message)]
    return _judge_signer(signature.key_id, signers, known=signature.key_id in trusted)


def _judge_signer(named: str, signers: list[str], *, known: bool) -> list[Finding]:
    if named in signers:
        return []
    if signers:
        words = f"The document names key {named}, but key {signers[0]} signed it."
        return [Finding("signature", words)]
    if known:
        return [Finding("signature", f"The signature of key {named} is not of this content.")]
    return [Finding("key", f"Key {named} is not among the trusted ones.")]


def _fits(key: Ed25519PublicKey, value: bytes, message: bytes) -> bool:
    try:
        key.verify(value, message)
    except InvalidSignature:
        return False
    return True


def _check_schema(fields: Mapping[str, Any], *, genuine: bool) -> list[Finding]:
    """A breach of the schema is one more sign of a change, unless the document is genuine: then
    this version cannot read it."""
    try:
        read(fields)
    except InputError as error:
        if genuine:
            raise
        return [Finding("schema", f"It breaks the schema at {error.place}: {error.cause}.")]
    return []


def _outcome(findings: list[Finding]) -> Outcome:
    """A document whose key is unknown is only called altered when its own hash says so."""
    parts = {finding.part for finding in findings}
    if parts & {"content", "hash", "signature"}:
        return "altered"
    return "unknown_key" if parts else "valid"


def _decode(text: str) -> bytes:
    """base64url; a second spelling of the same bytes is a ``ValueError``."""
    raw = base64.urlsafe_b64decode(f"{text}==")
    if encode(raw) != text:
        raise ValueError("its value is not the canonical base64url of 64 bytes")
    return raw


def _short(stated: object) -> str:
    """The head of a hash; nothing else of an unknown document is shown to a terminal."""
    is_hash = isinstance(stated, str) and re.fullmatch("[0-9a-f]{64}", stated)
    return f"{is_hash[0][:12]}…" if is_hash else "no SHA-256"
