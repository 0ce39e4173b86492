"""Square's API over the records: sign-in, lists, searches, subscriptions, errors."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.sandbox.kit import CHANGED, Accounts, Entity, Record, Refused, Sender, Target, token
from meterstone.sandbox.kit.clock import Clock, rfc3339
from meterstone.sandbox.square.records import MERCHANT

SCOPES = (
    "MERCHANT_PROFILE_READ", "PAYMENTS_READ", "ORDERS_READ", "CUSTOMERS_READ", "EMPLOYEES_READ",
    "APPOINTMENTS_READ", "APPOINTMENTS_ALL_READ", "PAYOUTS_READ",
)  # fmt: skip
_SHORT = timedelta(hours=24)
_MOST_LOCATIONS = 10
_BOOKED_AHEAD = timedelta(days=31)


class Wrong(Exception):  # rendered as Square does
    """An error in Square's form."""

    def __init__(self, status: int, category: str, code: str, detail: str, field: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.error = {"category": category, "code": code, "detail": detail}
        if field:
            self.error["field"] = field


def invalid(code: str, detail: str, field: str = "") -> Wrong:
    """A request that is not as it should be."""
    return Wrong(400, "INVALID_REQUEST_ERROR", code, detail, field)


async def wrong(_request: Request, error: Exception) -> Response:
    """``{"errors": [...]}``."""
    assert isinstance(error, Wrong)  # noqa: S101  # registered for nothing else
    return JSONResponse({"errors": [error.error]}, error.status)


def trouble(status: int, after_s: float | None) -> Response:
    """429 and 5xx in Square's form. Whether Square sends Retry-After it does not say."""
    limited = status == 429
    error = {
        "category": "RATE_LIMIT_ERROR" if limited else "API_ERROR",
        "code": "RATE_LIMITED" if limited else "INTERNAL_SERVER_ERROR",
        "detail": "Too many requests" if limited else "An internal error has occurred.",
    }
    headers = {} if after_s is None else {"retry-after": f"{after_s:.0f}"}
    return JSONResponse({"errors": [error]}, status, headers)


@dataclass(frozen=True)
class Api:
    """The routes of one merchant."""

    entities: Mapping[str, Entity]
    accounts: Accounts
    sender: Sender
    clock: Clock

    def routes(self) -> list[BaseRoute]:
        """Everything but the page of consent."""

        def route(
            path: str, method: str, scope: str, answer: Callable[[Request], Awaitable[Any]]
        ) -> Route:
            async def handle(request: Request) -> Response:
                self._allowed(request, scope)
                return JSONResponse(await answer(request))

            return Route(path, handle, methods=[method])

        hooks = "/v2/webhooks/subscriptions"
        return [
            Route("/oauth2/token", self._token, methods=["POST"]),
            Route("/oauth2/revoke", self._revoke, methods=["POST"]),
            route("/oauth2/token/status", "POST", "", self._status),
            route("/v2/locations", "GET", "MERCHANT_PROFILE_READ", self._locations),
            route("/v2/locations/{id}", "GET", "MERCHANT_PROFILE_READ", self._one("location")),
            route("/v2/payments", "GET", "PAYMENTS_READ", self._dated("payments")),
            route("/v2/payments/{id}", "GET", "PAYMENTS_READ", self._one("payment")),
            route("/v2/refunds", "GET", "PAYMENTS_READ", self._dated("refunds")),
            route("/v2/refunds/{id}", "GET", "PAYMENTS_READ", self._one("refund")),
            route("/v2/payouts", "GET", "PAYOUTS_READ", self._dated("payouts")),
            route("/v2/payouts/{id}", "GET", "PAYOUTS_READ", self._one("payout")),
            route("/v2/orders/search", "POST", "ORDERS_READ", self._orders),
            route("/v2/orders/batch-retrieve", "POST", "ORDERS_READ", self._batch),
            route("/v2/orders/{id}", "GET", "ORDERS_READ", self._one("order")),
            route("/v2/customers", "GET", "CUSTOMERS_READ", self._customers),
            route("/v2/customers/search", "POST", "CUSTOMERS_READ", self._customer_search),
            route("/v2/customers/{id}", "GET", "CUSTOMERS_READ", self._one("customer")),
            route("/v2/team-members/search", "POST", "EMPLOYEES_READ", self._team),
            route("/v2/team-members/{id}", "GET", "EMPLOYEES_READ", self._one("team_member")),
            route("/v2/bookings", "GET", "APPOINTMENTS_READ", self._bookings),
            route("/v2/bookings/{id}", "GET", "APPOINTMENTS_READ", self._one("booking")),
            route(hooks, "GET", "", self._subscriptions),
            route(hooks, "POST", "", self._subscribe),
            route(hooks + "/{id}", "GET", "", self._subscription),
            route(hooks + "/{id}", "DELETE", "", self._unsubscribe),
            route(hooks + "/{id}/test", "POST", "", self._test),
        ]

    # sign-in

    def _allowed(self, request: Request, scope: str) -> None:
        kind, _, access = request.headers.get("authorization", "").partition(" ")
        try:
            held = self.accounts.check(access if kind.lower() == "bearer" else "")
        except Refused as refused:
            code = {
                "expired": "ACCESS_TOKEN_EXPIRED", "revoked": "ACCESS_TOKEN_REVOKED",
            }.get(refused.why, "UNAUTHORIZED")  # fmt: skip
            raise Wrong(401, "AUTHENTICATION_ERROR", code, refused.detail) from refused
        if scope and held.scopes and scope not in held.scopes:
            raise Wrong(
                403, "AUTHENTICATION_ERROR", "INSUFFICIENT_SCOPES",
                f"The merchant has not given permission {scope}.",
            )  # fmt: skip

    async def _token(self, request: Request) -> Response:
        asked = await _body(request)
        id_, secret = str(asked.get("client_id", "")), asked.get("client_secret")
        try:
            match asked.get("grant_type"):
                case "authorization_code":
                    held = self.accounts.exchange(
                        id_, secret, str(asked.get("code", "")), asked.get("redirect_uri"),
                        str(asked.get("code_verifier", "")),
                    )  # fmt: skip
                case "refresh_token":
                    held = self.accounts.refresh(id_, secret, str(asked.get("refresh_token", "")))
                case other:
                    raise invalid("INVALID_VALUE", f"grant_type {other!r}", "grant_type")
        except Refused as refused:
            raise Wrong(401, "AUTHENTICATION_ERROR", "UNAUTHORIZED", refused.detail) from refused
        short = bool(asked.get("short_lived", False))
        if short:
            held.access_until = min(held.access_until, held.issued_at + _SHORT)
        answer: dict[str, Any] = {
            "access_token": held.access,
            "token_type": "bearer",
            "expires_at": rfc3339(held.access_until, digits=0),
            "merchant_id": held.account,
            "refresh_token": held.refresh,
            "short_lived": short,
        }
        if held.public and held.refresh_until is not None:
            answer["refresh_token_expires_at"] = rfc3339(held.refresh_until, digits=0)
        return JSONResponse(answer)

    async def _revoke(self, request: Request) -> Response:
        asked = await _body(request)
        kind, _, secret = request.headers.get("authorization", "").partition(" ")
        id_ = str(asked.get("client_id", ""))
        try:
            self.accounts.authenticate(id_, secret if kind.lower() == "client" else None)
        except Refused as refused:
            raise Wrong(401, "AUTHENTICATION_ERROR", "UNAUTHORIZED", refused.detail) from refused
        access = str(asked.get("access_token", ""))
        if asked.get("revoke_only_access_token"):
            self.accounts.revoke(access=access, family=False)
        else:
            account = asked.get("merchant_id") or self.accounts.holder(access)
            if account is None:
                raise Wrong(404, "INVALID_REQUEST_ERROR", "NOT_FOUND", "The token is not known.")
            self.accounts.revoke_account(account, id_)
        return JSONResponse({"success": True})

    async def _status(self, request: Request) -> Any:
        held = self.accounts.check(request.headers["authorization"].partition(" ")[2])
        return {
            "scopes": list(held.scopes), "expires_at": rfc3339(held.access_until, digits=0),
            "client_id": held.client, "merchant_id": held.account,
        }  # fmt: skip

    # records

    def _one(self, name: str) -> Callable[[Request], Awaitable[Any]]:
        async def answer(request: Request) -> Any:
            record = self.entities[f"{name}s"].get(request.path_params["id"])
            if record is None:
                raise Wrong(404, "INVALID_REQUEST_ERROR", "NOT_FOUND", f"No such {name}.")
            return {name: record}

        return answer

    async def _locations(self, _request: Request) -> Any:
        return {"locations": self.entities["locations"].select().page(0, 1_000_000)}

    def _dated(self, name: str) -> Callable[[Request], Awaitable[Any]]:
        """Payments, refunds, payouts: by time of creation or of change, of one location.

        Without a location Square lists payments and payouts of the main one; refunds of all.
        """

        async def answer(request: Request) -> Any:
            asked = request.query_params
            by_change = asked.get("sort_field") == "UPDATED_AT" or "updated_at_begin_time" in asked
            begin, end = (
                ("updated_at_begin_time", "updated_at_end_time")
                if by_change
                else ("begin_time", "end_time")
            )
            since = _moment(asked, begin)
            if since is None and not by_change:
                since = self.clock.now() - timedelta(days=365)
            location = asked.get("location_id")
            if location is None and name != "refunds":
                location = self._main()
            where = {"location_id": location} if location else {}
            return self._page(
                name, asked, CHANGED if by_change else "created", since=since,
                until=_moment(asked, end), most=100, usual=100, **where,
                descending=asked.get("sort_order", "DESC") != "ASC",
            )  # fmt: skip

        return answer

    async def _orders(self, request: Request) -> Any:
        asked = await _body(request)
        locations = asked.get("location_ids")
        if not isinstance(locations, list) or not locations:
            raise invalid("MISSING_REQUIRED_PARAMETER", "location_ids is required", "location_ids")
        if len(locations) > _MOST_LOCATIONS:
            raise invalid("ARRAY_LENGTH_TOO_LONG", "at most 10 locations", "location_ids")
        query = asked.get("query") or {}
        dated = (query.get("filter") or {}).get("date_time_filter") or {}
        sort = query.get("sort") or {}
        field = sort.get("sort_field", "CREATED_AT")
        for name in dated:
            if name.upper() != field:
                raise invalid("BAD_REQUEST", f"sort_field must be {name.upper()}", "query.sort")
        span = dated.get(field.lower()) or {}
        return self._page(
            "orders", asked, CHANGED if field == "UPDATED_AT" else "created",
            since=_moment(span, "start_at"), until=_moment(span, "end_at"), most=1000, usual=500,
            descending=sort.get("sort_order", "DESC") != "ASC", location_id=locations,
        )  # fmt: skip

    async def _batch(self, request: Request) -> Any:
        asked = await _body(request)
        found = [self.entities["orders"].get(str(id_)) for id_ in asked.get("order_ids", [])]
        return {"orders": [record for record in found if record]}

    async def _customers(self, request: Request) -> Any:
        asked = request.query_params
        return self._page("customers", asked, "created", most=100, usual=100)

    async def _customer_search(self, request: Request) -> Any:
        asked = await _body(request)
        query = asked.get("query") or {}
        given = query.get("filter") or {}
        by = CHANGED if "updated_at" in given else "created"
        span = given.get("updated_at") or given.get("created_at") or {}
        descending = (query.get("sort") or {}).get("order") == "DESC"
        return self._page(
            "customers", asked, by, since=_moment(span, "start_at"),
            until=_moment(span, "end_at"), most=100, usual=100, descending=descending,
        )  # fmt: skip

    async def _team(self, request: Request) -> Any:
        asked = await _body(request)
        given = (asked.get("query") or {}).get("filter") or {}
        wanted = set(given.get("location_ids") or [])
        chosen = [
            member["id"]
            for member in self.entities["team_members"].select().page(0, 1_000_000)
            if (not wanted or wanted & set(member["assigned_locations"].get("location_ids", [])))
            and member["status"] == given.get("status", member["status"])
            and member["is_owner"] == given.get("is_owner", member["is_owner"])
        ]
        return self._page("team_members", asked, CHANGED, most=200, usual=100, only=chosen)

    async def _bookings(self, request: Request) -> Any:
        """Bookings that start in a window of at most 31 days; without one, from now on."""
        asked = request.query_params
        since = _moment(asked, "start_at_min") or self.clock.now()
        until = _moment(asked, "start_at_max") or since + _BOOKED_AHEAD
        if until - since > _BOOKED_AHEAD:
            raise invalid("INVALID_TIME_RANGE", "at most 31 days", "start_at_max")
        where = {n: asked[n] for n in ("location_id", "customer_id") if n in asked}
        return self._page(
            "bookings", asked, "start", since=since, until=until, most=100, usual=100, **where
        )

    def _page(
        self, name: str, asked: Mapping[str, Any], by: str, *, most: int, usual: int,
        since: datetime | None = None, until: datetime | None = None, **question: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """One page of a question. A cursor belongs to its question, and is refused for another."""
        size = _limit(asked.get("limit"), most, usual)
        same = {k: str(v) for k, v in asked.items() if k not in ("cursor", "limit")}
        mark, of = _opened(asked.get("cursor"), name, same)
        since, until = of or (since, until)
        found = self.entities[name].select(by, since=since, until=until, **question)
        records, following = found.after(mark, size)
        answer: dict[str, Any] = {}
        if records:
            answer[name] = records
        if following is not None:
            answer["cursor"] = _sealed(following, name, same, (since, until))
        return answer

    def _main(self) -> str:
        """The merchant's main location: the first by name."""
        locations: list[Record] = self.entities["locations"].select().page(0, 1_000_000)
        return min((str(location["name"]), str(location["id"])) for location in locations)[1]

    # webhooks

    async def _subscriptions(self, _request: Request) -> Any:
        shown = [self._shown(target) for target in self.sender.targets.values()]
        return {"subscriptions": shown} if shown else {}

    async def _subscribe(self, request: Request) -> Any:
        asked = (await _body(request)).get("subscription") or {}
        url = asked.get("notification_url")
        if not url:
            raise invalid(
                "MISSING_REQUIRED_PARAMETER", "notification_url is required",
                "subscription.notification_url",
            )  # fmt: skip
        target = self.sender.subscribe(url, events=asked.get("event_types") or ())
        return {"subscription": self._shown(target)}

    async def _subscription(self, request: Request) -> Any:
        return {"subscription": self._shown(self._target(request))}

    async def _unsubscribe(self, request: Request) -> Any:
        self.sender.unsubscribe(self._target(request).id)
        return {}

    async def _test(self, request: Request) -> Any:
        target, asked = self._target(request), await _body(request)
        type_ = asked.get("event_type") or "payment.updated"
        entity = self.entities[f"{type_.partition('.')[0]}s"]
        record = entity.get(entity.id_at(-1)) or {}
        id_ = token("test", self.clock.now(), length=32).lower()
        body = event_body(type_, id_, record, self.clock)
        self.sender.send(type_, id_, str(record["id"]), lambda _target: body)
        return {
            "subscription_test_result": {
                "id": id_, "status_code": 200, "payload": body.decode(),
                "created_at": rfc3339(self.clock.now()), "notification_url": target.url,
            }
        }  # fmt: skip

    def _target(self, request: Request) -> Target:
        target = self.sender.targets.get(request.path_params["id"])
        if target is None:
            raise Wrong(404, "INVALID_REQUEST_ERROR", "NOT_FOUND", "No such subscription.")
        return target

    def _shown(self, target: Target) -> Record:
        return {
            "id": target.id, "name": "Simulated", "enabled": target.enabled,
            "event_types": list(target.events), "notification_url": target.url,
            "signature_key": target.secret,
        }  # fmt: skip


def event_body(type_: str, id_: str, record: Record, clock: Clock) -> bytes:
    """The envelope of a webhook. Events of orders only name the order; all others carry it."""
    kind = type_.partition(".")[0]
    carried = {kind: record}
    if kind == "order":
        names = ("version", "location_id", "state", "created_at", "updated_at")
        carried = {
            type_.replace(".", "_"): {
                "order_id": record["id"], **{name: record[name] for name in names},
            }
        }  # fmt: skip
    event = {
        "merchant_id": MERCHANT, "type": type_, "event_id": id_, "created_at": rfc3339(clock.now()),
        "data": {"type": kind, "id": record["id"], "object": carried},
    }  # fmt: skip
    return _JSON.render(event)


_JSON = JSONResponse(None)


async def _body(request: Request) -> dict[str, Any]:
    raw = await request.body()
    try:
        asked = await request.json() if raw else {}
    except ValueError as error:
        raise invalid("EXPECTED_JSON_BODY", "The body is no JSON.") from error
    if not isinstance(asked, dict):
        raise invalid("EXPECTED_JSON_BODY", "The body is no JSON object.")
    return asked


def _moment(asked: Mapping[str, Any], name: str) -> datetime | None:
    text = asked.get(name)
    if not text:
        return None
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise invalid("INVALID_TIME", f"{text!r} is no time of RFC 3339", name) from error
    if at.tzinfo is None:
        raise invalid("INVALID_TIME", f"{text!r} has no offset", name)
    return at


def _limit(given: Any, most: int, usual: int) -> int:
    if given in (None, ""):
        return usual
    try:
        limit = int(given)
    except ValueError as error:
        raise invalid("EXPECTED_INTEGER", "limit is no number", "limit") from error
    if limit < 1:
        raise invalid("VALUE_TOO_LOW", "limit is less than 1", "limit")
    return min(limit, most)


Span = tuple[datetime | None, datetime | None]


def _sealed(mark: str, name: str, same: Mapping[str, str], span: Span) -> str:
    times = "|".join("" if t is None else t.isoformat() for t in span)
    return base64.urlsafe_b64encode(f"{_fingerprint(name, same)}|{mark}|{times}".encode()).decode()


def _opened(cursor: Any, name: str, same: Mapping[str, str]) -> tuple[str, Span | None]:
    """Mark and span of a cursor; the span is kept, so that `now` does not move between pages."""
    if not cursor:
        return "", None
    try:
        opened = base64.urlsafe_b64decode(str(cursor).encode()).decode().split("|")
        of, mark, since, until = opened
        span = tuple(datetime.fromisoformat(t) if t else None for t in (since, until))
    except (binascii.Error, ValueError) as error:
        raise invalid("INVALID_CURSOR", "The cursor is not valid.", "cursor") from error
    if of != _fingerprint(name, same):
        raise invalid("INVALID_CURSOR", "The cursor belongs to another query.", "cursor")
    return mark, (span[0], span[1])


def _fingerprint(name: str, same: Mapping[str, str]) -> str:
    return hashlib.sha256(f"{name}:{sorted(same.items())}".encode()).hexdigest()[:12]
