"""Every route of the house, walked as every role and as a stranger; the routes are those that are
served, so a new one without a rule fails here. Who may what is written a second time below."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import pytest

from meterstone.people.match import Matcher
from meterstone.people.rights import Role
from meterstone.people.rules import RULES
from visitors import sign_in
from whole import OWN, STRANGER, House, whole_house

OTHERS, NONE = "F2", "F-that-never-was"
READERS = "admin operator analyst executive auditor"
MACHINES = ("/api/", "/v1/", "/metrics", "/live")

MAY: Mapping[str, tuple[str, str]] = {
    # first part of an address: who may read it, and who may change something there
    "login": ("all", "all"),
    "setup": ("all", "all"),
    "answer": ("all", "all"),
    "static": ("all", ""),
    "healthz": ("all", ""),
    "readyz": ("all", ""),
    "hooks": ("all", "all"),
    "": (f"{READERS} owner", ""),
    "logout": ("", f"{READERS} owner"),
    "account": (f"{READERS} owner", f"{READERS} owner"),
    "search": (f"{READERS} owner", ""),
    "live": (f"{READERS} owner", ""),
    "executive": ("admin analyst executive auditor", ""),
    "operations": (READERS, ""),
    "owners": (READERS, ""),
    "catalogue": (READERS, ""),
    "insight": (READERS, "admin operator"),
    "gates": (READERS, ""),
    "integrations": (READERS, ""),
    "incidents": (READERS, "admin operator"),
    "drills": (READERS, "admin operator"),
    "reconciliation": (READERS, "admin operator"),
    "attestations": (READERS, "admin operator"),
    "maintenance": (READERS, "admin operator executive"),
    "connections": (READERS, "admin operator"),
    "oauth": ("admin operator", ""),
    "reports": (READERS, READERS),
    "audit": ("admin auditor", ""),
    "settings": ("admin", "admin"),
    "v1": ("admin", "admin"),
    "metrics": ("admin", ""),
    "api/openapi.json": (f"{READERS} owner", ""),
    "api/me": (f"{READERS} owner", ""),
    "api/framework": (READERS, ""),
    "api/scorecards": (READERS, ""),
    "api/franchises": (READERS, ""),
    "api/metrics": (READERS, ""),
    "api/findings": (READERS, ""),
    "api/prevention-actions": (READERS, "admin operator"),
    "api/gates": (READERS, ""),
    "api/live": (READERS, ""),
    "api/integrations": (READERS, ""),
    "api/incidents": (READERS, "admin operator"),
    "api/alerts": (READERS, "admin operator"),
    "api/drills": (READERS, "admin operator"),
    "api/discrepancies": (READERS, "admin operator"),
    "api/attestations": (READERS, "admin operator"),
    "api/maintenance": (READERS, "admin operator executive"),
    "api/connections": (READERS, "admin operator"),
    "api/webhooks": ("admin operator", "admin operator"),
    "api/reports": (READERS, READERS),
    "api/audit": ("admin auditor", ""),
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with whole_house(tmp_path_factory.mktemp("walk")) as served:
        yield served


def filled(path: str, franchise: str = OTHERS) -> str:
    """An address of a route: with a shop, and anything in its other places."""
    path = path.replace("{franchise}", franchise)
    path = re.sub(r"\{[^}:]+:(int|float)\}", "1", path)
    return re.sub(r"\{[^}]+\}", "x", path)


def allowed(method: str, path: str) -> str:
    parts = path.strip("/").split("/")
    key = f"api/{parts[2]}" if parts[:2] == ["api", "v1"] else parts[0]
    reads, writes = MAY[key]
    return reads if method == "GET" else writes


def test_every_route_has_a_rule(house: House) -> None:
    matcher = Matcher(RULES)
    assert len(house.routes) > 50
    missing = [
        (method, path)
        for method, path in house.routes
        if (match := matcher.match(filled(path))) is None
        or (method != "GET" and match.rule.write is None)
    ]
    assert not missing, "people/rules.py says nothing of these"


@pytest.mark.parametrize("who", [STRANGER, *Role])
def test_who_may_come_to_every_route_and_who_may_not(house: House, who: str) -> None:
    wrong = []
    for method, path in house.routes:
        if path == "/logout" and who != STRANGER:
            continue  # they would be out for what follows; it is tried below
        may = allowed(method, path)
        expected = may == "all" or who in may.split()
        # who has no token for its form yet is refused there too
        if may == "all" and method != "GET" and not path.startswith("/hooks"):
            continue
        answer, came = house.ask(who, method, filled(path))
        if came is not expected or (not came and answer.status_code not in (401, 403, 404, 413)):
            wrong.append((method, path, answer.status_code, came))
        if answer.status_code == 500:
            wrong.append((method, path, answer.status_code, answer.text[:200]))
    assert not wrong


def test_a_stranger_is_shown_the_door_and_nothing_else(house: House) -> None:
    for method, path in house.routes:
        if "all" in allowed(method, path):
            continue
        headers = {"Accept": "text/html"}
        answer, came = house.ask(STRANGER, method, filled(path), headers=headers)
        assert not came
        if path.startswith(MACHINES):
            assert answer.status_code == 401
            assert set(answer.json()) == {"type", "title", "status", "detail", "mend", "error"}
        else:
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith("/login?next=")
            assert not answer.content


def test_an_address_that_is_none_looks_like_one_that_is(house: House) -> None:
    for accept in ("text/html", "application/json"):
        real, _ = house.ask(STRANGER, "GET", "/gates", headers={"Accept": accept})
        none, _ = house.ask(STRANGER, "GET", "/never-was", headers={"Accept": accept})
        assert (real.status_code, real.content) == (none.status_code, none.content)


OWNED = sorted({rule.path for rule in RULES if "{franchise}" in rule.path})


@pytest.mark.parametrize("path", OWNED)
def test_an_owner_sees_own_shops_and_others_as_if_they_never_were(house: House, path: str) -> None:
    _, came = house.ask("owner", "GET", filled(path, OWN))
    assert came
    answers = []
    for shop in (OTHERS, NONE):
        answer, came = house.ask("owner", "GET", filled(path, shop))
        assert not came
        answers.append((answer.status_code, answer.content.replace(shop.encode(), b"")))
    assert answers[0] == answers[1]
    assert answers[0][0] == 404


@pytest.mark.parametrize(
    "path",
    [
        "/owners/{OTHERS}", "/owners/%46%32", "/owners/F2?franchise=F1", "/owners/F1/../F2",
        "/owners//F2", "/owners/F1%2F..%2FF2", "/owners/F2%00", "//owners/F2", "/owners/F2/",
        "/owners/F2;F1", "/OWNERS/F2", "/owners/./F2", "/api/v1/franchises/F2/metrics",
        "/api/v1/scorecards/franchise/F2", "/api/v1/franchises/F1/../F2/metrics",
        "/catalogue/up?scope=franchise:F2", "/api/v1/metrics/up?scope=franchise:F2",
        "/api/v1/scorecards/network/*",
    ],
)  # fmt: skip
def test_no_way_of_writing_an_address_shows_an_owner_anothers_shop(house: House, path: str) -> None:
    answer, _ = house.ask("owner", "GET", path.replace("{OTHERS}", OTHERS))
    assert answer.status_code in (403, 404)


def test_every_route_that_names_something_is_closed_to_owners_but_for_own_shops(
    house: House,
) -> None:
    """Insecure direct references: whatever id stands in an address, an owner gets nothing by it."""
    open_to_owners = ("/account", "/static", "/login", "/hooks", "/answer")
    for method, path in house.routes:
        if "{" not in path or path.startswith(open_to_owners):
            continue
        for shop in (OTHERS, NONE):
            answer, came = house.ask("owner", method, filled(path, shop))
            assert not came, (method, path)
            assert answer.status_code in (403, 404, 405)


def test_signing_out_ends_the_session(house: House) -> None:
    before = dict(house.clients["auditor"].cookies)
    answer, came = house.ask("auditor", "POST", "/logout")
    assert came
    assert answer.status_code == 303
    house.clients["auditor"].cookies.update(before)  # a copy of the cookie is worth nothing
    answer, came = house.ask("auditor", "GET", "/account")
    assert not came
    assert answer.status_code == 401
    house.clients["auditor"].cookies.clear()
    sign_in(house.clients["auditor"], house.home, "auditor")
