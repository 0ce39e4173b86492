"""One scorecard, all its faces: page, API, client's bytes, PDF, spreadsheet, mail and /metrics."""

from __future__ import annotations

import email
import email.policy
import io
import json
import re
import time
from collections.abc import Iterator, Mapping
from html import unescape
from typing import Any

import httpx2
import openpyxl
import pypdf
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from browser.house import House
from meterstone.board.model import Card
from meterstone.client import Client
from meterstone.measure.results import Scope
from meterstone.people.rights import Role
from meterstone.people.service import House as People
from meterstone.publish.openmetrics import family_name
from meterstone.publish.web.executive import PROMISES
from meterstone.publish.web.numbers import number
from meterstone.publish.web.owner_words import plain_value
from visitors import bearer

_MADE_WITHIN_S = 120.0
_ROW = re.compile(
    r'<th scope="row"><a href="/catalogue/([a-z0-9_]+)[^"]*">.*?</th>\s*<td[^>]*><b>(.*?)</b>', re.S
)


@pytest.fixture(scope="module")
def reader(house: House) -> Iterator[httpx2.Client]:
    """A program that may read everything."""
    headers = bearer(People(house.ledger))
    with httpx2.Client(base_url=house.address, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def files(reader: httpx2.Client) -> Mapping[str, bytes]:
    """A quarterly report, made by the running house: its files by their ending."""
    asked = reader.post("/api/v1/reports", json={"kind": "quarterly", "scope": "network"})
    assert asked.status_code == 202, asked.text
    until = time.monotonic() + _MADE_WITHIN_S
    state = asked.json()
    while state["state"] not in ("made", "failed") and time.monotonic() < until:
        time.sleep(0.5)
        state = reader.get(f"/api/v1/reports/{state['id']}").json()
    assert state["state"] == "made", state
    found = {"hash": state["scorecard"].encode()}
    for each in state["files"]:
        answer = reader.get(f"/api/v1/reports/{state['id']}/files/{each['name']}")
        assert answer.status_code == 200
        found[each["name"].rpartition(".")[2]] = answer.content
    return found


@pytest.fixture(scope="module")
def card(house: House, files: Mapping[str, bytes]) -> Card:
    """The scorecard that the report shows; other faces are asked for the same one."""
    wanted, network = files["hash"].decode(), Scope("network")
    day, moment = next(  # of the newest day, unless a day has ended since
        (day, revision.known_at)
        for day in reversed(house.board.days(network))
        for revision in house.board.revisions(network, day)
        if revision.hash == wanted
    )
    found = house.board.card(network, day, moment)
    assert found is not None
    assert found.hash == wanted
    return found


def _past(card: Card) -> dict[str, str]:
    return {"day": card.day.isoformat(), "known_at": card.known_at.isoformat()}


def _metrics(card: Card) -> Mapping[str, Mapping[str, Any]]:
    return {metric["id"]: metric for metric in card.document["metrics"]}


def test_the_api_gives_the_bytes_that_were_signed(reader: httpx2.Client, card: Card) -> None:
    answer = reader.get("/api/v1/scorecards/network/*", params=_past(card))
    assert answer.content == card.body
    assert card.hash in answer.headers["etag"]


def test_the_page_shows_every_number_as_the_scorecard_has_it(
    house: House, reader: httpx2.Client, card: Card
) -> None:
    cookies = {"meterstone": house.cookie(Role.ANALYST)}
    answer = httpx2.get(
        f"{house.address}/catalogue", params=_past(card), cookies=cookies,
        headers={"Accept": "text/html"}, timeout=60,
    )  # fmt: skip
    assert card.hash in answer.text
    shown = {name: unescape(value) for name, value in _ROW.findall(answer.text)}
    assert shown == {name: number(metric).value for name, metric in _metrics(card).items()}


def test_the_executives_page_shows_each_number_as_the_scorecard_has_it(
    house: House, card: Card
) -> None:
    text = _page(house, Role.EXECUTIVE, "/executive", card)
    assert card.hash in text
    shown = _figures(text, "/catalogue/")
    assert len(shown) >= len(PROMISES)
    metrics = _metrics(card)
    assert shown == {name: number(metrics[name]).value for name in shown}


def test_an_owner_reads_the_numbers_of_the_own_scorecard(house: House, card: Card) -> None:
    own = house.board.card(Scope("franchise", house.shop), card.day, card.known_at)
    assert own is not None
    text = _page(house, Role.OWNER, f"/owners/{house.shop}", card)
    assert own.hash in text
    shown = _figures(text, f"/owners/{house.shop}/metrics/")
    assert shown
    metrics = _metrics(own)
    assert shown == {
        name: plain_value(metrics[name]["value"], metrics[name]["unit"]) for name in shown
    }


def test_the_client_reads_what_was_signed(house: House, reader: httpx2.Client, card: Card) -> None:
    token = reader.headers["authorization"].partition(" ")[2]
    with Client(house.address, token) as client:
        told = client.scorecard(day=card.day, known_at=card.known_at)
        signed = json.loads(client.signed_scorecard())
        newest = client.scorecard()
    assert told.content_hash == card.hash
    assert {each.id: each.value for each in told.metrics} == {
        name: metric["value"] for name, metric in _metrics(card).items()
    }
    if newest.content_hash == signed["content_hash"]:  # no newer one came between the two
        assert {each.id: each.value for each in newest.metrics} == {
            metric["id"]: metric["value"] for metric in signed["metrics"]
        }


def test_the_mail_says_the_promises_as_the_scorecard_has_them(
    files: Mapping[str, bytes], card: Card
) -> None:
    letter = email.message_from_bytes(files["eml"], policy=email.policy.default)
    body = letter.get_body(("html",))
    assert body is not None
    text = " ".join(unescape(re.sub(r"<[^>]+>", " ", body.get_content())).split())
    assert card.hash in text
    metrics = _metrics(card)
    missing = [
        name
        for name in PROMISES
        if _is_number(metrics[name]["value"]) and number(metrics[name]).value not in text
    ]
    assert missing == []


def _page(house: House, role: Role, path: str, card: Card) -> str:
    answer = httpx2.get(
        f"{house.address}{path}", params=_past(card), cookies={"meterstone": house.cookie(role)},
        headers={"Accept": "text/html"},
    )  # fmt: skip
    return answer.text


def _figures(text: str, below: str) -> dict[str, str]:
    """Large numbers by the metric that their heading leads to."""
    found = re.findall(
        rf'<h3><a href="{below}([a-z0-9_]+)[^"]*"[^>]*>[^<]*</a>.*?</h3>\s*'
        r'<p class="big[^"]*">(.*?)</p>',
        text,
        re.S,
    )
    return {name: unescape(re.sub(r"<[^>]+>", "", value)) for name, value in found}


def test_the_spreadsheet_has_every_number_to_the_last_digit(
    files: Mapping[str, bytes], card: Card
) -> None:
    book = openpyxl.load_workbook(io.BytesIO(files["xlsx"]))
    shown = {}
    for sheet in book.worksheets:
        head = [cell.value for cell in sheet[1]]
        if "Value" in head and "Id" in head:
            for row in sheet.iter_rows(min_row=2, values_only=True):
                shown[row[head.index("Id")]] = row[head.index("Value")]
    numbers = {
        name: metric["value"]
        for name, metric in _metrics(card).items()
        if _is_number(metric["value"])
    }
    assert len(numbers) > 50
    assert {name: shown[name] for name in numbers} == pytest.approx(numbers, rel=1e-15)


def test_the_pdf_carries_the_scorecard_and_prints_its_numbers(
    files: Mapping[str, bytes], card: Card
) -> None:
    read = pypdf.PdfReader(io.BytesIO(files["pdf"]))
    assert read.attachments["scorecard.json"][0] == card.body
    text = "".join("".join(page.extract_text() for page in read.pages).split())
    missing = [
        name
        for name, metric in _metrics(card).items()
        if _is_number(metric["value"]) and "".join(number(metric).value.split()) not in text
    ]
    assert missing == []
    assert card.hash in text


def test_metrics_for_prometheus_are_the_same_floats(reader: httpx2.Client) -> None:
    for _ in range(5):  # a new scorecard may come between the two
        text = reader.get("/metrics").text
        body = reader.get("/api/v1/scorecards/network/*").content
        document = json.loads(body)
        if document["content_hash"] in text:
            break
    else:
        pytest.fail("the two faces never showed the same scorecard")
    found = {
        (sample.name, sample.labels["scope"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if "scope" in sample.labels and len(sample.labels) == 2
    }
    wanted = {
        (family_name(metric["id"], metric["unit"])[0], "network"): float(metric["value"])
        for metric in document["metrics"]
        if _is_number(metric["value"])
    }
    assert len(wanted) > 50
    assert {key: found.get(key) for key in wanted} == wanted


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
