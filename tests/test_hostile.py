"""What somebody hostile sends: refused, nothing leaked, nothing kept."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.testclient import TestClient

from meterstone.connect.webhooks import MOST_BYTES
from meterstone.people import refusals
from meterstone.people.csrf import PLAIN, token_of
from meterstone.people.rights import UPLOAD_BYTES, Right
from meterstone.people.secret import new_secret
from meterstone.record.bodies import Limits
from things import fill
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


NO_FORM = {
    "/logout": "has no field; what follows it would be sent by nobody",
    "/hooks/{connector}/{token}": "vendors send it and sign it",
    "/v1/facts": "programs send it: lines",
    "/v1/traces": "programs send it: OTLP",
}
"""What is posted and is no form, and why; what the API takes is sent in the test after."""
DOOR = ("/login", "/setup", "/answer/")


@dataclass
class Form:
    """A form of a page, filled as somebody would who types markup wherever there is room for words.

    Attributes:
        page: where it stands.
        words: whether there is such a field.
    """

    page: str
    method: str
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    words: bool = False

    def with_markup_everywhere(self) -> Form:
        """The same with markup also in what nobody types: choices, moments, what is hidden."""
        fields = {name: text if name == "csrf" else MARKUP for name, text in self.fields.items()}
        return replace(self, fields=fields)


class _Forms(HTMLParser):
    """The forms of a page, and where the page leads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: set[str] = set()
        self._page = page
        self._form: Form | None = None
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            action = given.get("action") or self._page.partition("?")[0]
            self._form = Form(self._page, given.get("method", "get").lower(), action)
            self.forms.append(self._form)
        elif tag == "a" and given.get("href", "").startswith("/"):
            self.links.add(given["href"].partition("#")[0])
        elif self._form is not None:
            self._field(tag, given, self._form)

    def _field(self, tag: str, given: dict[str, str], form: Form) -> None:
        name, kind, value = given.get("name", ""), given.get("type", ""), given.get("value", "")
        if tag == "select":
            self._select = name
        elif tag == "option" and (self._select not in form.fields or "selected" in given):
            form.fields[self._select] = value
        elif tag == "input" and kind == "radio" and name in form.fields and "checked" not in given:
            pass  # another is chosen
        elif tag == "input" and kind in ("hidden", "radio", "checkbox"):
            form.fields[name] = value
        elif tag == "input" and kind in ("number", "date", "datetime-local", "time", "email"):
            day = datetime.now(UTC) + timedelta(days=len(form.fields))
            usual = {"number": given.get("min", "1"), "date": f"{day:%Y-%m-%d}", "time": "06:00",
                     "datetime-local": f"{day:%Y-%m-%dT%H:%M}",
                     "email": "somebody@example.com"}  # fmt: skip
            form.fields[name] = value or usual[kind]
        elif tag in ("input", "textarea"):
            form.fields[name], form.words = MARKUP, True


def pages(house: House, links: Iterable[str] = ()) -> Iterator[tuple[str, str]]:
    """Address and text of every page that an administrator comes to by links.

    Args:
        house: whose.
        links: what leads to more, such as a link out of a message.
    """
    client, seen = house.clients["admin"], set()
    waiting = ["/account", "/settings", "/settings/people", "/login"]
    waiting += [path for method, path in house.routes if method == "GET" and "{" not in path]
    waiting += links
    while waiting:
        path = waiting.pop()
        shape = re.sub(r"[?].*", "", path)
        if shape in seen or path.startswith(("/logout", "/live", "/static", "/login/")):
            continue
        seen.add(shape)
        answer = client.get(path, headers=HTML, follow_redirects=True)
        if answer.headers.get("content-type", "").startswith("text/html"):
            found = _Forms(path)
            found.feed(answer.text)
            waiting += sorted(found.links)
            yield path, answer.text


def forms_of(text: str, page: str) -> list[Form]:
    found = _Forms(page)
    found.feed(text)
    return found.forms


def assert_text(text: str, where: str) -> None:
    """Markup that was sent stands there as text, or not at all."""
    assert "<script>alert" not in text, where
    assert "<img src=x" not in text, where
    assert "49" not in re.findall(r"onerror=alert\(2\)&gt;.{0,30}", text), where


def test_markup_in_every_text_field_stays_text(tmp_path: Path) -> None:
    """In a home with one of each thing, every form of every page is filled with markup and sent:
    in all fields, which is refused, and in those that take words alone. Then every page is read."""
    with whole_house(tmp_path) as house:  # of its own: things are removed and people signed out
        ids = fill(house.home, MARKUP)
        links = ids["links"].split()
        first = dict(pages(house, links))
        for path, text in first.items():
            assert_text(text, path)
        told = [f"/incidents/{ids['incident']}", "/incidents", "/operations", "/reconciliation",
                f"/connections/{ids['connection']}", "/settings/notifications", "/attestations",
                f"/reports/{ids['run']}", f"/settings/people/{ids['person']}"]  # fmt: skip
        assert [path for path in told if "&lt;script&gt;alert" not in first[path]] == []
        found = [each for path, text in first.items() for each in forms_of(text, path)]
        forms = {(each.action, *each.fields): each for each in found}
        sent = {send(house, each) for each in in_order(forms.values())}
        posted = {path for method, path in house.routes if method == "POST"}
        of_api = {path for path in posted if path.startswith("/api/")}
        assert sent - {""} == posted - of_api - set(NO_FORM)
        sign_in_anew(house)
        again = dict(pages(house))
        for path, text in again.items():
            assert_text(text, path)
        kept = ["/maintenance", "/account", "/audit", "/incidents/i1"]  # what the forms put there
        assert [path for path in kept if "&lt;script&gt;alert" not in again[path]] == []


