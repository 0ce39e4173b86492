"""The guard, before a little app that tells what reached it."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from meterstone.people.csrf import csrf_token
from meterstone.people.guard import Guard
from meterstone.people.rights import Right, Rule
from meterstone.people.sessions import IDLE, WHOLE

from .conftest import Staff

RULES = (
    Rule("/login", Right.NOBODY, Right.NOBODY),
    Rule("/hooks/{rest:path}", Right.NOBODY, Right.NOBODY, most_bytes=None),
    Rule("/", Right.SIGNED_IN, Right.SIGNED_IN),
    Rule("/account", Right.SIGNED_IN, Right.SIGNED_IN, people_only=True),
    Rule("/owners", Right.OWNERS),
    Rule("/owners/{franchise}", Right.OWNERS),
    Rule("/executive", Right.EXECUTIVE),
    Rule("/api/v1/executive", Right.EXECUTIVE),
    Rule("/upload", Right.ATTEST, Right.ATTEST, most_bytes=1_000_000),
)
HTML = {"accept": "text/html"}
BASE = "http://testserver"


async def told(request: Request) -> Response:
    body = await request.body()
    principal = request.scope["principal"]
    return JSONResponse(
        {
            "who": principal and principal.id,
            "token": csrf_token(request),
            "bytes": len(body),
            "path": request.url.path,
        }
    )


def client_of(staff: Staff, url: str = BASE) -> TestClient:
    routes = [Route(r.path, told, methods=["GET", "POST", "DELETE"]) for r in RULES]
    guard = Guard(
        Starlette(routes=[*routes, Route("/hidden", told)]),
        sessions=staff.sessions,
        tokens=staff.tokens,
        public_url=url,
        rules=RULES,
    )
    return TestClient(guard, base_url=url, follow_redirects=False)


@pytest.fixture
def client(staff: Staff) -> TestClient:
    return client_of(staff)


@pytest.fixture
def as_role(staff: Staff, client: TestClient):
    def sign_in(who: str) -> TestClient:
        client.cookies.set("meterstone", staff.signed_in(who))
        return client

    return sign_in


# who gets in


def test_a_stranger_is_led_to_the_sign_in(client: TestClient) -> None:
    answer = client.get("/executive?day=2026-03-01", headers=HTML)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=/executive%3Fday%3D2026-03-01"
    assert client.get("/hidden", headers=HTML).status_code == 303  # says not whether it is there


def test_a_strangers_program_gets_a_problem(client: TestClient) -> None:
    for path in ("/executive", "/api/v1/executive", "/api/v1/nothing"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["mend"]


def test_who_may_passes_and_is_named(staff: Staff, as_role) -> None:
    answer = as_role("executive").get("/executive")
    assert answer.json()["who"] == staff.ids["executive"]


def test_who_may_not_is_refused(as_role) -> None:
    assert as_role("operator").get("/executive").status_code == 403
    assert as_role("operator").get("/hidden").status_code == 404


def test_an_owner_sees_own_franchises_and_no_other_exists(as_role) -> None:
    client = as_role("owner")
    assert client.get("/owners/F1").status_code == 200
    others, none = client.get("/owners/F2"), client.get("/nowhere")
    assert (others.status_code, others.content) == (404, none.content)
    assert client.get("/owners").status_code == 403
    assert client.get("/executive").status_code == 403


def test_an_address_without_a_rule_is_refused_though_a_route_is_there(as_role) -> None:
    assert as_role("admin").get("/hidden").status_code == 404
    assert as_role("admin").get("/executive/").status_code == 404


def test_a_method_without_a_right_is_refused(as_role) -> None:
    assert as_role("admin").post("/executive").status_code == 405
    assert as_role("admin").delete("/executive").status_code == 405


@pytest.mark.parametrize(
    "secret", ["", "x", "A" * 43, "A" * 44, "ä" * 43, "../" * 14 + "a", "A" * 100_000]
)
def test_a_forged_session_is_nobodys(client: TestClient, secret: str) -> None:
    headers = {"cookie": b"meterstone=" + secret.encode()}
    assert client.get("/", headers=headers).status_code == 401


def test_two_cookies_of_the_name_are_none(staff: Staff, client: TestClient) -> None:
    mine = staff.signed_in("admin")
    answer = client.get("/", headers={"cookie": f"meterstone={mine}; meterstone={mine}"})
    assert answer.status_code == 401


def test_a_session_ends_when_it_is_not_used(staff: Staff, as_role) -> None:
    client = as_role("admin")
    assert client.get("/").status_code == 200
    staff.clock.moment += IDLE
    assert client.get("/").status_code == 401


def test_a_session_that_is_used_ends_after_a_day(staff: Staff, as_role) -> None:
    client = as_role("admin")
    for _ in range(WHOLE // (IDLE / 2) - 1):
        staff.clock.moment += IDLE / 2
        assert client.get("/").status_code == 200
    staff.clock.moment += IDLE / 2
    assert client.get("/").status_code == 401


def test_a_session_that_was_ended_is_over_at_once(staff: Staff, as_role) -> None:
    client = as_role("admin")
    assert client.get("/").status_code == 200
    staff.sessions.end(staff.ids["admin"])
    assert client.get("/").status_code == 401


# tokens


def test_a_token_does_what_it_was_given(staff: Staff, client: TestClient) -> None:
    made = staff.tokens.make(staff.ids["admin"], "exports", [Right.EXECUTIVE], 30)
    bearer = {"authorization": f"Bearer {made.secret}"}
    assert client.get("/api/v1/executive", headers=bearer).json()["who"] == made.token.id
    assert client.get("/owners", headers=bearer).status_code == 403
    assert client.get("/account", headers=bearer).status_code == 403
    assert client.post("/", headers=bearer).status_code == 200  # no form, no page: none is asked
    staff.clock.forward(days=30)
    answer = client.get("/api/v1/executive", headers=bearer)
    assert (answer.status_code, "invalid_token" in answer.headers["www-authenticate"]) == (
        401,
        True,
    )


def test_a_token_is_revoked_at_once(staff: Staff, client: TestClient) -> None:
    made = staff.tokens.make(staff.ids["admin"], "exports", [Right.EXECUTIVE], 30)
    bearer = {"authorization": f"Bearer {made.secret}"}
    assert client.get("/executive", headers=bearer).status_code == 200
    staff.tokens.revoke(made.token.id, "test")
    assert client.get("/executive", headers=bearer).status_code == 401


def test_a_token_that_does_not_hold_is_not_saved_by_a_cookie(as_role) -> None:
    bearer = {"authorization": "Bearer mst_" + "A" * 43}
    assert as_role("admin").get("/", headers=bearer).status_code == 401
    assert as_role("admin").get("/", headers={"authorization": "Basic eDp5"}).status_code == 401


# forms


def test_a_form_needs_its_token(as_role) -> None:
    client = as_role("admin")
    token = client.get("/").json()["token"]
    assert client.post("/", data={"csrf": token}).status_code == 200
    assert client.post("/", headers={"x-csrf-token": token}, json={}).status_code == 200
    files = {"evidence": ("a.pdf", b"%PDF" * 1000)}
    assert client.post("/", data={"csrf": token}, files=files).status_code == 200
    for wrong in ({}, {"csrf": ""}, {"csrf": token[:-1]}, {"csrf": token[1:]}, {"csrf": "A" * 86}):
        assert client.post("/", data=wrong).status_code == 403
        assert client.post("/", data=wrong, files=files).status_code == 403
    assert client.post("/", json={"csrf": token}).status_code == 403
    assert client.post("/", content=f"csrf={token}").status_code == 403


def test_a_token_stolen_from_another_session_is_worth_nothing(staff: Staff, as_role) -> None:
    others = as_role("operator").get("/").json()["token"]
    assert as_role("admin").post("/", data={"csrf": others}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://testserver.evil.example"},
    ],
)
def test_a_form_of_another_site_is_refused_even_with_the_token(as_role, headers) -> None:
    client = as_role("admin")
    token = client.get("/").json()["token"]
    assert client.post("/", data={"csrf": token}, headers=headers).status_code == 403
    own = {"sec-fetch-site": "same-origin", "origin": BASE}
    assert client.post("/", data={"csrf": token}, headers=own).status_code == 200


def test_a_strangers_form_is_bound_to_the_browser(staff: Staff, client: TestClient) -> None:
    page = client.get("/login")
    assert page.json()["who"] is None
    assert "HttpOnly" in page.headers["set-cookie"]
    assert client.post("/login", data={"csrf": page.json()["token"]}).status_code == 200
    assert client.post("/login", data={"csrf": ""}).status_code == 403
    other = client_of(staff)
    other.get("/login")
    assert other.post("/login", data={"csrf": page.json()["token"]}).status_code == 403
    blank = client_of(staff)
    assert blank.post("/login", data={"csrf": page.json()["token"]}).status_code == 403


def test_a_vendor_sends_without_a_form(client: TestClient) -> None:
    answer = client.post("/hooks/square/x", content=b"{}", headers={"authorization": "hmac 1"})
    assert (answer.status_code, answer.json()["bytes"]) == (200, 2)


# bodies


def pieces(size: int):
    for _ in range(size // 65536):
        yield b"a" * 65536


def test_a_form_of_10_mb_is_refused(as_role, client: TestClient) -> None:
    token = client.get("/login").json()["token"]
    big = f"csrf={token}&name=".encode() + b"a" * 10_000_000
    kind = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post("/login", content=big, headers=kind).status_code == 413
    assert client.post("/login", content=pieces(10_000_000), headers=kind).status_code == 413
    admin = as_role("admin")
    assert admin.post("/", content=pieces(10_000_000), headers=kind).status_code == 413


def test_a_file_beyond_the_limit_is_refused_on_the_way(as_role) -> None:
    client = as_role("operator")
    token = client.get("/upload").json()["token"]

    def form(size: int):
        yield (
            b'--b\r\ncontent-disposition: form-data; name="csrf"\r\n\r\n' + token.encode() + b"\r\n"
        )
        yield b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
        yield from pieces(size)
        yield b"\r\n--b--\r\n"

    kind = {"content-type": "multipart/form-data; boundary=b"}
    assert client.post("/upload", content=form(900_000), headers=kind).status_code == 200
    assert client.post("/upload", content=form(1_100_000), headers=kind).status_code == 413


# headers


def test_every_answer_carries_the_security_headers(as_role, client: TestClient) -> None:
    answers = [
        client.get("/login"), client.get("/executive", headers=HTML), client.get("/executive"),
        as_role("admin").get("/"), client.get("/hidden"),
    ]  # fmt: skip
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert "permissions-policy" in answer.headers
        assert "strict-transport-security" not in answer.headers


def test_https_binds_cookies_to_the_host(staff: Staff) -> None:
    client = client_of(staff, "https://meterstone.example")
    page = client.get("/login")
    assert page.headers["set-cookie"].startswith("__Host-meterstone_visit=")
    assert "; Secure" in page.headers["set-cookie"]
    assert "strict-transport-security" in page.headers
    secret = staff.signed_in("admin")
    plain = client.get("/", headers={"cookie": f"meterstone={secret}"})
    bound = client.get("/", headers={"cookie": f"__Host-meterstone={secret}"})
    assert (plain.status_code, bound.status_code) == (401, 200)


def test_a_websocket_is_closed(as_role) -> None:
    from starlette.websockets import WebSocketDisconnect  # noqa: PLC0415

    with pytest.raises(WebSocketDisconnect), as_role("admin").websocket_connect("/"):
        pass
