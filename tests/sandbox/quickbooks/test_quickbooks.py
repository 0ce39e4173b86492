"""Intuit's own sign-in client and python-quickbooks run their usual calls against the stand-in."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import jsonschema
import pytest
from intuitlib.client import AuthClient
from intuitlib.enums import Scopes
from intuitlib.exceptions import AuthClientError
from quickbooks import QuickBooks
from quickbooks.cdc import change_data_capture
from quickbooks.exceptions import (
    AuthorizationException,
    ObjectNotFoundException,
    QuickbooksException,
    ValidationException,
)
from quickbooks.objects import Account, Customer, Department, Invoice, Payment, Purchase
from tests.sandbox.vendors import small_books, spec

from meterstone.sandbox.kit import Books, Clock, Vendor, running
from meterstone.sandbox.quickbooks import vendor as make

REDIRECT = "http://localhost:9/callback"
SPEC = "quickbooks-accounting.yaml"


class Time:
    """Real time, which a test may move."""

    def __init__(self) -> None:
        self.passed = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.passed


class Served:
    """A stand-in with the clients of it."""

    def __init__(self, vendor: Vendor, url: str, time: Time) -> None:
        self.vendor, self.url, self.time = vendor, url, time
        self.realm = vendor.listed[0].id
        self.http = httpx2.Client(
            base_url=f"{url}/v3/company/{self.realm}", timeout=60,
            headers={"authorization": f"Bearer {vendor.listed[0].token}"},
        )  # fmt: skip

    def auth(self, **more: Any) -> AuthClient:
        client = self.vendor.client
        assert client is not None
        made = AuthClient(
            client.id, client.secret, REDIRECT,
            f"{self.url}/.well-known/openid_sandbox_configuration/", **more,
        )  # fmt: skip
        made.environment = "sandbox"
        return made

    def allowed(self) -> tuple[AuthClient, dict[str, list[str]]]:
        """Signed in as a person does it: consent page, redirect, code."""
        auth = self.auth()
        address = auth.get_authorization_url([Scopes.ACCOUNTING])
        back = httpx2.post(address, data={"decision": "allow"}, follow_redirects=False)
        query = parse_qs(urlsplit(back.headers["location"]).query)
        assert query["state"] == [auth.state_token]
        auth.get_bearer_token(query["code"][0], realm_id=query["realmId"][0])
        return auth, query

    def client(self) -> QuickBooks:
        return self.own(self.auth(access_token=self.vendor.listed[0].token))

    def own(self, auth: AuthClient) -> QuickBooks:
        """The client of a sign-in, led here."""
        made = QuickBooks(
            auth_client=auth, refresh_token=auth.refresh_token, company_id=self.realm,
            minorversion=75,
        )  # fmt: skip
        made.sandbox_api_url_v3 = f"{self.url}/v3"
        return made

    def query(self, text: str) -> Any:
        return self.http.get("/query", params={"query": text}).json()


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Books:
    return small_books(tmp_path_factory.mktemp("quickbooks"))


def _serve(books: Books) -> Iterator[Served]:
    time = Time()
    vendor = make(books, 1, Clock(time.now))
    assert vendor.limits is not None
    vendor.limits.on = False
    with running(vendor) as [url], pytest.MonkeyPatch.context() as patch:
        patch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
        made = Served(vendor, url, time)
        yield made
        made.http.close()


@pytest.fixture(scope="module")
def served(books: Books) -> Iterator[Served]:
    yield from _serve(books)


@pytest.fixture
def fresh(books: Books) -> Iterator[Served]:
    """For tests that change something."""
    yield from _serve(books)


# -- sign-in ---------------------------------------------------------------------------------------


def test_the_sign_in_client_gets_tokens_by_the_discovery_document(served: Served) -> None:
    auth, query = served.allowed()
    assert query["realmId"] == [served.realm]
    assert auth.expires_in == 3600
    assert auth.x_refresh_token_expires_in == 100 * 86_400
    assert auth.realm_id == served.realm
    counted = served.query("select count(*) from Customer")["QueryResponse"]["totalCount"]
    assert len(Customer.all(qb=served.own(auth))) == counted


def test_a_code_is_good_once(served: Served) -> None:
    auth, query = served.allowed()
    with pytest.raises(AuthClientError) as refused:
        auth.get_bearer_token(query["code"][0])
    assert "invalid_grant" in str(refused.value)


def test_a_refresh_token_changes_after_a_day_and_the_old_one_is_dead(fresh: Served) -> None:
    auth, _ = fresh.allowed()
    first, access = auth.refresh_token, auth.access_token
    fresh.time.passed = timedelta(minutes=59)
    auth.refresh()
    assert auth.refresh_token == first
    assert auth.access_token != access
    fresh.time.passed = timedelta(hours=25)
    auth.refresh()
    assert auth.refresh_token != first
    with pytest.raises(AuthClientError, match="invalid_grant"):
        auth.refresh(refresh_token=first)


def test_an_access_token_lives_an_hour(fresh: Served) -> None:
    client = fresh.client()
    assert Account.all(qb=client)
    fresh.time.passed = timedelta(minutes=61)
    with pytest.raises(AuthorizationException):
        Account.all(qb=client)


def test_what_was_revoked_is_refused(fresh: Served) -> None:
    auth, _ = fresh.allowed()
    assert auth.revoke(token=auth.refresh_token)
    with pytest.raises(AuthClientError):
        auth.refresh()


@pytest.mark.parametrize("header", ["", "Basic %%%", "Basic bm9ib2R5Om5vdGhpbmc=", "Bearer x"])
def test_a_stranger_gets_no_token(served: Served, header: str) -> None:
    answer = httpx2.post(
        f"{served.url}/oauth2/v1/tokens/bearer",
        data={"grant_type": "refresh_token", "refresh_token": "x"},
        headers={"authorization": header} if header else {},
    )
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


# -- reading ---------------------------------------------------------------------------------------


def test_the_client_pages_through_all_invoices_once(served: Served, books: Books) -> None:
    client, seen, start = served.client(), [], 1
    while page := Invoice.all(start_position=start, max_results=17, qb=client):
        seen += [invoice.Id for invoice in page]
        start += 17
    assert (
        len(seen)
        == len(set(seen))
        == Invoice.count(qb=client)
        == len(served.vendor.entities["Invoice"])
    )
    lines = books.rows("invoice", "quickbooks")
    assert len(seen) == len(lines) - sum(lines.retracted.to_pylist())


def test_the_client_filters(served: Served) -> None:
    client = served.client()
    unpaid = Invoice.where("Balance > '0'", order_by="DocNumber", max_results=1000, qb=client)
    numbers = [i.DocNumber for i in unpaid]
    assert numbers
    assert numbers == sorted(numbers, key=str.casefold)
    everything = Invoice.all(max_results=1000, qb=client)
    assert len(unpaid) == sum(i.Balance > 0 for i in everything)
    shop = Department.filter(Name="F0001", qb=client)[0]
    assert Department.get(shop.Id, qb=client).Name == "F0001"
    named = Customer.choose(["K0001", "K0002"], field="DisplayName", qb=client)
    assert {c.DisplayName for c in named} == {"K0001", "K0002"}


def test_an_invoice_is_what_was_billed(served: Served, books: Books) -> None:
    rows = {r["invoice_line_id"]: r for r in books.rows("invoice", "quickbooks").all}
    credited = next(r for r in rows.values() if r["credited"] and r["status"] != "void")
    client = served.client()
    found = Invoice.filter(DocNumber=credited["invoice_id"], qb=client)
    [invoice] = [
        i for i in found if f"(ref {credited['invoice_line_id']}," in i.Line[0].Description
    ]
    assert invoice.TotalAmt == pytest.approx(credited["amount"] - credited["credited"])
    void = next(r for r in rows.values() if r["status"] == "void")
    [voided] = Invoice.filter(DocNumber=void["invoice_id"], qb=client)
    assert (voided.TotalAmt, voided.Balance, voided.PrivateNote) == (0, 0, "Voided")


def test_what_does_not_exist_is_refused_by_its_code(served: Served) -> None:
    client = served.client()
    with pytest.raises(ObjectNotFoundException):
        Invoice.get(987_654, qb=client)
    with pytest.raises(ValidationException):
        client.query("select * from Invoice maxresults 1001")
    for wrong in (
        "select", "select * from Nothing", "select * from Invoice where", "drop table x",
        "select * from Invoice where Id = 'x", "select * from Invoice startposition 0",
    ):  # fmt: skip
        answer = served.http.get("/query", params={"query": wrong})
        assert answer.status_code == 400
        assert answer.json()["Fault"]["Error"][0]["code"] == "4000"


def test_another_company_is_refused(served: Served) -> None:
    token = served.http.headers["authorization"]
    answer = httpx2.get(
        f"{served.url}/v3/company/1/companyinfo/1", headers={"authorization": token}
    )
    assert answer.status_code == 403


def test_every_answer_has_a_trace_id(served: Served) -> None:
    ids = [served.http.get(f"/companyinfo/{served.realm}").headers["intuit_tid"] for _ in range(2)]
    assert len(set(ids)) == 2


def test_limits_are_those_of_intuit(books: Books) -> None:
    vendor = make(books, 1, Clock(monotonic=lambda: 0.0))  # time stands still: nothing refills
    with running(vendor) as [url]:
        account = vendor.listed[0]
        headers = {"authorization": f"Bearer {account.token}"}
        with httpx2.Client(headers=headers) as http:
            path = f"{url}/v3/company/{account.id}/companyinfo/{account.id}"
            answers = [http.get(path) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    refused = answers[-1]
    assert "retry-after" not in refused.headers
    assert refused.json()["Fault"]["Error"][0]["code"] == "3001"


# -- changes ---------------------------------------------------------------------------------------


def test_change_data_capture_tells_what_changed_and_what_was_deleted(fresh: Served) -> None:
    client = fresh.client()
    since = fresh.time.now().isoformat(timespec="seconds")
    assert not hasattr(change_data_capture([Invoice, Customer], since, qb=client), "Invoice")
    first, second = Invoice.all(max_results=2, qb=client)
    first.PrivateNote = "seen"
    first.save(qb=client)
    second.delete(qb=client)
    told = change_data_capture([Invoice, Customer], since, qb=client)
    states = {i.Id: getattr(i, "status", "there") for i in told.Invoice}
    assert states == {first.Id: "there", second.Id: "Deleted"}
    old = (fresh.time.now() - timedelta(days=31)).isoformat()
    with pytest.raises(ValidationException):
        client.change_data_capture("Invoice", old)


def test_a_stale_sync_token_is_refused(fresh: Served) -> None:
    client = fresh.client()
    [mine] = Invoice.all(max_results=1, qb=client)
    [theirs] = Invoice.all(max_results=1, qb=client)
    theirs.PrivateNote = "first"
    theirs.save(qb=client)
    mine.PrivateNote = "second"
    with pytest.raises(QuickbooksException) as refused:
        mine.save(qb=client)
    assert refused.value.error_code == 5010
    assert Invoice.get(mine.Id, qb=client).PrivateNote == "first"


def test_a_payment_closes_its_invoice(fresh: Served) -> None:
    client = fresh.client()
    invoice = Invoice.where("Balance > '0'", max_results=1, qb=client)[0]
    linked = {"Amount": invoice.Balance, "LinkedTxn": [{"TxnId": invoice.Id, "TxnType": "Invoice"}]}
    answer = fresh.http.post("/payment", json={
        "CustomerRef": {"value": invoice.CustomerRef.value}, "TotalAmt": invoice.Balance,
        "Line": [linked],
    })  # fmt: skip
    assert answer.status_code == 200
    again = Invoice.get(invoice.Id, qb=client)
    assert again.Balance == 0
    paid = Payment.get(answer.json()["Payment"]["Id"], qb=client)
    assert again.LinkedTxn[-1].TxnId == paid.Id
    assert paid.TotalAmt == invoice.Balance


def test_new_records_need_their_fields_and_a_name_of_their_own(fresh: Served) -> None:
    missing = fresh.http.post("/invoice", json={"CustomerRef": {"value": "1"}})
    assert missing.json()["Fault"]["Error"][0]["code"] == "2020"
    taken = fresh.http.post("/customer", json={"DisplayName": "k0001"})
    assert taken.json()["Fault"]["Error"][0]["code"] == "6240"
    client = fresh.client()
    customer = Customer()
    customer.DisplayName = "New one"
    assert Customer.get(customer.save(qb=client).Id, qb=client).Active is True


# -- report ----------------------------------------------------------------------------------------


def _total(report: Any, group: str, column: int = -1) -> Decimal:
    [row] = [row for row in report["Rows"]["Row"] if row["group"] == group]
    return Decimal(row["Summary"]["ColData"][column]["value"])


def test_profit_and_loss_are_sums_of_the_books(served: Served, books: Books) -> None:
    first, last = "2026-08-01", "2026-08-31"
    client = served.client()
    report = client.get_report(
        "ProfitAndLoss",
        {"start_date": first, "end_date": last, "summarize_column_by": "Month"},
    )
    invoices = [i for i in Invoice.all(max_results=1000, qb=client) if first <= i.TxnDate <= last]
    billed = sum(Decimal(str(i.TotalAmt)) * Decimal(str(i.ExchangeRate)) for i in invoices)
    sold = Decimal(0)
    payments = books.rows("payment")
    for row, gone in zip(payments.all, payments.retracted.to_pylist(), strict=True):
        if row["status"] == "completed" and not gone and f"{row['paid_at']:%Y-%m}" == "2026-08":
            sold += Decimal(str(round(row["gross"] - row["discount"] - row["refund"], 2)))
    assert _total(report, "Income") == pytest.approx(billed + sold, abs=Decimal("0.05"))
    spent = [p for p in Purchase.all(max_results=1000, qb=client) if first <= p.TxnDate <= last]
    costs = sum(Decimal(str(p.TotalAmt)) for p in spent)
    written_off = sum(
        Decimal(str(i.TotalAmt)) for i in invoices if (i.PrivateNote or "").startswith("Written")
    )
    assert _total(report, "COGS") + _total(report, "Expenses") == costs + written_off
    assert _total(report, "NetIncome") == (
        _total(report, "Income") - _total(report, "COGS") - _total(report, "Expenses")
    )
    months = client.get_report("ProfitAndLoss", {
        "start_date": "2026-07-01", "end_date": "2026-09-30", "summarize_column_by": "Month",
    })  # fmt: skip
    assert _total(months, "Income", 2) == _total(report, "Income")
    shops = client.get_report("ProfitAndLoss", {
        "start_date": first, "end_date": last, "summarize_column_by": "Departments",
    })  # fmt: skip
    assert _total(shops, "NetIncome") == _total(report, "NetIncome")


# -- webhooks --------------------------------------------------------------------------------------


@pytest.fixture
def inbox() -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    got: list[tuple[dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name is given
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", got
    server.shutdown()
    thread.join()
    server.server_close()


def _wait(served: Served, count: int) -> None:
    """Until the sender has delivered so many."""
    done = threading.Event()
    for _ in range(6000):
        assert served.vendor.sender is not None
        if served.vendor.sender.state()["delivered"] >= count:
            return
        done.wait(0.01)
    raise AssertionError(served.vendor.sender.state())


@pytest.mark.parametrize("form", ["cloudevents", "legacy"])
def test_a_change_is_told_with_a_signature_that_the_client_accepts(
    fresh: Served, inbox: tuple[str, list[tuple[dict[str, str], bytes]]], form: str
) -> None:
    url, got = inbox
    httpx2.post(f"{fresh.url}/_sandbox/webhooks", json={"url": url, "secret": "verifier"})
    httpx2.post(f"{fresh.url}/_sandbox/webhook_form", json={"form": form})
    client = fresh.client()
    [invoice] = Invoice.all(max_results=1, qb=client)
    invoice.void(qb=client)
    _wait(fresh, 1)
    headers, body = got[0]
    assert client.validate_webhook_signature(body.decode(), headers["intuit-signature"], "verifier")
    content = json.loads(body)
    if form == "cloudevents":
        [event] = content
        assert event["type"] == "qbo.invoice.voided.v1"
        assert (event["intuitentityid"], event["intuitaccountid"]) == (invoice.Id, fresh.realm)
    else:
        described = spec("quickbooks-webhooks-2.asyncapi.yaml")["components"]
        jsonschema.Draft202012Validator(
            {"$ref": "#/components/schemas/WebhookNotification", "components": described}
        ).validate(content)
        [told] = content["eventNotifications"]
        [entity] = told["dataChangeEvent"]["entities"]
        assert (told["realmId"], entity["id"], entity["operation"]) == (
            fresh.realm, invoice.Id, "Void",
        )  # fmt: skip


# -- specification ---------------------------------------------------------------------------------


@pytest.mark.parametrize("entity", ["Invoice", "Customer", "Payment", "Item"])
def test_records_are_as_the_description_has_them(served: Served, entity: str) -> None:
    document = spec(SPEC)
    schema = {"$ref": f"#/components/schemas/{entity}", "components": document["components"]}
    validator = jsonschema.Draft202012Validator(schema)
    records = served.query(f"select * from {entity} maxresults 1000")["QueryResponse"][entity]
    assert records
    for record in records:
        validator.validate(record)
