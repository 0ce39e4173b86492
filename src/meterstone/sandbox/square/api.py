"""Square's API over the records: lists, searches, single records."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.sandbox.kit import CHANGED, Clock, Entity
from meterstone.sandbox.square.asking import body_of, limit_of, moment_of, opened, sealed
from meterstone.sandbox.square.errors import Wrong, invalid
from meterstone.sandbox.square.sign_in import SignIn
from meterstone.sandbox.square.subscriptions import Subscriptions

_MOST_LOCATIONS = 10
_BOOKED_AHEAD = timedelta(days=31)


@dataclass(frozen=True)
class Api:
    """The routes of one merchant.

    Attributes:
        main: its main location.
    """

    entities: Mapping[str, Entity]
    main: str
    sign_in: SignIn
    hooks: Subscriptions
    clock: Clock

    def routes(self) -> list[BaseRoute]:
        """Everything but the page of consent."""

        def route(
            path: str, method: str, scope: str, answer: Callable[[Request], Awaitable[Any]]
        ) -> Route:
            async def handle(request: Request) -> Response:
                self.sign_in.allowed(request, scope)
                return JSONResponse(await answer(request))

            return Route(path, handle, methods=[method])

        hooks = "/v2/webhooks/subscriptions"
        return [
            *self.sign_in.routes(),
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
            route(hooks, "GET", "", self.hooks.all),
            route(hooks, "POST", "", self.hooks.create),
            route(hooks + "/{id}", "GET", "", self.hooks.one),
            route(hooks + "/{id}", "DELETE", "", self.hooks.delete),
            route(hooks + "/{id}/test", "POST", "", self.hooks.test),
        ]

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
            since = moment_of(asked, begin)
            if since is None and not by_change:
                since = self.clock.now() - timedelta(days=365)
            location = asked.get("location_id")
            if location is None and name != "refunds":
                location = self.main
            where = {"location_id": location} if location else {}
            return self._page(
                name, asked, CHANGED if by_change else "created", since=since,
                until=moment_of(asked, end), most=100, usual=100, **where,
                descending=asked.get("sort_order", "DESC") != "ASC",
            )  # fmt: skip

        return answer

    async def _orders(self, request: Request) -> Any:
        asked = await body_of(request)
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
            since=moment_of(span, "start_at"), until=moment_of(span, "end_at"),
            most=1000, usual=500, location_id=locations,
            descending=sort.get("sort_order", "DESC") != "ASC",
        )  # fmt: skip

    async def _batch(self, request: Request) -> Any:
        asked = await body_of(request)
        found = [self.entities["orders"].get(str(id_)) for id_ in asked.get("order_ids", [])]
        return {"orders": [record for record in found if record]}

    async def _customers(self, request: Request) -> Any:
        asked = request.query_params
        return self._page("customers", asked, "created", most=100, usual=100)

    async def _customer_search(self, request: Request) -> Any:
        asked = await body_of(request)
        query = asked.get("query") or {}
        given = query.get("filter") or {}
        by = CHANGED if "updated_at" in given else "created"
        span = given.get("updated_at") or given.get("created_at") or {}
        descending = (query.get("sort") or {}).get("order") == "DESC"
        return self._page(
            "customers", asked, by, since=moment_of(span, "start_at"),
            until=moment_of(span, "end_at"), most=100, usual=100, descending=descending,
        )  # fmt: skip

    async def _team(self, request: Request) -> Any:
        asked = await body_of(request)
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
        since = moment_of(asked, "start_at_min") or self.clock.now()
        until = moment_of(asked, "start_at_max") or since + _BOOKED_AHEAD
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
        size = limit_of(asked.get("limit"), most, usual)
        same = {k: str(v) for k, v in asked.items() if k not in ("cursor", "limit")}
        mark, of = opened(asked.get("cursor"), name, same)
        since, until = of or (since, until)
        found = self.entities[name].select(by, since=since, until=until, **question)
        records, following = found.after(mark, size)
        answer: dict[str, Any] = {}
        if records:
            answer[name] = records
        if following is not None:
            answer["cursor"] = sealed(following, name, same, (since, until))
        return answer
