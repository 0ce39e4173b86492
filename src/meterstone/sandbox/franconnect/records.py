"""What FranConnect knows of the network, in its form: every value is a text or a nested object.

Moments stand in fields of the tenant's own (``_name1193748301``), because the fields of the product
hold days only. That number is the tenant's; a reader goes by the name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any

Row = dict[str, Any]
Record = dict[str, Any]

TENANT_FIELD = "1193748301"
"""What FranConnect appends to the names of a tenant's own fields; another number in each tenant."""

UNIT_STATUS = {
    "signed": "In Development",
    "opened": "Active",
    "suspended": "Suspended",
    "closed": "Closed",
    "transferred": "Transferred",
}
TERRITORY_STATUS = {
    "available": "Available",
    "reserved": "Reserved",
    "awarded": "Sold",
    "open": "Open",
    "closed": "Closed",
}
AGREEMENTS = {
    "franchise_agreement": "Franchise Agreement",
    "platform_contract": "Platform Agreement",
}


def lead(deal: Row) -> Record:
    """A lead of fs/lead."""
    return {
        "referenceId": deal["deal_id"],
        "firstName": "Simulated",
        "lastName": f"Lead {deal['deal_id']}",
        "emailID": f"lead-{deal['deal_id'].lower()}@example.org",
        "leadStatusID": deal["stage"].capitalize(),
        "leadKilledReason": text(deal["lost_reason"]),
        "forecastRevenue": money(deal["amount_usd"]),
        "isSold": truth(deal["outcome"] == "won"),
        "isDead": truth(deal["outcome"] == "lost"),
        own("outcome"): deal["outcome"].capitalize(),
        own("dedupeKey"): deal["dedupe_key"],
        own("opportunityType"): deal["kind"],
        own("client"): text(deal["client_id"]),
        own("clientSegment"): text(deal["client_segment"]),
        own("competitor"): text(deal["competitor"]),
        own("winProbability"): text(deal["win_probability"]),
        own("createdAt"): moment(deal["created_at"]),
        own("qualifiedAt"): moment(deal["qualified_at"]),
        own("statusAt"): moment(deal["stage_at"]),
        own("closedAt"): moment(deal["closed_at"]),
    }


def units(statuses: Iterable[Row]) -> list[Record]:
    """Franchisees of fim/franchisee: one a unit, with the changes of its status nested."""
    return [
        _unit(id_, list(rows))
        for id_, rows in groupby(_sorted(statuses, "franchise_id"), _franchise)
    ]


def _franchise(row: Row) -> str:
    return str(row["franchise_id"])


def _unit(id_: str, rows: list[Row]) -> Record:
    newest = rows[-1]
    return {
        "referenceId": id_,
        "centerName": f"Simulated center {id_}",
        "franchiseeStatus": UNIT_STATUS[newest["status"]],
        "storeStatus": truth(newest["status"] == "opened"),
        "statusHistory": nested([_status(row) for row in rows]),
    }


def _status(row: Row) -> Record:
    country, _, state = row["region"].partition("-")
    return {
        "status": UNIT_STATUS[row["status"]],
        "state": state,
        "regionCountry": country,
        "country": row["country"],
        "openingDate": day(row["opened_on"]),
        "closingDate": day(row["closed_on"]),
        "closingReason": text(row["closure_reason"]),
        own("statusAt"): moment(row["status_at"]),
        own("client"): row["client_id"],
        own("clientSegment"): row["client_segment"],
    }


def center(unit: Record) -> Record:
    """The centre of a unit (fim/centerInfo)."""
    newest = many(unit["statusHistory"])[-1]
    return {
        "referenceId": unit["referenceId"],
        "centerName": unit["centerName"],
        "state": newest["state"],
        "country": newest["country"],
        "openingDate": newest["openingDate"],
        "status": unit["franchiseeStatus"],
    }


def owner(unit: Record) -> Record:
    """Who owns a unit (fim/owner): the client, as a company."""
    newest = many(unit["statusHistory"])[-1]
    return {
        "referenceId": f"{unit['referenceId']}-owner",
        "franchiseeReferenceId": unit["referenceId"],
        "ownerType": "Entity",
        "entityName": f"Simulated client {newest[own('client')]}",
    }


def agreement(contract: Row) -> Record:
    """An agreement of fim/agreement; its terms are nested."""
    return {
        "referenceId": contract["contract_id"],
        "franchiseeReferenceId": text(contract["franchise_id"]),
        "agreement": {
            "agreementType": AGREEMENTS[contract["agreement"]],
            "effectiveDate": day(contract["starts_on"]),
            "expirationDate": day(contract["ends_on"]),
            "annualFee": money(contract["annual_value_usd"]),
            "renewedBy": text(contract["renewed_by"]),
            "terminationReason": text(contract["termination_reason"]),
            own("client"): contract["client_id"],
            own("signedAt"): moment(contract["signed_at"]),
            own("renewedAt"): moment(contract["renewed_at"]),
            own("terminatedAt"): moment(contract["terminated_at"]),
        },
    }


