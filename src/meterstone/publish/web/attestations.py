"""What people state: what expires, and the forms by which it is stated, renewed and withdrawn.

It reads the facts themselves, not a scorecard, and says so.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit

from anyio import to_thread
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.errors import InputError
from meterstone.facts import vocabulary
from meterstone.facts.typed import typed
from meterstone.people.guard import PRINCIPAL
from meterstone.people.rights import Principal, Right
from meterstone.publish.attesting import Attests
from meterstone.publish.web.forms import NO_STORE, answer_to
from meterstone.publish.web.site import Site

SOON = timedelta(days=60)
_ALL = timedelta(days=365 * 100)
_MOST_FIELDS = 80
PAGE = 50
"""How many statements stand on a page."""
_MOST_DIGITS = 9
_STATES = {"expired": "expired", "soon": "ends soon", "holds": "holds"}
_COMMON = ("franchise_id", "integration")
_CONTROLS: Mapping[str, str] = {
    "timestamp": "datetime-local", "date": "date", "integer": "number", "number": "number",
    "decimal": "number", "boolean": "choice", "enum": "choice",
}  # fmt: skip


def routes(site: Site, home: Attests) -> list[BaseRoute]:
    """The pages of statements."""
    pages = _Pages(site, home)
    return [
        Route("/attestations", pages.all, methods=["GET"]),
        Route("/attestations/{fact}", pages.form, methods=["GET"]),
        Route("/attestations/{fact}", pages.state, methods=["POST"]),
        Route("/attestations/{fact}/withdraw", pages.withdraw, methods=["POST"]),
    ]


@dataclass(frozen=True)
class Typed:
    """A form as it was sent.

    Attributes:
        texts: by field, without those that were left empty.
        file: bytes, name and media type of the evidence, where a file was sent.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    file: tuple[bytes, str, str] | None = None


