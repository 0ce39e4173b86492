"""Clover's API over the records: sign-in by JSON, lists with filters and windows, records."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.sandbox.kit import (
    CHANGED,
    Accounts,
    Clock,
    Entity,
    Record,
    Refused,
    Tokens,
    micros,
    moment,
)

WINDOW = timedelta(days=90)
_MOST, _USUAL = 1000, 100
_FILTER = re.compile(r"([\w.]+)\s*(!=|>=|<=|=|>|<)\s*(.*)")
_OF_SALES = (
    "id", "createdTime", "modifiedTime", "clientCreatedTime", "employee.id", "externalReferenceId",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of records: what it is filtered by, and what is shown only when expanded.

    Attributes:
        windowed: whether a call looks at 90 days at most.
        hidden: kept with a record, but not of Clover's form.
    """

    filters: tuple[str, ...]
    expand: tuple[str, ...] = ()
    windowed: bool = False
    hidden: tuple[str, ...] = ()


KINDS: Mapping[str, _Kind] = {
    "payments": _Kind(
        (*_OF_SALES, "result", "amount", "offline", "tender.id"), ("refunds",), True
    ),
    "orders": _Kind(
        (*_OF_SALES, "total", "payType", "title", "state", "testMode", "deletedTime"),
        ("payments", "refunds", "discounts", "lineItems", "customers"), True,
    ),
    "customers": _Kind(
        ("id", "customerSince", "firstName", "lastName", "marketingAllowed", "deletedTime"),
        hidden=("createdTime", "modifiedTime"),
    ),
    "employees": _Kind(
        ("id", "modifiedTime", "role", "name", "nickname", "email", "deletedTime"),
        hidden=("createdTime", "modifiedTime"),
    ),
    "items": _Kind(
        ("id", "modifiedTime", "name", "price", "sku", "hidden", "available"),
        hidden=("createdTime", "merchant"),
    ),
}  # fmt: skip
_TIMES = {"createdTime": "created", "modifiedTime": CHANGED, "customerSince": CHANGED}


class Wrong(Exception):  # rendered as Clover does
    """An error: a status and ``{"message"}``."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


async def wrong(_request: Request, error: Exception) -> Response:
    """``{"message": …}``."""
    assert isinstance(error, Wrong)  # noqa: S101  # registered for nothing else
    return JSONResponse({"message": error.message}, error.status)


def trouble(status: int, after_s: float | None) -> Response:
    """429 and 5xx in Clover's form."""
    message = "429 Too Many Requests" if status == 429 else f"{status} Server Error"
    headers = {} if after_s is None else {"retry-after": f"{after_s:.0f}"}
    return JSONResponse({"message": message}, status, headers)


