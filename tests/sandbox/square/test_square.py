"""Square's own client runs its usual calls against the stand-in, and its specification holds."""

from __future__ import annotations

import base64
import hashlib
import random
import secrets
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import httpx2
import pytest
from square import Square
from square.core.api_error import ApiError
from square.utils.webhooks_helper import verify_signature
from tests.sandbox.vendors import small_books, validate

from meterstone.sandbox.kit import Books, Vendor, make, running

SPEC = "square.json"


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Books:
    return small_books(tmp_path_factory.mktemp("square"))


class Served:
    def __init__(self, vendor: Vendor, url: str) -> None:
        self.vendor, self.url = vendor, url
        self.token = vendor.listed[0].token
        self.own = httpx.Client(timeout=60)
        self.sdk = Square(base_url=url, token=self.token, httpx_client=self.own)
        self.http = httpx2.Client(
            base_url=url, headers={"authorization": f"Bearer {self.token}"}, timeout=10
        )

    def close(self) -> None:
        self.http.close()
        self.own.close()

    def locations(self) -> list[str]:
        return [str(location.id) for location in self.sdk.locations.list().locations or []]


@pytest.fixture(scope="module")
def square(books: Books) -> Iterator[Served]:
    vendor = make("square", books, 1)
    with running(vendor) as [url]:
        served = Served(vendor, url)
        yield served
        served.close()


@pytest.fixture
def fresh(books: Books) -> Iterator[Served]:
    """For tests that change something."""
    vendor = make("square", books, 1)
    with running(vendor) as [url]:
        served = Served(vendor, url)
        yield served
        served.close()


SINCE = "2026-01-01T00:00:00Z"


def test_the_client_lists_every_payment_once(square: Served, books: Books) -> None:
    seen = [
        payment.id
        for location in square.locations()
        for payment in square.sdk.payments.list(
            location_id=location, updated_at_begin_time=SINCE, sort_field="UPDATED_AT",
            sort_order="ASC", limit=37,
        )
    ]  # fmt: skip
    rows = books.rows("payment", "square")
    there = [
        id_
        for id_, gone in zip(rows.column("payment_id"), rows.retracted.to_pylist(), strict=True)
        if not gone
    ]
    assert sorted(map(str, seen)) == sorted(there)


def test_payments_of_no_location_are_those_of_the_main_one(square: Served) -> None:
    found = list(square.sdk.payments.list())
    assert len({payment.location_id for payment in found}) == 1
    assert len(found) > 100


def test_the_client_searches_orders(square: Served, books: Books) -> None:
    seen, cursor = [], None
    while True:
        page = square.sdk.orders.search(
            location_ids=square.locations(), limit=100, cursor=cursor,
            query={
                "filter": {"date_time_filter": {"updated_at": {"start_at": SINCE}}},
                "sort": {"sort_field": "UPDATED_AT", "sort_order": "ASC"},
            },
        )  # fmt: skip
        seen += page.orders or []
        cursor = page.cursor
        if cursor is None:
            break
    changed = [str(order.updated_at) for order in seen]
    assert changed == sorted(changed)
    assert (
        len({order.id for order in seen}) == len(seen) == len(books.rows("payment", "square")) - 1
    )  # the payment that was taken back


def test_the_client_lists_bookings_window_by_window(square: Served, books: Books) -> None:
    seen = set()
    start = datetime(2026, 6, 30, tzinfo=UTC)
    for nth in range(5):
        since = start + timedelta(days=31 * nth)
        until = since + timedelta(days=31)
        found = square.sdk.bookings.list(
            start_at_min=since.isoformat(), start_at_max=until.isoformat(), limit=50
        )
        seen |= {booking.id for booking in found}
    assert seen == set(books.rows("booking", "square").column("booking_id"))
    with pytest.raises(ApiError):
        list(square.sdk.bookings.list(start_at_min=SINCE, start_at_max="2026-09-01T00:00:00Z"))


def test_the_client_lists_the_rest(square: Served) -> None:
    found = square.sdk.customers.search(
        query={"filter": {"updated_at": {"start_at": SINCE}}}, limit=10
    )
    assert len(found.customers or []) == 10
    assert found.cursor
    assert len(list(square.sdk.customers.list())) == len(square.vendor.entities["customers"])
    location = square.locations()[0]
    team = square.sdk.team_members.search(
        query={"filter": {"location_ids": [location], "status": "ACTIVE"}}
    )
    assert len(team.team_members or []) == 4
    refunds = list(square.sdk.refunds.list(updated_at_begin_time=SINCE, sort_field="UPDATED_AT"))
    assert {refund.status for refund in refunds} <= {"COMPLETED"}
    payouts = list(square.sdk.payouts.list(location_id=square.locations()[1], begin_time=SINCE))
    assert payouts


