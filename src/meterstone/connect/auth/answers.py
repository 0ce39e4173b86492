"""A token from what a token endpoint answered, or the reason why there is none.

Vendors answer errors with any status, also 200, and gateways between answer HTML. What is told
here of an answer is its status, its error code and its error sentence, cleaned: nothing else,
because the rest may be secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from meterstone.connect.auth.base import AuthError, CredentialUnavailable
from meterstone.connect.auth.credentials import Token
from meterstone.connect.auth.spec import MomentForm, TokenPaths

_TEMPORARY = frozenset({"temporarily_unavailable", "server_error", "slow_down"})
_TEMPORARY_STATUS = frozenset({408, 425, 429})
_SHOWN = 200
_STEP = re.compile(r"[^.\[\]]+|\[\d+\]")
_NOT_PRINTED = re.compile(r"[^\x20-\x7e\u00a0-\uffff]+")
_LONG_WORD = re.compile(r"[A-Za-z0-9_\-+/=.~]{24,}")


class TokenRefused(AuthError):
    """The vendor said no to a token request.

    Attributes:
        code: the vendor's error code, such as ``invalid_grant``; empty when it gave none.
    """

    def __init__(self, cause: str, code: str) -> None:
        super().__init__(cause)
        self.code = code


def at(document: Any, path: str) -> Any:
    """The value at a path such as ``errors[0].code``; None when there is nothing."""
    for step in _STEP.findall(path):
        if step.startswith("["):
            index = int(step[1:-1])
            fits = isinstance(document, list) and index < len(document)
            document = document[index] if fits else None
        else:
            document = document.get(step) if isinstance(document, dict) else None
    return document


def read_token(
    response: httpx2.Response, paths: TokenPaths, asked_at: datetime, secrets: Iterable[str] = ()
) -> Token:
    """The token of an answer.

    Args:
        response: with its body read.
        paths: where this vendor keeps what.
        asked_at: when the request was made: a lifetime counts from then.
        secrets: what must not appear in an error, whatever the vendor echoes.

    Raises:
        TokenRefused: the vendor said no.
        CredentialUnavailable: the vendor could not answer just now.
    """
    document = _document(response)
    code = _text(at(document, paths.error))
    sentence = clean(_text(at(document, paths.error_text)), secrets)
    said = ": ".join(filter(None, [clean(code, secrets), sentence]))
    status = response.status_code
    if 300 <= status < 400:
        raise TokenRefused(f"status {status}: a redirect is not followed with a credential", "")
    if status >= 500 or status in _TEMPORARY_STATUS or code in _TEMPORARY:
        raise _unavailable(response, said)
    if document is None:
        raise _unavailable(response, "which is not JSON")
    if status >= 400 or code:
        raise TokenRefused(said or f"status {status} without a reason", code)
    access = at(document, paths.access)
    if not isinstance(access, str) or not access:
        raise TokenRefused(f"status {status} with no token at {paths.access!r}", "")
    return _token(document, access, paths, asked_at)


def clean(text: str, secrets: Iterable[str] = ()) -> str:
    """A vendor's sentence as it may be shown: short, printable, without secrets of ours and
    without anything long enough to be a token."""
    for secret in secrets:
        if len(secret) >= 4:
            text = text.replace(secret, "…")
    text = _LONG_WORD.sub("…", _NOT_PRINTED.sub(" ", text)).strip()
    return text if len(text) <= _SHOWN else text[:_SHOWN].rstrip() + " …"


def retry_after_s(response: httpx2.Response, now: datetime) -> float | None:
    """Seconds that ``Retry-After`` asks to wait; None when it does not, or not readably."""
    text = response.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def _unavailable(response: httpx2.Response, said: str) -> CredentialUnavailable:
    return CredentialUnavailable(
        " ".join(filter(None, [f"the token endpoint answered {response.status_code}", said])),
        mend="it is tried again by itself",
        retry_after_s=retry_after_s(response, datetime.now(UTC)),
    )


def _document(response: httpx2.Response) -> dict[str, Any] | None:
    try:
        found = response.json()
    except ValueError:
        return None
    if isinstance(found, list) and found and isinstance(found[0], dict):
        found = found[0]
    return found if isinstance(found, dict) else None


def _token(document: dict[str, Any], access: str, paths: TokenPaths, asked_at: datetime) -> Token:
    values = {name: _text(at(document, path)) for name, path in paths.values.items()}
    if paths.account:
        values["account"] = _part(_text(at(document, paths.account)), paths.account_matches)
    lifetime_s = None if paths.lifetime_s is None else asked_at + _seconds(paths.lifetime_s)
    return Token(
        access=access,
        issued_at=asked_at,
        refresh=_text(at(document, paths.refresh)),
        expires_at=_end(document, paths.expires_in, paths.expires_at, paths.expires_at_as, asked_at)
        or lifetime_s,
        refresh_expires_at=_end(
            document,
            paths.refresh_expires_in,
            paths.refresh_expires_at,
            paths.expires_at_as,
            asked_at,
        ),
        scope=_scope(at(document, paths.scope)),
        values={name: value for name, value in values.items() if value},
    )


def _part(text: str, pattern: str) -> str:
    """The first group of a pattern in a text; the text where there is no pattern."""
    if not pattern:
        return text
    match = re.search(pattern, text)
    return match[1] if match else ""


def _end(
    document: dict[str, Any], in_path: str, at_path: str, form: MomentForm, asked_at: datetime
) -> datetime | None:
    seconds = _number(at(document, in_path)) if in_path else None
    if seconds is not None:
        return asked_at + _seconds(seconds)
    return _moment(at(document, at_path), form) if at_path else None


def _moment(value: Any, form: MomentForm) -> datetime | None:
    if form == "instant":
        try:
            moment = datetime.fromisoformat(_text(value))
        except ValueError:
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    number = _number(value)
    if number is None:
        return None
    try:
        return datetime.fromtimestamp(number / (1000 if form == "epoch_ms" else 1), UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except ValueError:
        return None
    return found if 0 <= found < 1e15 else None


def _seconds(number: float) -> timedelta:
    return timedelta(seconds=min(number, 100 * 366 * 86_400))


def _scope(value: Any) -> str:
    return " ".join(map(_text, value)) if isinstance(value, list) else _text(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else ""
