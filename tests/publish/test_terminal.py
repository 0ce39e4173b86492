"""The scorecard in the terminal."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from rich.console import Console

from homes import own_catalogue, probe_line, write_lines
from meterstone.app import Home
from meterstone.measure.results import Scope
from meterstone.publish import terminal
from meterstone.record.ingest import ingest
from meterstone.scorecard import VERDICTS


def printed(renderable) -> str:
    console = Console(width=200, color_system=None)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    own_catalogue(folder)
    lines = [
        probe_line("2026-03-01T06:00:00Z"),
        probe_line("2026-03-02T06:00:00Z", ok=False),
    ]
    with Home(folder) as opened:
        ingest(opened.recorder, [write_lines(folder / "facts.jsonl", lines)])
        yield opened


def test_a_scorecard_as_tables(home):
    card = home.scorecard(Scope("network"), date(2026, 3, 2))
    text = printed(terminal.scorecard(card))
    assert text.startswith("Scorecard of the network, 2026-03-02 (UTC)")
    assert card["summary"]["sentence"] in text
    assert "Good checks <b>of</b> the day" in text
    assert "▲ Not met" in text
    assert "at least 50 %" in text
    assert "█▁\n" in text
    assert " ".join(card["gates"][0]["reason"].split()) in " ".join(text.split())
    assert "Chance to pass at today's level: " in text
    assert "reconstructed as known now" in text
    assert card["content_hash"] in text
    assert card["signature"]["value"] not in text


def test_a_scorecard_without_data_names_what_is_silent(home):
    card = home.scorecard(Scope("network"), date(2026, 2, 1))
    text = printed(terminal.scorecard(card))
    assert "— No data (2): " in text
    assert "There are no results yet." in text
    assert "Chance" not in text
    assert "reconstructed" not in text


def test_a_scorecard_of_an_integration(home):
    text = printed(
        terminal.scorecard(home.scorecard(Scope("integration", "square"), date(2026, 3, 1)))
    )
    assert text.startswith("Scorecard of the integration square, 2026-03-01")
    assert "● Met" not in text.splitlines()[0]


def test_what_is_not_applicable_is_told_apart(home):
    card = home.scorecard(Scope("network"), date(2026, 3, 2))
    card["metrics"][0] |= {"verdict": "not_applicable", "value": None}
    assert "— Not applicable (1): " in printed(terminal.scorecard(card))


def test_ranges_words_and_missing_parts(home):
    row = home.scorecard(Scope("network"), date(2026, 3, 2))["metrics"][-1]
    within = row | {
        "target": {"cmp": "within", "value": [10.0, 20.0], "unit": "%"}, "value": 15.0,
        "interval": None, "evidence": None, "run": None, "title": "",
    }  # fmt: skip
    text = printed(terminal.metrics([within]))
    assert "from 10 % to 20 %" in text
    assert row["id"] in text


@pytest.mark.parametrize("word", list(VERDICTS))
def test_every_verdict_has_a_shape_and_a_word(word):
    assert printed(terminal.verdict(word)).strip() == str(VERDICTS[word])


def test_an_excused_and_a_missing_day_look_different():
    gate = {
        "title": "t", "reason": "r.", "chance_all": 0.25, "reconstructed": False,
        "days": [{"verdict": v} for v in ("met", "broken", "excused", "missing")],
    }  # fmt: skip
    text = printed(terminal.gates([gate]))
    assert "█▁▒·" in text
    assert "Chance to pass at today's level: 25.0%." in text


def test_an_explanation(home):
    found = home.explain("up", Scope("network"), datetime(2026, 3, 2, tzinfo=UTC))
    text = printed(terminal.explanation(found, {1: "facts.jsonl"}))
    assert "100 x good / all" in text
    assert "probe: 1 rows from 1 landed records" in text
    assert "#1 item 1 facts.jsonl" in text
    nothing = home.explain("up", Scope("network"), datetime(2026, 1, 2, tzinfo=UTC))
    assert "probe: 0 rows from 0 landed records" in printed(terminal.explanation(nothing, {}))


def test_wide_enough_for_a_file(home, capsys):
    terminal.show("x" * 150)
    assert capsys.readouterr().out == "x" * 150 + "\n"
