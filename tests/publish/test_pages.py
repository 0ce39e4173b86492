"""The page: sound HTML, words instead of missing numbers, nothing that a strict policy refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from starlette.testclient import TestClient

from homes import demo_home, own_catalogue, probe_line, write_lines
from meterstone import demo
from meterstone.app import Home
from meterstone.publish.pages import pages
from meterstone.record.ingest import ingest
from meterstone.record.receiver import create_receiver
from meterstone.scorecard import trusted_keys, verify_document

VOID = {"meta", "link", "input", "rect", "line", "circle", "br"}


class Page(HTMLParser):
    """The elements of a page, and what is wrong with their nesting."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            self.wrong.append(f"{tag} has an attribute twice")
        self.elements.append((tag, dict(attrs), list(self.open)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), list(self.open)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data):
        if data.strip():
            self.texts.append((self.open[-1] if self.open else "", data.strip()))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes, _ in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join(text for _, text in self.texts)


@pytest.fixture(scope="module")
def client_of() -> Iterator:
    opened = []

    def make(folder, day=None) -> TestClient:
        home = Home(folder)
        opened.append(home)
        return TestClient(create_receiver(home.recorder, pages=pages(home, day)))

    yield make
    for home in opened:
        home.close()


@pytest.fixture(scope="module")
def empty(client_of, tmp_path_factory) -> TestClient:
    return client_of(tmp_path_factory.mktemp("empty"))


@pytest.fixture(scope="module")
def filled(client_of, tmp_path_factory) -> TestClient:
    folder = tmp_path_factory.mktemp("filled")
    own_catalogue(folder)
    lines = write_lines(
        folder / "facts.jsonl",
        [probe_line("2026-03-01T06:00:00Z"), probe_line("2026-03-02T06:00:00Z", ok=False)],
    )
    with Home(folder) as home:
        ingest(home.recorder, [lines])
    return client_of(folder)


@pytest.fixture(scope="module")
def shown(client_of) -> TestClient:
    return client_of(demo_home(), demo.DAY)


@pytest.fixture(params=["empty", "filled", "shown"])
def page(request) -> Page:
    answer = request.getfixturevalue(request.param).get("/")
    assert answer.status_code == 200
    return Page(answer.text)


def test_the_html_is_sound(page):
    assert page.wrong == []
    assert page.open == []
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("title")) == 1
    assert all(th.get("scope") in ("col", "row") for th in page.all("th"))
    ids = [attributes["id"] for _, attributes, _ in page.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))


def test_every_input_has_a_label_and_every_picture_words(page):
    for tag, attributes, around in page.elements:
        if tag == "input":
            assert "label" in around
        if tag == "svg" or attributes.get("role") == "img":
            assert attributes["aria-label"]


def test_nothing_that_a_strict_policy_refuses(page):
    assert page.all("script") == page.all("style") == page.all("iframe") == []
    for _, attributes, _ in page.elements:
        assert not any(name == "style" or name.startswith("on") for name in attributes)
        for name in ("href", "src", "action"):
            assert (attributes.get(name) or "/").startswith("/")


def test_strict_headers_on_every_answer(filled):
    for path in ("/", "/scorecard.json", "/style.css"):
        headers = filled.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"


def test_an_empty_home_says_so_in_words(empty):
    answer = empty.get("/")
    page = Page(answer.text)
    assert "Nothing has been recorded yet" in page.text
    assert "There are no results yet." in page.text
    assert {text for tag, text in page.texts if tag == "b"} == {"—"}
    assert {text for tag, text in page.texts if tag == "span"} == {"— No data"}
    assert page.all("svg") == []
    assert "chance to pass" not in page.text
    assert "reconstructed" not in page.text


def test_values_verdicts_and_the_gauge(filled):
    page = Page(filled.get("/", params={"day": "2026-03-02"}).text)
    assert "0 %" in [text for tag, text in page.texts if tag == "b"]
    assert "▲ Not met" in page.text
    assert "last broken on 2 March 2026: held back by up." in page.text
    assert len(page.all("svg")) == 1
    assert "at least 50 %" in page.all("svg")[0]["aria-label"]


def test_html_in_a_text_is_text(filled):
    answer = filled.get("/", params={"day": "2026-03-02"})
    assert "Good checks &lt;b&gt;of&lt;/b&gt; the day" in answer.text
    assert "Good checks <b>of</b> the day" in Page(answer.text).text


@pytest.mark.parametrize(
    "day",
    ["yesterday", "2026-02-30", "", "2026-3-1", "2190-01-01", "0001-01-01", "9999-12-31",
     "<script>alert(1)</script>", "1" * 10_000],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/scorecard.json"])
def test_a_day_that_cannot_be_shown_is_a_problem_and_no_failure(filled, path, day):
    answer = filled.get(path, params={"day": day})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == 400
    assert body["mend"]
    assert len(answer.content) < 1000


def test_days_before_and_after(filled):
    page = Page(filled.get("/", params={"day": "2026-03-02"}).text)
    days = {link["rel"]: link["href"] for link in page.all("a") if link.get("rel")}
    assert days == {"prev": "/?day=2026-03-01", "next": "/?day=2026-03-03"}
    newest = Page(filled.get("/").text)
    assert [link["rel"] for link in newest.all("a") if link.get("rel")] == ["prev"]


def test_the_document_beside_the_page_is_the_one_it_shows(shown):
    page = Page(shown.get("/").text)
    document = shown.get("/scorecard.json").content
    card = json.loads(document)
    assert card["content_hash"] in page.text
    assert card["summary"]["sentence"] in page.text
    assert card["day"] == str(demo.DAY)
    assert verify_document(document, trusted_keys(demo_home())).holds


def test_the_demonstration_shows_its_own_targets_first(shown):
    page = Page(shown.get("/").text)
    headings = [text for tag, text in page.texts if tag == "h2"]
    systems = headings[len(json.loads(shown.get("/scorecard.json").content)["gates"]) :]
    assert systems[0] == "Demo"
    assert set(systems[1:]) >= {"IntegrationPerformanceMetrics", "ErrorAnalyticsFramework"}


def test_a_page_that_is_not_there(filled):
    assert filled.get("/nowhere").status_code == 404
    assert filled.post("/").status_code == 405
