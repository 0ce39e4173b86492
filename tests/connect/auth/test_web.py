"""Sign-in pages and /api/v1/connections: the flow of a person, and what is refused."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from apis import api_over
from meterstone.connect.auth.access import Access
from meterstone.connect.auth.flow import LIFETIME
from meterstone.connect.auth.schedule import EVERY, OAUTH_CHECKS, CheckSchedule
from meterstone.connect.auth.web import COOKIE, oauth_routes
from meterstone.connect.catalogue import connectors
from meterstone.connect.connecting import Connecting
from meterstone.connect.egress import Egress
from meterstone.errors import MeterstoneError
from meterstone.ledger import Ledger
from meterstone.record.answers import problem

from .parts import SECRETS, Clock, Vendor, answered

PUBLIC = "https://hub.example"
CALLBACK = "/oauth/callback/acme"

ACME = """
connector: acme
name: Acme
category: pos
base_url: https://acme.example
settings:
  shop: {title: Shop, required: false}
  login: {default: https://login.acme.example}
auth:
  kind: authorization_code
  authorize_url: "{login}/authorize"
  token_url: "{base_url}/token"
  revoke: {url: "{base_url}/revoke", body: {token: "{token}"}}
  pkce: S256
  scopes: [rows.read]
  token: {account: merchant}
  refresh: {rotates: true}
streams:
  rows:
    request: {path: /rows}
    records: rows
"""
KEYED = """
connector: keyed
name: Keyed
category: pos
base_url: https://keyed.example
auth: {kind: api_key}
streams:
  rows:
    request: {path: /rows}
    records: rows
"""
SESSION = """
connector: tab
name: Tab
category: bi
base_url: https://tab.example
auth:
  kind: personal_access_token
  sign_in: {url: "{base_url}/in", body: {name: "{token_name}", secret: "{token_secret}"}}
  sign_out: {url: "{base_url}/out", headers: {X-Auth: "{token}"}}
  token: {access: credentials.token, account: credentials.site, lifetime_s: 7200}
  send: {header: X-Auth, value: "{token}"}
streams:
  rows:
    request: {path: /rows}
    records: rows
"""


class Acme(Vendor):
    """The token endpoint of Acme; says which merchant signed in."""

    merchant = "M1"

    def __call__(self, request):
        if request.url.path in ("/revoke", "/out"):
            self.bodies.append(request.content.decode() or request.headers["x-auth"])
            return answered(200, {})
        if request.url.path == "/in":
            sent = json.loads(request.content)
            if sent["secret"] == "wrong":  # noqa: S105
                return answered(401, {"error": "bad", "error_description": "no such token"})
            return answered(200, {"credentials": {"token": "session-1", "site": "S1"}})
        answer = super().__call__(request)
        if b"access_token" not in answer.content:
            return answer
        return answered(200, {**answer.json(), "merchant": self.merchant})


@pytest.fixture
def vendor():
    return Acme()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def told():
    return []


@pytest.fixture
def hub(tmp_path, vendor, clock, told):
    for key, text in (("acme", ACME), ("keyed", KEYED), ("tab", SESSION)):
        folder = tmp_path / "connectors" / key
        folder.mkdir(parents=True)
        (folder / "connector.yaml").write_text(text)
    with Ledger.open(tmp_path, clock=clock) as ledger:
        known = connectors(tmp_path)
        access = Access(
            ledger, known, Egress(resolver=_nowhere), now=clock, send=vendor, tell=told.extend
        )
        access.register("acme", SECRETS)
        connecting = Connecting(access, ledger, known, lambda: cast("Any", None))
        api = api_over(ledger=ledger, connecting=connecting)
        app = Starlette(
            routes=[*oauth_routes(access, PUBLIC), Mount("/", app=api)],
            exception_handlers={MeterstoneError: _problem},
        )
        app.state.access, app.state.ledger = access, ledger
        yield app


def _nowhere(host, port):
    raise OSError("no such name")


async def _problem(_request, error):
    return problem(error)


def browser(hub):
    return TestClient(hub, base_url=PUBLIC, follow_redirects=False)


def started(person, query=""):
    """Start, and the parameters that the vendor was asked with."""
    answer = person.get(f"/oauth/start/acme{query}")
    assert answer.status_code == 303, answer.text
    return {k: v[0] for k, v in parse_qs(urlsplit(answer.headers["location"]).query).items()}


def answer_of(person, asked, code="the-code", **more):
    return person.get(CALLBACK, params={"code": code, "state": asked["state"], **more})


def listed(hub):
    return browser(hub).get("/api/v1/connections").json()


def test_a_person_connects(hub, vendor, told):
    person = browser(hub)
    first = person.get("/oauth/start/acme?name=Main+street&franchise_id=F0001")
    where = urlsplit(first.headers["location"])
    assert f"{where.scheme}://{where.netloc}{where.path}" == "https://login.acme.example/authorize"
    asked = {k: v[0] for k, v in parse_qs(where.query).items()}
    assert asked["redirect_uri"] == PUBLIC + CALLBACK
    assert (asked["code_challenge_method"], asked["scope"]) == ("S256", "rows.read")
    cookie = first.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    for part in ("HttpOnly", "Secure", "SameSite=lax", "Path=/oauth", "Max-Age=600"):
        assert part in cookie
    done = answer_of(person, asked)
    assert done.status_code == 303
    assert "code" not in done.headers["location"]
    assert (done.headers["referrer-policy"], done.headers["cache-control"]) == (
        "no-referrer", "no-store"
    )  # fmt: skip
    assert person.get(done.headers["location"]).status_code == 200
    (connection,) = listed(hub)
    assert (connection["name"], connection["account"], connection["franchise_id"]) == (
        "Main street", "M1", "F0001"
    )  # fmt: skip
    assert connection["sign_in"] == "OAuth 2.0 authorization code with PKCE (S256)"
    assert connection["status"] == "active"
    sent = parse_qs(vendor.bodies[0])
    assert sent["code"] == ["the-code"]
    assert sent["redirect_uri"] == [PUBLIC + CALLBACK]
    assert [row["fact"] for row in told] == ["connection", *["oauth_check"] * 10]
    assert told[0]["auth"] == "oauth2_pkce"
    checks = {row["control"]: row["result"] for row in told[1:]}
    assert checks.pop("refresh_rotation") == "not_applicable"  # not renewed yet
    assert checks.pop("tls12_or_newer") == "failed"  # acme.example is nowhere
    assert set(checks.values()) == {"passed"}


def test_no_secret_lies_in_the_open(hub, tmp_path):
    person = browser(hub)
    asked = started(person)
    answer_of(person, asked)
    hidden = ["access-1", "refresh-1", SECRETS["client_secret"], asked["state"], "the-code"]
    hidden.append(person.cookies[COOKIE])
    for path in tmp_path.glob("ledger.sqlite*"):
        data = path.read_bytes()
        assert [text for text in hidden if text.encode() in data] == []
    with hub.state.ledger.read() as seen:
        found = repr(list(hub.state.ledger.audit.entries())) + repr(seen.connections.all())
    assert [text for text in hidden if text in found] == []


@pytest.mark.parametrize("cookie", ["", "x" * 43])
def test_a_callback_with_another_browsers_state(hub, vendor, cookie):
    asked = started(browser(hub))
    other = browser(hub)
    if cookie:
        other.cookies.set(COOKIE, cookie, path="/oauth")
    refused = answer_of(other, asked)
    assert refused.status_code == 400
    assert "this sign-in was started in another browser" in refused.text
    assert "start again" in refused.text
    for hidden in ("the-code", asked["state"], SECRETS["client_secret"]):
        assert hidden not in refused.text
    assert (listed(hub), vendor.bodies) == ([], [])


def test_a_state_serves_once(hub, vendor):
    person = browser(hub)
    asked = started(person)
    assert answer_of(person, asked).status_code == 303
    again = answer_of(person, asked)
    assert again.status_code == 400
    assert "no sign-in waits for this answer" in again.text
    assert len(vendor.bodies) == 1


def test_a_state_that_was_made_up(hub, vendor):
    refused = answer_of(browser(hub), {"state": "made-up"})
    assert "no sign-in waits" in refused.text
    assert vendor.bodies == []


def test_a_sign_in_that_took_too_long(hub, clock, vendor):
    person = browser(hub)
    asked = started(person)
    clock.now += LIFETIME
    refused = answer_of(person, asked)
    assert (refused.status_code, vendor.bodies) == (400, [])
    assert "more than 10 minutes went by" in refused.text


def test_another_host_is_refused(hub, vendor):
    """A redirect to another host, or a name that was pointed at us."""
    person = browser(hub)
    asked = started(person)
    for path in (CALLBACK, "/oauth/start/acme"):
        refused = person.get(
            path, params={"code": "c", "state": asked["state"]}, headers={"host": "evil.example"}
        )
        assert refused.status_code == 400
        assert "not the one that is registered" in refused.text
    assert vendor.bodies == []


def test_another_site_may_not_start(hub):
    refused = browser(hub).get("/oauth/start/acme", headers={"sec-fetch-site": "cross-site"})
    assert "another site may not start a sign-in" in refused.text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?setting.login=https%3A%2F%2Fevil.example", "belongs to the registration"),
        ("?setting.base_url=https%3A%2F%2Fevil.example", "no setting"),
        ("?connection=acme-none", "unknown connection"),
    ],
)
def test_a_person_cannot_choose_the_vendors_host(hub, query, said):
    refused = browser(hub).get(f"/oauth/start/acme{query}")
    assert refused.status_code == 400
    assert said in refused.text


def test_a_parameter_twice(hub):
    person = browser(hub)
    asked = started(person)
    refused = person.get(f"{CALLBACK}?code=a&code=b&state={asked['state']}")
    assert "a parameter came twice" in refused.text


def test_a_person_who_says_no(hub, vendor):
    person = browser(hub)
    asked = started(person)
    refused = person.get(
        CALLBACK,
        params={
            "error": "access_denied",
            "error_description": "<script>alert(1)</script>",
            "state": asked["state"],
        },
    )
    assert "access was not granted" in refused.text
    assert "<script>" not in refused.text
    assert vendor.bodies == []


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (answered(200, {"error": "invalid_grant", "error_description": "late"}), 400, "late"),
        (answered(200, {"token": "elsewhere"}), 400, "no token at"),
        (answered(200, b"<html>hello</html>"), 502, "not JSON"),
        (answered(302, b"", location="https://evil.example"), 400, "a redirect is not followed"),
        (answered(500, b"oops"), 502, "answered 500"),
    ],
)
def test_a_token_endpoint_that_gives_no_token(hub, vendor, answer, status, said):
    person = browser(hub)
    asked = started(person)
    vendor.answers = [answer]
    refused = answer_of(person, asked)
    assert refused.status_code == status
    assert said in refused.text
    assert "the-code" not in refused.text
    assert listed(hub) == []


def test_two_tabs_of_one_browser(hub):
    person = browser(hub)
    one, two = started(person, "?name=One"), started(person, "?name=Two")
    assert answer_of(person, one).status_code == 303
    assert answer_of(person, two).status_code == 303


def test_the_same_account_again_is_the_same_connection(hub):
    for _ in range(2):
        person = browser(hub)
        answer_of(person, started(person))
    assert len(listed(hub)) == 1


def test_another_account_does_not_mend(hub, vendor):
    person = browser(hub)
    answer_of(person, started(person))
    (connection,) = listed(hub)
    vendor.merchant = "M2"
    refused = answer_of(person, started(person, f"?connection={connection['id']}"))
    assert "another account of Acme" in refused.text
    assert [c["account"] for c in listed(hub)] == ["M1"]


def test_a_broken_connection_says_what_mends_it_and_is_mended(hub, vendor, clock):
    person = browser(hub)
    answer_of(person, started(person))
    (connection,) = listed(hub)
    vendor.revoked = True
    clock.goes(10_000)
    with pytest.raises(MeterstoneError):
        hub.state.access.authorizer(connection["id"]).renew(1)
    (broken,) = listed(hub)
    assert broken["status"] == "broken"
    assert broken["reason"] == "Acme does not renew the access any more (invalid_grant: used twice)"
    assert broken["mend"] == f"meterstone connect acme --connection {connection['id']}"
    refused = browser(hub).post(f"/api/v1/connections/{connection['id']}/sync")
    assert refused.status_code == 400
    vendor.revoked = False
    assert broken["mend_url"] == f"/oauth/start/acme?connection={connection['id']}"
    answer_of(person, started(person, f"?connection={connection['id']}"))
    mended = listed(hub)[0]
    assert (mended["status"], mended["mend_url"]) == ("active", "")


def test_signing_in_again_keeps_what_was_found_and_takes_what_is_new(hub):
    person = browser(hub)
    answer_of(person, started(person, "?name=Main"))
    (connection,) = listed(hub)
    with hub.state.ledger.change("test") as change:
        change.connections.update(connection["id"], settings={"sites": {"L1": "F0001"}})
    again = f"?connection={connection['id']}&franchise_id=F0009&setting.shop=S"
    assert answer_of(person, started(person, again)).status_code == 303
    with hub.state.ledger.read() as seen:
        found = seen.connections.get(connection["id"])
    assert (found.name, found.franchise_id) == ("Main", "F0009")
    assert found.settings == {"sites": {"L1": "F0001"}, "shop": "S"}


def test_an_account_that_is_one_franchise_says_which(hub):
    refused = browser(hub).get("/oauth/start/clover")
    assert refused.status_code == 400
    assert "an account of Clover is one franchise" in refused.text
    assert "--franchise F0001" in refused.text


def post(hub, **body):
    return browser(hub).post("/api/v1/connections", json=body)


def test_the_api_connects_with_a_key(hub):
    made = post(hub, connector="keyed", credentials={"key": "k-123"}, account="A", name="Key")
    assert made.status_code == 201
    assert (made.json()["status"], made.json()["sign_in"]) == ("active", "API key")
    one = browser(hub).get(f"/api/v1/connections/{made.json()['id']}")
    assert one.json() == made.json()
    assert "k-123" not in one.text


def test_the_api_tells_where_a_browser_signs_in(hub):
    assert post(hub, connector="acme").json() == {"sign_in": "/oauth/start/acme"}


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"connector": "acmee"}, 400, "did you mean 'acme'"),
        ({"connector": "keyed"}, 400, "Keyed needs key"),
        ({"connector": "keyed", "credentials": {"kee": "secret"}}, 400, "did you mean 'key'"),
        ({"connector": "keyed", "credentials": ["secret"]}, 422, "body.credentials"),
        (
            {"connector": "tab", "credentials": {"token_name": "n", "token_secret": "wrong"}},
            422,
            "does not accept the credential (bad: no such token)",
        ),
    ],
)
def test_what_the_api_refuses(hub, body, status, said):
    refused = post(hub, **body)
    assert (refused.status_code, refused.headers["content-type"]) == (
        status, "application/problem+json"
    )  # fmt: skip
    assert said in refused.json()["detail"] + refused.json()["mend"]
    assert "secret" not in refused.text.replace("token_secret", "")
    assert listed(hub) == []


def test_a_form_of_another_site_is_not_read(hub):
    refused = browser(hub).post("/api/v1/connections", data={"connector": "keyed"})
    assert (refused.status_code, listed(hub)) == (415, [])


def test_a_session_is_signed_in_and_out(hub, vendor):
    made = post(hub, connector="tab", credentials={"token_name": "n", "token_secret": "right"})
    assert made.json()["account"] == "S1"
    gone = browser(hub).delete(f"/api/v1/connections/{made.json()['id']}").json()
    assert (gone["status"], gone["revoked"]) == ("disconnected", True)
    assert vendor.bodies == ["session-1"]


def test_disconnecting_revokes(hub, vendor, told):
    person = browser(hub)
    answer_of(person, started(person))
    (connection,) = listed(hub)
    told.clear()
    gone = browser(hub).delete(f"/api/v1/connections/{connection['id']}").json()
    assert gone["said"] == "Acme has revoked the access"
    assert json.loads(vendor.bodies[-1]) == {"token": "access-1"}
    assert told[0]["disconnected_at"]
    again = browser(hub).delete(f"/api/v1/connections/{connection['id']}").json()
    assert again["said"] == "it was disconnected before"


def test_disconnecting_waits_for_a_renewal(hub, vendor, clock):
    """Whose token would live on at the vendor, and nobody would have it to give back."""
    person = browser(hub)
    answer_of(person, started(person))
    (connection,) = listed(hub)
    asked, goes_on = threading.Event(), threading.Event()
    answers = vendor.__class__.__call__

    def slow(self, request):
        if request.url.path == "/token":
            asked.set()
            assert goes_on.wait(60)
        return answers(self, request)

    vendor.__class__ = type("Slow", (Acme,), {"__call__": slow})
    access = hub.state.access
    with ThreadPoolExecutor(2) as pool:
        renewal = pool.submit(access.authorizer(connection["id"]).renew, 1)
        assert asked.wait(60)
        leaving = pool.submit(access.disconnect, connection["id"])
        goes_on.set()
        assert renewal.result(60)
        assert leaving.result(60).revoked
    assert json.loads(vendor.bodies[-1]) == {"token": "access-2"}


def test_a_vendor_that_cannot_be_told_keeps_nobody(hub, vendor):
    person = browser(hub)
    answer_of(person, started(person))
    (connection,) = listed(hub)
    vendor.__class__ = type("Down", (Acme,), {"__call__": lambda *_: answered(500, b"")})
    gone = browser(hub).delete(f"/api/v1/connections/{connection['id']}").json()
    assert (gone["status"], gone["revoked"]) == ("disconnected", False)
    assert gone["said"] == "Acme answered 500: end the access on its own pages"


def test_sync_now_puts_a_job_for_each_stream(hub):
    made = post(hub, connector="keyed", credentials={"key": "k"}).json()
    for _ in range(2):
        answer = browser(hub).post(f"/api/v1/connections/{made['id']}/sync")
        assert (answer.status_code, answer.json()["streams"]) == (202, ["rows"])
    job = hub.state.ledger.queue.claim("w", kinds=["sync"], lease_s=5)
    assert job.payload == {"connection": made["id"], "stream": "rows"}
    assert hub.state.ledger.queue.claim("w", kinds=["sync"], lease_s=5) is None


def test_the_checks_of_a_connection(hub):
    made = post(hub, connector="keyed", credentials={"key": "k"}).json()
    found = browser(hub).get(f"/api/v1/connections/{made['id']}/checks").json()
    results = {check["control"]: check["result"] for check in found}
    assert {control for control, result in results.items() if result == "passed"} == {
        "token_encrypted_at_rest"
    }


def test_the_controls_are_looked_at_twice_a_day(hub, told, clock):
    made = post(hub, connector="keyed", credentials={"key": "k"}).json()
    schedule = CheckSchedule(hub.state.ledger, hub.state.access)
    queue = hub.state.ledger.queue
    schedule.begin()
    schedule.begin()
    for _ in range(2):
        told.clear()
        job = queue.claim("w", kinds=[OAUTH_CHECKS], lease_s=5)
        schedule.handlers[OAUTH_CHECKS](job)
        queue.done(job)
        assert {row["connection_id"] for row in told} == {made["id"]}
        assert len(told) == 10
        assert queue.claim("w", kinds=[OAUTH_CHECKS], lease_s=5) is None
        clock.now += EVERY
