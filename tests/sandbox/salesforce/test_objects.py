"""simple-salesforce queries, reads and writes objects of the stand-in."""

from __future__ import annotations

from datetime import timedelta

import pytest
from simple_salesforce.exceptions import SalesforceMalformedRequest, SalesforceResourceNotFound
from tests.sandbox.salesforce.served import Served

from meterstone.sandbox.kit import Books


def test_the_client_pages_through_all_records_once(served: Served) -> None:
    served.sf.headers["Sforce-Query-Options"] = "batchSize=200"
    first = served.sf.query("SELECT Id FROM Case ORDER BY SystemModstamp")
    everything = served.sf.query_all("SELECT Id FROM Case ORDER BY SystemModstamp")["records"]
    assert first["totalSize"] == len(everything) == len(served.vendor.entities["Case"])
    assert len({record["Id"] for record in everything}) == len(everything)


def test_long_results_come_in_batches(fresh: Served) -> None:
    leads = fresh.vendor.entities["Lead"]
    for number in range(450):
        leads.put({
            "Id": f"00Q5g0{number:09d}AAA", "LastName": f"N{number}", "Company": "C",
            "Status": "open", "IsConverted": False,
        })  # fmt: skip
    headers = {"sforce-query-options": "batchSize=200"}
    asked = fresh.http.get("/query", params={"q": "SELECT Id FROM Lead"}, headers=headers).json()
    sizes = [len(asked["records"])]
    while not asked["done"]:
        asked = fresh.session.get(
            fresh.url + asked["nextRecordsUrl"],
            headers={**headers, "authorization": fresh.http.headers["authorization"]},
        ).json()
        sizes.append(len(asked["records"]))
    assert sizes == [200, 200, asked["totalSize"] - 400]
    gone = fresh.http.get("/query/01gxxx-200")
    assert gone.json()[0]["errorCode"] == "INVALID_QUERY_LOCATOR"


def test_conditions_order_and_parents(served: Served, books: Books) -> None:
    deals = books.rows("deal", "salesforce").all
    query = (
        "SELECT Id, External_Id__c, Account.AccountNumber FROM Opportunity"
        " WHERE (Type = 'New Business' OR Type LIKE 'Up%') AND Amount >= 30000"
        " AND NOT StageName IN ('lost') AND Account.AccountNumber != null"
        " ORDER BY External_Id__c DESC LIMIT 5"
    )
    found = served.sf.query(query)["records"]
    wanted = {
        d["deal_id"]: d["client_id"] for d in deals
        if d["kind"] in ("new", "upsell") and d["stage"] != "lost" and d["client_id"]
    }  # fmt: skip
    ids = [record["External_Id__c"] for record in found]
    assert ids == sorted(wanted, reverse=True)[:5]
    assert [record["Account"]["AccountNumber"] for record in found] == [wanted[i] for i in ids]
    assert all(record["attributes"]["type"] == "Opportunity" for record in found)


def test_changes_since_a_moment(served: Served) -> None:
    moment = "2026-08-01T00:00:00.000Z"
    newer = served.sf.query_all(
        f"SELECT Id, SystemModstamp FROM Opportunity WHERE SystemModstamp >= {moment}"
        " ORDER BY SystemModstamp"
    )["records"]
    older = served.sf.query(f"SELECT COUNT() FROM Opportunity WHERE SystemModstamp < {moment}")[
        "totalSize"
    ]
    stamps = [record["SystemModstamp"] for record in newer]
    assert stamps == sorted(stamps)
    assert stamps[0] >= "2026-08-01"
    assert len(newer) + older == len(served.vendor.entities["Opportunity"])


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("SELECT Id FROM", "MALFORMED_QUERY"),
        ("SELEC Id FROM Lead", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead LIMIT -1", "MALFORMED_QUERY"),
        ("SELECT FIELDS(ALL) FROM Lead", "MALFORMED_QUERY"),
        ("SELECT FIELDS(ALL) FROM Lead LIMIT 201", "MALFORMED_QUERY"),
        ("SELECT Id, Id FROM Lead", "MALFORMED_QUERY"),
        ("SELECT Nope FROM Lead", "INVALID_FIELD"),
        ("SELECT Account.Nope FROM Opportunity", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE CreatedDate > '2026-01-01T00:00:00Z'", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE LastName = 2026-01-01T00:00:00Z", "INVALID_FIELD"),
        ("SELECT Id FROM Nothing", "INVALID_TYPE"),
    ],
)
def test_a_wrong_query_is_refused_by_its_code(served: Served, query: str, code: str) -> None:
    with pytest.raises(SalesforceMalformedRequest) as refused:
        served.sf.query(query)
    assert refused.value.content[0]["errorCode"] == code


# -- objects ---------------------------------------------------------------------------------------


def test_records_are_created_read_changed_and_deleted(fresh: Served) -> None:
    sf = fresh.sf
    made = sf.Lead.create({"LastName": "One", "Company": "Shop", "External_Id__c": "x-1"})
    assert made["success"]
    assert sf.Lead.get(made["id"])["LastName"] == "One"
    assert sf.Lead.get_by_custom_id("External_Id__c", "x-1")["Id"] == made["id"]
    assert sf.Lead.update(made["id"], {"Status": "working"}) == 204
    assert sf.Lead.get(made["id"][:15])["Status"] == "working"
    assert sf.Lead.upsert("External_Id__c/x-2", {"LastName": "Two", "Company": "Shop"}) == 201
    assert sf.Lead.delete(made["id"]) == 204
    with pytest.raises(SalesforceResourceNotFound):
        sf.Lead.get(made["id"])
    bin_ = "SELECT Id, IsDeleted FROM Lead WHERE External_Id__c = 'x-1'"
    assert sf.query(bin_)["totalSize"] == 0
    [record] = sf.query_all(bin_, include_deleted=True)["records"]
    assert record["IsDeleted"] is True
    span = (fresh.time.now() - timedelta(hours=1), fresh.time.now() + timedelta(hours=1))
    assert [d["id"] for d in sf.Lead.deleted(*span)["deletedRecords"]] == [made["id"]]


def test_what_a_record_lacks_or_may_not_have_is_refused(fresh: Served) -> None:
    for given, code in (
        ({"LastName": "x"}, "REQUIRED_FIELD_MISSING"),
        ({"LastName": "x", "Company": "y", "Nope": 1}, "INVALID_FIELD"),
        ({"LastName": "x", "Company": "y", "Id": "1"}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
    ):
        with pytest.raises(SalesforceMalformedRequest) as refused:
            fresh.sf.Lead.create(given)
        assert refused.value.content[0]["errorCode"] == code


def test_objects_describe_themselves(served: Served) -> None:
    named = {o["name"] for o in served.sf.describe()["sobjects"]}
    assert named == {"Account", "Opportunity", "Lead", "Case"}
    fields = {f["name"]: f for f in served.sf.Opportunity.describe()["fields"]}
    assert fields["Dedupe_Key__c"]["custom"] is True
    assert fields["SystemModstamp"]["createable"] is False
    everything = served.sf.query("SELECT FIELDS(ALL) FROM Opportunity LIMIT 1")["records"][0]
    assert set(everything) - {"attributes"} == set(fields)
