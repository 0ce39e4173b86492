"""Settings: who is told what, over which channel; what was sent; and the page behind the link of a
message, where somebody takes an incident on without signing in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.errors import InputError, MeterstoneError
from meterstone.ledger.notices import Channel, Notice
from meterstone.notify.model import (
    FAULTS,
    KINDS,
    MOST_ESCALATE_MIN,
    MOST_WAIT_S,
    SEVERITIES,
    Quiet,
)
from meterstone.notify.model import Route as Telling
from meterstone.notify.service import Notifications
from meterstone.people.guard import PRINCIPAL
from meterstone.people.rights import Principal
from meterstone.publish.web.forms import NO_STORE, Sent, answer_to, form
from meterstone.publish.web.settings import Setting
from meterstone.publish.web.site import Site

HERE = "/settings/notifications"
SETTING = Setting("Say who is told what", "Channels, routes, quiet hours, escalation", HERE)
LEAST: Mapping[str, str] = {
    "sev1": "severe only", "sev2": "serious and worse", "sev3": "notable and worse",
    "sev4": "everything",
}  # fmt: skip
_FAULT: Mapping[str, str] = {
    "provider": "the vendor's fault", "hub": "our own fault", "caller": "the caller's fault",
    "unknown": "fault not known",
}  # fmt: skip
_DONE: Mapping[str, str] = {
    "channel": "The channel is there. Send a test before you rely on it.",
    "removed": "Removed.",
    "route": "The route holds from now on.",
    "again": "It is being sent again.",
}


def routes(site: Site, notify: Notifications) -> list[BaseRoute]:
    """The pages of notifications, and of the links in them."""
    page, one, answer = _Pages(site, notify), f"{HERE}/routes/{{route}}", _Answers(site, notify)
    channel, again = f"{HERE}/channels/{{channel}}", page.again
    return [
        Route(HERE, page.page, methods=["GET"]),
        Route(f"{HERE}/channels", form(page.add_channel, again), methods=["POST"]),
        Route(f"{channel}/test", form(page.test, again), methods=["POST"]),
        Route(f"{channel}/remove", form(page.remove_channel, again), methods=["POST"]),
        Route(one, page.route, methods=["GET"]),
        Route(one, form(page.put_route, page.route_again), methods=["POST"]),
        Route(f"{one}/remove", form(page.remove_route, again), methods=["POST"]),
        Route(f"{HERE}/notices/{{notice}}", form(page.send_again, again), methods=["POST"]),
        Route("/answer/{text}", answer.page, methods=["GET"]),
        Route("/answer/{text}", form(answer.take_on, answer.gone), methods=["POST"]),
    ]


@dataclass(frozen=True)
class _Pages:
    site: Site
    notify: Notifications

    def page(self, request: Request) -> Response:
        """Channels, routes and the last messages."""
        return self._page(request, done=_DONE.get(request.query_params.get("done", ""), ""))

    def again(self, request: Request, given: Sent, error: MeterstoneError) -> Response:
        """The page with what was refused; a URL that was typed is not shown again."""
        return self._page(request, error=error, typed_name=given.one("name")[:100])

    def add_channel(self, request: Request, given: Sent) -> Response:
        """Add a channel."""
        self.notify.add_channel(given.one("name"), given.one("url"), _who(request))
        return _back("channel")

    def test(self, request: Request, _given: Sent) -> Response:
        """Send a test, and say how it went."""
        told = self.notify.test(request.path_params["channel"], _who(request))
        if told.state != "sent":
            raise InputError(
                f"the test was not taken: {told.error}", place="test",
                mend="look at the URL and at the service's own log",
            )  # fmt: skip
        return self._page(request, done="The test was taken by the service. Did it arrive?")

    def remove_channel(self, request: Request, _given: Sent) -> Response:
        """Remove a channel that no route uses."""
        self.notify.remove_channel(request.path_params["channel"], _who(request))
        return _back("removed")

    def route(self, request: Request) -> Response:
        """A route, or the form of a new one."""
        at = self.site.until(request)
        found = _found(self.notify.routes(at), request.path_params["route"])
        channels = self.notify.channels(at)
        if found is None and request.path_params["route"] != "new":
            return self.site.error(request, HTTPStatus.NOT_FOUND)
        shown = found or Telling(name="", channel=channels[0].id if channels else "")
        return self._route(request, route_context(shown, channels))

    def route_again(self, request: Request, given: Sent, error: MeterstoneError) -> Response:
        """The form with what was refused."""
        shown = route_context(Telling(name="", channel=""), self.notify.channels())
        shown["typed"] = {
            name: given.one(name)[:200] for name in shown["typed"]
        } | {name: list(given.all(name)) for name in ("kinds", "faults")}  # fmt: skip
        return self._route(request, shown, error)

    def put_route(self, request: Request, given: Sent) -> Response:
        """Keep a route."""
        route = request.path_params["route"]
        self.notify.put_route(route_of(given, "" if route == "new" else route), _who(request))
        return _back("route")

    def remove_route(self, request: Request, _given: Sent) -> Response:
        """Remove a route."""
        self.notify.remove_route(request.path_params["route"], _who(request))
        return _back("removed")

    def send_again(self, request: Request, _given: Sent) -> Response:
        """Send a message that was given up."""
        self.notify.again(request.path_params["notice"], _who(request))
        return _back("again")

    def _page(
        self,
        request: Request,
        *,
        done: str = "",
        error: MeterstoneError | None = None,
        typed_name: str = "",
    ) -> Response:
        at, notify = self.site.until(request), self.notify
        found = page_context(notify.channels(at), notify.routes(at), notify.notices(at=at))
        return self.site.render(
            request, "notifications.html", at=at,
            done=done, error=error, typed_name=typed_name,
            **found, **answer_to(error),
        )  # fmt: skip

    def _route(
        self, request: Request, context: Mapping[str, Any], error: MeterstoneError | None = None
    ) -> Response:
        new = request.path_params["route"] == "new"
        return self.site.render(
            request, "route.html", at=self.site.until(request),
            error=error, new=new, action=request.url.path,
            **context, **answer_to(error),
        )  # fmt: skip


@dataclass(frozen=True)
class _Answers:
    site: Site
    notify: Notifications

    def page(self, request: Request) -> Response:
        """The incident of a link, and the button. To open it changes nothing: mail scanners do."""
        try:
            incident = self.notify.answered(request.path_params["text"])
        except InputError as error:
            return self.site.error(request, HTTPStatus.NOT_FOUND, error.cause, error.mend)
        return self.site.render(
            request,
            "answer.html",
            present=True,
            incident=incident,
            action=request.url.path,
            headers=NO_STORE,
        )

    def take_on(self, request: Request, _given: Sent) -> Response:
        """Take it on."""
        incident = self.notify.take_on(request.path_params["text"])
        return self.site.render(
            request, "answer.html", present=True, incident=incident, action="", headers=NO_STORE
        )

    def gone(self, request: Request, _given: Sent, error: MeterstoneError) -> Response:
        """The link does not hold."""
        return self.site.error(request, HTTPStatus.NOT_FOUND, error.cause, error.mend)


def page_context(
    channels: Sequence[Channel], tellings: Sequence[Telling], notices: Sequence[Notice]
) -> dict[str, Any]:
    """What the page shows: routes as sentences, messages with how they went."""
    names = {channel.id: channel.name for channel in channels}
    dead = sum(notice.state == "dead" for notice in notices)
    return {
        "sentence": _sentence(channels, tellings, dead),
        "channels": channels,
        "routes": [{"route": each, "says": says(each, names)} for each in tellings],
        "notices": [
            {"notice": each, "channel": names.get(each.channel, "a removed channel")}
            for each in notices
        ],
    }


def _sentence(channels: Sequence[Channel], tellings: Sequence[Telling], dead: int) -> str:
    if not channels:
        return "Nobody is told of incidents yet."
    if not tellings:
        return "There is a channel, and nothing goes over it yet."
    if dead:
        return f"{dead} of the last messages {'was' if dead == 1 else 'were'} not taken."
    who = "One route tells" if len(tellings) == 1 else f"{len(tellings)} routes tell"
    return f"{who} people of incidents."


def says(route: Telling, names: Mapping[str, str]) -> str:
    """A route in one sentence."""
    parts = [f"{LEAST[route.least]}, to {names.get(route.channel, 'a removed channel')}"]
    limits = [*route.kinds, *(_FAULT[fault] for fault in route.faults), *route.integrations]
    if limits:
        parts.append("only " + ", ".join(limits))
    if route.quiet:
        parts.append(f"quiet from {route.quiet.begins} to {route.quiet.ends} ({route.quiet.zone})")
    if route.escalate_min:
        to = names.get(route.escalate_to, "a removed channel")
        parts.append(f"after {route.escalate_min} min without an answer to {to}")
    text = "; ".join(parts)
    return text[0].upper() + text[1:] + "."


def route_context(route: Telling, channels: Sequence[Channel]) -> dict[str, Any]:
    """What the form of a route shows."""
    quiet = route.quiet or Quiet("", "", "UTC")
    return {
        "name": route.name,
        "channels": channels,
        "least": LEAST,
        "kinds": KINDS,
        "faults": {fault: _FAULT[fault] for fault in FAULTS},
        "most": {"wait_s": MOST_WAIT_S, "escalate_min": MOST_ESCALATE_MIN},
        "typed": {
            "name": route.name, "channel": route.channel, "least": route.least,
            "kinds": list(route.kinds), "faults": list(route.faults),
            "integrations": ", ".join(route.integrations),
            "recovered": "1" if route.recovered else "", "wait_s": str(route.wait_s),
            "begins": quiet.begins, "ends": quiet.ends, "zone": quiet.zone,
            "escalate_min": str(route.escalate_min), "escalate_to": route.escalate_to,
        },
    }  # fmt: skip


def route_of(given: Sent, id_: str) -> Telling:
    """The route that a form describes; whether it makes sense is checked when it is kept."""
    begins, ends = given.one("begins").strip(), given.one("ends").strip()
    quiet = Quiet(begins, ends, given.one("zone").strip() or "UTC") if begins or ends else None
    listed = [each.strip() for each in given.one("integrations").split(",")]
    return Telling(
        id=id_, name=given.one("name"), channel=given.one("channel"),
        least=cast(Any, given.one("least") or SEVERITIES[2]),
        kinds=cast(Any, given.all("kinds")), faults=cast(Any, given.all("faults")),
        integrations=tuple(each[:100] for each in listed if each),
        recovered=given.one("recovered") == "1", wait_s=_number(given.one("wait_s")),
        quiet=quiet, escalate_min=_number(given.one("escalate_min") or "0"),
        escalate_to=given.one("escalate_to"),
    )  # fmt: skip


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 7 else -1


def _found(tellings: Sequence[Telling], id_: str) -> Telling | None:
    return next((each for each in tellings if each.id == id_), None)


def _who(request: Request) -> str:
    who: Principal = request.scope[PRINCIPAL]
    return who.id


def _back(done: str) -> Response:
    return RedirectResponse(f"{HERE}?done={done}", HTTPStatus.SEE_OTHER, NO_STORE)
