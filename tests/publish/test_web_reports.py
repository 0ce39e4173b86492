"""Reports: asked for by a form, their progress and files on a page, planned by an admin."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from re import search

import pypdf
import pytest
from starlette.testclient import TestClient

from homes import own_catalogue
from meterstone.app import Home
from meterstone.cli.site import site_app
from meterstone.cli.telemetry import Telemetry
from meterstone.people.rights import Role
from meterstone.publish.reports import service
from publish.reports.test_files import DAY, Board, _card
from visitors import session, sign_in

MISSING = "the PDF needs Pango"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    own_catalogue(tmp_path)
    with Home(tmp_path) as opened:
        opened.__dict__["board"] = Board(_card())
        yield opened


@pytest.fixture
def client(home: Home) -> Iterator[TestClient]:
    with TestClient(site_app(home, "http://testserver", Telemetry({}))) as made:
        made.headers["Accept"] = "text/html"
        sign_in(made, home, Role.ANALYST)
        yield made


def _send(client: TestClient, address: str, shown_at: str, **fields: str | list[str]):
    token = search(r'name="csrf" value="([^"]+)"', client.get(shown_at).text)
    assert token
    return client.post(address, data={"csrf": token[1], **fields}, follow_redirects=False)


def _ask(client: TestClient) -> str:
    asked = _send(client, "/reports", "/reports", kind="daily", scope="network", day=str(DAY))
    assert asked.status_code == 303
    return str(asked.headers["location"])


def test_a_report_is_asked_for_watched_and_taken(home: Home, client: TestClient) -> None:
    assert "No report was made yet" in client.get("/reports").text
    address = _ask(client)
    waiting = client.get(address)
    assert "This report is being made" in waiting.text
    assert waiting.headers["Refresh"] == "2"
    assert "1 report is being made." in client.get("/reports").text

    home.reports.make(address.rpartition("/")[2])
    ready = client.get(address)
    assert "This report is ready" in ready.text
    assert "Refresh" not in ready.headers
    assert "Daily operations" in client.get("/reports").text

    links = [line for line in ready.text.split('"') if line.startswith(f"{address}/files/")]
    assert [Path(link).suffix for link in links] == [".pdf", ".xlsx", ".eml"]
    pdf = client.get(links[0])
    assert pdf.headers["Content-Type"] == "application/pdf"
    assert pdf.headers["Content-Disposition"].startswith("attachment")
    assert "sandbox" in pdf.headers["Content-Security-Policy"]
    assert pypdf.PdfReader(io.BytesIO(pdf.content)).attachments["scorecard.json"]
    with home.ledger.read() as seen:
        (run,) = seen.reports.all()
    assert run.viewed_by.startswith("person:")
    assert run.told == "viewed"


def test_files_are_of_the_run_and_of_those_who_may(home: Home, client: TestClient) -> None:
    address = _ask(client)
    home.reports.make(address.rpartition("/")[2])
    for path in ("x.pdf", "..%2F..%2Fledger.sqlite", "%2e%2e/ledger.sqlite"):
        assert client.get(f"{address}/files/{path}").status_code == 404
    assert client.get("/reports/nothing").status_code == 404
    link = f"{address}/files/meterstone-daily-network-{DAY}.pdf"
    assert client.get(link).status_code == 200
    client.cookies.set("meterstone", session(home, Role.OWNER, frozenset({"F1"})))
    for closed in ("/reports", address, link):
        assert client.get(closed, follow_redirects=False).status_code == 403


def test_one_that_failed_says_why_and_is_made_again(home, client, monkeypatch) -> None:
    def fails(*_given):
        raise service.InputError(MISSING, mend="install it")

    whole = service._FILES[".pdf"]
    monkeypatch.setitem(service._FILES, ".pdf", (whole[0], fails))
    address = _ask(client)
    run = address.rpartition("/")[2]
    home.reports.make(run)
    text = client.get(address).text
    assert MISSING in text
    assert "install it" in text
    assert "were made all the same" in text
    monkeypatch.setitem(service._FILES, ".pdf", whole)
    assert _send(client, address, address).headers["location"] == address
    assert home.reports.make(run).state == "made"
    refused = _send(client, address, "/reports")
    assert refused.status_code == 422
    assert "it did not fail" in refused.text


@pytest.mark.parametrize(
    "wrong", [{"kind": "hourly"}, {"scope": "franchise:<b>"}, {"day": "1999-01-01"}, {"day": "x"}]
)
def test_what_does_not_exist_is_refused_on_the_form(client, wrong) -> None:
    fields = {"kind": "daily", "scope": "network", "day": str(DAY)} | wrong
    refused = _send(client, "/reports", "/reports", **fields)
    assert refused.status_code == 422
    assert 'role="alert"' in refused.text
    assert "<b>" not in refused.text.partition('role="alert"')[2].partition("</p>")[0]


def test_an_admin_plans_when_reports_are_made(home: Home, client: TestClient) -> None:
    assert client.get("/settings/reports").status_code == 403
    sign_in(client, home, Role.ADMIN)
    assert "Nothing is planned yet" in client.get("/settings/reports").text
    home.planned.begin()
    home.planned.plan_all()
    sent = _send(
        client, "/settings/reports", "/settings/reports", kind="daily", at="05:15", active="on"
    )
    assert "Saved: Daily operations" in client.get(sent.headers["location"]).text
    assert home.planned.plans()[0].at == "05:15"
    for wrong in ({"kind": "hourly"}, {"at": "5 o'clock"}, {"channel": "nobody"}):
        fields = {"kind": "daily", "at": "06:00"} | wrong
        refused = _send(client, "/settings/reports", "/settings/reports", **fields)
        assert refused.status_code == 422
    assert home.planned.plans()[0].at == "05:15"
