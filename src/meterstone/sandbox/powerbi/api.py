"""Power BI's REST API of one workspace, and the token endpoint of Microsoft Entra."""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.sandbox.kit import Accounts, Refused, form
from meterstone.sandbox.powerbi.workspace import PowerBiError, Workspace, read_table

SCOPE = "https://analysis.windows.net/powerbi/api/.default"
_CONTEXT = "http://api.powerbi.com/v1.0/myorg/groups/$metadata"

Answer = Callable[[Workspace, Request], Awaitable[Response]]


def routes(workspace: Workspace, accounts: Accounts, tenant: str) -> list[BaseRoute]:
    """All routes."""

    def route(path: str, method: str, handler: Answer) -> Route:
        async def handle(request: Request) -> Response:
            try:
                _check_token(accounts, request)
                _check_group(workspace, request)
                return await handler(workspace, request)
            except PowerBiError as error:
                return _error(error)

        return Route(f"/v1.0/myorg{path}", handle, methods=[method])

    datasets = "/groups/{group}/datasets"
    one = f"{datasets}/{{dataset}}"
    table = f"{one}/tables/{{table}}"
    return [
        Route("/{tenant}/oauth2/v2.0/token", _token_endpoint(accounts, tenant), methods=["POST"]),
        route("/groups", "GET", _groups),
        route(datasets, "GET", _datasets),
        route(datasets, "POST", _create),
        route(one, "GET", _dataset),
        route(one, "DELETE", _delete),
        route(f"{one}/tables", "GET", _tables),
        route(table, "PUT", _put_table),
        route(f"{table}/rows", "POST", _post_rows),
        route(f"{table}/rows", "DELETE", _delete_rows),
        route(f"{one}/refreshes", "POST", _refresh),
        route(f"{one}/refreshes", "GET", _history),
        route(f"{one}/refreshes/{{refresh}}", "GET", _refresh_detail),
        route(f"{one}/executeQueries", "POST", _query),
    ]


# -- sign-in ---------------------------------------------------------------------------------------


def _token_endpoint(accounts: Accounts, tenant: str) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        asked = await form(request)
        try:
            client = _client(accounts, tenant, request.path_params["tenant"], asked)
        except _Refusal as refusal:
            return refusal.answer()
        granted = accounts.grant(tenant, client, (SCOPE,))
        lives = int(accounts.rules.access.total_seconds())
        return JSONResponse({
            "token_type": "Bearer", "expires_in": lives, "ext_expires_in": lives,
            "access_token": granted.access,
        })  # fmt: skip

    return handle