def termination(made: Record) -> Record | None:
    """What ended an agreement early (fim/termination); None while it runs."""
    terms = made["agreement"]
    ended = terms[own("terminatedAt")]
    if not ended:
        return None
    return {
        "referenceId": f"{made['referenceId']}-termination",
        "franchiseeReferenceId": made["franchiseeReferenceId"],
        "termination": {
            "agreementReferenceId": made["referenceId"],
            "dateOfTermination": day(datetime.fromisoformat(ended).date()),
            "terminationReason": terms["terminationReason"],
        },
    }


def territories(statuses: Iterable[Row]) -> list[Record]:
    """Territories: one each, with the changes of its status nested."""
    grouped = groupby(_sorted(statuses, "territory_id"), lambda row: str(row["territory_id"]))
    return [_territory(id_, list(rows)) for id_, rows in grouped]


def _territory(id_: str, rows: list[Row]) -> Record:
    return {
        "referenceId": id_,
        "territoryName": f"Simulated territory {id_}",
        "territoryStatus": TERRITORY_STATUS[rows[-1]["status"]],
        "statusHistory": nested([
            {
                "status": TERRITORY_STATUS[row["status"]],
                "region": row["region"],
                "country": row["country"],
                "population": text(row["population"]),
                own("statusAt"): moment(row["status_at"]),
            }
            for row in rows
        ]),
    }  # fmt: skip


def sales_report(total: Row) -> Record:
    """What a unit reported of one month (manage-finance/salesReport), from sums in cents.

    Gross is before discounts, refunds, tax and tips; net is gross less discounts and refunds.
    """
    unit, month = total["franchise_id"], total["month"]
    net = total["gross"] - total["discount"] - total["refund"]
    return {
        "referenceId": f"{unit}-{month:%Y-%m}",
        "franchiseeReferenceId": unit,
        "reportPeriodStartDate": day(month),
        "submittedDate": day((month + timedelta(days=31)).replace(day=1)),
        "grossSales": money(total["gross"] / 100),
        "discounts": money(total["discount"] / 100),
        "refunds": money(total["refund"] / 100),
        "tax": money(total["tax"] / 100),
        "tips": money(total["tip"] / 100),
        "netSales": money(net / 100),
        "currency": total["currency"],
        "isAcknowledged": truth(True),
    }


# -- values ----------------------------------------------------------------------------------------


def own(name: str) -> str:
    """The field of a tenant: FranConnect puts ``_`` before and a number behind."""
    return f"_{name}{TENANT_FIELD}"


def text(value: object) -> str:
    """Nothing is an empty text."""
    return "" if value is None else str(value)


def truth(value: bool) -> str:
    """Booleans are texts."""
    return "true" if value else "false"


def money(value: float | None) -> str:
    """Two decimals, as a text."""
    return "" if value is None else f"{value:.2f}"


def day(value: date | None) -> str:
    """Such as 08/31/2026."""
    return "" if value is None else f"{value:%m/%d/%Y}"


def moment(value: datetime | None) -> str:
    """RFC 3339 in UTC."""
    return "" if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def nested(records: Sequence[Record]) -> Any:
    """One is an object, several are a list."""
    return records[0] if len(records) == 1 else list(records)


def many(value: Any) -> list[Record]:
    """The inverse of `nested`."""
    return value if isinstance(value, list) else [value]


def newest_moment(record: Record) -> str:
    """The latest moment or day that a record names: when it was last changed, as far as it says."""
    found: list[datetime] = []
    for value in _texts(record):
        for read in (_as_moment, _as_day):
            at = read(value)
            if at is not None:
                found.append(at)
    return moment(max(found))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name not in _AHEAD:
                yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    else:
        yield str(value)


_AHEAD = frozenset({"effectiveDate", "expirationDate"})
"""Days that may lie ahead: no record was changed then."""


def _as_moment(value: str) -> datetime | None:
    return datetime.fromisoformat(value) if _MOMENT.fullmatch(value) else None


def _as_day(value: str) -> datetime | None:
    return (
        datetime.strptime(value, "%m/%d/%Y").replace(tzinfo=UTC) if _DAY.fullmatch(value) else None
    )


_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
_DAY = re.compile(r"\d\d/\d\d/\d{4}")


def _sorted(rows: Iterable[Row], name: str) -> list[Row]:
    return sorted(rows, key=lambda row: (row[name], row.get("status_at")))