@dataclass(frozen=True)
class _Pages:
    site: Site
    home: Attests

    def all(self, request: Request) -> Response:
        """What is stated and until when; and what can be stated."""
        at, known_at = self.site.until(request), self.site.as_of(request).known_at
        due = self.home.attestations_due(_ALL, at, known_at)
        done = request.query_params.get("done", "")
        return self.site.render(
            request, "attestations.html", at=at,
            may=at is None and _may(request),
            done=done if done in self.home.attestation_forms() else "",
            **list_context(due, list(self.home.attestation_forms()), at or datetime.now(UTC),
                           Shown.of(request.query_params)),
        )  # fmt: skip

    def form(self, request: Request) -> Response:
        """The form of a fact."""
        return self._form(request, Typed(dict(request.query_params)))

    async def state(self, request: Request) -> Response:
        """Put a statement on record."""
        given = await _typed(request)
        return await to_thread.run_sync(self._state, request, given)

    async def withdraw(self, request: Request) -> Response:
        """Withdraw a statement; what was measured before stays as it was."""
        given = await _typed(request)
        return await to_thread.run_sync(self._withdraw, request, given)

    def _state(self, request: Request, given: Typed) -> Response:
        who, fact = _who(request), request.path_params["fact"]
        fields = {each.name for each in self.home.attestation_forms().get(fact, ())}
        columns = {name: text for name, text in given.texts.items() if name in fields}
        try:
            self.home.attest(
                fact,
                typed(vocabulary().get(fact), columns),
                person=who.name,
                role=given.texts.get("entered_role", "") or who.role,
                evidence=given.file or given.texts.get("evidence_uri", ""),
                expires_at=expiry(given.texts.get("expires_on", "")),
            )
        except InputError as error:
            return self._form(request, given, error)
        return RedirectResponse(f"/attestations?done={fact}", HTTPStatus.SEE_OTHER, NO_STORE)

    def _withdraw(self, request: Request, given: Typed) -> Response:
        who, fact = _who(request), request.path_params["fact"]
        try:
            self.home.retract(fact, key_of(given.texts.get("key", "")), who.name, who.role)
        except InputError as error:
            return self.site.failure(request, error, HTTPStatus.UNPROCESSABLE_ENTITY)
        return RedirectResponse(f"/attestations?done={fact}", HTTPStatus.SEE_OTHER, NO_STORE)

    def _form(self, request: Request, given: Typed, error: InputError | None = None) -> Response:
        fact = request.path_params["fact"]
        fields = self.home.attestation_forms().get(fact)
        if fields is None:
            return self.site.error(request, HTTPStatus.NOT_FOUND)
        return self.site.render(
            request, "attest.html", present=True,
            error=error, may=_may(request), role=_who(request).role,
            **form_context(fact, fields, given.texts), **answer_to(error),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shown:
    """Which statements a reader wants to see.

    Attributes:
        state: ``expired``, ``soon`` or ``holds``; empty: all.
        fact: statements of this kind; empty: all.
        after: how many of them were on the pages before.
    """

    state: str = ""
    fact: str = ""
    after: int = 0

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Shown:
        """Of the address; what is no number is the beginning."""
        after = query.get("after", "")
        known = after.isascii() and after.isdecimal() and len(after) < _MOST_DIGITS
        return cls(query.get("state", ""), query.get("fact", ""), int(after) if known else 0)

    def link(self, **other: Any) -> str:
        """An address of the list: the same choice with something else."""
        chosen = {"state": self.state, "fact": self.fact, **other}
        kept = {name: value for name, value in chosen.items() if value}
        return f"/attestations?{urlencode(kept)}" if kept else "/attestations"


def list_context(
    due: Sequence[Any], facts: Sequence[str], now: datetime, shown: Shown | None = None
) -> dict[str, Any]:
    """What the list shows: statements, soonest to expire first, and what can be stated."""
    shown = shown or Shown()
    rows = [
        {
            "fact": each.fact,
            "title": words(each.fact),
            "what": each.what,
            "key": json.dumps(dict(each.key)),
            "by": f"{each.entered_by}, {each.entered_role}".strip(", "),
            "evidence": each.evidence_uri,
            "link": each.evidence_uri if each.evidence_uri.startswith("https://") else "",
            "at": urlsplit(each.evidence_uri).netloc or each.evidence_uri,
            "expires_at": each.expires_at,
            "state": "expired" if each.expires_at <= now
            else "soon" if each.expires_at <= now + SOON else "holds",
        }
        for each in due
    ]  # fmt: skip
    counts = Counter(row["state"] for row in rows)
    kinds = Counter(row["fact"] for row in rows)
    wanted = [
        row for row in rows if shown.state in ("", row["state"]) and shown.fact in ("", row["fact"])
    ]
    until = shown.after + PAGE
    return {
        "rows": wanted[shown.after : until],
        "shown": shown,
        "every": len(rows),
        "states": [(name, says, counts[name]) for name, says in _STATES.items() if counts[name]],
        "kinds": [(name, words(name), count) for name, count in sorted(kinds.items())],
        "range": f"{shown.after + 1} to {min(until, len(wanted))} of {len(wanted)}",
        "more": shown.link(after=until) if until < len(wanted) else "",
        "sentence": _sentence(len(rows), counts["expired"], counts["soon"]),
        "facts": [
            {"fact": name, "title": words(name), "says": vocabulary()[name].description}
            for name in facts
        ],
    }


def _sentence(rows: int, expired: int, soon: int) -> str:
    if not rows:
        return "Nobody has stated anything yet."
    if expired:
        return f"{expired} of {rows} statements {'has' if expired == 1 else 'have'} expired."
    if soon:
        return f"{soon} of {rows} statements {'ends' if soon == 1 else 'end'} within 60 days."
    return f"{'The one statement holds' if rows == 1 else f'All {rows} statements hold'}."


def form_context(fact: str, fields: Sequence[Any], texts: Mapping[str, str]) -> dict[str, Any]:
    """What the form shows: required fields first, then the others, then to what it belongs."""
    shown = [_field(each, texts.get(each.name, "")) for each in fields]
    return {
        "fact": fact,
        "what": words(fact),
        "says": vocabulary()[fact].description,
        "needed": [each for each in shown if each["required"]],
        "more": [each for each in shown if not each["required"]],
        "typed": {name: texts.get(name, "") for name in
                  ("evidence_uri", "expires_on", "entered_role")},
    }  # fmt: skip


def _field(form: Any, text: str) -> dict[str, Any]:
    unit = "" if form.unit in ("", "calendar day") else form.unit
    return {
        "name": form.name,
        "label": words(form.name) + (f" ({unit})" if unit else ""),
        "control": _CONTROLS.get(form.type, "text"),
        "step": "1" if form.type == "integer" else "any",
        "options": form.allowed or (("true", "false") if form.type == "boolean" else ()),
        "required": form.required,
        "hint": form.desc,
        "value": text[:1000],
    }


def words(name: str) -> str:
    """An identifier as words."""
    return name.removesuffix("_id").replace("_", " ").capitalize()


def expiry(text: str) -> datetime:
    """The end of validity: the beginning of a day, UTC.

    Raises:
        InputError: it is no day.
    """
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        raise InputError(
            "the day until which it counts is missing", place="expires_on", mend="choose a day"
        ) from None


def key_of(text: str) -> dict[str, str]:
    """What identifies a statement, as the list gave it.

    Raises:
        InputError: it is none.
    """
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not found:
        raise InputError("no statement is named", place="key", mend="withdraw it from the list")
    return {str(name): str(value) for name, value in found.items()}


def _may(request: Request) -> bool:
    return _who(request).may(Right.ATTEST)


def _who(request: Request) -> Principal:
    who: Principal = request.scope[PRINCIPAL]
    return who


async def _typed(request: Request) -> Typed:
    texts, file = {}, None
    async with request.form(max_files=1, max_fields=_MOST_FIELDS) as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                content = await value.read()
                if content:
                    media_type = value.content_type or ""
                    file = content, (value.filename or "evidence")[:200], media_type
            elif value.strip():
                texts[name] = value.strip()
    return Typed(texts, file)