class _Refusal(Exception):  # what Entra says, not what went wrong here
    def __init__(self, status: int, error: str, code: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.error, self.code = status, error, code

    def answer(self) -> Response:
        return JSONResponse(
            {
                "error": self.error,
                "error_description": f"AADSTS{self.code}: {self}",
                "error_codes": [self.code],
            },
            self.status,
        )


def _client(accounts: Accounts, tenant: str, asked_tenant: str, asked: Mapping[str, str]) -> str:
    if asked_tenant != tenant:
        raise _Refusal(400, "invalid_request", 90002, "The tenant was not found.")
    if asked.get("grant_type") != "client_credentials":
        raise _Refusal(400, "unsupported_grant_type", 70003, "The grant type is not supported.")
    if asked.get("scope") != SCOPE:
        raise _Refusal(400, "invalid_scope", 1002012, "The scope of this grant ends in /.default.")
    try:
        accounts.client(asked.get("client_id", ""))
    except Refused:
        raise _Refusal(
            400, "unauthorized_client", 700016, "The application was not found in the directory."
        ) from None
    try:
        return accounts.authenticate(asked["client_id"], asked.get("client_secret")).id
    except Refused:
        raise _Refusal(401, "invalid_client", 7000215, "Invalid client secret provided.") from None


def _check_token(accounts: Accounts, request: Request) -> None:
    scheme, _, access = request.headers.get("authorization", "").partition(" ")
    try:
        accounts.check(access if scheme.lower() == "bearer" else "")
    except Refused as refused:
        code = "TokenExpired" if refused.why == "expired" else "PowerBINotAuthorizedException"
        raise PowerBiError(401, code, "The access token is not accepted.") from None


def _check_group(workspace: Workspace, request: Request) -> None:
    if request.path_params.get("group", workspace.group) != workspace.group:
        raise PowerBiError(404, "PowerBIEntityNotFound", "The group was not found.")


def _error(error: PowerBiError) -> Response:
    headers = {}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(math.ceil(error.retry_after_s))
    return JSONResponse(
        {"error": {"code": error.code, "message": error.message}}, error.status, headers
    )


# -- datasets --------------------------------------------------------------------------------------


async def _groups(workspace: Workspace, request: Request) -> Response:
    group = {
        "id": workspace.group, "name": "Simulated workspace", "isReadOnly": False,
        "isOnDedicatedCapacity": False,
    }  # fmt: skip
    skip, top = _count(request, "$skip", 0), _count(request, "$top", 5000)
    return JSONResponse({"@odata.context": _CONTEXT, "value": [group][skip : skip + top]})


async def _datasets(workspace: Workspace, _request: Request) -> Response:
    found = workspace.datasets.select()
    return JSONResponse({"@odata.context": _CONTEXT, "value": found.page(0, len(found))})


async def _create(workspace: Workspace, request: Request) -> Response:
    policy = request.query_params.get("defaultRetentionPolicy", "None")
    if policy not in ("None", "basicFIFO"):
        raise PowerBiError(400, "BadRequest", "The retention policy is not known.")
    made = workspace.create(await _json(request), fifo=policy == "basicFIFO")
    return JSONResponse({**made, "defaultRetentionPolicy": policy}, 201)


async def _dataset(workspace: Workspace, request: Request) -> Response:
    workspace.model(request.path_params["dataset"])
    return JSONResponse(workspace.datasets.get(request.path_params["dataset"]))


async def _delete(workspace: Workspace, request: Request) -> Response:
    workspace.model(request.path_params["dataset"])
    workspace.datasets.delete(request.path_params["dataset"])
    return Response()


async def _tables(workspace: Workspace, request: Request) -> Response:
    model = workspace.model(request.path_params["dataset"])
    value = [
        {
            "name": table.name,
            "columns": [{"name": n, "dataType": kind} for n, kind in table.columns.items()],
        }
        for table in model.tables.values()
    ]
    return JSONResponse({"@odata.context": _CONTEXT, "value": value})


async def _put_table(workspace: Workspace, request: Request) -> Response:
    table = workspace.table(request.path_params["dataset"], request.path_params["table"])
    wanted = await _json(request)
    table.columns = read_table({**wanted, "name": table.name}).columns
    columns = [{"name": n, "dataType": kind} for n, kind in table.columns.items()]
    return JSONResponse({"name": table.name, "columns": columns})


async def _post_rows(workspace: Workspace, request: Request) -> Response:
    asked = request.path_params
    workspace.add_rows(asked["dataset"], asked["table"], (await _json(request)).get("rows"))
    return Response()


async def _delete_rows(workspace: Workspace, request: Request) -> Response:
    workspace.table(request.path_params["dataset"], request.path_params["table"]).rows.clear()
    return Response()


# -- refreshes and queries -------------------------------------------------------------------------


async def _refresh(workspace: Workspace, request: Request) -> Response:
    body = await request.body()
    asked = await _json(request) if body else {}
    id_ = workspace.refresh(request.path_params["dataset"])
    if not asked.keys() - {"notifyOption"}:
        return Response(status_code=202)
    # only an enhanced refresh is named in the answer
    location = f"{request.url}/{id_}"
    return Response(status_code=202, headers={"x-ms-request-id": id_, "location": location})


async def _history(workspace: Workspace, request: Request) -> Response:
    history = workspace.history(request.path_params["dataset"])
    top = _count(request, "$top", len(history))
    return JSONResponse({"@odata.context": _CONTEXT, "value": history[:top]})


async def _refresh_detail(workspace: Workspace, request: Request) -> Response:
    for entry in workspace.history(request.path_params["dataset"]):
        if entry["requestId"] == request.path_params["refresh"]:
            running = entry["status"] == "Unknown"
            told = {
                "startTime": entry["startTime"],
                "status": entry["status"],
                "extendedStatus": "InProgress" if running else entry["status"],
            } | ({"endTime": entry["endTime"]} if "endTime" in entry else {})
            return JSONResponse(told, 202 if running else 200)
    raise PowerBiError(404, "PowerBIEntityNotFound", "The refresh was not found.")


_EVALUATE = re.compile(r"\s*EVALUATE\s+(?:'([^']+)'|(\w+))\s*", re.IGNORECASE)


async def _query(workspace: Workspace, request: Request) -> Response:
    """``EVALUATE 'Table'`` only: all rows, columns named as Power BI names them."""
    queries = (await _json(request)).get("queries")
    if not isinstance(queries, list) or len(queries) != 1:
        raise PowerBiError(400, "BadRequest", "One query a request.")
    found = _EVALUATE.fullmatch(str(queries[0].get("query", "")))
    if found is None:
        raise PowerBiError(
            400, "DatasetExecuteQueriesError", "This stand-in evaluates whole tables only."
        )
    name = found[1] or found[2]
    table = workspace.table(request.path_params["dataset"], name)
    rows = [{f"{name}[{n}]": row.get(n) for n in table.columns} for row in table.rows]
    return JSONResponse({"results": [{"tables": [{"rows": rows}]}]})


async def _json(request: Request) -> dict[str, Any]:
    try:
        asked = await request.json()
    except ValueError:
        asked = None
    if not isinstance(asked, dict):
        raise PowerBiError(400, "BadRequest", "A JSON object is expected.")
    return asked


def _count(request: Request, name: str, usual: int) -> int:
    text = request.query_params.get(name, str(usual))
    if not text.isdecimal():
        raise PowerBiError(400, "BadRequest", f"{name} is no number.")
    return int(text)