def test_a_page_keeps_its_place_while_records_change(fresh: Served) -> None:
    locations = fresh.locations()
    body: dict[str, Any] = {
        "location_ids": locations, "limit": 10,
        "query": {"sort": {"sort_field": "UPDATED_AT", "sort_order": "ASC"}},
    }  # fmt: skip
    first = fresh.http.post("/v2/orders/search", json=body).json()
    moved = first["orders"][3]["id"]
    fresh.vendor.entities["orders"].edit(moved, {"ticket_name": "later"})
    second = fresh.http.post("/v2/orders/search", json=body | {"cursor": first["cursor"]}).json()
    ids = [order["id"] for order in first["orders"] + second["orders"]]
    assert len(set(ids)) == 20
    other = body | {"cursor": first["cursor"], "location_ids": locations[:1]}
    refused = fresh.http.post("/v2/orders/search", json=other)
    assert refused.json()["errors"][0]["code"] == "INVALID_CURSOR"


@pytest.mark.parametrize(
    ("method", "path", "body", "schema"),
    [
        ("GET", "/v2/locations", None, "ListLocationsResponse"),
        ("GET", "/v2/payments?begin_time=2026-01-01T00:00:00Z&location_id={location}", None,
         "ListPaymentsResponse"),
        ("GET", "/v2/refunds?begin_time=2026-01-01T00:00:00Z", None, "ListPaymentRefundsResponse"),
        ("POST", "/v2/orders/search", {"location_ids": ["{location}"]}, "SearchOrdersResponse"),
        ("POST", "/v2/customers/search", {}, "SearchCustomersResponse"),
        ("POST", "/v2/team-members/search", {}, "SearchTeamMembersResponse"),
        ("GET", "/v2/bookings?start_at_min=2026-08-01T00:00:00Z", None, "ListBookingsResponse"),
        ("GET", "/v2/payouts?begin_time=2026-01-01T00:00:00Z&location_id={location}", None,
         "ListPayoutsResponse"),
        ("POST", "/v2/webhooks/subscriptions", {"subscription": {
            "notification_url": "https://a.example/", "event_types": ["payment.updated"]}},
         "CreateWebhookSubscriptionResponse"),
        ("GET", "/v2/payments/none", None, "GetPaymentResponse"),
        ("GET", "/v2/payments?begin_time=yesterday", None, "ListPaymentsResponse"),
    ],
)  # fmt: skip
def test_answers_are_as_the_specification_says(
    square: Served, method: str, path: str, body: Any, schema: str
) -> None:
    location = square.locations()[1]
    if body and "location_ids" in body:
        body = {"location_ids": [location]}
    answer = square.http.request(method, path.format(location=location), json=body).json()
    assert answer
    validate(answer, schema, SPEC)


def test_a_refunded_payment_and_its_order_tell_the_same(square: Served, books: Books) -> None:
    row = next(r for r in books.rows("payment", "square").all if r["refund"] > 0)
    payment = square.http.get(f"/v2/payments/{row['payment_id']}").json()["payment"]
    order = square.http.get(f"/v2/orders/{payment['order_id']}").json()["order"]
    refund = square.http.get(f"/v2/refunds/{payment['refund_ids'][0]}").json()["refund"]
    amount = refund["amount_money"]
    taxed = row["refund"] * (1 + row["tax"] / (row["gross"] - row["discount"]))
    assert amount["amount"] == pytest.approx(taxed * 100, abs=1)
    assert payment["refunded_money"] == refund["amount_money"] == amount
    assert order["refunds"][0]["amount_money"] == amount
    assert order["total_money"] == payment["total_money"]


# sign-in


def code_for(served: Served, **more: str) -> str:
    assert served.vendor.client is not None
    answer = httpx2.post(
        f"{served.url}/oauth2/authorize",
        params={
            "client_id": served.vendor.client.id, "scope": "PAYMENTS_READ ORDERS_READ",
            "state": "s", "redirect_uri": "https://app.example/cb", **more,
        },
        data={"decision": "allow"},
    )  # fmt: skip
    back = httpx2.URL(answer.headers["location"])
    assert back.params["state"] == "s"
    return back.params["code"]


def test_the_client_signs_in_and_its_refresh_token_stays(square: Served) -> None:
    assert square.vendor.client is not None
    client = square.vendor.client
    got = square.sdk.o_auth.obtain_token(
        client_id=client.id, client_secret=client.secret, grant_type="authorization_code",
        code=code_for(square), redirect_uri="https://app.example/cb",
    )  # fmt: skip
    assert got.merchant_id == square.vendor.listed[0].id
    assert got.refresh_token_expires_at is None
    again = square.sdk.o_auth.obtain_token(
        client_id=client.id, client_secret=client.secret, grant_type="refresh_token",
        refresh_token=got.refresh_token,
    )  # fmt: skip
    assert again.refresh_token == got.refresh_token
    assert again.access_token != got.access_token
    signed_in = Square(base_url=square.url, token=str(again.access_token), httpx_client=square.own)
    assert list(signed_in.payments.list(begin_time=SINCE, limit=5)) is not None
    with pytest.raises(ApiError) as refused:  # locations were not asked for
        signed_in.locations.list()
    assert refused.value.status_code == 403


