"""The evaluator on a small real home, and the board that reads what it kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from homes import CATALOGUE
from meterstone.app import Home
from meterstone.board.cards import Measured
from meterstone.board.evaluator import DAYS, Evaluated, Evaluator
from meterstone.measure.results import Scope, rfc3339
from meterstone.record.model import facts_of_ours

NETWORK, SQUARE = Scope("network"), Scope("integration", "square")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    folder = tmp_path / "home"
    (folder / "catalogue").mkdir(parents=True)
    (folder / "catalogue" / "catalogue.yaml").write_text(CATALOGUE, encoding="utf-8")
    with Home(folder) as opened:
        yield opened


def probe(home: Home, day: date, *oks: bool) -> None:
    """Probes of Square at noon of a day."""
    rows = [
        {
            "fact": "probe", "probe_id": f"{day} {n} {ok}", "component": "integration",
            "integration": "square", "check_key": "api", "interval_s": 60, "ok": ok,
            "fail_reason": "none" if ok else "timeout", "location": "here",
            "maintenance": False, "alerting": True, "source": "hub",
            "at": rfc3339(datetime(day.year, day.month, day.day, 12, n, tzinfo=UTC)),
        }
        for n, ok in enumerate(oks)
    ]  # fmt: skip
    body = "".join(json.dumps(row) + "\n" for row in rows).encode()
    home.recorder.land(facts_of_ours(body, f"probes {day} {oks}", "hub"))


def test_what_was_evaluated_is_kept_and_read_as_it_was_signed(home: Home) -> None:
    day = home.last_day
    probe(home, day, True, True, True, False)
    probe(home, day - timedelta(days=3), True)
    done = home.evaluator.run_once()
    assert done is not None
    assert (done.day, done.kept, done.days) == (day, 2, DAYS)
    card = home.board.card(NETWORK)
    assert card is not None
    assert home.verify(card.body, recompute=True).holds
    assert [m["value"] for m in card.document["metrics"] if m["id"] == "up"] == [75.0]
    assert home.board.card(SQUARE, day).document["scope"]["key"] == "square"  # type: ignore[union-attr]  # it is there
    assert [scope.scope for scope in home.board.scopes("integration")] == [SQUARE]
    assert home.board.days(NETWORK) == [day]
    assert home.board.label == "real"
    values = home.board.history("up", SQUARE)
    assert [(v.day, v.value) for v in values] == [(day - timedelta(days=3), 100.0), (day, 75.0)]
    assert values[-1].interval is not None
    assert home.board.history("up", SQUARE, until=day - timedelta(days=1)) == values[:1]
    assert home.board.history("up", SQUARE, days=1) == values[1:]
    assert [v.verdict for v in home.board.history("asked", NETWORK, days=1)] != []


def test_who_waits_for_the_first_numbers_sees_them_before_the_past_is_measured(home: Home) -> None:
    probe(home, home.last_day - timedelta(days=3), True)
    probe(home, home.last_day, True, False)
    seen: list[tuple[int, int, list[str]]] = []

    def told(done: Evaluated) -> None:
        home.board.changed()
        history = home.board.history("up", SQUARE)
        seen.append((done.days, len(history), home.busy.sentences()))

    evaluator = Evaluator(home, told, home.busy)
    evaluator.run_once()
    (first, none, waited), (all_days, history, _) = seen
    assert (first, none) == (0, 0)
    assert "for the first time" in waited[0]
    assert (all_days, history) == (DAYS, 2)
    assert home.busy.sentences() == []
    probe(home, home.last_day, False)
    evaluator.run_once()
    assert len(seen) == 3
    assert seen[2][2] == []


def test_nothing_new_is_not_evaluated_again(home: Home) -> None:
    probe(home, home.last_day, True)
    assert home.evaluator.run_once() is not None
    assert home.evaluator.run_once() is None


def test_late_facts_make_a_revision_that_says_what_changed(home: Home) -> None:
    day = home.last_day
    probe(home, day - timedelta(days=10), True)
    probe(home, day, True, True)
    home.evaluator.run_once()
    first = home.board.card(NETWORK)
    version = home.board.version
    probe(home, day, True, False, False, False)
    done = home.evaluator.run_once()
    assert done is not None
    assert done.days <= 2, "older days were not touched"
    second = home.board.card(NETWORK, day)
    assert first is not None
    assert second is not None
    assert second.document["supersedes"] == first.hash
    assert home.board.version > version
    assert home.board.card(NETWORK, day, known_at=first.known_at) == first
    old, new = home.board.revisions(NETWORK, day)
    assert (old.hash, new.hash) == (first.hash, second.hash)
    assert any("up" in sentence.lower() or "Good checks" in sentence for sentence in new.changes)
    assert home.verify(second.body, recompute=True).holds


def test_facts_of_today_do_not_make_a_revision(home: Home) -> None:
    probe(home, home.last_day, True)
    home.evaluator.run_once()
    probe(home, home.last_day + timedelta(days=1), True)
    done = home.evaluator.run_once()
    assert done is not None
    assert (done.kept, done.days) == (0, 0)


def test_an_empty_home_has_a_scorecard_that_says_so(home: Home) -> None:
    assert home.board.card(NETWORK) is None
    home.evaluator.run_once()
    card = home.board.card(NETWORK)
    assert card is not None
    assert {m["verdict"] for m in card.document["metrics"]} == {"no_data"}


def test_a_published_day_stays_what_was_published(home: Home) -> None:
    day = home.last_day
    probe(home, day, True)
    home.publish(day)
    home.evaluator.run_once()
    assert [v.kind for v in home.board.history("up", NETWORK, days=1)] == ["published"]


def test_it_evaluates_in_a_thread_and_stops(home: Home) -> None:
    probe(home, home.last_day, True)
    home.evaluator.start()
    for _ in range(200):
        home.board.changed()
        if home.board.version:
            break
        home.evaluator._stopping.wait(0.05)
    home.evaluator.stop()
    assert home.board.card(NETWORK) is not None


def test_an_evaluation_that_runs_is_broken_off(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    probe(home, home.last_day, True)
    evaluator = home.evaluator
    measured = Home.measured

    def stopped_meanwhile(self: Home, *given: Any) -> Measured:
        evaluator._stopping.set()
        return measured(self, *given)

    monkeypatch.setattr(Home, "measured", stopped_meanwhile)
    evaluator.start()
    evaluator.stop()
    assert home.board.card(NETWORK) is None
