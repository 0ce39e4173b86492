"""Rows of the books as records of the org.

A deal that was qualified (or won) is an Opportunity, another one a Lead. What has no standard
field is in a custom one, as an operator adds it: external id, key that is the same in all systems,
moments of qualification and closing, reason, probability in more digits than Salesforce's own.

| column | Opportunity | Lead |
|---|---|---|
| deal_id | External_Id__c | External_Id__c |
| kind | Type | Kind__c |
| client_id | Account.AccountNumber | Client_Id__c |
| client_segment | Account.Segment__c | Client_Segment__c |
| stage, stage_at | StageName, LastStageChangeDate | Status, Stage_At__c |
| outcome | IsClosed, IsWon | Status |
| amount_usd | Amount | Amount__c |

The simulated network's help desk is Service Cloud: its tickets are Cases.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from meterstone.sandbox.kit import Record, Row, token

KINDS = {
    "new": "New Business", "upsell": "Upsell", "expansion": "Expansion", "renewal": "Renewal",
}  # fmt: skip
LOST = "Closed - Not Converted"
_ORIGINS = {"chat": "Chat", "email": "Email", "phone": "Phone", "in_app": "Web"}
_STATUS = {"open": "New", "resolved": "Closed", "merged": "Closed", "spam": "Closed"}
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def moment_text(at: datetime) -> str:
    """A moment as Salesforce writes it: milliseconds, ``+0000``."""
    at = at.astimezone(UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}+0000"


def _text(at: datetime | None) -> str | None:
    return None if at is None else moment_text(at)


def id_of(prefix: str, seed: int, key: str) -> str:
    """An id of 18 characters: prefix, 12 of its own, and 3 that check the case of the others."""
    number = int(token(seed, prefix, key, length=16), 16)
    own = ""
    for _ in range(9):
        number, place = divmod(number, 62)
        own += _BASE62[place]
    return _checked(f"{prefix}5g0{own}")


def full_id(id_: str) -> str:
    """The id of 18 characters; one of 15 means the same record."""
    return _checked(id_) if len(id_) == 15 else id_


def _checked(id_: str) -> str:
    chunks = (id_[:5], id_[5:10], id_[10:15])
    return id_ + "".join(
        _CHECK[sum(1 << n for n, letter in enumerate(chunk) if letter.isupper())]
        for chunk in chunks
    )


def is_lead(row: Row) -> bool:
    """Whether a deal is a Lead: nobody qualified it yet, and it was not won."""
    return row["qualified_at"] is None and row["outcome"] != "won"


def changed(row: Row) -> datetime:
    """When a deal changed last."""
    return _latest(row["created_at"], row["qualified_at"], row["stage_at"], row["closed_at"])


def account(client: str, segment: str | None, id_: str, at: datetime) -> Record:
    """The account of a client."""
    return _with_times({
        "Id": id_, "IsDeleted": False, "Name": f"Client {client}", "AccountNumber": client,
        "Type": "Customer", "Industry": "Retail", "Segment__c": segment,
    }, at, at)  # fmt: skip


def opportunity(row: Row, accounts: Mapping[str, str]) -> Record:
    """A deal that was qualified."""
    closed: datetime | None = row["closed_at"]
    probability = row["win_probability"]
    over = row["outcome"] != "open"
    moved = row["stage_at"] != row["created_at"]
    return _with_times({
        "Id": row["id"], "IsDeleted": row["retracted"],
        "Name": f"{KINDS[row['kind']]} {row['dedupe_key']}",
        "AccountId": accounts.get(row["client_id"]), "StageName": row["stage"],
        "Amount": row["amount_usd"],
        "Probability": (100.0 if row["outcome"] == "won" else 0.0) if over
        else None if probability is None else float(round(100 * probability)),
        "CloseDate": (closed or row["stage_at"]).date().isoformat(),
        "Type": KINDS[row["kind"]], "LeadSource": "Web",
        "IsClosed": over, "IsWon": row["outcome"] == "won",
        "LastStageChangeDate": moment_text(row["stage_at"]) if moved else None,
        "External_Id__c": row["deal_id"], "Dedupe_Key__c": row["dedupe_key"],
        "Qualified_At__c": _text(row["qualified_at"]), "Closed_At__c": _text(closed),
        "MainCompetitors__c": row["competitor"], "Loss_Reason__c": row["lost_reason"],
        "Win_Probability__c": probability,
    }, row["created_at"], changed(row))  # fmt: skip


def lead(row: Row) -> Record:
    """A deal that nobody qualified yet."""
    return _with_times({
        "Id": row["id"], "IsDeleted": row["retracted"],
        "LastName": row["dedupe_key"], "FirstName": None,
        "Company": f"Client {row['client_id']}" if row["client_id"] else "Unknown", "Email": None,
        "Status": LOST if row["outcome"] == "lost" else row["stage"], "LeadSource": "Web",
        "IsConverted": False, "ConvertedDate": None, "ConvertedOpportunityId": None,
        "External_Id__c": row["deal_id"], "Dedupe_Key__c": row["dedupe_key"],
        "Kind__c": row["kind"], "Client_Id__c": row["client_id"],
        "Client_Segment__c": row["client_segment"], "Amount__c": row["amount_usd"],
        "Stage_At__c": _text(row["stage_at"]), "Closed_At__c": _text(row["closed_at"]),
        "MainCompetitors__c": row["competitor"], "Loss_Reason__c": row["lost_reason"],
        "Win_Probability__c": row["win_probability"],
    }, row["created_at"], changed(row))  # fmt: skip


def case_changed(row: Row) -> datetime:
    """When a ticket changed last."""
    return _latest(
        row["opened_at"], row["first_response_at"], row["resolved_at"], row["reopened_at"]
    )


def case(row: Row) -> Record:
    """A ticket of the help desk."""
    closed = row["status"] != "open"
    return _with_times({
        "Id": row["id"], "IsDeleted": row["retracted"], "CaseNumber": f"{row['number']:08d}",
        "AccountId": None, "Subject": f"Simulated request {row['ticket_id']}",
        "Status": _STATUS[row["status"]], "Origin": _ORIGINS.get(row["channel"], "Other"),
        "Priority": "Medium", "IsClosed": closed, "IsEscalated": row["escalated"],
        "ClosedDate": _text(row["resolved_at"]) if closed else None,
        "Shop__c": row["franchise_id"],
    }, row["opened_at"], case_changed(row))  # fmt: skip


def _latest(*moments: datetime | None) -> datetime:
    return max(at for at in moments if at is not None)


def _with_times(record: dict[str, Any], created: datetime, at: datetime) -> Record:
    return record | {
        "CreatedDate": moment_text(created), "LastModifiedDate": moment_text(at),
        "SystemModstamp": moment_text(at),
    }  # fmt: skip
