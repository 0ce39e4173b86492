"""Tableau's REST API, as far as publishing, jobs, paging and webhooks go."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from meterstone.sandbox.kit import Accounts, Record, Refused, Sender, token
from meterstone.sandbox.tableau import wire
from meterstone.sandbox.tableau.paging import count_of, filtered
from meterstone.sandbox.tableau.site import JOB_TAKES, LARGEST_AT_ONCE, Job, Site
from meterstone.sandbox.tableau.wire import TableauError, answer

REST_VERSION = "3.27"
PRODUCT_VERSION = {"value": "2026.2.0", "build": "20262.26.0801.0000"}
MOST_A_PAGE = 1000

EVENTS = frozenset({
    "datasource-created", "datasource-updated", "datasource-deleted", "datasource-refresh-started",
    "datasource-refresh-succeeded", "datasource-refresh-failed", "workbook-created",
    "workbook-updated", "workbook-deleted", "workbook-refresh-started",
    "workbook-refresh-succeeded", "workbook-refresh-failed", "view-deleted",
})  # fmt: skip

Answer = Callable[["Server", Request], Awaitable[Response]]


@dataclass
class Server:
    """A Tableau with one site and one personal access token.

    Attributes:
        session: the session of the token; a second sign-in ends it.
    """

    site: Site
    accounts: Accounts
    sender: Sender
    client: str
    pat_name: str
    pat_secret: str = field(repr=False)
    session: str = field(default="", repr=False)
    webhooks: dict[str, Record] = field(default_factory=dict)
    targets: dict[str, str] = field(default_factory=dict)

    def tell(self, event: str, record: Record) -> None:
        """Send a webhook. No signature is documented, so there is none."""
        body = {
            "resource": event.partition("-")[0].upper(),
            "event_type": "".join(part.capitalize() for part in event.split("-")),
            "resource_name": record.get("name", ""),
            "site_luid": self.site.id,
            "resource_luid": record.get("id", ""),
            "created_at": wire.stamp(self.site.clock.now()),
        }
        id_ = token(event, record.get("id"), len(self.sender.events), length=24)
        self.sender.send(event, id_, str(record.get("id", "")), lambda _target: _json(body))


def routes(server: Server) -> list[BaseRoute]:
    """All routes, under any version of the API."""

    def route(path: str, method: str, handler: Answer, *, open_: bool = False) -> Route:
        async def handle(request: Request) -> Response:
            try:
                if not open_:
                    _check_session(server, request)
                return await handler(server, request)
            except TableauError as error:
                return answer(request, wire.error_content(error), error.status)

        return Route(f"/api/{{version}}{path}", handle, methods=[method])

    site = "/sites/{site}"
    return [
        route("/serverinfo", "GET", _server_info, open_=True),
        route("/serverInfo", "GET", _server_info, open_=True),
        route("/auth/signin", "POST", _sign_in, open_=True),
        route("/auth/signout", "POST", _sign_out),
        route(site, "GET", _site),
        route(f"{site}/projects", "GET", _listed("project", "projects")),
        route(f"{site}/workbooks", "GET", _listed("workbook", "workbooks")),
        route(f"{site}/views", "GET", _listed("view", "views")),
        route(f"{site}/datasources", "GET", _listed("datasource", "datasources")),
        route(f"{site}/datasources", "POST", _publish),
        route(f"{site}/datasources/{{id}}", "GET", _datasource),
        route(f"{site}/datasources/{{id}}", "DELETE", _delete_datasource),
        route(f"{site}/datasources/{{id}}/content", "GET", _content),
        route(f"{site}/datasources/{{id}}/refresh", "POST", _refresh),
        route(f"{site}/fileUploads", "POST", _begin_upload),
        route(f"{site}/fileUploads/{{id}}", "PUT", _append_upload),
        route(f"{site}/jobs/{{id}}", "GET", _job),
        route(f"{site}/webhooks", "GET", _webhooks),
        route(f"{site}/webhooks", "POST", _create_webhook),
        route(f"{site}/webhooks/{{id}}", "GET", _webhook),
        route(f"{site}/webhooks/{{id}}", "DELETE", _delete_webhook),
        route(f"{site}/webhooks/{{id}}/test", "GET", _test_webhook),
    ]


# -- sign-in ---------------------------------------------------------------------------------------


async def _server_info(_server: Server, request: Request) -> Response:
    info = {"productVersion": PRODUCT_VERSION, "restApiVersion": REST_VERSION}
    return answer(request, {"serverInfo": info})


async def _sign_in(server: Server, request: Request) -> Response:
    body = await request.body()
    content = wire.asked(body, request.headers.get("content-type", ""))
    given = content.get("credentials")
    given = given if isinstance(given, dict) else {}
    name = str(given.get("personalAccessTokenName", ""))
    secret = str(given.get("personalAccessTokenSecret", ""))
    site = given.get("site") if isinstance(given.get("site"), dict) else {}
    right = name == server.pat_name and hmac.compare_digest(
        secret.encode(), server.pat_secret.encode()
    )
    if not right or (site or {}).get("contentUrl", "") != server.site.content_url:
        raise TableauError("401001", "Signin Error", "Error signing in to Tableau Server")
    if server.session:  # a token has one session
        server.accounts.revoke(access=server.session)
    granted = server.accounts.grant(server.site.id, server.client)
    server.session = granted.access
    minutes, seconds = divmod(int(server.accounts.rules.access.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return answer(
        request,
        {
            "credentials": {
                "token": granted.access,
                "estimatedTimeToExpiration": f"{hours:02d}:{minutes:02d}:{seconds:02d}",
                "site": {"id": server.site.id, "contentUrl": server.site.content_url},
                "user": {"id": server.site.owner},
            }
        },
    )


async def _sign_out(server: Server, request: Request) -> Response:
    server.accounts.revoke(access=request.headers.get("x-tableau-auth", ""))
    return Response(status_code=204)


def _check_session(server: Server, request: Request) -> None:
    access = request.headers.get("x-tableau-auth", "")
    if not access:
        raise TableauError("401000", "Unauthorized", "No authentication credentials were provided.")
    try:
        server.accounts.check(access)
    except Refused:
        raise TableauError(
            "401002", "Unauthorized Access", "Invalid authentication credentials were provided."
        ) from None
    asked = request.path_params.get("site")
    if asked is not None and asked != server.site.id:
        raise TableauError("404000", "Resource Not Found", f"Site '{asked}' could not be found.")


async def _site(server: Server, request: Request) -> Response:
    site = server.site
    return answer(
        request,
        {"site": {"id": site.id, "name": "Simulated site", "contentUrl": site.content_url,
                  "state": "Active"}},
    )  # fmt: skip


# -- content ---------------------------------------------------------------------------------------


def _listed(kind: str, root: str) -> Answer:
    async def handle(server: Server, request: Request) -> Response:
        number, size = count_of(request, "pageNumber", 1), count_of(request, "pageSize", 100)
        if size > MOST_A_PAGE:
            raise TableauError("400006", "Bad Request", "pageSize is greater than 1000.")
        entity = server.site.entities[kind]
        found = filtered(entity.select().page(0, len(entity)), request)
        start = (number - 1) * size
        if start and start >= len(found):
            raise TableauError("400006", "Bad Request", "pageNumber is beyond the last page.")
        pagination = {
            "pageNumber": str(number), "pageSize": str(size), "totalAvailable": str(len(found)),
        }  # fmt: skip
        page = found[start : start + size]
        return answer(request, {"pagination": pagination, root: {kind: page} if page else {}})

    return handle


def _known(server: Server, request: Request) -> Record:
    found = server.site.entities["datasource"].get(request.path_params["id"])
    if found is None:
        raise TableauError("404004", "Resource Not Found", "Data source could not be found.")
    return found


async def _datasource(server: Server, request: Request) -> Response:
    return answer(request, {"datasource": _known(server, request)})


async def _delete_datasource(server: Server, request: Request) -> Response:
    found = _known(server, request)
    server.site.entities["datasource"].delete(found["id"])
    server.tell("datasource-deleted", found)
    return Response(status_code=204)


async def _content(server: Server, request: Request) -> Response:
    found = _known(server, request)
    name = f'attachment; filename="{found["contentUrl"]}.tdsx"'
    return Response(
        server.site.files.get(found["id"], b""),
        media_type="application/octet-stream",
        headers={"content-disposition": f'name="tableau_datasource"; {name}'},
    )


async def _publish(server: Server, request: Request) -> Response:
    query = request.query_params
    body = await request.body()
    if len(body) > LARGEST_AT_ONCE:
        raise TableauError("413000", "Payload Too Large", "Use fileUploads for more than 64 MB.")
    read = wire.parts(body, request.headers.get("content-type", ""))
    payload = read.get("request_payload")
    wanted = wire.asked(payload.content, "xml").get("datasource") if payload else None
    if not isinstance(wanted, dict) or not wanted.get("name"):
        raise TableauError("400000", "Bad Request", "The data source has no name.")
    kind, file = _file(server, request, read)
    as_job = query.get("asJob") == "true"
    project = (wanted.get("project") or {}).get("id", "")
    try:
        made = server.site.publish(
            wanted["name"], project, kind, file,
            overwrite=query.get("overwrite") == "true", append=query.get("append") == "true",
        )  # fmt: skip
    except TableauError as error:
        if not as_job or error.code != "400011":
            raise
        # a job takes the file first and finds out later
        job = server.site.start("PublishDatasource", {"name": wanted["name"]}, error.detail)
        return answer(request, {"job": job.content(server.site.clock.now())}, 202)
    if as_job:
        job = server.site.start("PublishDatasource", made)
        return answer(request, {"job": job.content(server.site.clock.now())}, 202)
    return answer(request, {"datasource": made}, 201)


def _file(server: Server, request: Request, read: dict[str, wire.Part]) -> tuple[str, bytes]:
    query = request.query_params
    session = query.get("uploadSessionId")
    if session:
        if session not in server.site.uploads:
            raise TableauError("404010", "Resource Not Found", "The upload is not known.")
        return query.get("datasourceType", ""), bytes(server.site.uploads.pop(session))
    if "tableau_datasource" not in read:
        raise TableauError("400000", "Bad Request", "The part tableau_datasource is missing.")
    part = read["tableau_datasource"]
    return query.get("datasourceType") or part.filename.rpartition(".")[2], part.content


async def _begin_upload(server: Server, request: Request) -> Response:
    session = server.site.begin_upload()
    return answer(request, {"fileUpload": {"uploadSessionId": session, "fileSize": "0"}}, 201)


async def _append_upload(server: Server, request: Request) -> Response:
    session = request.path_params["id"]
    if session not in server.site.uploads:
        raise TableauError("404010", "Resource Not Found", "The upload is not known.")
    read = wire.parts(await request.body(), request.headers.get("content-type", ""))
    if "tableau_file" not in read:
        raise TableauError("400000", "Bad Request", "The part tableau_file is missing.")
    upload = server.site.uploads[session]
    upload += read["tableau_file"].content
    size = str(-(-len(upload) // (1024 * 1024)))
    return answer(request, {"fileUpload": {"uploadSessionId": session, "fileSize": size}})


async def _refresh(server: Server, request: Request) -> Response:
    found = _known(server, request)
    failure = "" if found.get("hasExtracts") == "true" else "The data source has no extract."
    job = server.site.start("RefreshExtract", found, failure)
    server.tell("datasource-refresh-started", found)
    _end_later(server, job)
    return answer(request, {"job": job.content(server.site.clock.now())}, 202)


def _end_later(server: Server, job: Job) -> None:
    ended = f"datasource-refresh-{'failed' if job.failure else 'succeeded'}"
    loop = asyncio.get_running_loop()
    loop.call_later(JOB_TAKES.total_seconds(), server.tell, ended, job.datasource)


async def _job(server: Server, request: Request) -> Response:
    job = server.site.jobs.get(request.path_params["id"])
    if job is None:
        raise TableauError("404009", "Resource Not Found", "The job could not be found.")
    return answer(request, {"job": job.content(server.site.clock.now())})


# -- webhooks --------------------------------------------------------------------------------------


async def _webhooks(server: Server, request: Request) -> Response:
    found = list(server.webhooks.values())
    return answer(request, {"webhooks": {"webhook": found} if found else {}})


async def _create_webhook(server: Server, request: Request) -> Response:
    content = wire.asked(await request.body(), request.headers.get("content-type", ""))
    wanted = content.get("webhook")
    wanted = wanted if isinstance(wanted, dict) else {}
    event = _event(wanted)
    url = _inner(wanted, "webhook-destination", "webhook-destination-http").get("url", "")
    if event not in EVENTS or not str(url).startswith(("https://", "http://127.0.0.1:")):
        raise TableauError("400000", "Bad Request", "A webhook needs a known event and a URL.")
    target = server.sender.subscribe(str(url), events=[event])
    id_ = server.site.unique("webhook", target.id)
    server.webhooks[id_] = {
        "id": id_,
        "name": str(wanted.get("name", "")),
        "event": event,
        "isEnabled": "true",
        "webhook-source": {f"webhook-source-event-{event}": {}},
        "webhook-destination": {"webhook-destination-http": {"method": "POST", "url": str(url)}},
        "owner": {"id": server.site.owner},
    }
    server.targets[id_] = target.id
    return answer(request, {"webhook": server.webhooks[id_]}, 201)


def _event(wanted: dict[str, Any]) -> str:
    source = wanted.get("webhook-source")
    if isinstance(source, dict) and source:
        return str(next(iter(source))).removeprefix("webhook-source-event-")
    return str(wanted.get("event", ""))


def _inner(content: dict[str, Any], *names: str) -> dict[str, Any]:
    for name in names:
        found = content.get(name)
        content = found if isinstance(found, dict) else {}
    return content


def _known_webhook(server: Server, request: Request) -> Record:
    found = server.webhooks.get(request.path_params["id"])
    if found is None:
        raise TableauError("404032", "Resource Not Found", "The webhook could not be found.")
    return found


async def _webhook(server: Server, request: Request) -> Response:
    return answer(request, {"webhook": _known_webhook(server, request)})


async def _delete_webhook(server: Server, request: Request) -> Response:
    found = _known_webhook(server, request)
    del server.webhooks[found["id"]]
    server.sender.unsubscribe(server.targets.pop(found["id"]))
    return Response(status_code=204)


async def _test_webhook(server: Server, request: Request) -> Response:
    found = _known_webhook(server, request)
    server.tell(found["event"], {"id": "", "name": "test"})
    return answer(request, {"webhookTestResult": {"id": found["id"], "status": "200"}})


def _json(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()
