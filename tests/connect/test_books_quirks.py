"""What a company's own records look like when nobody keeps what the connector would like: the
mapping stays honest; and notifications in every form."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from tests.connect.leads_truth import mapped

from meterstone.connect.catalogue import connectors
from meterstone.connect.fill import fill
from meterstone.connect.quickbooks import quirks as quickbooks
from meterstone.connect.salesforce import quirks as salesforce
from meterstone.errors import FormatError
from meterstone.sandbox.salesforce import soql


def invoice(**changed: Any) -> dict[str, Any]:
    """As QuickBooks' own form makes it, without any of our conventions."""
    return {
        "Id": "129", "DocNumber": "1037", "SyncToken": "0", "TxnDate": "2026-03-10",
        "DueDate": "2026-04-09",
        "MetaData": {
            "CreateTime": "2026-03-10T14:30:00-07:00",
            "LastUpdatedTime": "2026-03-10T14:30:00-07:00",
        },
        "CustomerRef": {"value": "24", "name": "Sonnenschein Family Store"},
        "CurrencyRef": {"value": "USD"}, "TotalAmt": 362.07, "Balance": 362.07,
        "Line": [
            {
                "Id": "1", "LineNum": 1, "Description": "Rock fountain", "Amount": 275.0,
                "DetailType": "SalesItemLineDetail",
                "SalesItemLineDetail": {"ItemRef": {"value": "5", "name": "Rock Fountain"}},
            },
            {
                "Id": "2", "LineNum": 2, "Amount": 87.07, "DetailType": "SalesItemLineDetail",
                "SalesItemLineDetail": {"ItemRef": {"value": "3", "name": "Consulting"}},
            },
            {"Amount": 362.07, "DetailType": "SubTotalLineDetail", "SubTotalLineDetail": {}},
        ],
        **changed,
    }  # fmt: skip


def rows(*records: dict[str, Any], stream: str = "invoices", name: str = "Invoice") -> Any:
    body = json.dumps({"QueryResponse": {name: list(records)}}).encode()
    found, rejects = mapped("quickbooks", stream, body)
    assert not rejects
    return found


def test_an_invoice_without_any_convention() -> None:
    first, second = rows(invoice())
    assert (first["invoice_line_id"], first["invoice_id"]) == ("129-1", "1037")
    assert (first["kind"], second["kind"]) == ("other", "consulting")
    assert first["client_id"] == "Sonnenschein Family Store"
    assert first["service_from"] == first["service_to"] == date(2026, 3, 10)
    assert first["issued_at"] == datetime(2026, 3, 10, 21, 30, tzinfo=UTC)
    assert (first["amount"], first["credited"], first["net_usd"]) == (275, 0, 275)
    assert (first["status"], first.get("paid_on"), first["deal_kind"]) == ("open", None, "none")


def test_an_invoice_that_was_dated_back_counts_on_its_own_day() -> None:
    row = rows(invoice(TxnDate="2026-02-01"))[0]
    assert row["issued_at"] == datetime(2026, 2, 1, tzinfo=UTC)


def test_a_paid_invoice_whose_day_of_payment_nobody_wrote_down() -> None:
    row = rows(invoice(Balance=0))[0]
    assert (row["status"], row.get("paid_on")) == ("paid", None)


def test_another_currency_is_booked_at_the_rate_of_the_company() -> None:
    row = rows(invoice(CurrencyRef={"value": "EUR"}, ExchangeRate=1.0875))[0]
    assert (row["currency"], row["net_usd"]) == ("EUR", Decimal("299.06"))


def test_a_credit_lowers_its_own_line_only() -> None:
    detail = {"ItemRef": {"value": "3", "name": "Consulting"}}
    lines = [
        {"Id": n, "Description": text, "Amount": amount, "DetailType": "SalesItemLineDetail",
         "SalesItemLineDetail": detail}
        for n, text, amount in (
            ("1", "March (ref A-1, 2026-03-01/2026-03-31)", 100.0),
            ("2", "April (ref A-2, 2026-04-01/2026-04-30)", 100.0),
            ("3", "Credit for A-2", -30.0),
        )
    ]  # fmt: skip
    first, second = rows(invoice(Line=lines))
    assert (first["invoice_line_id"], first["credited"], first["net_usd"]) == ("A-1", 0, 100)
    assert (second["invoice_line_id"], second["credited"], second["net_usd"]) == ("A-2", 30, 70)
    assert second["service_to"] == date(2026, 4, 30)


def test_a_voided_invoice_without_its_amounts_is_void_and_nothing() -> None:
    lines = [dict(line, Amount=0) for line in invoice()["Line"]]
    row = rows(invoice(Line=lines, PrivateNote="Voided", Balance=0))[0]
    assert (row["status"], row["amount"]) == ("void", 0)