def in_order(forms: Iterable[Form]) -> Iterator[Form]:
    """Each with markup everywhere and then in its words: strangers' first, and last those that only
    do something, because they remove what the others are about."""
    for each in sorted(
        forms, key=lambda each: (not each.action.startswith(DOOR), not each.words, each.action)
    ):
        if len(each.fields) > 1:
            yield each.with_markup_everywhere()
        yield each


def sign_in_anew(house: House) -> TestClient:
    client = house.clients["admin"]
    client.cookies.clear()
    client.headers["User-Agent"] = MARKUP
    return sign_in(client, house.home)


def send(house: House, form: Form) -> str:
    """Send a form; the route that took it, empty for one that only reads."""
    if form.action == "/logout":
        return ""
    if form.action.startswith(DOOR):
        client = visitor(house, **{"User-Agent": MARKUP})
        page = forms_of(client.get(form.page, headers=HTML).text, form.page)
        [token] = {each.fields["csrf"] for each in page if each.action == form.action}
        form.fields["csrf"] = token
    else:
        client = sign_in_anew(house)
    if form.method == "get":
        answer = client.get(form.action, params=form.fields, headers=HTML)
    else:
        answer = client.post(form.action, data=form.fields, headers=HTML, follow_redirects=True)
    assert answer.status_code < 500, (form, answer.text)
    assert refusals.ELSEWHERE.cause not in answer.text, form
    assert_text(answer.text, form.action)
    return "" if form.method == "get" else route_of(house, form.action)


def route_of(house: House, address: str) -> str:
    """The route that an address is posted to."""
    path = address.partition("?")[0]
    for method, route in house.routes:
        shape = re.sub(r"\{[^}]+:path\}", ".+", route)
        if method == "POST" and re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", shape), path):
            return route
    raise AssertionError(f"nothing takes {address}")


def test_markup_in_every_text_field_of_the_api_stays_text(tmp_path: Path) -> None:
    """Every body that the API describes, with markup in each text: where words alone are taken, and
    everywhere. Answers are JSON that no browser takes for a page; then every page is read."""
    with whole_house(tmp_path) as house:
        ids = fill(house.home, "plain")
        client, sent = house.clients["admin"], set()
        described = client.get("/api/v1/openapi.json").json()
        for path, operations in described["paths"].items():
            taken = operations.get("post", {}).get("requestBody")
            if taken is None:
                continue
            schema = taken["content"]["application/json"]["schema"]
            address = "/api/v1" + re.sub(r"\{(\w+)\}", lambda name: ids[name[1]], path)
            for everywhere in (True, False):
                body = filled(described, schema, everywhere)
                body |= {} if everywhere else FITTING.get(path, {})
                answer = client.post(address, json=body)
                assert answer.status_code < 500, (path, answer.text)
                assert answer.headers["content-type"].split(";")[0] in JSON, path
                assert answer.headers["x-content-type-options"] == "nosniff"
            sent.add(f"/api/v1{path}")
        posted = {path for method, path in house.routes if method == "POST"}
        of_api = {path for path in posted if path.startswith("/api/")}
        assert sent == of_api - set(NO_BODY)
        shown = dict(pages(house))
        for path, text in shown.items():
            assert_text(text, path)
        kept = ["/maintenance", "/attestations", "/audit", "/incidents/i1"]
        assert [path for path in kept if "&lt;script&gt;alert" not in shown[path]] == []


FITTING: dict[str, dict[str, Any]] = {
    "/maintenance": {"scope": "*", "end": (datetime.now(UTC) + timedelta(days=2)).isoformat()},
    "/attestations/{fact}": {"evidence_uri": "https://example.com/a", "evidence_file": None},
}
"""What is no words though it is text, where without it nothing would be kept of the rest."""
NO_BODY = ("/api/v1/connections/{connection}/reconcile", "/api/v1/connections/{connection}/sync")
JSON = ("application/json", "application/problem+json")


def filled(described: Any, schema: Any, everywhere: bool) -> Any:
    """A body that a schema describes, with markup as its words; or as all that is text."""
    if "$ref" in schema:
        schema = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        schema = schema["anyOf"][0]
    kind, moment = schema.get("type"), datetime.now(UTC) + timedelta(days=1)
    if kind == "object":
        fields = schema.get("properties", {"claim_key": {}, "statement": {}})
        return {name: filled(described, part, everywhere) for name, part in fields.items()}
    if kind == "array":
        return [filled(described, schema["items"], everywhere)]
    if kind in ("boolean", "integer", "number"):
        return schema.get("minimum", 1) if kind != "boolean" else False
    if not everywhere and schema.get("format") == "date-time":
        return moment.isoformat()
    chosen = [] if everywhere else schema.get("enum", [schema.get("const")])
    return (chosen or [None])[0] or MARKUP


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
