"""FranConnect's data services: module, submodule, retrieve, create; and its token endpoint."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.sandbox.franconnect import records, wire
from meterstone.sandbox.franconnect.finance import monthly_totals
from meterstone.sandbox.franconnect.records import Record, own
from meterstone.sandbox.kit import (
    CHANGED,
    Accounts,
    Books,
    Client,
    Clock,
    Entity,
    Key,
    Refused,
    Row,
    Rows,
    form,
    micros,
    token,
)

MOST_ROWS = 2_000
USUAL_ROWS = 200

UPDATED = own("lastUpdatedAt")

MODULES = {
    "fs": "Franchise Sales",
    "cm": "CRM",
    "fim": "Info Mgr",
    "manage-finance": "Finance",
    "admin": "Admin",
}


@dataclass(frozen=True, slots=True)
class Submodule:
    """One kind of records, as requests name it.

    Attributes:
        entity: its name in the stand-in.
        root: the key of its rows in an answer.
        status: the field that the filter ``status`` compares.
        derive: makes it from the records of the entity; None: it is left out.
    """

    module: str
    code: str
    title: str
    entity: str
    root: str
    status: str = ""
    derive: Callable[[Record], Record | None] = lambda record: record


SUBMODULES = (
    Submodule("fs", "lead", "Leads", "lead", "fsLead", "leadStatusID"),
    Submodule(
        "fim", "franchisee", "Franchisees", "franchisee", "fimFranchisee", "franchiseeStatus"
    ),
    Submodule(
        "fim", "centerInfo", "Center Info", "franchisee", "fimCenterInfo", "status", records.center
    ),
    Submodule("fim", "owner", "Owners", "franchisee", "fimOwner", "", records.owner),
    # rows of agreements do come under fimCenterInfo
    Submodule("fim", "agreement", "Agreements", "agreement", "fimCenterInfo"),
    Submodule(
        "fim", "termination", "Terminations", "agreement", "fimTermination", "",
        records.termination,
    ),
    Submodule("fim", "territory", "Territories", "territory", "fimTerritory", "territoryStatus"),
    Submodule(
        "manage-finance", "salesReport", "Sales Reports", "sales_report",
        "manageFinanceSalesReport",
    ),
)  # fmt: skip


class Tenant:
    """One tenant: its records, and who may sign in."""

    def __init__(self, id_: str, clock: Clock, books: Books, accounts: Accounts) -> None:
        self.id, self.clock, self.accounts = id_, clock, accounts
        self.entities = {
            "lead": self._entity("lead", map(records.lead, _there(books, "deal", "franconnect"))),
            "franchisee": self._entity(
                "franchisee", records.units(_there(books, "franchise", "franconnect"))
            ),
            "agreement": self._entity(
                "agreement",
                map(records.agreement, _there(books, "franchise_contract", "franconnect")),
            ),
            "territory": self._entity(
                "territory", records.territories(_there(books, "territory", "franconnect"))
            ),
            "sales_report": self._entity(
                "sales_report",
                map(records.sales_report, monthly_totals(books.rows("payment"))),
            ),
        }

    def _entity(self, name: str, made: Iterable[Record]) -> Entity:
        rows = [{**record, UPDATED: records.newest_moment(record)} for record in made]
        return Entity(
            name,
            self.clock,
            ids=[row["referenceId"] for row in rows],
            keys={CHANGED: Key([_changed(row) for row in rows], _changed)},
            stamp=_stamp,
            rows=rows,
            render=deepcopy,
            id_of=lambda record: str(record["referenceId"]),
        )


def _there(books: Books, fact: str, source: str) -> list[Row]:
    """Rows of a fact that were not taken back: FranConnect shows nothing of what was deleted."""
    rows: Rows = books.rows(fact, source)
    gone = rows.retracted.to_pylist()
    return [row for row, away in zip(rows.all, gone, strict=True) if not away]


def _changed(record: Record) -> int:
    return micros(datetime.fromisoformat(record[UPDATED]))


def _stamp(record: Record, at: datetime) -> None:
    record[UPDATED] = records.moment(at)


# -- the API ---------------------------------------------------------------------------------------

Form = Mapping[str, str]


def routes(tenant: Tenant) -> list[BaseRoute]:
    """The data services of a tenant, and the token endpoint."""

    def service(name: str, answer: Callable[[Tenant, Form], Response]) -> Route:
        async def handle(request: Request) -> Response:
            asked = await form(request)
            try:
                _check_token(tenant, request)
                return answer(tenant, asked)
            except wire.Refused as refused:
                return wire.error(str(refused), asked)

        return Route(f"/fc/rest/dataservices/{name}", handle, methods=["POST"])

    return [
        Route("/userauth/oauth/token", _token_endpoint(tenant), methods=["POST"]),
        service("module", _modules),
        service("submodule", _submodules),
        service("retrieve", _retrieve),
        service("create", _create),
    ]


def _token_endpoint(tenant: Tenant) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        asked = await form(request)
        try:
            client = _client(tenant, request, asked)
        except Refused as refused:
            status = 401 if refused.error == "invalid_client" else 400
            told = {"error": refused.error, "error_description": refused.detail}
            return JSONResponse(told, status)
        granted = tenant.accounts.grant(tenant.id, client.id)
        return JSONResponse(
            {
                "access_token": granted.access,
                "token_type": "bearer",
                "expires_in": int(tenant.accounts.rules.access.total_seconds()),
                "scope": "read write",
            }
        )

    return handle


def _client(tenant: Tenant, request: Request, asked: Form) -> Client:
    client = tenant.accounts.authenticate(*_basic(request.headers.get("authorization", "")))
    if asked.get("grant_type") != "client_credentials":
        raise Refused("unsupported_grant_type", "client_credentials is the only one")
    if asked.get("X-TenantID") != tenant.id:
        raise Refused("invalid_request", "X-TenantID names no tenant")
    return client


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    try:
        id_, colon, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        colon = ""
    if scheme.lower() != "basic" or not colon:
        raise Refused("invalid_client", "HTTP Basic is expected")
    return id_, secret


def _check_token(tenant: Tenant, request: Request) -> None:
    scheme, _, access = request.headers.get("authorization", "").partition(" ")
    try:
        tenant.accounts.check(access if scheme.lower() == "bearer" else "")
    except Refused:
        raise wire.Refused("Invalid:access_token") from None


def _modules(_tenant: Tenant, asked: Form) -> Response:
    return wire.success({"fcRequest": dict(MODULES)}, asked)


def _submodules(_tenant: Tenant, asked: Form) -> Response:
    if asked.get("module") not in MODULES:
        raise wire.Refused("Invalid:module")
    found = {s.code: s.title for s in SUBMODULES if s.module == asked["module"]}
    return wire.success({"fcRequest": found} if found else wire.NO_DATA, asked)


def _retrieve(tenant: Tenant, asked: Form) -> Response:
    submodule = _submodule(asked)
    wanted = wire.read_filter(asked.get("filterXML", ""))
    selection = tenant.entities[submodule.entity].select(since=wanted.since, until=wanted.until)
    derived = map(submodule.derive, selection.page(0, len(selection)))
    found = [row for row in derived if row and _fits(row, submodule, wanted.equal)]
    start, size = _count(asked, "offset", 0), min(_count(asked, "limit", USUAL_ROWS), MOST_ROWS)
    return wire.success(
        wire.one_or_many(submodule.root, found[start : start + size]),
        asked,
        more=start + size < len(found),
    )


def _create(tenant: Tenant, asked: Form) -> Response:
    submodule = _submodule(asked)
    if submodule.entity != "lead":
        raise wire.Refused(f"Not allowed: create of {submodule.code}")
    given = wire.read_record(asked.get("xmlString", ""), submodule.root)
    for name in ("firstName", "lastName"):
        if not given.get(name):
            raise wire.Refused(f"Missing:{name}")
    leads = tenant.entities["lead"]
    now = records.moment(tenant.clock.now())
    reference = str(1_000_000 + int(token(now, len(leads), length=6), 16))
    double = bool(given.get("emailID")) and any(
        lead["emailID"] == given["emailID"] for lead in leads.select().page(0, len(leads))
    )
    leads.put({
        **_EMPTY_LEAD, own("createdAt"): now, own("statusAt"): now, **given,
        "referenceId": reference,
    })  # fmt: skip
    if double:
        return wire.warning(submodule.root, reference, "Duplicate lead: emailID", asked)
    return wire.success({submodule.root: {"referenceId": reference}}, asked)


_EMPTY_LEAD = {
    "emailID": "",
    "leadStatusID": "Open",
    "leadKilledReason": "",
    "forecastRevenue": "",
    "isSold": "false",
    "isDead": "false",
    own("outcome"): "Open",
}


def _submodule(asked: Form) -> Submodule:
    if asked.get("module") not in MODULES:
        raise wire.Refused("Invalid:module")
    for submodule in SUBMODULES:
        if (submodule.module, submodule.code) == (asked["module"], asked.get("subModule")):
            return submodule
    raise wire.Refused("Invalid:subModule")


def _fits(row: Record, submodule: Submodule, equal: Mapping[str, str]) -> bool:
    for name, wanted in equal.items():
        if name == "status" and submodule.status:
            # the vendor's own words for a filter go beyond those of the field
            if row.get(submodule.status) not in (wanted, wanted.removesuffix(" Franchisees")):
                return False
        elif name == "referenceId":
            if row["referenceId"] != wanted:
                return False
        else:
            raise wire.Refused(f"Invalid:{name}")
    return True


def _count(asked: Form, name: str, usual: int) -> int:
    text: Any = asked.get(name) or usual
    try:
        number = int(text)
    except ValueError:
        raise wire.Refused(f"Invalid:{name}") from None
    if number < 0:
        raise wire.Refused(f"Invalid:{name}")
    return number