def test_a_purchase_without_any_convention_and_a_refund_of_one() -> None:
    purchase = {
        "Id": "146", "TxnDate": "2026-03-02", "PaymentType": "CreditCard", "TotalAmt": 42.4,
        "Line": [
            {
                "Id": "1", "Amount": 42.4, "DetailType": "AccountBasedExpenseLineDetail",
                "AccountBasedExpenseLineDetail": {
                    "AccountRef": {"value": "13", "name": "Meals and Entertainment"},
                    "BillableStatus": "NotBillable",
                },
            }
        ],
    }  # fmt: skip
    spent, back = rows(
        purchase, purchase | {"Id": "147", "Credit": True}, stream="purchases", name="Purchase"
    )
    assert (spent["cost_id"], spent["category"], spent["party"]) == ("146-1", "other", "operator")
    assert (spent["programme"], spent["amount"]) == (False, Decimal("42.4"))
    assert back["amount"] == Decimal("-42.4")


# -- notifications of QuickBooks -------------------------------------------------------------------


def test_both_forms_of_a_notification_say_the_same() -> None:
    new = [{
        "specversion": "1.0", "id": "e1", "source": "intuit.x", "type": "qbo.invoice.updated.v1",
        "time": "2026-03-01T10:00:00Z", "intuitentityid": "129", "intuitaccountid": "91",
    }]  # fmt: skip
    old = {"eventNotifications": [{"realmId": "91", "dataChangeEvent": {"entities": [
        {"name": "Invoice", "id": "129", "operation": "Update",
         "lastUpdated": "2026-03-01T10:00:00Z"},
        {"name": "Payment", "id": "7", "operation": "Delete",
         "lastUpdated": "2026-03-01T10:00:01Z"},
    ]}}]}  # fmt: skip
    [event] = quickbooks.events(json.dumps(new).encode(), {})
    first, second = quickbooks.events(json.dumps(old).encode(), {})
    assert {**first, "id": "e1"} == event
    assert (second["type"], second["record"]) == ("payment.deleted", "7")
    assert first["id"] != second["id"]


# -- Salesforce ------------------------------------------------------------------------------------


def deal(**changed: Any) -> dict[str, Any]:
    """An opportunity of an org without custom fields."""
    return {
        "attributes": {"type": "Opportunity"}, "Id": "0065g00000AbCdEAAV", "IsDeleted": False,
        "Name": "Big one", "AccountId": "0015g00000XyZaBAAV", "Account": None,
        "StageName": "Proposal", "Amount": 1200.5, "Probability": 75.0, "CloseDate": "2026-05-01",
        "Type": None, "IsClosed": False, "IsWon": False,
        "CreatedDate": "2026-03-01T09:00:00.000+0000",
        "SystemModstamp": "2026-03-02T09:00:00.000+0000", **changed,
    }  # fmt: skip


def deals(*records: dict[str, Any], stream: str = "opportunities") -> Any:
    body = json.dumps({"totalSize": 1, "done": True, "records": list(records)}).encode()
    found, rejects = mapped("salesforce", stream, body)
    assert not rejects
    return found


def test_a_deal_of_an_org_without_custom_fields() -> None:
    [row] = deals(deal())
    assert row["deal_id"] == row["dedupe_key"] == "0065g00000AbCdEAAV"
    assert (row["kind"], row["stage"], row["outcome"]) == ("new", "Proposal", "open")
    assert (row["client_id"], row["win_probability"]) == ("0015g00000XyZaBAAV", 0.75)
    assert row["stage_at"] == row["created_at"] == datetime(2026, 3, 1, 9, tzinfo=UTC)
    assert (row.get("closed_at"), row.get("qualified_at")) == (None, None)


def test_a_closed_deal_has_the_day_of_closing_and_no_forecast() -> None:
    [row] = deals(deal(IsClosed=True, IsWon=True, Probability=100.0, CloseDate="2026-04-07"))
    assert (row["outcome"], row["closed_at"]) == ("won", datetime(2026, 4, 7, tzinfo=UTC))
    assert row.get("win_probability") is None
    [lost] = deals(deal(IsClosed=True, Probability=0.0))
    assert lost["outcome"] == "lost"


def test_a_deal_in_the_bin_is_taken_back() -> None:
    [row] = deals(deal(IsDeleted=True))
    assert row["retracted"] is True


