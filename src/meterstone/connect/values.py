"""Conversions of a vendor's values: each takes JSON values and the same as text (CSV, XML)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TRUE, _FALSE = frozenset({"true", "1", "yes", "y"}), frozenset({"false", "0", "no", "n"})

_PLACES: Mapping[str, int] = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI",
         "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    "CLF": 4, "UYW": 4,
}  # fmt: skip
"""Currencies whose minor unit is not a hundredth (ISO 4217)."""


class ColumnRefused(ValueError):  # what happened, as in a sentence
    """A value that cannot be what its column is. Caught where the row is built."""

    def __init__(self, reason: str, mend: str) -> None:
        super().__init__(reason)
        self.mend = mend


def word(value: Any) -> str | None:
    """A value as the word that conditions and maps compare: ``true``, ``12``, ``CAPTURED``."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def places(currency: str | None) -> int:
    """Digits of a currency's minor unit."""
    return _PLACES.get((currency or "").upper(), 2)


def instant(value: Any, format_: str = "", zone: str = "") -> datetime:
    """A moment in UTC, from RFC 3339 or by a strptime format; without an offset it is in ``zone``
    (UTC where that is empty)."""
    try:
        text = str(value).strip()
        at = datetime.strptime(text, format_) if format_ else datetime.fromisoformat(text)  # noqa: DTZ007
        if at.tzinfo is None:
            at = at.replace(tzinfo=ZoneInfo(zone) if zone else UTC)
        return at.astimezone(UTC)
    except (ValueError, OverflowError, ZoneInfoNotFoundError):
        wanted = f"a moment in the form {format_}" if format_ else "a moment (RFC 3339)"
        raise _refused(value, wanted) from None


def epoch_ms(value: Any) -> datetime:
    """A moment from milliseconds since 1970."""
    return _since_epoch(value, timedelta(milliseconds=1))


def epoch_s(value: Any) -> datetime:
    """A moment from seconds since 1970."""
    return _since_epoch(value, timedelta(seconds=1))


def _since_epoch(value: Any, unit: timedelta) -> datetime:
    try:
        return _EPOCH + float(value) * unit
    except (TypeError, ValueError, OverflowError):
        raise _refused(value, "a time since 1970") from None


def day(value: Any, format_: str = "") -> date:
    """A day as written; of a moment its day, without a change of time zone."""
    try:
        text = str(value).strip()
        if format_:
            return datetime.strptime(text, format_).date()  # noqa: DTZ007
        return date.fromisoformat(text[:10])
    except ValueError:
        raise _refused(value, f"a day in the form {format_ or 'YYYY-MM-DD'}") from None


def decimal(value: Any) -> Decimal:
    """An exact number; thousands separators of text are left out."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, bool):
        raise _refused(value, "a number")
    text = value.strip().replace(",", "") if isinstance(value, str) else str(value)
    try:
        exact = Decimal(text)
    except InvalidOperation:
        raise _refused(value, "a number") from None
    if not exact.is_finite():
        raise _refused(value, "a finite number")
    return exact


def integer(value: Any) -> int:
    """A whole number."""
    if type(value) is int:
        return value
    exact = decimal(value)
    if exact != exact.to_integral_value():
        raise _refused(value, "a whole number")
    return int(exact)


def boolean(value: Any) -> bool:
    """True or false."""
    known = (word(value) or "").strip().lower()
    if known not in _TRUE and known not in _FALSE:
        raise _refused(value, "true or false")
    return known in _TRUE


def minor(value: Any, currency: str | None) -> Decimal:
    """An amount from minor units (cents) of a currency."""
    return Decimal(integer(value)).scaleb(-places(currency))


PLAIN: Mapping[str, Callable[[Any], Any]] = {
    "epoch_ms": epoch_ms,
    "epoch_s": epoch_s,
    "number": lambda value: float(decimal(value)),
    "integer": integer,
    "decimal": decimal,
    "percent": lambda value: float(decimal(value) / 100),
    "boolean": boolean,
    "text": word,
    "lower": lambda value: (word(value) or "").lower(),
    "upper": lambda value: (word(value) or "").upper(),
}
"""Conversions that need nothing but the value."""


def _refused(value: Any, wanted: str) -> ColumnRefused:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else shown[:59] + "…"
    return ColumnRefused(f"{shown} is not {wanted}", "correct it at the source, or the mapping")
