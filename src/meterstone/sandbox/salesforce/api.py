"""The REST API of Salesforce: ``/services/data/vXX.0/…``."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from meterstone.sandbox.kit import Accounts, Clock, Limits, Selection, moment
from meterstone.sandbox.kit.query import as_moment
from meterstone.sandbox.salesforce import edits, soql
from meterstone.sandbox.salesforce.answers import ApiError, answer, not_found
from meterstone.sandbox.salesforce.bulk import Bulk, json_of
from meterstone.sandbox.salesforce.org import Org
from meterstone.sandbox.salesforce.records import moment_text
from meterstone.sandbox.salesforce.schema import OBJECTS, Sobject
from meterstone.sandbox.salesforce.signin import bearer

NEWEST = 67
"""Version of Summer '26; source: the guide to change data capture."""
_OLDEST = 31
_BATCH, _BATCH_LEAST, _BATCH_MOST = 2000, 200, 2000
_MOST_CURSORS = 50

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class _Cursor:
    query: soql.Query
    found: Selection


class Api:
    """The routes of one org."""

    def __init__(self, org: Org, accounts: Accounts, clock: Clock, limits: Limits) -> None:
        self._org, self._accounts, self._clock, self._limits = org, accounts, clock, limits
        self._bulk = Bulk(org, clock)
        self._cursors: OrderedDict[str, _Cursor] = OrderedDict()

    def routes(self) -> list[BaseRoute]:
        """All routes."""
        return [
            Route("/services/data/", _versions),
            self._route("/query", self._query, "GET"),
            self._route("/queryAll", self._query, "GET"),
            self._route("/query/{locator}", self._more, "GET"),
            self._route("/limits", self._told_limits, "GET"),
            self._route("/sobjects", self._sobjects, "GET"),
            self._route("/sobjects/{name}", self._sobject, "GET", "POST"),
            self._route("/sobjects/{name}/describe", self._describe, "GET"),
            self._route("/sobjects/{name}/deleted", self._span, "GET"),
            self._route("/sobjects/{name}/updated", self._span, "GET"),
            self._route("/sobjects/{name}/{id}", self._record, "GET", "PATCH", "DELETE"),
            self._route("/sobjects/{name}/{field}/{value}", self._external, "GET", "PATCH"),
            self._route("/jobs/query", self._jobs, "GET", "POST"),
            self._route("/jobs/query/{id}", self._job, "GET", "PATCH", "DELETE"),
            self._route("/jobs/query/{id}/results", self._results, "GET"),
        ]

    def _route(self, path: str, handler: Handler, *methods: str) -> Route:
        async def checked(request: Request) -> Response:
            self._accounts.check(bearer(request))
            _version(request)
            return await handler(request)

        both = "/services/data/v{version}" + path
        return Route(both, checked, methods=list(methods))

    # -- queries -----------------------------------------------------------------------------------

    async def _query(self, request: Request) -> Response:
        text = request.query_params.get("q")
        if text is None:
            raise ApiError("MALFORMED_QUERY", "the parameter q is missing")
        deleted = request.url.path.endswith("/queryAll")
        return await run_in_threadpool(self._first, text, deleted, _batch(request), _base(request))

    def _first(self, text: str, deleted: bool, batch: int, base: str) -> Response:
        query = soql.read(text)
        found = soql.matching(self._org, query, deleted=deleted)
        if query.count:
            return answer({"totalSize": len(found), "done": True, "records": []})
        locator = self._org.new_id("01g")[:15]
        if len(found) > batch:
            self._cursors[locator] = _Cursor(query, found)
            while len(self._cursors) > _MOST_CURSORS:
                self._cursors.popitem(last=False)
        return self._page(query, found, 0, batch, base, locator)

    async def _more(self, request: Request) -> Response:
        match = re.fullmatch(r"(\w+)-(\d+)", request.path_params["locator"])
        cursor = self._cursors.get(match[1]) if match else None
        if match is None or cursor is None:
            raise ApiError("INVALID_QUERY_LOCATOR", "invalid query locator")
        return await run_in_threadpool(
            self._page, cursor.query, cursor.found, int(match[2]), _batch(request),
            _base(request), match[1],
        )  # fmt: skip

    def _page(
        self, query: soql.Query, found: Selection, start: int, batch: int, base: str, locator: str
    ) -> Response:
        records = [soql.shown(self._org, r, query, base) for r in found.page(start, batch)]
        end = start + len(records)
        done = end >= len(found)
        more = {} if done else {"nextRecordsUrl": f"{base}/query/{locator}-{end}"}
        return answer({"totalSize": len(found), "done": done, **more, "records": records})

    # -- objects -----------------------------------------------------------------------------------

    async def _sobjects(self, request: Request) -> Response:
        base = _base(request)
        described = [sobject.described(base) for sobject in OBJECTS.values()]
        return answer({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": described})

    async def _sobject(self, request: Request) -> Response:
        sobject = _named(request)
        if request.method == "GET":
            return answer({"objectDescribe": sobject.described(_base(request)), "recentItems": []})
        given = await json_of(request)
        made = await run_in_threadpool(edits.create, self._org, sobject, given)
        return answer({"id": made["Id"], "success": True, "errors": []}, 201)

    async def _describe(self, request: Request) -> Response:
        sobject = _named(request)
        fields = [field.described() for field in sobject.fields.values()]
        return answer({
            **sobject.described(_base(request)), "fields": fields, "childRelationships": [],
            "recordTypeInfos": [],
        })  # fmt: skip

    async def _record(self, request: Request) -> Response:
        sobject, id_ = _named(request), request.path_params["id"]
        if request.method == "PATCH":
            given = await json_of(request)
            await run_in_threadpool(edits.update, self._org, sobject, id_, given)
            return Response(status_code=204)
        if request.method == "DELETE":
            await run_in_threadpool(edits.delete, self._org, sobject, id_)
            return Response(status_code=204)
        return self._shown(request, sobject, edits.find(self._org, sobject, id_)["Id"])

    def _shown(self, request: Request, sobject: Sobject, id_: str) -> Response:
        fields = request.query_params.get("fields") or ",".join(sobject.fields)
        query = soql.read(f"SELECT {fields} FROM {sobject.name}")
        record = self._org.entities[sobject.name].get(id_) or {}
        return answer(soql.shown(self._org, record, query, _base(request)))

    async def _external(self, request: Request) -> Response:
        """A record by an external id: read, or created where there is none (upsert)."""
        sobject = _named(request)
        name, value = request.path_params["field"], request.path_params["value"]
        found = await run_in_threadpool(edits.by_external, self._org, sobject, name, value)
        if request.method == "GET":
            if found is None:
                raise not_found()
            return self._shown(request, sobject, found["Id"])
        given = await json_of(request)
        if found is not None:
            edits.update(self._org, sobject, found["Id"], given)
            return answer({"id": found["Id"], "success": True, "errors": [], "created": False})
        made = edits.create(self._org, sobject, {**given, name: value})
        return answer({"id": made["Id"], "success": True, "errors": [], "created": True}, 201)

    async def _span(self, request: Request) -> Response:
        """Ids that were changed, or deleted, in a span of time."""
        sobject = _named(request)
        since = as_moment(request.query_params.get("start", ""))
        until = as_moment(request.query_params.get("end", ""))
        if since is None or until is None or until < since:
            raise ApiError("INVALID_REPLICATION_DATE", "start and end must be moments")
        deleted = request.url.path.endswith("/deleted")
        found = self._org.entities[sobject.name].select(since=since, until=until, deleted=deleted)
        records = found.page(0, len(found))
        covered = {"latestDateCovered": moment_text(until)}
        if not deleted:
            return answer({"ids": [record["Id"] for record in records], **covered})
        gone = [{"id": r["Id"], "deletedDate": r["SystemModstamp"]} for r in records]
        return answer(
            {"deletedRecords": gone, "earliestDateAvailable": moment_text(moment(0)), **covered}
        )

    # -- limits and jobs ---------------------------------------------------------------------------

    async def _told_limits(self, _request: Request) -> Response:
        standing = self._limits.standings("")[0]
        most = int(getattr(standing.limit, "requests", 0))
        return answer({
            "DailyApiRequests": {"Max": most, "Remaining": standing.remaining},
            "DailyBulkV2QueryJobs": {"Max": 10_000, "Remaining": 10_000},
            "DailyBulkV2QueryFileStorageMB": {"Max": 976_562, "Remaining": 976_562},
            "DataStorageMB": {"Max": 10_240, "Remaining": 10_000},
        })  # fmt: skip

    async def _jobs(self, request: Request) -> Response:
        if request.method == "GET":
            return self._bulk.every(_version(request))
        given = await json_of(request)
        return await run_in_threadpool(self._bulk.create, given, _version(request))

    async def _job(self, request: Request) -> Response:
        id_ = request.path_params["id"]
        if request.method == "PATCH":
            return self._bulk.abort(id_, await json_of(request), _version(request))
        if request.method == "DELETE":
            return self._bulk.delete(id_)
        return self._bulk.read(id_, _version(request))

    async def _results(self, request: Request) -> Response:
        id_ = request.path_params["id"]
        return await run_in_threadpool(self._bulk.results, id_, request.query_params)


def _version(request: Request) -> str:
    """The version of the path.

    Raises:
        ApiError: there is no such version.
    """
    match = re.fullmatch(r"(\d+)\.0", request.path_params["version"])
    if match is None or not _OLDEST <= int(match[1]) <= NEWEST:
        raise not_found()
    return str(request.path_params["version"])


def _base(request: Request) -> str:
    return f"/services/data/v{request.path_params['version']}"


def _named(request: Request) -> Sobject:
    wanted = request.path_params["name"].lower()
    for name, sobject in OBJECTS.items():
        if name.lower() == wanted:
            return sobject
    raise not_found()


def _batch(request: Request) -> int:
    match = re.search(r"batchSize=(\d+)", request.headers.get("sforce-query-options", ""))
    return min(max(int(match[1]), _BATCH_LEAST), _BATCH_MOST) if match else _BATCH


async def _versions(_request: Request) -> Response:
    return answer([
        {"label": f"Version {n}", "url": f"/services/data/v{n}.0", "version": f"{n}.0"}
        for n in range(_OLDEST, NEWEST + 1)
    ])  # fmt: skip
