"""The accounting API of QuickBooks: ``/v3/company/{realm}/…``."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from meterstone.sandbox.kit import Accounts, Clock, Record
from meterstone.sandbox.kit.query import as_moment
from meterstone.sandbox.quickbooks import edits, sql
from meterstone.sandbox.quickbooks.answers import Answers, Fault, not_found
from meterstone.sandbox.quickbooks.company import Company
from meterstone.sandbox.quickbooks.records import stamp_text
from meterstone.sandbox.quickbooks.reports import Asked, profit_and_loss
from meterstone.sandbox.quickbooks.signin import bearer

FLOOR = 75
"""The lowest minor version; a lower one is answered as this one."""
_CDC_BACK = timedelta(days=30)
_CDC_MOST = 1000
_COLUMNS = ("Total", "Month", "Departments")

Handler = Callable[[Request], Awaitable[Response]]


class Api:
    """The routes of one company."""

    def __init__(
        self, company: Company, accounts: Accounts, clock: Clock, realm: str, answers: Answers
    ) -> None:
        self._company, self._accounts, self._clock = company, accounts, clock
        self._realm, self._answers = realm, answers
        self._names = {name.lower(): name for name in company.entities}

    def routes(self) -> list[BaseRoute]:
        """All routes."""
        return [
            self._route("/query", self._query, "GET", "POST"),
            self._route("/cdc", self._cdc, "GET"),
            self._route("/companyinfo/{id}", self._company_info, "GET"),
            self._route("/reports/{name}", self._report, "GET"),
            self._route("/{entity}", self._write, "POST"),
            self._route("/{entity}/{id}", self._read, "GET"),
        ]

    def _route(self, path: str, handler: Handler, *methods: str) -> Route:
        async def checked(request: Request) -> Response:
            held = self._accounts.check(bearer(request))
            if request.path_params["realm"] != held.account:
                raise Fault(
                    "message=ApplicationAuthorizationFailed; errorCode=003100; statusCode=403",
                    "the token is of another company", "3100", 403, "AUTHORIZATION",
                )  # fmt: skip
            _minor_version(request)
            return await handler(request)

        return Route(f"/v3/company/{{realm}}{path}", checked, methods=list(methods))

    # -- reading -----------------------------------------------------------------------------------

    async def _query(self, request: Request) -> Response:
        text = request.query_params.get("query", "")
        if request.method == "POST":
            text = (await request.body()).decode("utf-8", "replace")
        return await run_in_threadpool(self._found, text)

    def _found(self, text: str) -> Response:
        query = sql.read(text, self._company.entities)
        found = sql.matching(query, self._company.entities[query.entity])
        if query.count:
            return self._answers.ok({"QueryResponse": {"totalCount": len(found)}})
        records = found.page(query.start - 1, query.size)
        if not records:
            return self._answers.ok({"QueryResponse": {}})
        shown = [sql.shown(record, query.fields) for record in records]
        return self._answers.ok({"QueryResponse": {
            query.entity: shown, "startPosition": query.start, "maxResults": len(shown),
        }})  # fmt: skip

    async def _read(self, request: Request) -> Response:
        name = self._entity(request)
        record = self._company.entities[name].get(request.path_params["id"])
        if record is None:
            raise not_found(f"{name} {request.path_params['id']}")
        return self._answers.ok({name: record})

    async def _company_info(self, request: Request) -> Response:
        if request.path_params["id"] != self._realm:
            raise not_found(f"CompanyInfo {request.path_params['id']}")
        return self._answers.ok({"CompanyInfo": self._company.entities["CompanyInfo"].get("1")})

    async def _cdc(self, request: Request) -> Response:
        """Changes since a moment, at most 30 days ago, at most 1000 in all; the deleted too."""
        since = as_moment(request.query_params.get("changedSince", ""))
        if since is None:
            raise Fault("Invalid query", "changedSince is no moment", "4001")
        if since < self._clock.now() - _CDC_BACK:
            raise Fault("Invalid query", "changedSince is more than 30 days ago", "4001")
        answers: list[Record] = []
        left = _CDC_MOST
        for named in request.query_params.get("entities", "").split(","):
            name = self._name(named)
            records = self._changes(name, since, left)
            left -= len(records)
            page = {"startPosition": 1, "maxResults": len(records)} if records else {}
            answers.append({name: records, **page} if records else {})
        return self._answers.ok({"CDCResponse": [{"QueryResponse": answers}]})

    def _changes(self, name: str, since: datetime, most: int) -> list[Record]:
        entity = self._company.entities[name]
        changed = entity.select(since=since, deleted=None).page(0, most)
        return [
            record if entity.get(record["Id"]) else {
                "domain": "QBO", "status": "Deleted", "Id": record["Id"],
                "MetaData": {"LastUpdatedTime": record["MetaData"]["LastUpdatedTime"]},
            }
            for record in changed
        ]  # fmt: skip

    async def _report(self, request: Request) -> Response:
        if request.path_params["name"] != "ProfitAndLoss":
            raise Fault("Permission Denied Error", "this report is not imitated", "5020")
        asked = _asked(request.query_params, self._clock.now().date())
        now = stamp_text(self._clock.now())
        report = await run_in_threadpool(profit_and_loss, self._company, asked, now)
        return self._answers.ok(report, time=False)

    # -- writing -----------------------------------------------------------------------------------

    async def _write(self, request: Request) -> Response:
        name = self._entity(request)
        if name == "CompanyInfo":
            raise Fault("Operation Not Supported", "CompanyInfo is only read here", "500")
        try:
            given = json.loads(await request.body())
        except ValueError as error:
            raise Fault("Request has invalid or unsupported property", "no JSON", "2010") from error
        if not isinstance(given, dict):
            raise Fault("Request has invalid or unsupported property", "no object", "2010")
        asked = request.query_params
        change = edits.save
        if asked.get("operation") == "delete":
            change = edits.remove
        elif asked.get("operation") == "void" or asked.get("include") == "void":
            change = edits.void
        kept = await run_in_threadpool(change, self._company, name, given)
        return self._answers.ok({name: kept})

    def _entity(self, request: Request) -> str:
        return self._name(request.path_params["entity"])

    def _name(self, named: str) -> str:
        name = self._names.get(named.strip().lower())
        if name is None:
            raise Fault("Unsupported Operation", f"no entity {named!r}", "500")
        return name


def _minor_version(request: Request) -> int:
    given = request.query_params.get("minorversion", str(FLOOR))
    if not given.isdigit():
        raise Fault("Invalid query", "minorversion is no number", "4001")
    return max(int(given), FLOOR)


def _asked(params: Any, today: date) -> Asked:
    """What a report is asked for; from the first of January where nothing says."""
    by = params.get("summarize_column_by", "Total")
    method = params.get("accounting_method", "Accrual")
    if by not in _COLUMNS or method not in ("Accrual", "Cash"):
        raise Fault("Invalid query", f"not imitated: {by}, {method}", "4001")
    try:
        start = date.fromisoformat(params.get("start_date") or f"{today.year}-01-01")
        end = date.fromisoformat(params.get("end_date") or today.isoformat())
    except ValueError as error:
        raise Fault("Invalid query", "a date cannot be read", "4001") from error
    if end < start:
        raise Fault("Invalid query", "the period ends before it starts", "4001")
    places = frozenset(filter(None, params.get("department", "").split(",")))
    return Asked(start, end, method == "Cash", by, places)
