"""FranConnect's stand-in: its quirks, and that the mapping gives the simulated rows back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from tests.connect.leads_truth import comparable, mapped, simulated

from meterstone.connect.catalogue import connectors
from meterstone.sandbox.franconnect import vendor
from meterstone.sandbox.franconnect.records import own
from meterstone.sandbox.kit import Books, Vendor, running
from meterstone.sandbox.kit.xml import parse_xml

RETRIEVE = "/fc/rest/dataservices/retrieve"


class Served:
    def __init__(self, made: Vendor, url: str) -> None:
        self.vendor, self.url, self.told = made, url, made.credentials(url)
        self.http = httpx2.Client(
            base_url=url, headers={"authorization": f"Bearer {self.told['token']}"}
        )

    def ask(self, call: str = "retrieve", **form: Any) -> Any:
        given = {"responseType": "JSON", **form}
        answer = self.http.post(f"/fc/rest/dataservices/{call}", data=given)
        assert answer.status_code == 200
        return answer.json()["fcResponse"]

    def leads(self, filter_: str = "", **form: Any) -> Any:
        xml = f"<fcRequest><filter>{filter_}</filter></fcRequest>" if filter_ else ""
        return self.ask(module="fs", subModule="lead", filterXML=xml, **form)


@pytest.fixture
def served(books: Books) -> Iterator[Served]:
    made = vendor(books, 1)
    with running(made) as [url]:
        held = Served(made, url)
        yield held
        held.http.close()


def pages(served: Served, stream: str) -> Iterator[bytes]:
    """All pages of a stream, asked for as the connector file says."""
    spec = connectors()["franconnect"].streams[stream]
    assert spec.request is not None
    paging: Any = spec.paging
    offset = 0
    while True:
        form = {**spec.request.form, "offset": offset, "limit": 7}
        answer = served.http.post(spec.request.path, data=form)
        yield answer.content
        if answer.json()["fcResponse"]["pagination"]["hasMoreRecords"] == "false":
            return
        assert (paging.to, paging.size_to) == ("form.offset", "form.limit")
        offset += 7


STREAMS = [
    ("leads", "deal"),
    ("franchisees", "franchise"),
    ("agreements", "franchise_contract"),
    ("territories", "territory"),
]


@pytest.mark.parametrize(("stream", "fact"), STREAMS)
def test_every_simulated_row_comes_back(
    served: Served, books: Books, stream: str, fact: str
) -> None:
    rows = []
    for page in pages(served, stream):
        found, rejects = mapped("franconnect", stream, page)
        assert rejects == []
        rows += found
    truth = simulated(books, fact, "franconnect")
    assert comparable(rows, fact) == truth
    assert truth.total() >= 5
    assert {row["source"] for row in rows} == {"franconnect"}


def test_a_piece_of_thriving_comes_back_too(thriving: Books) -> None:
    made = vendor(thriving, 1)
    with running(made) as [url]:
        held = Served(made, url)
        with held.http:
            for stream, fact in STREAMS:
                rows = [
                    row for page in pages(held, stream)
                    for row in mapped("franconnect", stream, page)[0]
                ]  # fmt: skip
                assert comparable(rows, fact) == simulated(thriving, fact, "franconnect")


def test_the_token_endpoint_wants_basic_and_the_tenant(served: Served) -> None:
    url, told = served.url + "/userauth/oauth/token", served.told
    right = (told["client_id"], told["client_secret"])
    form = {"grant_type": "client_credentials", "X-TenantID": told["tenant"]}
    granted = httpx2.post(url, auth=right, data=form).json()
    assert granted["token_type"] == "bearer"  # noqa: S105
    assert httpx2.post(url, auth=(right[0], "wrong"), data=form).status_code == 401
    assert httpx2.post(url, data=form).status_code == 401
    other = httpx2.post(url, auth=right, data={**form, "X-TenantID": "other"})
    assert other.json()["error"] == "invalid_request"


def test_one_row_is_an_object_many_a_list_none_a_text(served: Served) -> None:
    many = served.leads(limit=2)["responseData"]["fsLead"]
    assert isinstance(many, list)
    one = served.leads(f"<referenceId>{many[0]['referenceId']}</referenceId>")
    assert one["responseData"]["fsLead"] == many[0]
    none = served.leads("<lastUpdateFrom>01/01/2031</lastUpdateFrom>")
    assert none["responseData"] == "No data found."
    assert none["pagination"] == {"hasMoreRecords": "false"}
    assert all(isinstance(value, str) for value in many[0].values())


@pytest.mark.parametrize(
    ("form", "details"),
    [
        ({"module": "xx"}, "Invalid:module"),
        ({"module": "fs", "subModule": "xx"}, "Invalid:subModule"),
        ({"module": "fs", "subModule": "lead", "limit": "x"}, "Invalid:limit"),
        ({"module": "fs", "subModule": "lead", "filterXML": "<a"}, "Invalid:filterXML"),
        ({"module": "fs", "subModule": "lead",
          "filterXML": "<!DOCTYPE a [<!ENTITY b 'c'>]><a/>"}, "Invalid:filterXML"),
        ({"module": "fs", "subModule": "lead", "filterXML":
          "<fcRequest><filter><lastUpdateFrom>2026-01-01</lastUpdateFrom></filter></fcRequest>"},
         "Invalid:date, MM/DD/YYYY is expected"),
    ],
)  # fmt: skip
def test_errors_stand_inside_a_200(served: Served, form: dict[str, str], details: str) -> None:
    told = served.ask(**form)
    assert told == {"responseStatus": "Error", "error": {"errorDetails": details}}


def test_a_wrong_token_is_an_error_inside_a_200(served: Served) -> None:
    served.http.headers["authorization"] = "Bearer wrong"
    assert served.leads()["error"]["errorDetails"] == "Invalid:access_token"


def test_the_filter_knows_days_only(served: Served) -> None:
    leads = served.vendor.entities["lead"]
    id_ = leads.select().page(0, 1)[0]["referenceId"]
    at = datetime(2026, 11, 3, 23, 59, tzinfo=UTC)
    leads.put({**(leads.get(id_) or {}), "leadStatusID": "Contacted"}, at=at)

    def found(since: str, until: str) -> list[str]:
        told = served.leads(
            f"<lastUpdateFrom>{since}</lastUpdateFrom><lastUpdateTo>{until}</lastUpdateTo>"
        )["responseData"]
        if isinstance(told, str):
            return []
        rows = told["fsLead"]
        return [r["referenceId"] for r in (rows if isinstance(rows, list) else [rows])]

    assert found("11/03/2026", "11/03/2026") == [id_]
    assert found("11/04/2026", "11/05/2026") == []
    assert found("11/02/2026", "11/02/2026") == []


def test_xml_says_the_same_as_json(served: Served) -> None:
    form = {"module": "fs", "subModule": "lead", "limit": 3}
    xml = parse_xml(served.http.post(RETRIEVE, data=form).content)
    told = served.ask(**form)["responseData"]["fsLead"]
    read = [
        {field.tag: field.text or "" for field in lead}
        for lead in xml.iterfind("responseData/fsLead")
    ]
    assert read == told


def test_modules_and_submodules_are_told(served: Served) -> None:
    modules = served.ask("module")["responseData"]["fcRequest"]
    assert {"fs", "cm", "fim", "manage-finance", "admin"} <= modules.keys()
    finance = served.ask("submodule", module="manage-finance")["responseData"]["fcRequest"]
    assert list(finance) == ["salesReport"]
    assert served.ask("submodule", module="cm")["responseData"] == "No data found."


def test_agreements_come_under_the_root_of_centers(served: Served) -> None:
    told = served.ask(module="fim", subModule="agreement", limit=1)["responseData"]
    assert list(told) == ["fimCenterInfo"]
    assert isinstance(told["fimCenterInfo"]["agreement"], dict)
    ended = served.ask(module="fim", subModule="termination")["responseData"]["fimTermination"]
    assert {row["termination"]["terminationReason"] for row in ended} >= {"left the network"}


def test_a_lead_is_made_and_a_double_is_a_warning(served: Served) -> None:
    xml = (
        "<fcRequest><fsLead><firstName>A</firstName><lastName>B</lastName>"
        "<emailID>a@example.org</emailID></fsLead></fcRequest>"
    )
    made = served.ask("create", module="fs", subModule="lead", xmlString=xml)
    reference = made["responseData"]["fsLead"]["referenceId"]
    found = served.leads(f"<referenceId>{reference}</referenceId>")
    rows, rejects = mapped("franconnect", "leads", json.dumps({"fcResponse": found}).encode())
    assert rejects == []
    assert [(r["deal_id"], r["outcome"], r["dedupe_key"]) for r in rows] == [
        (reference, "open", reference)
    ]
    again = served.ask("create", module="fs", subModule="lead", xmlString=xml)
    assert again["responseStatus"] == "Warning"
    missing = served.ask(
        "create", module="fs", subModule="lead", xmlString="<fcRequest><fsLead/></fcRequest>"
    )
    assert missing["error"]["errorDetails"] == "Missing:firstName"


def test_reported_sales_are_those_of_the_payments(served: Served, books: Books) -> None:
    rows = books.rows("payment")
    expected: dict[tuple[str, str], int] = {}
    for row, taken_back in zip(rows.all, rows.retracted.to_pylist(), strict=True):
        if row["status"] == "completed" and not taken_back:
            key = (row["franchise_id"], f"{row['paid_at']:%m/01/%Y}")
            expected[key] = expected.get(key, 0) + round(100 * row["gross"])
    told = served.ask(module="manage-finance", subModule="salesReport", limit=2000)
    reported = {
        (r["franchiseeReferenceId"], r["reportPeriodStartDate"]): round(
            100 * float(r["grossSales"])
        )
        for r in told["responseData"]["manageFinanceSalesReport"]
    }
    assert reported == expected
    assert len(expected) >= 6


def test_what_was_taken_back_is_not_shown(served: Served, books: Books) -> None:
    gone = books.rows("franchise", "franconnect")
    taken = {
        row["franchise_id"]
        for row, away in zip(gone.all, gone.retracted.to_pylist(), strict=True)
        if away
    }
    assert taken
    units = served.ask(module="fim", subModule="franchisee", limit=2000)["responseData"]
    assert not taken & {u["referenceId"] for u in units["fimFranchisee"]}


def test_tenant_fields_are_found_whatever_their_number() -> None:
    record = {own("dedupeKey"): "K1", "referenceId": "1", "_dedupeKey": "no number"}
    body = json.dumps(
        {"fcResponse": {"responseStatus": "Success", "responseData": {"fsLead": record}}}
    ).replace("1193748301", "998877665").encode()  # fmt: skip
    [row], rejects = mapped("franconnect", "leads", body)
    assert (row["dedupe_key"], rejects) == ("K1", [])


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"<html></html>", b'{"fcResponse": {}}', b'{"fcResponse": {"responseData": []}}'],
)
def test_an_answer_of_another_shape_gives_no_row(body: bytes) -> None:
    rows, rejects = mapped("franconnect", "leads", body)
    assert rows == []
    assert all(reject.reason and reject.mend for reject in rejects)


def test_a_record_of_another_shape_is_refused_alone() -> None:
    good = {"referenceId": "1", own("createdAt"): "2026-01-02T03:04:05Z"}
    bad = {"referenceId": "2", own("createdAt"): "yesterday"}
    body = json.dumps({"fcResponse": {"responseData": {"fsLead": [bad, good]}}}).encode()
    [row], [reject] = mapped("franconnect", "leads", body)
    assert row["deal_id"] == "1"
    assert "created_at" in reject.reason
    assert "yesterday" in reject.reason
