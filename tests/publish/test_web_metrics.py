"""Catalogue, metric and gates: what the pages say is what the scorecard says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from starlette.testclient import TestClient

from homes import own_catalogue, probe_line
from meterstone.app import Home
from meterstone.board.model import Card
from meterstone.cli.site import site_app
from meterstone.cli.telemetry import Telemetry
from meterstone.errors import InputError
from meterstone.measure.results import Scope, rfc3339
from meterstone.people.rights import Role
from meterstone.publish.web.catalogue import Choice, catalogue_context
from meterstone.publish.web.gates import gate_context, gates_context
from meterstone.record.model import facts_of_ours
from visitors import sign_in

NETWORK = Scope("network")


def _probes(home: Home, day: date, *oks: bool) -> None:
    lines = [
        probe_line(f"{day}T12:{n:02}:00Z", ok=ok, probe_id=f"{day} {n} {ok}")
        for n, ok in enumerate(oks)
    ]
    home.recorder.land(facts_of_ours("\n".join(lines).encode() + b"\n", "probes", "hub"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder: Path = tmp_path_factory.mktemp("metrics")
    own_catalogue(folder)
    with Home(folder) as opened:
        _probes(opened, opened.last_day - timedelta(days=1), True)
        _probes(opened, opened.last_day, True, True, True, False)
        opened.evaluator.run_once()
        _probes(opened, opened.last_day, False, False)
        opened.evaluator.run_once()
        yield opened


@pytest.fixture(scope="module")
def client(home: Home) -> Iterator[TestClient]:
    app = site_app(home, "http://testserver", Telemetry({}))
    with TestClient(app) as made:
        made.headers["Accept"] = "text/html"
        sign_in(made, home, Role.ANALYST)
        yield made


@pytest.fixture(scope="module")
def card(home: Home) -> Card:
    found = home.board.card(NETWORK)
    assert found is not None
    return found


def test_the_catalogue_has_every_metric_with_the_value_of_the_scorecard(
    client: TestClient, card: Card
) -> None:
    text = unescape(client.get("/catalogue").text)
    for metric in card.document["metrics"]:
        assert f'href="/catalogue/{metric["id"]}"' in text
    assert "50 %" in text
    assert card.hash in text
    assert "<b>of</b>" not in client.get("/catalogue").text


def test_the_catalogue_is_narrowed_to_a_verdict(client: TestClient, card: Card, home: Home) -> None:
    verdicts = {metric["id"]: metric["verdict"] for metric in card.document["metrics"]}
    told = catalogue_context(card, home.board, Choice(verdict=verdicts["up"]))
    shown = _shown(told)
    assert shown == {name for name, verdict in verdicts.items() if verdict == verdicts["up"]}
    assert client.get("/catalogue?verdict=wonderful").status_code == 400
    with pytest.raises(InputError):
        catalogue_context(card, home.board, Choice(verdict="wonderful"))
    assert catalogue_context(None, home.board)["sentence"] == "Nothing is measured yet."


def _shown(told: Mapping[str, Any]) -> set[str]:
    return {each.id for *_, numbers in told["systems"] for each in numbers}


def test_the_catalogue_is_narrowed_by_system_evidence_and_words(card: Card, home: Home) -> None:
    metrics = card.document["metrics"]
    for one in metrics:
        system, evidence = one["refs"][0].partition(".")[0], one["evidence"] or "none"
        told = catalogue_context(card, home.board, Choice(system=system, evidence=evidence))
        assert _shown(told) == {
            each["id"] for each in metrics
            if each["refs"][0].startswith(f"{system}.") and (each["evidence"] or "none") == evidence
        }  # fmt: skip
        assert one["id"] in _shown(
            catalogue_context(card, home.board, Choice(words=one["title"].upper()))
        )
    mets = {met for _, _, met, _ in catalogue_context(card, home.board)["systems"]}
    narrowed = catalogue_context(card, home.board, Choice(verdict=metrics[0]["verdict"]))
    assert {met for _, _, met, _ in narrowed["systems"]} <= mets  # of the system, whatever is shown
    nothing = catalogue_context(card, home.board, Choice(words="no metric is called this"))
    assert (nothing["systems"], nothing["measured"]) == ([], True)
    for wrong in (Choice(system="Wonder"), Choice(evidence="hearsay")):
        with pytest.raises(InputError):
            catalogue_context(card, home.board, wrong)


def test_the_catalogue_counts_targets_and_not_metrics(card: Card, home: Home) -> None:
    verdicts = [each["verdict"] for one in card.document["metrics"] for each in one["places"]]
    assert f"{verdicts.count('met')} of {len(verdicts)} target" in str(
        catalogue_context(card, home.board)["sentence"]
    )


def test_a_metric_tells_its_value_history_lineage_and_restatement(client: TestClient) -> None:
    text = client.get("/catalogue/up").text
    for said in ("50 %", "At least 50", "100 x good / all", "probe", "Trace it to its rows"):
        assert said.lower() in text.lower()
    assert text.count('">as known then</a>') == 1
    assert "<b>is 50 %</b>" in text
    assert "<b>was 75 %</b>" in text
    assert 'href="/catalogue/up?scope=integration:square"' in text
    first = client.get("/catalogue/up", params={"known_at": _known(text)}).text
    assert "75 %" in first


def _known(text: str) -> str:
    """The older of the two moments that the page offers."""
    return unquote(text.rsplit("known_at=", maxsplit=1)[-1].split('"', maxsplit=1)[0])


def test_a_number_is_traced_to_its_rows(client: TestClient) -> None:
    text = client.get("/catalogue/up/rows").text
    assert "rests on 6 rows" in text
    assert "landed record" in text
    link = re.search(r'href="(/catalogue/up/rows/\d+\?item=\d+)"', text)
    assert link is not None
    record = client.get(link[1])
    assert record.status_code == 200
    assert "for operators and auditors" in record.text
    assert "probe_id" not in record.text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/catalogue/nothing", 404),
        ("/catalogue/asked?scope=integration:square", 404),
        ("/catalogue/up?scope=integration:nobody", 404),
        ("/catalogue/up?scope=franchise:F1", 400),
        ("/catalogue/up?scope=<b>", 400),
        ("/catalogue/nothing/rows", 404),
        ("/catalogue/up/rows/999999", 404),
        ("/catalogue/up/rows/x", 404),
        ("/catalogue/nothing/rows/1", 404),
        ("/owners/nobody/metrics/up", 404),
        ("/gates/nothing", 404),
    ],
)
def test_what_there_is_not_is_said_in_a_page(client: TestClient, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert "<main" in answer.text
    assert "<b>" not in answer.text


def test_a_gate_shows_its_run_and_what_is_likeliest_to_break_it(
    client: TestClient, card: Card, home: Home
) -> None:
    (gate,) = card.document["gates"]
    listed = client.get("/gates").text
    assert f'href="/gates/{gate["id"]}"' in listed
    text = client.get(f"/gates/{gate['id']}").text
    assert f"ay {gate['run']} of 2 in a row" in text or "passed" in text
    assert gates_context(None, home.board)["gates"] == []


def test_days_that_are_alike_stand_in_one_row_and_none_is_lost(card: Card, home: Home) -> None:
    (gate,) = card.document["gates"]
    day = {"kind": "published", "held_back_by": []}
    days = [
        {**day, "day": f"2026-09-{n:02}", "verdict": verdict}
        for n, verdict in enumerate(["met", "met", "missing", "broken", "broken", "broken"], 1)
    ]
    rows = gate_context({**gate, "days": days}, card, home.board)["by_day"]
    assert [(row["first"], row["last"], row["days"], row["word"]) for row in rows] == [
        ("2026-09-04", "2026-09-06", 3, "Broken"),
        ("2026-09-03", "2026-09-03", 1, "Not measured"),
        ("2026-09-01", "2026-09-02", 2, "Held"),
    ]
    assert sum(row["days"] for row in rows) == len(days)


def test_a_page_of_the_ledger_turns_to_the_day_that_was_chosen(client: TestClient) -> None:
    for path in ("/connections", "/maintenance", "/attestations"):
        assert 'aria-label="As of"' in client.get(path).text
        past = client.get(path, params={"day": "2026-09-30"}).text
        assert 'aria-label="As of"' in past
        assert "You look at what stood on record at" in past
    form = client.get("/account", params={"day": "2026-09-30"}).text
    assert "This page shows what holds now" in form
    assert 'aria-label="As of"' not in form
    assert "You look at" in client.get("/gates", params={"day": "2026-09-30"}).text


def test_days_and_parts_of_the_past_are_those_of_then(client: TestClient, home: Home) -> None:
    day = home.last_day
    first, newest = home.board.revisions(NETWORK, day)
    square = Scope("integration", "square")
    for scope in (NETWORK, square):
        asked = {"day": day.isoformat(), "known": "then", "scope": _named(scope)}
        then = client.get("/catalogue/up", params=asked).text
        by_day = then[then.index("The days as a table") :].partition("</table>")[0]
        assert "75 %" in by_day
        assert "100 %" not in by_day, "the day before had no scorecard then"
        if scope == NETWORK:
            parts = then[then.index("By integration") :].partition("</table>")[0]
            assert "75 %" in parts
            assert "nothing that came later changed it" not in then
            assert "50 %" in then[then.index("as known on") - 300 :], "what it became is told"
        assert home.board.revisions(scope, day)[0].hash in then
        known = {"known_at": rfc3339(first.known_at), "scope": _named(scope)}
        told = client.get("/api/v1/metrics/up/history", params=known).json()
        assert [each["value"] for each in told] == [75.0]
        now = client.get("/api/v1/metrics/up/history", params={"scope": _named(scope)}).json()
        assert [each["value"] for each in now][-2:] == [100.0, 50.0]
    signed = re.search(r'href="(/api/v1/[^"]+)"[^>]*>The signed document', then)
    assert signed is not None
    document = client.get(unescape(signed[1])).json()
    assert document["content_hash"] == home.board.revisions(square, day)[0].hash
    assert newest.hash not in then


def _named(scope: Scope) -> str:
    return "network" if scope == NETWORK else f"{scope.kind}:{scope.key}"