@dataclass(frozen=True)
class Api:
    """The routes of all merchants."""

    entities: Mapping[str, Entity]
    profiles: Mapping[str, Record]
    accounts: Accounts
    clock: Clock

    def routes(self) -> list[BaseRoute]:
        """Everything but the page of consent."""
        base = "/v3/merchants/{merchant}"
        return [
            Route("/oauth/v2/token", self._signed_in(self._exchange), methods=["POST"]),
            Route("/oauth/v2/refresh", self._signed_in(self._refresh), methods=["POST"]),
            Route(base, self._profile),
            Route(base + "/orders/{id}/line_items", self._line_items),
            Route(base + "/{kind}", self._list),
            Route(base + "/{kind}/{id}", self._one),
        ]

    # sign-in

    def _signed_in(
        self, answer: Callable[[Mapping[str, Any]], Tokens]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            try:
                asked = await request.json()
            except ValueError as error:
                raise Wrong(400, "the body is no JSON") from error
            try:
                held = answer(asked)
            except Refused as refused:
                raise Wrong(401, refused.detail) from refused
            return JSONResponse(
                {
                    "access_token": held.access,
                    "access_token_expiration": micros(held.access_until) // 1_000_000,
                    "refresh_token": held.refresh,
                    "refresh_token_expiration": micros(held.refresh_until or held.access_until)
                    // 1_000_000,
                }
            )

        return handle

    def _exchange(self, asked: Mapping[str, Any]) -> Tokens:
        return self.accounts.exchange(
            str(asked.get("client_id", "")), asked.get("client_secret"), str(asked.get("code", "")),
            verifier=str(asked.get("code_verifier", "")),
        )  # fmt: skip

    def _refresh(self, asked: Mapping[str, Any]) -> Tokens:
        """The client id and the refresh token are all that Clover asks for."""
        id_ = str(asked.get("client_id", ""))
        client = self.accounts.client(id_)
        return self.accounts.refresh(id_, client.secret, str(asked.get("refresh_token", "")))

    def _merchant(self, request: Request) -> str:
        merchant: str = request.path_params["merchant"]
        kind, _, access = request.headers.get("authorization", "").partition(" ")
        try:
            held = self.accounts.check(access if kind.lower() == "bearer" else "")
        except Refused as refused:
            raise Wrong(401, "401 Unauthorized") from refused
        if held.account != merchant:
            raise Wrong(401, "401 Unauthorized")
        return merchant

    # records

    async def _profile(self, request: Request) -> Response:
        return JSONResponse(self.profiles[self._merchant(request)])

    async def _line_items(self, request: Request) -> Response:
        order = self._record(request, "orders")
        return JSONResponse(order["lineItems"])

    async def _one(self, request: Request) -> Response:
        kind = _known(request)
        record = self._record(request, request.path_params["kind"])
        return JSONResponse(_shown(record, kind, _expanded(request)))

    def _record(self, request: Request, name: str) -> Record:
        merchant = self._merchant(request)
        record = self.entities[name].get(request.path_params["id"])
        if record is None or record["merchant"]["id"] != merchant:
            raise Wrong(404, "Not Found")
        return record

    async def _list(self, request: Request) -> Response:
        """Oldest first, by the time that is filtered by; Clover does not document its order."""
        kind, name = _known(request), request.path_params["kind"]
        merchant, asked = self._merchant(request), request.query_params
        filters = [_filter(text, kind) for text in asked.getlist("filter")]
        by, since, until, rest = self._span(filters, kind)
        found = self.entities[name].select(by, since=since, until=until, merchant=merchant)
        start, size = _number(asked, "offset", 0), min(_number(asked, "limit", _USUAL), _MOST)
        if rest:
            whole = [r for r in found.page(0, len(found)) if all(_fits(r, *f) for f in rest)]
            records = whole[start : start + size]
        else:
            records = found.page(start, size)
        expanded = _expanded(request)
        return JSONResponse(
            {
                "elements": [_shown(record, kind, expanded) for record in records],
                "href": str(request.url),
            },
            headers={"x-clover-allowed-filter-fields": ", ".join(kind.filters)},
        )

    def _span(
        self, filters: list[tuple[str, str, str]], kind: _Kind
    ) -> tuple[str, datetime | None, datetime | None, list[tuple[str, str, str]]]:
        """The key to sort by, the span of it, and the filters that are left.

        Orders and payments: at most the last 90 days of what is asked for; without times, the 90
        days before now.
        """
        timed = [f for f in filters if f[0] in _TIMES and f[1] in (">", ">=", "<", "<=")]
        by = _TIMES[timed[0][0]] if timed else "created"
        own = [f for f in timed if _TIMES[f[0]] == by]
        rest = [f for f in filters if f not in own]
        since = until = None
        for _, sign, value in own:
            at = moment(_integer(value) * 1000)
            if sign in (">", ">="):
                since = at + timedelta(milliseconds=sign == ">")
            else:
                until = at + timedelta(milliseconds=sign == "<=")
        if kind.windowed:
            last = until or self.clock.now() + timedelta(milliseconds=1)
            since = max(since or last - WINDOW, last - WINDOW)
        return by, since, until, rest


def _known(request: Request) -> _Kind:
    kind = KINDS.get(request.path_params["kind"])
    if kind is None:
        raise Wrong(404, "Not Found")
    return kind


def _expanded(request: Request) -> set[str]:
    return {name.strip() for name in request.query_params.get("expand", "").split(",")}


def _shown(record: Record, kind: _Kind, expanded: set[str]) -> Record:
    return {
        name: value
        for name, value in record.items()
        if name not in kind.hidden and (name not in kind.expand or name in expanded)
    }


def _filter(text: str, kind: _Kind) -> tuple[str, str, str]:
    match = _FILTER.fullmatch(text)
    if match is None:
        raise Wrong(400, f"Invalid filter: {text}")
    field, sign, value = match.groups()
    if field not in kind.filters:
        raise Wrong(400, f"Filtering on field {field} is not allowed")
    return field, sign, value


def _fits(record: Record, field: str, sign: str, value: str) -> bool:
    found: Any = record
    for part in field.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    if isinstance(found, bool):
        found = str(found).lower()
    if isinstance(found, int):
        wanted: Any = _integer(value)
    else:
        found, wanted = str(found), value
    fits: bool = {
        "=": found == wanted, "!=": found != wanted, ">": found > wanted, ">=": found >= wanted,
        "<": found < wanted, "<=": found <= wanted,
    }[sign]  # fmt: skip
    return fits


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise Wrong(400, f"{text!r} is no number") from error


def _number(asked: Mapping[str, str], name: str, usual: int) -> int:
    return max(_integer(asked[name]), 0) if name in asked else usual
