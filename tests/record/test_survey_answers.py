"""An answer outside its scale is refused, with what mends it; the answers around it count."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from meterstone.app import Home
from meterstone.measure.evaluate import Evaluator
from meterstone.record.ingest import ingest

AT = datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Home(tmp_path / "home") as opened:
        yield opened


def wave() -> dict[str, Any]:
    return {
        "fact": "survey_wave",
        "wave_id": "w1",
        "instrument": "recommendation",
        "opened_at": "2026-03-01T00:00:00Z",
        "closed_at": "2026-03-20T00:00:00Z",
        "sampling": "census",
        "population_size": 6,
        "invited": 6,
        "wording_version": "1",
        "source": "survey_tool",
    }


def answer(number: int, score: float | None, *, low: float = 0, high: float = 10) -> dict[str, Any]:
    return {
        "fact": "survey_response",
        "response_id": f"r{number}",
        "wave_id": "w1",
        "instrument": "recommendation",
        "question": "recommend",
        "respondent_id": f"person{number}",
        "respondent_role": "owner",
        "franchise_id": f"F{number}",
        "submitted_at": "2026-03-05T10:00:00Z",
        "score": score,
        "scale_min": low,
        "scale_max": high,
        "source": "survey_tool",
    }


def send(home: Home, path: Path, *rows: dict[str, Any]) -> int:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return ingest(home.recorder, [str(path)]).mapping.rejected


def test_answers_outside_their_scale_are_refused_and_the_others_count(
    home: Home, tmp_path: Path
) -> None:
    rows = [
        answer(1, 9),
        answer(2, 11),
        answer(3, -1),
        answer(4, 5, low=5, high=1),
        answer(5, 10),
        answer(6, None),
    ]
    assert send(home, tmp_path / "survey.jsonl", wave(), *rows) == 3
    refused = {(found.item, found.reason, found.mend) for found in home.log.quarantined()}
    assert refused == {
        (
            3,
            "score 11.0 and scale_max 10.0 break the rule score <= scale_max",
            "correct score or scale_max at the source and send the row again",
        ),
        (
            4,
            "score -1.0 and scale_min 0.0 break the rule score >= scale_min",
            "correct score or scale_min at the source and send the row again",
        ),
        (
            5,
            "score 5.0 and scale_max 1.0 break the rule score <= scale_max",
            "correct score or scale_max at the source and send the row again",
        ),
    }
    evaluator = Evaluator(home.warehouse, home.subject.vocabulary, home.catalogue, None)
    column = evaluator.evaluate([AT], ["recommendation_likelihood"]).columns[
        "recommendation_likelihood", "network"
    ]
    assert (column.value[0, 0], column.sample[0, 0]) == (9.5, 2)


def test_a_corrected_answer_takes_its_place(home: Home, tmp_path: Path) -> None:
    assert send(home, tmp_path / "first.jsonl", wave(), answer(1, 11)) == 1
    assert send(home, tmp_path / "again.jsonl", answer(1, 10)) == 0
    rows = home.warehouse.query("SELECT score FROM facts.survey_response").to_pylist()
    assert rows == [{"score": 10.0}]
