"""What somebody hostile sends: refused, nothing leaked, nothing kept."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode

import pytest
from starlette.testclient import TestClient

from meterstone.connect.webhooks import MOST_BYTES
from meterstone.people.csrf import PLAIN, token_of
from meterstone.people.rights import UPLOAD_BYTES, Right
from meterstone.people.secret import new_secret
from meterstone.people.sessions import Browser
from meterstone.record.bodies import Limits
from visitors import bearer, person, session, sign_in
from whole import STRANGER, URL, House, whole_house

HTML = {"Accept": "text/html"}
TEN_MB = 10 * 2**20
PASSWORD = "four words not together"  # noqa: S105  # of somebody who does not exist
MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'{{7*7}}"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with whole_house(tmp_path_factory.mktemp("hostile")) as served:
        yield served


def visitor(house: House, cookie: str = "", **headers: str) -> TestClient:
    """A client of its own, with a cookie."""
    client = TestClient(house.app, raise_server_exceptions=False, follow_redirects=False)
    if cookie:
        client.cookies.set("meterstone", cookie)
    client.headers.update(headers)
    return client


def forged(house: House) -> Iterator[str]:
    """Cookies that are no session."""
    right = session(house.home, "admin")
    yield new_secret()
    yield right[:-1] + ("A" if right[-1] != "A" else "B")
    yield right.lower() if right.lower() != right else right.upper()
    yield right[:-1]
    yield right + right
    yield right + "%00"
    yield bearer(house.home.people)["Authorization"].partition(" ")[2]
    yield person(house.home.people, "admin")
    yield house.home.people.sessions.all(person(house.home.people, "admin"))[0].id
    yield "' OR 1=1 --"
    yield "x" * 8000


def test_a_forged_session_opens_nothing(house: House) -> None:
    for cookie in forged(house):
        answer = visitor(house, cookie).get("/settings/people", headers=HTML)
        assert (answer.status_code, answer.content) == (303, b"")
        assert visitor(house, cookie).get("/api/v1/connections").status_code == 401


def test_two_cookies_of_one_name_are_none(house: House) -> None:
    """Another host of the same domain can set a second one."""
    right = session(house.home, "admin")
    for pair in (f"meterstone={right}; meterstone=x", f"meterstone=x; meterstone={right}"):
        answer = visitor(house, Cookie=pair).get("/account", headers=HTML)
        assert answer.status_code == 303


def test_a_session_is_no_token_and_a_token_no_session(house: House) -> None:
    secret = session(house.home, "admin")
    answer = visitor(house, Authorization=f"Bearer {secret}").get("/api/v1/connections")
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "authorization",
    ["Bearer", "Bearer ", "Basic YWRtaW46YWRtaW4=", "bearer mst_", "Bearer mst_" + "a" * 43,
     "Bearer mst_" + "é" * 43, "Bearer " + "x" * 7000],
)  # fmt: skip
def test_a_forged_token_opens_nothing(house: House, authorization: str) -> None:
    headers = {b"Authorization": authorization.encode("utf-8")}
    answer = visitor(house).get("/metrics", headers=headers)  # type: ignore[arg-type]  # bytes are sent as they are
    assert answer.status_code == 401
    assert "meterstone_" not in answer.text


def test_a_wrong_token_is_not_mended_by_a_good_session(house: House) -> None:
    client = visitor(house, session(house.home, "admin"), Authorization="Bearer mst_x")
    assert client.get("/metrics").status_code == 401


FORM = {"name": "mallory", "role": "admin", "called": "Mallory", "email": "", "franchises": ""}


def sent(house: House, cookie: str, token: str | None, **headers: str) -> int:
    """The status of a form that would make an administrator."""
    fields = FORM if token is None else {**FORM, "csrf": token}
    client = visitor(house, cookie, **headers)
    return client.post("/settings/people", data=fields).status_code


def test_a_form_that_somebody_elses_page_sends_changes_nothing(house: House) -> None:
    victim, attacker = session(house.home, "admin"), session(house.home, "owner", ["F1"])
    own = token_of(victim)
    tried = {
        "without a token": (victim, None, {}),
        "with the attacker's": (victim, token_of(attacker), {}),
        "with one of no session": (victim, token_of(""), {}),
        "with one of another salt": (victim, "A" + own[1:] if own[0] != "A" else "B" + own[1:], {}),
        "with half of it": (victim, own[: len(own) // 2], {}),
        "with it, from another site": (victim, own, {"Sec-Fetch-Site": "cross-site"}),
        "with it, from a sister host": (victim, own, {"Sec-Fetch-Site": "same-site"}),
        "with it, from another origin": (victim, own, {"Origin": "https://evil.example"}),
        "with it, from nowhere": (victim, own, {"Origin": "null"}),
        "with it, but another's session": (attacker, own, {}),
    }
    got = {how: sent(house, cookie, token, **more) for how, (cookie, token, more) in tried.items()}
    assert set(got.values()) == {403}, got
    names = [each.name for each in house.home.people.directory.all()]
    assert "mallory" not in names
    # and the same form from a page of ours does what it says
    assert sent(house, victim, own, Origin=URL) == 200
    assert "mallory" in [each.name for each in house.home.people.directory.all()]


def test_a_form_in_another_dress_needs_the_token_too(house: House) -> None:
    victim = session(house.home, "admin")
    for kind in ("application/json", "text/plain", "multipart/form-data", ""):
        client = visitor(house, victim, **{"Content-Type": kind})
        body = urlencode({**FORM, "csrf": token_of(victim)[:-1] + "!"})
        assert client.post("/settings/people", content=body).status_code == 403


def test_a_form_of_the_door_needs_the_page_of_the_door(house: House) -> None:
    """Signing somebody in as somebody else (login CSRF)."""
    answer = visitor(house).post("/login", data={"name": "admin", "password": "x" * 15})
    assert answer.status_code == 403
    stranger = visitor(house)
    stranger.get("/login", headers=HTML)
    other = visitor(house)
    token = re.search(r'name="csrf" value="([^"]+)"', other.get("/login", headers=HTML).text)
    assert token is not None
    typed = {"name": "admin", "password": "x" * 15, "csrf": token[1]}
    assert stranger.post("/login", data=typed).status_code == 403
    assert "do not belong together" in other.post("/login", data=typed, headers=HTML).text


def test_an_expired_or_revoked_token_opens_nothing_and_says_no_more(house: House) -> None:
    people = house.home.people
    who = person(people, "admin")
    made = people.tokens.make(who, "short", [Right.SCRAPE], 1)
    client = visitor(house, Authorization=f"Bearer {made.secret}")
    assert client.get("/metrics").status_code == 200
    people.tokens.revoke(made.token.id, who)
    answer = client.get("/metrics")
    assert answer.status_code == 401
    never = visitor(house, Authorization="Bearer mst_" + new_secret()).get("/metrics")
    assert answer.content == never.content


OWN_LIMIT = ("/v1/", "/hooks/")
"""What machines call; no plain form is sent there, and what answers has a limit of its own."""


def test_ten_megabytes_are_refused_at_every_form(house: House) -> None:
    admin = house.clients["admin"]
    tried = 0
    for method, path in house.routes:
        if method == "GET" or path.startswith(OWN_LIMIT):
            continue
        address = re.sub(r"\{[^}]+\}", "1", path)
        headers = {"Content-Type": PLAIN}
        answer = admin.request(
            method, address, content=b"name=" + b"x" * TEN_MB, headers=headers,
            follow_redirects=False,
        )  # fmt: skip
        assert answer.status_code == 413, (method, path)
        assert b"xxx" not in answer.content
        tried += 1
    assert tried > 10


def test_ten_megabytes_without_a_length_are_refused_too(house: House) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(TEN_MB // 2**16):
            yield b"x" * 2**16

    headers = {"Content-Type": PLAIN}
    for who, path in ((STRANGER, "/login"), ("admin", "/account/tokens"),
                      ("operator", "/attestations/pen_test")):  # fmt: skip
        answer = house.clients[who].post(path, content=pieces(), headers=headers)
        assert answer.status_code == 413


def test_a_file_of_ten_megabytes_is_taken_where_evidence_is_and_one_beyond_100_is_not(
    house: House,
) -> None:
    def pieces(size: int) -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(size // 2**20):
            yield bytes(2**20)
        yield b"\r\n--b--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    admin = house.clients["admin"]
    path = "/attestations/pen_test"
    taken = admin.post(path, content=pieces(TEN_MB), headers=headers)
    assert taken.status_code == 422  # read, and of a statement only the evidence was sent
    beyond = admin.post(path, content=pieces(UPLOAD_BYTES), headers=headers)
    assert beyond.status_code == 413


def test_machines_that_send_more_than_their_own_limit_are_refused(house: House) -> None:
    """A vendor 1 MB; facts and traces 64 MB, told of by the length and counted without one."""
    hook = "/hooks/square/" + "x" * 43
    assert visitor(house).post(hook, content=bytes(MOST_BYTES)).status_code != 413
    assert visitor(house).post(hook, content=bytes(MOST_BYTES + 1)).status_code == 413
    limit = Limits().body
    token = bearer(house.home.people, Right.INGEST)
    for path, kind in (("/v1/facts", "application/x-ndjson"), ("/v1/traces", "application/json")):
        headers = {**token, "Content-Type": kind}
        client = visitor(house, **headers)
        said = client.post(path, content=b"", headers={"Content-Length": str(limit + 1)})
        assert said.status_code == 413, path
        streamed = client.post(path, content=(bytes(2**20) for _ in range(limit // 2**20 + 1)))
        assert streamed.status_code == 413, path
        assert b"\0" not in streamed.content


class _Forms(HTMLParser):
    """The forms of a page: address and fields; and where the page leads."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, str, dict[str, str]]] = []
        self.links: set[str] = set()
        self._fields: dict[str, str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._fields = {}
            method, action = given.get("method", "get").lower(), given.get("action", "")
            self.forms.append((method, action, self._fields))
        elif tag == "a" and given.get("href", "").startswith("/"):
            self.links.add(given["href"].partition("#")[0])
        elif tag in ("input", "textarea", "select") and self._fields is not None:
            kept = given.get("type") in ("hidden", "radio", "checkbox", "number", "date")
            self._fields[given.get("name", "")] = given.get("value", "") if kept else MARKUP


def pages(house: House) -> Iterator[tuple[str, str]]:
    """Address and text of every page that an administrator comes to by links."""
    client, seen = house.clients["admin"], set()
    waiting = ["/account", "/settings", "/settings/people", "/login"]
    waiting += [path for method, path in house.routes if method == "GET" and "{" not in path]
    while waiting:
        path = waiting.pop()
        shape = re.sub(r"[?].*", "", path)
        if shape in seen or path.startswith(("/logout", "/live", "/static", "/login/")):
            continue
        seen.add(shape)
        answer = client.get(path, headers=HTML, follow_redirects=True)
        if answer.headers.get("content-type", "").startswith("text/html"):
            found = _Forms()
            found.feed(answer.text)
            waiting += sorted(found.links)
            yield path, answer.text


def test_markup_in_every_text_field_stays_text(tmp_path: Path) -> None:
    """Every form of every page is filled with markup and sent; then every page is read again."""
    with whole_house(tmp_path) as house:  # of its own: it signs people out and changes roles
        _fill_and_read(house)


def _fill_and_read(house: House) -> None:
    client, sent_forms = house.clients["admin"], set[str]()
    client.headers["User-Agent"] = MARKUP
    for _, text in list(pages(house)):
        found = _Forms()
        found.feed(text)
        for method, action, fields in found.forms:
            if action in sent_forms or action == "/logout" or not action.startswith("/"):
                continue
            sent_forms.add(action)
            if method == "get":
                answer = client.get(action, params=fields, headers=HTML)
            else:
                answer = client.post(action, data=fields, headers=HTML)
            assert answer.status_code != 500, action
            assert "<script>alert" not in answer.text, action
            assert "<img src=x" not in answer.text, action
    assert {"/account/tokens", "/settings/people", "/login"} <= sent_forms
    people = house.home.people
    shown = people.directory.add("test", name="odd", called=MARKUP, role="analyst")
    people.tokens.make(shown.id, MARKUP, [Right.METRICS], 1)
    with house.home.ledger.change(shown.id) as change:
        people.sessions.begin(change, shown.id, Browser(MARKUP))
    client.cookies.clear()
    sign_in(client, house.home)  # one of the forms signed everybody out
    shown_somewhere = 0
    for path, text in [*pages(house), ("", client.get(f"/settings/people/{shown.id}").text)]:
        assert "<script>alert" not in text, path
        assert "<img src=x" not in text, path
        assert "49" not in re.findall(r"onerror=alert\(2\)&gt;.{0,30}", text), path
        shown_somewhere += "&lt;script&gt;alert" in text
    assert shown_somewhere >= 2


def test_no_secret_is_kept_or_logged(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    password, people = "seven words that nobody else knows", house.home.people
    made = people.directory.add("test", name="secretive", role="analyst")
    link = people.links.for_password(made.id, "test").path
    stranger = visitor(house)
    page = stranger.get(link, headers=HTML)
    token = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert token is not None
    typed = {"csrf": token[1], "link": link.partition("=")[2], "password": password}
    answer = stranger.post("/setup", data={**typed, "again": password})
    cookie = stranger.cookies["meterstone"]
    wrong = {"csrf": token[1], "name": password, "password": password}
    assert answer.status_code == 303
    assert password not in stranger.post("/login", data={**wrong, "name": "secretive!"}).text
    key = people.tokens.make(made.id, "program", [Right.METRICS], 1).secret
    visitor(house, Authorization=f"Bearer {key}").get("/api/v1/framework")
    database = (
        b"".join(file.read_bytes() for file in house.home.path.glob("ledger.sqlite*"))
        + str(house.home.ledger.audit.entries(last=500)).encode()
    )
    for secret in (password, cookie, key, typed["link"]):
        assert secret.encode() not in database
        assert not [
            each for each in caplog.records
            if secret in each.getMessage() and not each.name.startswith("httpx2")  # the client's
        ]  # fmt: skip


def test_a_name_is_guessed_a_few_times_and_then_waits(house: House) -> None:
    client = visitor(house)
    token = re.search(r'name="csrf" value="([^"]+)"', client.get("/login", headers=HTML).text)
    assert token is not None
    typed = {"csrf": token[1], "name": "guessed", "password": "not the right one"}
    told = [client.post("/login", data=typed, headers=HTML) for _ in range(6)]
    assert [answer.status_code for answer in told] == [403] * 5 + [429]
    assert int(told[-1].headers["retry-after"]) >= 1
    assert "Wait" in told[-1].text
    assert "not the right one" not in "".join(answer.text for answer in told)


@pytest.mark.parametrize(
    "there",
    ["//evil.example", "https://evil.example", "/\\evil.example", "\t//evil.example",
     "/\t/evil.example", "javascript:alert(1)", "/logout", "/login", "evil", "",
     "/%0d%0aX: y\r\nZ: 1"],
)  # fmt: skip
def test_nobody_is_sent_elsewhere_after_signing_in(house: House, there: str) -> None:
    people = house.home.people
    known = [each.name for each in people.directory.all()]
    if "traveller" not in known:
        people.directory.add("test", name="traveller", role="analyst", password=PASSWORD)
    client = visitor(house)
    token = re.search(r'name="csrf" value="([^"]+)"', client.get("/login", headers=HTML).text)
    assert token is not None
    typed = {"name": "traveller", "password": PASSWORD, "next": there}
    answer = client.post("/login", data={"csrf": token[1], **typed})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"
    assert "Z" not in answer.headers


def test_every_answer_has_the_headers_of_the_house(house: House) -> None:
    for who, path in ((STRANGER, "/login"), (STRANGER, "/gates"), ("admin", "/account"),
                      ("admin", "/api/v1/connections"), ("owner", "/audit")):  # fmt: skip
        headers = house.clients[who].get(path, follow_redirects=False).headers
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert "unsafe" not in headers["content-security-policy"]
        assert "cache-control" in headers
    cookie = house.clients[STRANGER].get("/login").headers.get("set-cookie", "")
    assert not cookie or "HttpOnly" in cookie
