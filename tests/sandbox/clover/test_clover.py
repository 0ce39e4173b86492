"""Clover has no client of its own for Python: its documented rules are held one by one, and the
third-party description of its records."""

from __future__ import annotations

import json
import queue
import random
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest
from tests.sandbox.vendors import small_books, validate

from meterstone.sandbox.kit import Books, Vendor, make, micros, running

SPEC = "clover.yaml"


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Books:
    return small_books(tmp_path_factory.mktemp("clover"))


class Served:
    def __init__(self, vendor: Vendor, url: str) -> None:
        self.vendor, self.url = vendor, url
        self.account = vendor.listed[0]
        self.http = httpx2.Client(
            base_url=f"{url}/v3/merchants/{self.account.id}", timeout=60,
            headers={"authorization": f"Bearer {self.account.token}"},
        )  # fmt: skip

    def walk(self, kind: str, *filters: str, expand: str = "", size: int = 50) -> list[Any]:
        seen: list[Any] = []
        while True:
            page = self.http.get(
                f"/{kind}",
                params={
                    "filter": list(filters), "limit": size, "offset": len(seen), "expand": expand
                },
            ).json()["elements"]  # fmt: skip
            seen += page
            if len(page) < size:
                return seen


@pytest.fixture(scope="module")
def clover(books: Books) -> Iterator[Served]:
    vendor = make("clover", books, 1)
    assert vendor.limits is not None
    vendor.limits.on = False
    with running(vendor) as [url]:
        served = Served(vendor, url)
        yield served
        served.http.close()


@pytest.fixture
def fresh(books: Books) -> Iterator[Served]:
    """With its limits, and for tests that change something."""
    vendor = make("clover", books, 1)
    with running(vendor) as [url]:
        served = Served(vendor, url)
        yield served
        served.http.close()


def ms(text: str) -> int:
    return micros(datetime.fromisoformat(f"{text}T00:00:00+00:00")) // 1000


def test_windows_of_ninety_days_hold_every_payment(clover: Served, books: Books) -> None:
    seen = []
    for start in ("2026-05-01", "2026-07-30"):
        since = ms(start)
        until = since + 90 * 86_400_000
        seen += clover.walk("payments", f"createdTime>={since}", f"createdTime<{until}")
    expected = [
        row["payment_id"]
        for row in books.rows("payment", "clover").all
        if row["franchise_id"] == clover.account.franchise_id
    ]
    assert sorted(p["id"] for p in seen) == sorted(expected)


def test_a_longer_window_is_cut_without_a_word(clover: Served) -> None:
    until = ms("2026-10-01")
    whole = clover.walk("payments", f"createdTime>={ms('2026-01-01')}", f"createdTime<{until}")
    assert min(p["createdTime"] for p in whole) >= until - 90 * 86_400_000
    assert clover.walk("payments") == [
        p for p in clover.walk("payments") if p["createdTime"] >= micros(
            clover.vendor.clock.now() - timedelta(days=90)
        ) // 1000
    ]  # fmt: skip


def test_filters_are_said_and_others_refused(clover: Served) -> None:
    answer = clover.http.get("/customers")
    allowed = answer.headers["x-clover-allowed-filter-fields"]
    assert "customerSince" in allowed
    assert "modifiedTime" not in allowed
    refused = clover.http.get("/customers", params={"filter": "modifiedTime>=0"})
    assert refused.status_code == 400
    assert clover.http.get("/items", params={"filter": "hidden=false"}).json()["elements"]
    assert not clover.http.get("/items", params={"filter": "hidden=true"}).json()["elements"]


@pytest.mark.parametrize(
    ("kind", "schema"),
    [("payments", "Payment"), ("orders", "Order"), ("customers", "Customer"),
     ("employees", "Employee"), ("items", "Item")],
)  # fmt: skip
def test_records_are_as_they_are_described(clover: Served, kind: str, schema: str) -> None:
    filters = [f"createdTime>={ms('2026-08-01')}", f"createdTime<{ms('2026-10-01')}"]
    found = clover.walk(kind, *(filters if kind in ("payments", "orders") else ()))
    assert found
    for record in found[:50]:
        validate(record, schema, SPEC)
    one = clover.http.get(f"/{kind}/{found[0]['id']}").json()
    assert one == found[0]


def test_what_is_expanded_comes_as_elements(clover: Served) -> None:
    filters = (f"createdTime>={ms('2026-08-01')}", f"createdTime<{ms('2026-10-01')}")
    plain, *_ = clover.walk("orders", *filters)
    assert not {"payments", "discounts", "lineItems"} & set(plain)
    order, *_ = clover.walk("orders", *filters, expand="payments,discounts,refunds")
    assert order["payments"]["elements"][0]["order"] == {"id": order["id"]}
    items = clover.http.get(f"/orders/{order['id']}/line_items").json()["elements"]
    discount = sum(d["amount"] for d in order["discounts"]["elements"])
    tax = order["payments"]["elements"][0]["taxAmount"]
    assert sum(i["price"] for i in items) + discount + tax == order["total"]


