"""One spelling of a document, so that its hash and its signature mean its content.

Canonical JSON is RFC 8785 (JCS): keys sorted by UTF-16 code units, numbers as ECMAScript writes
them, no spaces, text exactly as it is (no Unicode normalisation), no NaN and no Infinity.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from typing import Any, NoReturn

import rfc8785

from meterstone.errors import FormatError, InputError

PROOF_MEMBERS = frozenset({"signature", "content_hash"})
"""Members that speak about the content and are not part of it."""

_LARGEST_INTEGER = 2**53 - 1
_MEND_FILE = "take the file again from where it was published; it must be the JSON that was written"


def canonical(document: Mapping[str, Any]) -> bytes:
    """The document as RFC 8785 bytes.

    Raises:
        InputError: a value has no canonical form: NaN, Infinity, an integer beyond ±(2**53 − 1),
            half of a surrogate pair, or no JSON type at all.
    """
    try:
        return rfc8785.dumps(dict(document))
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"has no canonical JSON form: {error}",
            place="document",
            mend="use finite numbers up to 2**53 - 1, valid Unicode text, objects, lists and null",
        ) from error


def content(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document without the members that prove it: what is hashed and signed."""
    return {name: value for name, value in document.items() if name not in PROOF_MEMBERS}


def content_hash(document: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of the canonical bytes of the content; raises as `canonical` does."""
    return digest(canonical(content(document)))


def digest(data: bytes) -> str:
    """SHA-256 of canonical bytes, in hex."""
    return sha256(data).hexdigest()


def parse(data: bytes) -> dict[str, Any]:
    """A JSON object read so strictly that two readers cannot understand it differently.

    Raises:
        FormatError: not UTF-8, not JSON, not an object, a member given twice, NaN or Infinity, or
            a number written with digits that a double cannot hold.
    """
    try:
        document = json.loads(
            data.decode(),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_no_constant,
        )
    except UnicodeDecodeError as error:
        raise _malformed(f"byte {error.start}", "is not UTF-8 text") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise _malformed(place, f"is not JSON: {error.msg}") from error
    except RecursionError as error:
        raise _malformed("document", "is nested too deeply to be a scorecard") from error
    except ValueError as error:
        raise _malformed("document", f"holds a number that cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise _malformed("document", "is not a JSON object")
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; a name given twice is refused, because readers differ in which one they take."""
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _malformed(f"member {twice!r}", "is given twice in one object")
    return made


def _integer(token: str) -> int | float:
    """An integer, or the double that is written without a point because it is so large."""
    value = int(token)
    return value if abs(value) <= _LARGEST_INTEGER else _number(token)


def _number(token: str) -> float:
    """A number; refused where its digits are not those of the double it stands for.

    Without this, 0.1 and 0.10000000000000000001 would be two texts with one hash.
    """
    value = float(token)
    if math.isinf(value) or not _is_text_of(value, token):
        raise _malformed(f"number {token[:40]}", "is not the exact text of a 64-bit number")
    return value


def _is_text_of(value: float, token: str) -> bool:
    try:
        return Decimal(rfc8785.dumps(value).decode()) == Decimal(token)
    except InvalidOperation:  # an exponent that not even a Decimal can hold
        return False


def _no_constant(name: str) -> NoReturn:
    raise _malformed(f"number {name}", "is not JSON")


def _malformed(place: str, cause: str) -> FormatError:
    return FormatError(cause, place=place, mend=_MEND_FILE)