def test_with_pkce_a_refresh_token_works_once(square: Served) -> None:
    assert square.vendor.client is not None
    client = square.vendor.client
    verifier = secrets.token_urlsafe(40)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
    got = square.sdk.o_auth.obtain_token(
        client_id=client.id, grant_type="authorization_code", code_verifier=verifier,
        code=code_for(square, code_challenge=challenge.decode().rstrip("=")),
        redirect_uri="https://app.example/cb",
    )  # fmt: skip
    assert got.refresh_token_expires_at is not None
    first = {"client_id": client.id, "grant_type": "refresh_token"}
    again = square.http.post(
        "/oauth2/token", json=first | {"refresh_token": got.refresh_token}
    ).json()
    assert again["refresh_token"] != got.refresh_token
    validate(again, "ObtainTokenResponse", SPEC)
    reused = square.http.post("/oauth2/token", json=first | {"refresh_token": got.refresh_token})
    assert reused.status_code == 401


def test_a_token_that_was_revoked_is_refused(fresh: Served) -> None:
    assert fresh.vendor.client is not None
    client = fresh.vendor.client
    assert fresh.http.post("/oauth2/token/status").json()["merchant_id"]
    done = httpx2.post(
        f"{fresh.url}/oauth2/revoke", headers={"authorization": f"Client {client.secret}"},
        json={"client_id": client.id, "access_token": fresh.token},
    )  # fmt: skip
    assert done.json() == {"success": True}
    refused = fresh.http.get("/v2/locations")
    assert refused.status_code == 401
    assert refused.json()["errors"][0]["code"] == "ACCESS_TOKEN_REVOKED"
    assert httpx2.get(f"{fresh.url}/v2/locations").json()["errors"][0]["code"] == "UNAUTHORIZED"


def test_too_much_is_said_in_squares_form(fresh: Served) -> None:
    fresh.vendor.faults.switch_on("throttle")
    answer = fresh.http.get("/v2/locations")
    assert answer.status_code == 429
    assert answer.json()["errors"][0] == {
        "category": "RATE_LIMIT_ERROR", "code": "RATE_LIMITED", "detail": "Too many requests"
    }  # fmt: skip


def test_the_version_that_is_asked_for_is_said_back(square: Served) -> None:
    answer = square.http.get("/v2/locations", headers={"square-version": "2026-09-16"})
    assert answer.headers["square-version"] == "2026-09-16"
    assert square.http.get("/v2/locations").headers["square-version"] == "2025-08-20"


# webhooks


def test_webhooks_are_signed_as_squares_helper_wants_it(fresh: Served) -> None:
    taken: list[tuple[str, bytes]] = []
    enough = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            taken.append((self.headers["x-square-hmacsha256-signature"], body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()
            if len(taken) == 3:
                enough.set()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/hooks/square"
        made = fresh.sdk.webhooks.subscriptions.create(
            subscription={
                "name": "t", "notification_url": url,
                "event_types": ["order.updated", "payment.updated", "booking.updated"],
            }
        )  # fmt: skip
        key = str(made.subscription and made.subscription.signature_key)
        for name in ("orders", "payments", "bookings"):
            entity = fresh.vendor.entities[name]
            entity.edit(entity.id_at(0), {})
        assert enough.wait(60)
        server.shutdown()
    for signature, body in taken:
        assert verify_signature(
            request_body=body.decode(), signature_header=signature, signature_key=key,
            notification_url=url,
        )  # fmt: skip
        event = httpx2.Response(200, content=body).json()
        name = {
            "order": "OrderUpdatedEvent", "payment": "PaymentUpdatedEvent",
            "booking": "BookingUpdatedEvent",
        }[event["data"]["type"]]  # fmt: skip
        validate(event, name, SPEC)
        tampered = body.decode().replace("a", "b", 1)
        assert not verify_signature(
            request_body=tampered, signature_header=signature, signature_key=key,
            notification_url=url,
        )  # fmt: skip


def test_life_goes_on(fresh: Served) -> None:
    assert fresh.vendor.live is not None
    before = {name: len(e) for name, e in fresh.vendor.entities.items()}
    chance = random.Random(4)
    for _ in range(60):
        fresh.vendor.live.happen(chance)
    after = {name: len(e) for name, e in fresh.vendor.entities.items()}
    assert after["payments"] > before["payments"] + 20
    assert after["payments"] - before["payments"] == after["orders"] - before["orders"]
    assert after["bookings"] > before["bookings"]
    newest = fresh.vendor.entities["orders"].select(descending=True).page(0, 1)
    validate({"orders": newest}, "SearchOrdersResponse", SPEC)
    validate(
        {"refunds": fresh.vendor.entities["refunds"].select(descending=True).page(0, 3)},
        "ListPaymentRefundsResponse", SPEC,
    )  # fmt: skip