def test_a_lead_that_was_converted_is_its_opportunity() -> None:
    lead = {
        "Id": "00Q5g00000AbCdEAAV", "IsDeleted": False, "LastName": "A", "Company": "C",
        "Status": "Working", "IsConverted": False, "CreatedDate": "2026-03-01T09:00:00.000+0000",
        "SystemModstamp": "2026-03-01T09:00:00.000+0000", "Dedupe_Key__c": "K-1",
    }  # fmt: skip
    [row] = deals(lead, stream="leads")
    assert (row["stage"], row["outcome"], row["dedupe_key"]) == ("Working", "open", "K-1")
    [lost] = deals(lead | {"Status": "Closed - Not Converted"}, stream="leads")
    assert (lost["stage"], lost["outcome"]) == ("lost", "lost")
    assert deals(lead | {"IsConverted": True}, stream="leads") == []


def test_csv_of_a_bulk_job_gives_the_rows_of_the_query() -> None:
    record = deal(Account={"attributes": {}, "AccountNumber": "K1", "Segment__c": "small"})
    names = [name for name in record if name not in ("attributes", "Account")]
    cells = [_cell(record[name]) for name in names]
    text = "\n".join(
        ",".join(f'"{word}"' for word in line)
        for line in (
            [*names, "Account.AccountNumber", "Account.Segment__c"], [*cells, "K1", "small"],
        )
    )  # fmt: skip
    found, rejects = mapped("salesforce", "opportunities", f"{text}\n".encode())
    assert (found, rejects) == (deals(record), [])
    assert mapped("salesforce", "opportunities", b"") == ([], [])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize("body", [b"<html>busy</html>", b"{", b"{}", b"[]", b'{"records": 1}'])
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    with pytest.raises(FormatError):
        mapped("salesforce", "opportunities", body)


SOAP = """<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>
<notifications xmlns="http://soap.sforce.com/2005/09/outbound">
<OrganizationId>00D5g0000001abcEAA</OrganizationId><ActionId>04k</ActionId>
<Notification><Id>04l1</Id><sObject xsi:type="sf:Opportunity"
 xmlns:sf="urn:sobject.enterprise.soap.sforce.com"><sf:Id>0061</sf:Id>
<sf:SystemModstamp>2026-03-01T10:00:00.000Z</sf:SystemModstamp></sObject></Notification>
<Notification><Id>04l2</Id><sObject xsi:type="sf:Lead"
 xmlns:sf="urn:sobject.enterprise.soap.sforce.com"><sf:Id>00Q1</sf:Id></sObject></Notification>
</notifications></soapenv:Body></soapenv:Envelope>"""


def test_an_outbound_message_may_hold_many_notifications() -> None:
    first, second = salesforce.notifications(SOAP.encode(), {})
    assert first == {
        "id": "04l1", "organization": "00D5g0000001abcEAA", "type": "Opportunity",
        "record": "0061", "at": "2026-03-01T10:00:00.000Z",
    }  # fmt: skip
    assert (second["id"], second["type"], second["record"], second["at"]) == (
        "04l2", "Lead", "00Q1", None,
    )  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<a/>", b"{}", b"<a",
        b'<!DOCTYPE x [<!ENTITY a "b">]>' + SOAP.partition("?>")[2].encode(),
    ],
)  # fmt: skip
def test_what_is_no_outbound_message_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="outbound message"):
        list(salesforce.notifications(body, {}))


def test_a_record_that_lost_its_id_is_kept_aside() -> None:
    renamed = {("Ident" if name == "Id" else name): value for name, value in invoice().items()}
    body = json.dumps({"QueryResponse": {"Invoice": [renamed]}}).encode()
    found, [reject] = mapped("quickbooks", "invoices", body)
    assert found == []
    assert "no Id" in reject.reason


def queries(**settings: str) -> dict[str, list[str]]:
    """What Salesforce is asked, by stream, with these settings."""
    connector = connectors()["salesforce"]
    defaults = {name: setting.default for name, setting in connector.settings.items()}
    values = defaults | settings | {"since": "2026-01-01T00:00:00.000Z", "id": "0061"}
    return {
        name: [
            fill(request.query["q"], values)
            for request in (stream.request, stream.one and stream.one.request)
            if request
        ]
        for name, stream in connector.streams.items()
    }


def test_an_org_is_asked_for_the_custom_fields_that_it_has() -> None:
    none = {"opportunity_fields": "", "lead_fields": "", "account_fields": ""}
    for asked in (queries(), queries(**none)):
        assert {len(texts) for texts in asked.values()} == {1, 2}
        for text in (text for texts in asked.values() for text in texts):
            soql.read(text)
    assert not [text for texts in queries(**none).values() for text in texts if "__c" in text]
    with pytest.raises(soql.InvalidField, match="Nope__c"):
        soql.read(queries(lead_fields=", Nope__c")["leads"][0])
