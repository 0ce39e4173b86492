"""Limits, bulk jobs, outbound messages; and what the published descriptions say of all answers."""

from __future__ import annotations

import csv
import io
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import jsonschema
import pytest
from simple_salesforce.exceptions import SalesforceRefusedRequest
from tests.sandbox.salesforce.served import Served
from tests.sandbox.vendors import spec


def test_every_answer_says_how_much_of_the_day_is_used(fresh: Served) -> None:
    used = []
    for _ in range(3):
        fresh.sf.query("SELECT COUNT() FROM Lead")
        used.append(fresh.sf.api_usage["api-usage"])
    assert [u.total for u in used] == [100_000] * 3
    assert used[0].used < used[-1].used
    limits = fresh.sf.limits()["DailyApiRequests"]
    assert limits["Max"] - limits["Remaining"] >= used[-1].used


def test_too_many_requests_are_403_without_retry_after(fresh: Served) -> None:
    fresh.vendor.faults.switch_on("throttle", count=2)
    answer = fresh.http.get("/limits")
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (403, "REQUEST_LIMIT_EXCEEDED")
    assert "retry-after" not in answer.headers
    with pytest.raises(SalesforceRefusedRequest):
        fresh.sf.query("SELECT Id FROM Lead")


# -- bulk ------------------------------------------------------------------------------------------


def test_a_bulk_job_gives_what_the_query_gives(served: Served) -> None:
    query = "SELECT Id, IsClosed, Account.AccountNumber, CreatedDate FROM Opportunity"
    pages = list(served.sf.bulk2.Opportunity.query(query, max_records=3, wait=0))
    rows = [row for page in pages for row in csv.DictReader(io.StringIO(page))]
    records = served.sf.query_all(query)["records"]
    assert len(pages) == -(-len(records) // 3)
    assert [row["Id"] for row in rows] == [record["Id"] for record in records]
    assert [row["IsClosed"] for row in rows] == [str(r["IsClosed"]).lower() for r in records]
    assert rows[0]["Account.AccountNumber"] == records[0]["Account"]["AccountNumber"]


def test_a_bulk_job_can_be_aborted_and_deleted(served: Served) -> None:
    made = served.http.post(
        "/jobs/query", json={"operation": "query", "query": "SELECT Id FROM Case"}
    )
    job = made.json()["id"]
    assert served.http.get(f"/jobs/query/{job}/results").status_code == 404
    assert served.http.delete(f"/jobs/query/{job}").status_code == 400
    aborted = served.http.patch(f"/jobs/query/{job}", json={"state": "Aborted"})
    assert aborted.json()["state"] == "Aborted"
    assert served.http.delete(f"/jobs/query/{job}").status_code == 204
    assert served.http.get(f"/jobs/query/{job}").status_code == 404
    wrong = served.http.post(
        "/jobs/query", json={"operation": "query", "query": "SELECT COUNT() FROM Case"}
    )
    assert wrong.json()[0]["errorCode"] == "MALFORMED_QUERY"


# -- outbound messages -----------------------------------------------------------------------------


@pytest.mark.parametrize("acknowledges", [True, False])
def test_a_message_is_sent_until_it_is_acknowledged(fresh: Served, acknowledges: bool) -> None:
    got: list[bytes] = []
    ack = b"<e:Body><notificationsResponse><Ack>%s</Ack></notificationsResponse></e:Body>"

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["content-length"])))
            accepted = acknowledges or len(got) > 2
            body = ack % (b"true" if accepted else b"false")
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/"
        httpx2.post(f"{fresh.url}/_sandbox/webhooks", json={"url": url, "pace": 0.0001})
        made = fresh.sf.Lead.create({"LastName": "A & B", "Company": "Shop"})
        wait = threading.Event()
        assert fresh.vendor.sender is not None
        for _ in range(6000):
            if fresh.vendor.sender.state()["delivered"]:
                break
            wait.wait(0.01)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert len(got) == (1 if acknowledges else 3)
    assert len(set(got)) == 1  # the same notification, with the same id
    text = got[0].decode()
    assert f"<OrganizationId>{fresh.vendor.listed[0].id}</OrganizationId>" in text
    assert f"<sf:Id>{made['id']}</sf:Id>" in text
    assert "A &amp; B" in text


# -- specification ---------------------------------------------------------------------------------


def test_answers_are_as_the_descriptions_have_them(served: Served) -> None:
    def validate(value: Any, file: str, schema: str) -> None:
        document = spec(f"salesforce/{file}")
        jsonschema.Draft202012Validator(
            {"$ref": f"#/components/schemas/{schema}", "components": document["components"]}
        ).validate(value)

    def read(path: str, **params: str) -> Any:
        return served.http.get(path, params=params).json()

    for path in ("/query", "/queryAll"):
        result = read(path, q="SELECT FIELDS(ALL) FROM Opportunity LIMIT 50")
        validate(result, "salesforce-query-api-openapi.yml", "QueryResult")
    for wrong in (read("/query", q="SELECT"), read("/sobjects/Nothing")):
        for problem in wrong:
            validate(problem, "salesforce-query-api-openapi.yml", "Error")
    job = served.http.post(
        "/jobs/query", json={"operation": "queryAll", "query": "SELECT Id FROM Lead"}
    ).json()
    for told in (job, *(read(f"/jobs/query/{job['id']}") for _ in range(2))):
        validate(told, "salesforce-query-jobs-api-openapi.yml", "QueryJobInfo")
    for limit in read("/limits").values():
        assert set(limit) == {"Max", "Remaining"}
