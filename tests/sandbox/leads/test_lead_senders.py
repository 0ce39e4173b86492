"""Fransmart and IFPG: whichever way a lead comes (CSV link, mail, webhook), the mapping gives the
simulated rows back; IFPG's feed and lead form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import httpx2
import pytest
from standardwebhooks.webhooks import Webhook
from tests.connect.leads_truth import comparable, mapped, simulated

from meterstone.connect.ifpg.feed import Feed, FeedError
from meterstone.sandbox.kit import Books, Vendor, make, running

SENDERS = ["fransmart", "ifpg"]


class Served:
    def __init__(self, made: Vendor, url: str) -> None:
        self.vendor, self.url, self.told = made, url, made.credentials(url)
        self.http = httpx2.Client(base_url=url)

    @property
    def token(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.told['token']}"}


@pytest.fixture(params=SENDERS)
def served(request: pytest.FixtureRequest, books: Books) -> Iterator[Served]:
    yield from serving(request.param, books)


@pytest.fixture
def ifpg(books: Books) -> Iterator[Served]:
    yield from serving("ifpg", books)


def serving(name: str, books: Books) -> Iterator[Served]:
    made = make(name, books, 1)
    with running(made) as [url]:
        held = Served(made, url)
        with held.http:
            yield held


def test_the_csv_behind_the_link_gives_the_simulated_rows(served: Served, books: Books) -> None:
    name = served.vendor.name
    body = served.http.get("/leads.csv", headers=served.token).content
    rows, rejects = mapped(name, "leads", body)
    assert rejects == []
    assert comparable(rows, "deal") == simulated(books, "deal", name)
    assert len(rows) >= 4


def test_the_mails_give_the_simulated_rows(served: Served, books: Books) -> None:
    name, rows = served.vendor.name, []
    for mail in served.http.get("/_sandbox/mailbox").json():
        found, rejects = mapped(name, "leads", mail.encode(), medium="mail")
        assert rejects == []
        rows += found
    assert comparable(rows, "deal") == simulated(books, "deal", name)


@pytest.mark.parametrize("name", SENDERS)
def test_a_piece_of_thriving_comes_back_too(thriving: Books, name: str) -> None:
    for served in serving(name, thriving):
        body = served.http.get("/leads.csv", headers=served.token).content
        truth = simulated(thriving, "deal", name)
        assert comparable(mapped(name, "leads", body)[0], "deal") == truth
        assert truth.total() >= 10


def test_the_link_wants_its_token(served: Served) -> None:
    assert served.http.get("/leads.csv").status_code == 401
    wrong = {"authorization": "Bearer wrong"}
    assert served.http.get("/leads.csv", headers=wrong).status_code == 401


def test_a_change_is_told_by_a_signed_webhook(served: Served) -> None:
    got, bodies = Event(), list[tuple[bytes, dict[str, str]]]()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            bodies.append((body, {k.lower(): v for k, v in self.headers.items()}))
            self.send_response(204)
            self.end_headers()
            got.set()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/"
    secret = "whsec_c2VjcmV0IG9mIGEgdGVzdCBvZiBvdXJz"  # noqa: S105
    served.http.post("/_sandbox/webhooks", json={"url": url, "secret": secret})
    [record] = served.vendor.entities["lead"].select().page(0, 1)
    fields = {"stage": "won", "outcome": "won", "stage_at": "2026-11-03T10:00:00Z"}
    edit = {"id": record["lead_id"], "fields": fields}
    assert served.http.post("/_sandbox/records/lead", json=edit).status_code == 200
    assert got.wait(60)
    server.shutdown()
    server.server_close()
    body, headers = bodies[0]
    Webhook(secret).verify(body, headers)
    told = json.loads(body)
    assert told["type"] == "lead.changed"
    assert told["data"]["lead_id"] == record["lead_id"]
    assert told["data"]["outcome"] == "won"


def feed_of(served: Served, **other: str) -> Feed:
    given = {name: served.told[name] for name in ("broker_id", "broker_secret")}
    return Feed(served.http.get, **{**given, **other}, base_url=served.url)


def test_the_feed_tells_industries_and_companies(ifpg: Served) -> None:
    feed = feed_of(ifpg)
    industries = feed.industries()
    assert industries["beauty-hair"] == "Beauty & Hair"
    listed = [company for industry in industries for company in feed.companies(industry)]
    assert len({company.id for company in listed}) == len(listed) == 6
    assert set(feed.companies("featured")) <= set(listed)
    assert feed.company(listed[0].url_name)["company_name"] == listed[0].name


def test_the_feed_refuses_a_wrong_secret_and_says_nothing_of_it(ifpg: Served) -> None:
    feed = feed_of(ifpg, broker_secret="guessed")  # noqa: S106
    with pytest.raises(FeedError) as refused:
        feed.industries()
    assert "refuses" in str(refused.value)
    assert "guessed" not in str(refused.value) + repr(feed)
    with pytest.raises(FeedError, match="refuses"):
        feed_of(ifpg).company("no-such-company")


@pytest.mark.parametrize("body", [b"<html>", b"", b"{}", b"7"])
def test_a_feed_that_answers_something_else_is_an_error(body: bytes) -> None:
    answer = httpx2.Response(200, content=body)
    feed = Feed(lambda _url: answer, "1", "s")
    with pytest.raises(FeedError):
        feed.industries()


def test_the_lead_form_makes_a_lead_a_company(ifpg: Served) -> None:
    before = len(ifpg.vendor.entities["lead"])
    form = {
        "broker_franchise_id": ifpg.told["broker_id"], "return_url": "https://example.org/?a=1",
        "company_ids[]": ["1701", "1702"], "fname": "A", "lname": "B", "email": "a@example.org",
        "capital": "11", "timeframe": "1-3 Months",
    }  # fmt: skip
    answer = ifpg.http.post("/company/post_multiple_leads", data=form)
    assert answer.status_code == 302
    assert answer.headers["location"] == "https://example.org/?a=1&thank_you=1"
    assert len(ifpg.vendor.entities["lead"]) == before + 2
    rows, rejects = mapped("ifpg", "leads", ifpg.http.get("/leads.csv", headers=ifpg.token).content)
    assert rejects == []
    assert len([row for row in rows if row["deal_id"].startswith("form-")]) == 2
