"""Reports: what was made, a form to make one now, how far it is, its files; when each is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import PurePath
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.errors import InputError, MeterstoneError, NotFound, suggest
from meterstone.ledger import Ledger, ReportRun
from meterstone.ledger.reports import ReportPlan
from meterstone.measure.results import Scope, read_day
from meterstone.people.rights import Right
from meterstone.publish.reports.model import KINDS
from meterstone.publish.reports.planned import Planned
from meterstone.publish.reports.service import Reports
from meterstone.publish.web.forms import NO_STORE, Sent, answer_to, form
from meterstone.publish.web.headers import PAGE_HEADERS
from meterstone.publish.web.settings import Setting
from meterstone.publish.web.site import NETWORK, Site
from meterstone.scorecard.values import format_day, format_duration

PLANS = Setting(
    "Plan reports",
    "When each kind is made, and over which channels it is sent",
    "/settings/reports",
)
_MOST_LISTED = 100
_MOST_SHOPS = 500
_LOOKS_AGAIN = {"Refresh": "2"}
_FACES: Mapping[str, str] = {".pdf": "PDF", ".xlsx": "Spreadsheet", ".eml": "Mail"}
_STATES: Mapping[str, tuple[str, str]] = {
    "waiting": ("reference", "Waits"),
    "making": ("doubt", "Is being made"),
    "made": ("met", "Ready"),
    "failed": ("miss", "Could not be made"),
}


def routes(site: Site, ledger: Ledger, reports: Reports, plans: Planned) -> list[BaseRoute]:
    """``/reports``, what is below it, and ``/settings/reports``."""
    page = _Reports(site, ledger, reports)
    setting = _Plans(site, plans)
    one = "/reports/{run}"
    return [
        Route("/reports", page.all, methods=["GET"]),
        Route("/reports", form(page.ask, page.ask_again), methods=["POST"]),
        Route(one, page.one, methods=["GET"]),
        Route(one, form(page.once_more, page.refused), methods=["POST"]),
        Route(f"{one}/files/{{name}}", page.file, methods=["GET"]),
        Route(PLANS.href, setting.all, methods=["GET"]),
        Route(PLANS.href, form(setting.set, setting.again), methods=["POST"]),
    ]


class _Reports:
    def __init__(self, site: Site, ledger: Ledger, reports: Reports) -> None:
        self._site, self._ledger, self._reports = site, ledger, reports

    def all(self, request: Request) -> Response:
        """The list, and the form of a new one."""
        return self._page(request, Sent({}))

    def ask_again(self, request: Request, given: Sent, error: MeterstoneError) -> Response:
        """The form again, with what was typed."""
        return self._page(request, given, error)

    def ask(self, request: Request, given: Sent) -> Response:
        """Queue one, and lead to its progress."""
        kind, _, key = given.one("scope").partition(":")
        known = [str(scope) for scope, _ in self._scopes()]
        if given.one("scope") not in known:
            raise InputError(
                f"nothing is called {given.one('scope')[:100]!r}", place="scope",
                mend=suggest(given.one("scope"), known),
            )  # fmt: skip
        wanted = read_day(given.one("day"), "day", "2026-03-31") if given.one("day") else None
        scope = Scope(kind, key or "*")  # type: ignore[arg-type]  # it is one of those known
        run = self._reports.ask(given.one("kind"), _actor(self._site, request), scope, wanted)
        return RedirectResponse(f"/reports/{run.id}", HTTPStatus.SEE_OTHER, NO_STORE)

    def one(self, request: Request) -> Response:
        """How far it is; its files."""
        return self._one(request)

    def once_more(self, request: Request, _given: Sent) -> Response:
        """Make one that failed again."""
        run = self._run(request)
        self._reports.again(run.id, _actor(self._site, request))
        return RedirectResponse(f"/reports/{run.id}", HTTPStatus.SEE_OTHER, NO_STORE)

    def refused(self, request: Request, _given: Sent, error: MeterstoneError) -> Response:
        """Its page, with what was refused."""
        return self._one(request, error)

    def file(self, request: Request) -> Response:
        """A file of it, as it was made; that somebody took it is told as a fact."""
        run = self._run(request)
        name = request.path_params["name"]
        found = next((file for file in run.files if file["name"] == name), None)
        path = self._reports.path(run.id, name)
        if found is None or not path.is_file():
            raise NotFound("the report has no such file", place="name", mend="see its page")
        self._reports.viewed(run.id, _actor(self._site, request))
        return FileResponse(
            path, media_type=str(found["media_type"]), filename=name,
            headers={**PAGE_HEADERS, "Content-Security-Policy": "sandbox; default-src 'none'"},
        )  # fmt: skip

    def _run(self, request: Request) -> ReportRun:
        with self._ledger.read() as seen:
            try:
                return seen.reports.get(request.path_params["run"])
            except InputError as error:
                raise NotFound(error.cause, place="report", mend=error.mend) from error

    def _scopes(self) -> list[tuple[Scope, str]]:
        board = self._site.board
        found = [(NETWORK, "The whole network")]
        found += [(each.scope, each.name) for each in board.scopes("integration")]
        return found + [(e.scope, e.name) for e in board.scopes("franchise")[:_MOST_SHOPS]]

    def _page(
        self, request: Request, given: Sent, error: MeterstoneError | None = None
    ) -> Response:
        at = self._site.until(request)
        with self._ledger.read() as seen:
            runs = (seen.past(at).reports(_MOST_LISTED) if at
                    else seen.reports.all(limit=_MOST_LISTED))  # fmt: skip
        days = self._site.board.days(NETWORK)
        scopes = self._scopes()
        names = {str(scope): name for scope, name in scopes}
        return self._site.render(
            request, "reports.html", at=at, title="Reports", error=error, kinds=KINDS, scopes=names,
            may_plan=self._may_plan(request),
            typed={name: given.one(name) for name in ("kind", "scope", "day")},
            bounds=(days[0], days[-1]) if days else None,
            sentence=sentence_of(runs), runs=[told(run, names) for run in runs],
            **answer_to(error),
        )  # fmt: skip

    def _may_plan(self, request: Request) -> bool:
        principal = self._site.principal(request)
        return principal is not None and principal.may(Right.MANAGE)

    def _one(self, request: Request, error: MeterstoneError | None = None) -> Response:
        run = self._run(request)
        names = {str(scope): name for scope, name in self._scopes()}
        answer = answer_to(error)
        if not run.is_over:
            answer["headers"] = {**answer["headers"], **_LOOKS_AGAIN}
        shown = told(run, names)
        return self._site.render(
            request,
            "report.html",
            title=shown["title"],
            present=True,
            error=error,
            run=shown,
            **answer,
        )


def told(run: ReportRun, names: Mapping[str, str]) -> dict[str, Any]:
    """A run as pages show it."""
    took = run.took_s
    return {
        "id": run.id,
        "title": f"{KINDS[run.kind].title}: {names.get(run.scope, run.scope)}",  # type: ignore[index]  # kinds are refused when they are asked for
        "day": run.day, "state": _STATES[run.state], "over": run.is_over,
        "failed": run.state == "failed", "step": run.step, "done": run.done, "parts": run.parts,
        "mode": "on time" if run.mode == "scheduled" else "when asked",
        "finished_at": run.finished_at, "took": "" if took is None else format_duration(took),
        "scorecard": run.scorecard, "error": run.error, "mend": run.mend,
        "files": [
            {
                "href": f"/reports/{run.id}/files/{file['name']}",
                "face": _FACES.get(PurePath(file["name"]).suffix, file["name"]),
                "name": file["name"], "sha256": file["sha256"],
                "size": f"{max(1, round(file['bytes'] / 1000)):,} kB",
            }
            for file in run.files
        ],
    }  # fmt: skip


def sentence_of(runs: Sequence[ReportRun]) -> str:
    """What the page of reports says first; the newest run first."""
    making = sum(not run.is_over for run in runs)
    if making:
        return f"{making} {'report is' if making == 1 else 'reports are'} being made."
    if not runs:
        return "No report was made yet."
    newest = runs[0]
    title = KINDS[newest.kind].title  # type: ignore[index]  # as above
    if newest.state == "failed":
        return f"The newest report could not be made: {title}."
    return f"The newest report is ready: {title}, {format_day(newest.day)}."


class _Plans:
    def __init__(self, site: Site, plans: Planned) -> None:
        self._site, self._plans = site, plans

    def all(self, request: Request) -> Response:
        """When each kind is made, as forms."""
        return self._page(request)

    def again(self, request: Request, _given: Sent, error: MeterstoneError) -> Response:
        """The forms again."""
        return self._page(request, error)

    def set(self, request: Request, given: Sent) -> Response:
        """Set when a kind is made."""
        kind = given.one("kind")
        old = next((plan for plan in self._plans.plans() if plan.kind == kind), None)
        if old is None:
            raise InputError(f"unknown report {kind[:50]!r}", place="kind", mend="see the list")
        new = ReportPlan(
            kind=kind, active=given.one("active") == "on", at=given.one("at"),
            channels=given.all("channel"), since=old.since,
        )  # fmt: skip
        self._plans.plan(new, _actor(self._site, request))
        return RedirectResponse(f"{PLANS.href}?done={kind}", HTTPStatus.SEE_OTHER, NO_STORE)

    def _page(self, request: Request, error: MeterstoneError | None = None) -> Response:
        at = self._site.until(request)
        done = KINDS.get(request.query_params.get("done", ""))  # type: ignore[call-overload]  # any text
        return self._site.render(
            request, "report_plans.html", title="Plan reports", at=at, error=error,
            kinds=KINDS, plans=self._plans.plans(at), ways=self._plans.ways(),
            done=done.title if done and error is None else "", **answer_to(error),
        )  # fmt: skip


def _actor(site: Site, request: Request) -> str:
    principal = site.principal(request)
    return principal.id if principal else ""