def test_a_merchant_sees_its_own_records_only(clover: Served) -> None:
    other = clover.vendor.listed[1]
    elsewhere = httpx2.get(
        f"{clover.url}/v3/merchants/{other.id}/payments",
        headers={"authorization": f"Bearer {clover.account.token}"},
    )
    assert elsewhere.status_code == 401
    theirs = next(
        p for p in clover.vendor.entities["payments"].select().page(0, 1000)
        if p["merchant"]["id"] == other.id
    )  # fmt: skip
    assert clover.http.get(f"/payments/{theirs['id']}").status_code == 404


def test_sign_in_by_json_and_refresh_tokens_that_work_once(clover: Served) -> None:
    assert clover.vendor.client is not None
    client = clover.vendor.client
    other = clover.vendor.listed[1]
    allowed = httpx2.post(
        f"{clover.url}/oauth/v2/authorize",
        params={"client_id": client.id, "redirect_uri": "https://a.example/cb", "state": "s"},
        data={"decision": "allow", "account": other.id},
    )
    back = httpx2.URL(allowed.headers["location"]).params
    assert back["merchant_id"] == other.id
    assert back["employee_id"]
    token_url = f"{clover.url}/oauth/v2/token"
    asked = {"client_id": client.id, "client_secret": client.secret, "code": back["code"]}
    got = httpx2.post(token_url, json=asked).json()
    assert set(got) == {
        "access_token", "access_token_expiration", "refresh_token", "refresh_token_expiration"
    }  # fmt: skip
    assert got["access_token_expiration"] > micros(clover.vendor.clock.now()) // 1_000_000
    renew = {"client_id": client.id, "refresh_token": got["refresh_token"]}
    again = httpx2.post(f"{clover.url}/oauth/v2/refresh", json=renew).json()
    assert again["refresh_token"] != got["refresh_token"]
    assert httpx2.post(f"{clover.url}/oauth/v2/refresh", json=renew).status_code == 401
    profile = httpx2.get(
        f"{clover.url}/v3/merchants/{other.id}",
        headers={"authorization": f"Bearer {again['access_token']}"},
    )
    assert profile.json()["name"] == other.franchise_id


def test_limits_are_told_and_held(fresh: Served) -> None:
    fresh.vendor.clock.monotonic = lambda: 0.0  # no time passes, so nothing fills again
    answers = [fresh.http.get("/items") for _ in range(30)]
    assert answers[0].headers["x-ratelimit-tokenlimit"] == "16"
    assert answers[0].headers["x-ratelimit-crosstokenconcurrentlimit"] == "10"
    refused = [a for a in answers if a.status_code == 429]
    assert len(refused) == 14
    assert "retry-after" not in refused[0].headers  # only with the bounds of concurrency


def test_webhooks_name_the_record_after_the_address_was_verified(fresh: Served) -> None:
    taken: queue.Queue[tuple[str | None, Any]] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            taken.put((self.headers["x-clover-auth"], json.loads(body)))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        hook = f"http://127.0.0.1:{server.server_address[1]}/hooks/clover"
        made = httpx2.post(f"{fresh.url}/_sandbox/webhooks", json={"url": hook}).json()
        auth, verification = taken.get(timeout=60)
        assert auth is None
        payments = fresh.vendor.entities["payments"]
        payments.edit(payments.id_at(0), {})  # nothing is sent before the code came back
        confirm = f"{fresh.url}/_sandbox/webhooks/{made['id']}/confirm"
        assert httpx2.post(confirm, json={"code": "wrong"}).status_code == 400
        code = verification["verificationCode"]
        assert httpx2.post(confirm, json={"code": code}).json() == {"enabled": True}
        id_ = payments.id_at(1)
        payments.edit(id_, {"note": "late"})
        auth, event = taken.get(timeout=60)
        server.shutdown()
    assert auth == made["secret"]
    [(merchant, [told])] = event["merchants"].items()
    assert (told["objectId"], told["type"]) == (f"P:{id_}", "UPDATE")
    assert merchant == (payments.get(id_) or {})["merchant"]["id"]
    assert taken.empty()


def test_life_goes_on(fresh: Served) -> None:
    assert fresh.vendor.live is not None
    before = len(fresh.vendor.entities["orders"])
    chance = random.Random(2)
    for _ in range(60):
        fresh.vendor.live.happen(chance)
    orders = fresh.vendor.entities["orders"]
    assert len(orders) > before + 40
    refunded = [o for o in orders.select().page(0, len(orders)) if o["refunds"]["elements"]]
    assert any(o["paymentState"] == "REFUNDED" for o in refunded)
