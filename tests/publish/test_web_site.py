"""The frame that all pages share: rendered for a reader, with headers, as-of and errors."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from http import HTTPStatus
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from jinja2 import ChoiceLoader, DictLoader
from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from meterstone.board.model import Board, Named, Revision
from meterstone.errors import InputError
from meterstone.measure.results import Scope, ScopeKind
from meterstone.people.rights import RIGHTS, Principal, Role
from meterstone.publish.web import first
from meterstone.publish.web.asof import AsOf, days_beside, read_as_of
from meterstone.publish.web.nav import ENTRIES, entries_for, home_of
from meterstone.publish.web.site import Site
from meterstone.publish.web.static_files import static_file, static_routes

DAYS = [date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 4)]


class Shops:
    """A board that knows days and two shops, and has no scorecard."""

    zone = ZoneInfo("Europe/Berlin")
    label = "simulated"

    def days(self, _scope: Scope) -> Sequence[date]:
        return DAYS

    def revisions(self, _scope: Scope, day: date) -> Sequence[Revision]:
        first = Revision(datetime(2026, 3, 2, 1, tzinfo=UTC), "one", ())
        again = Revision(datetime(2026, 3, 9, 1, tzinfo=UTC), "two", ("uptime",))
        return {DAYS[0]: [first, again], DAYS[1]: [first]}.get(day, [])

    def scopes(self, _kind: ScopeKind) -> Sequence[Named]:
        return [Named(Scope("franchise", "F1"), "Shop <One>"), Named(Scope("franchise", "F2"), "")]


def person(role: Role, *franchises: str) -> Principal:
    return Principal("person:1", "", role, RIGHTS[role], frozenset(franchises))


@pytest.fixture
def site() -> Site:
    made = Site(cast("Board", Shops()), lambda: None)
    hello = (
        '{% extends "base.html" %}{% import "pieces.html" as p with context %}'
        "{% block content %}{{ p.empty(name, 'Nothing yet.') }}{{ at | moment }}{% endblock %}"
    )
    pages = made.templates.loader
    assert pages is not None
    made.templates.loader = ChoiceLoader([pages, DictLoader({"hello.html": hello})])
    return made


def client(site: Site, principal: Principal | None) -> TestClient:
    def hello(request: Request) -> Response:
        request.scope["principal"] = principal
        return site.render(
            request, "hello.html", title="Hello", name="<b>", at=datetime(2026, 3, 1, 9, tzinfo=UTC)
        )

    def wrong(request: Request) -> Response:
        request.scope["principal"] = principal
        return site.error(request, HTTPStatus.NOT_FOUND, mend="look <elsewhere>")

    return TestClient(
        Starlette(routes=[Route("/hello", hello), Route("/wrong", wrong), *static_routes()])
    )


def test_a_page_has_its_frame_and_escapes_what_it_is_given(site: Site) -> None:
    answer = client(site, person(Role.ADMIN)).get("/hello")
    assert answer.status_code == 200
    assert "&lt;b&gt;" in answer.text
    assert "<b>" not in answer.text
    assert "Simulated data" in answer.text
    assert '<time datetime="2026-03-01T09:00:00Z"' in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "<style" not in answer.text
    assert "style=" not in answer.text
    for address in (static_file("meterstone.css").address, static_file("live.js").address):
        assert address in answer.text


def test_a_past_that_was_chosen_stays_in_every_link(site: Site) -> None:
    text = client(site, person(Role.ADMIN)).get("/hello?day=2026-03-02").text
    assert 'href="/operations?day=2026-03-02"' in text
    assert "You look at" in text
    assert 'href="/hello?day=2026-03-01"' in text
    assert 'href="/hello?day=2026-03-04"' in text
    assert 'href="/hello">Back to now' in text


def test_an_owner_has_own_shops_in_the_bar_and_a_stranger_nothing(site: Site) -> None:
    text = client(site, person(Role.OWNER, "F1")).get("/hello").text
    assert "Shop &lt;One&gt;" in text
    assert "/owners/F2" not in text
    assert 'href="/operations"' not in text
    assert "<nav" not in client(site, None).get("/hello").text


def test_errors_say_what_to_do_next_and_name_nothing(site: Site) -> None:
    answer = client(site, None).get("/wrong")
    assert answer.status_code == 404
    assert "There is nothing here." in answer.text
    assert "Look &lt;elsewhere&gt;." in answer.text


def test_static_files_are_kept_for_ever_by_their_content(site: Site) -> None:
    asked = client(site, None)
    css = static_file("meterstone.css")
    named = asked.get(css.address)
    assert named.headers["Cache-Control"].endswith("immutable")
    assert named.content == css.body
    assert asked.get("/static/meterstone.css").headers["Cache-Control"] == "no-cache"
    assert asked.get("/static/other.css").status_code == 404
    plain = asked.get(css.address, headers={"Accept-Encoding": "identity"})
    assert plain.content == css.body


def test_as_of_is_read_and_written() -> None:
    read = read_as_of(QueryParams("day=2026-03-02&known_at=2026-03-09T00:00:00Z"))
    assert read.link("/x#a") == "/x?day=2026-03-02&known_at=2026-03-09T00%3A00%3A00Z#a"
    assert AsOf().link("/x", q="a b") == "/x?q=a+b"
    assert read.link("/x?y=1").startswith("/x?y=1&day=")
    for wrong in ("day=soon", "known_at=soon"):
        with pytest.raises(InputError):
            read_as_of(QueryParams(wrong))
    beside = days_beside(DAYS, date(2026, 3, 2))
    assert (beside.before, beside.after) == (DAYS[0], DAYS[2])
    assert days_beside([], None).last is None


@pytest.mark.parametrize("role", list(Role))
def test_every_role_begins_on_a_page_of_its_own(role: Role) -> None:
    principal = person(role, *(["F1"] if role is Role.OWNER else []))
    home = home_of(principal)
    allowed: list[Any] = [entry.path for entry in entries_for(principal)]
    assert home in [*allowed, "/owners/F1"]
    assert len({entry.path for entry in ENTRIES}) == len(ENTRIES)


def test_a_page_that_waits_says_for_what_and_is_asked_for_again_until_there_are_numbers() -> None:
    class Empty(Shops):
        def days(self, _scope: Scope) -> Sequence[date]:
            return []

    def asked(board: Shops, path: str, *busy: str) -> Response:
        site = Site(cast("Board", board), lambda: None, busy=lambda: busy)
        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
        scope["principal"] = person(Role.ADMIN)
        return site.render(Request(scope), "base.html")

    waiting = asked(Empty(), "/executive", "loading <facts>")
    assert "In progress: loading &lt;facts&gt;." in bytes(waiting.body).decode()
    assert waiting.headers["refresh"] == "3"
    assert "refresh" not in asked(Empty(), "/settings", "loading").headers
    assert "refresh" not in asked(Empty(), "/executive").headers
    assert "refresh" not in asked(Shops(), "/executive", "loading").headers


@pytest.mark.parametrize(
    ("role", "owned", "led_to"),
    [
        (Role.EXECUTIVE, (), "/executive?day=2026-03-02"),
        (Role.OPERATOR, (), "/operations?day=2026-03-02"),
        (Role.OWNER, ("F2", "F1"), "/owners/F1?day=2026-03-02"),
        (Role.OWNER, (), "/account?day=2026-03-02"),
    ],
)
def test_the_first_page_leads_each_role_to_its_own(
    site: Site, role: Role, owned: tuple[str, ...], led_to: str
) -> None:
    (route,) = first.routes(site)
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"day=2026-03-02"}
    answer = route.endpoint(Request(scope | {"headers": [], "principal": person(role, *owned)}))  # type: ignore[attr-defined]  # a Route has one
    assert (answer.status_code, answer.headers["location"]) == (303, led_to)


def asking(query: str) -> Request:
    return Request(
        {"type": "http", "path": "/here", "query_string": query.encode(), "headers": [],
         "principal": person(Role.ANALYST), "scheme": "http", "server": ("x", 80)}
    )  # fmt: skip


def test_as_known_then_is_what_the_first_scorecard_of_the_day_knew(site: Site) -> None:
    then = datetime(2026, 3, 2, 1, tzinfo=UTC)
    assert site.as_of(asking("day=2026-03-01&known=then")) == AsOf(DAYS[0], then)
    assert site.as_of(asking("day=2026-03-01&known=")) == AsOf(DAYS[0])
    assert site.as_of(asking("day=2026-03-03&known=then")) == AsOf(date(2026, 3, 3)), "no scorecard"
    assert site.as_of(asking("known=then")).is_now
    chosen = "day=2026-03-01&known=then&known_at=2026-03-09T01:00:00Z"
    assert site.as_of(asking(chosen)).known_at == datetime(2026, 3, 9, 1, tzinfo=UTC)


def test_a_page_of_the_past_says_so_and_leads_to_what_is_known_now_and_was_then(site: Site) -> None:
    html = site.html(asking("day=2026-03-01&verdict=met"), "hello.html", name="", at=None)
    assert "It was restated since it was first known" in html
    assert 'href="/here?verdict=met&amp;day=2026-03-01&amp;known=then"' in html
    assert '<input type="hidden" name="verdict" value="met">' in html
    then = site.html(asking("day=2026-03-01&known=then"), "hello.html", name="", at=None)
    assert ">as it is known now</a>" in then
    assert '<option value="then" selected>' in then
    assert 'href="/here?day=2026-03-02&amp;known=then" rel="next"' in then
    once = site.html(asking("day=2026-03-02"), "hello.html", name="", at=None)
    assert "restated" not in once
    assert "You look at" not in site.html(asking(""), "hello.html", name="", at=None)
