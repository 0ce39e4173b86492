"""Reports on time: what is due is asked for once, what was missed follows, files go at last."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from meterstone.errors import InputError
from meterstone.ledger import Ledger
from meterstone.publish.reports import service
from meterstone.publish.reports.planned import KEPT, LOOK, Planned
from meterstone.publish.reports.service import MAKE, Reports
from publish.reports.test_files import DAY, Board, _card


@dataclass
class Channel:
    id: str

    @property
    def name(self) -> str:
        return self.id.title()


BERLIN = ZoneInfo("Europe/Berlin")
NEXT_DAY = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)


@pytest.fixture
def told() -> list[dict[str, object]]:
    return []


@pytest.fixture
def posted() -> list[tuple[object, ...]]:
    return []


@pytest.fixture
def planned(
    tmp_path: Path, told: list[dict[str, object]], posted: list[tuple[object, ...]]
) -> Planned:
    board = Board(_card())
    ledger = Ledger.open(tmp_path)
    reports = Reports(
        ledger, lambda: board, lambda: None, tmp_path / "reports",
        lambda lines, _name: told.extend(map(json.loads, lines.splitlines())),
        lambda _change, *given: posted.append(given), lambda run: f"https://us.example/r/{run}",
    )  # fmt: skip
    made = Planned(ledger, reports, lambda: BERLIN, lambda: [Channel("board"), Channel("ops")])
    made.begin()
    made.plan_all()
    for plan in made.plans():
        made.plan(replace(plan, since=DAY - timedelta(days=2), channels=("ops",)), "test")
    return made


def _runs(planned: Planned) -> list[tuple[str, date]]:
    with planned._ledger.read() as seen:
        return [(run.kind, run.day) for run in seen.reports.all()]


def test_each_kind_has_a_plan_and_what_somebody_planned_is_kept(planned: Planned) -> None:
    assert [plan.kind for plan in planned.plans()] == ["daily", "monthly", "quarterly"]
    daily = replace(planned.plans()[0], at="05:30", active=False)
    planned.plan(daily, "person:1")
    planned.begin()
    planned.plan_all()
    assert planned.plans()[0] == daily
    with planned._ledger.read() as seen:
        assert len(seen.queue.all(kind=LOOK)) == 1


def test_what_is_due_is_asked_for_once_and_days_without_scorecard_wait(planned: Planned) -> None:
    early = datetime(2026, 3, 3, 4, 59, tzinfo=UTC)
    assert planned.look(early) == 0
    assert planned.look(early + timedelta(minutes=1)) == 1
    assert planned.look(NEXT_DAY) == 0
    assert _runs(planned) == [("daily", DAY)]
    with planned._ledger.read() as seen:
        (run,) = seen.reports.all()
        assert (run.mode, run.requested_at) == (
            "scheduled",
            datetime(2026, 3, 3, tzinfo=BERLIN),
        )


def test_what_was_missed_follows_for_a_week(planned: Planned) -> None:
    assert planned.look(NEXT_DAY + timedelta(days=6)) == 1
    assert _runs(planned) == [("daily", DAY)]


def test_older_than_a_week_is_not_made(planned: Planned) -> None:
    assert planned.look(NEXT_DAY + timedelta(days=7)) == 0


def test_the_job_queues_the_next_look_and_the_run(planned: Planned) -> None:
    ledger = planned._ledger
    job = ledger.queue.claim("worker", [LOOK])
    assert job is not None
    planned.handlers[LOOK](job)
    with ledger.read() as seen:
        again = [each for each in seen.queue.all(kind=LOOK) if each.state == "waiting"]
    assert [each.due_at > ledger.now() for each in again] == [True]


def test_a_scheduled_one_goes_to_the_channels_of_its_plan(planned, told, posted) -> None:
    planned.look(NEXT_DAY)
    with planned._ledger.read() as seen:
        (run,) = seen.reports.all()
    made = planned._reports.make(run.id)
    assert made.state == "made"
    ((channel, title, text, sent),) = posted
    assert (channel, sent) == ("ops", f"report:{run.id}")
    assert planned._reports.letter_of(sent)["Subject"] == title
    assert planned._reports.letter_of("r1") is None
    assert title.startswith("Simulated: Daily operations")
    assert f"https://us.example/r/{run.id}" in text
    assert "SIMULATED DATA" in text
    assert told[0]["kind"] == "scheduled"
    assert told[0]["requested_at"] == "2026-03-02T23:00:00Z"


def test_the_letter_of_a_run_has_its_files_and_nobody_s_address(planned, posted) -> None:
    reports = planned._reports
    run = reports.make(reports.ask("daily", "person:1").id)
    assert posted == []
    letter = reports.letter(run.id)
    assert letter is not None
    assert [letter[name] for name in ("From", "To", "Message-ID")] == [None, None, None]
    attached = {part.get_filename(): part.get_content() for part in letter.iter_attachments()}
    assert {Path(name).suffix for name in attached} == {".pdf", ".xlsx"}
    for file in run.files:
        if file["name"] in attached:
            assert hashlib.sha256(attached[file["name"]]).hexdigest() == file["sha256"]
    pictures = [part for part in letter.walk() if part.get_content_type() == "image/png"]
    assert pictures
    assert f"https://us.example/r/{run.id}" in letter.get_body(("html",)).get_content()
    reports.forget(run.finished_at + KEPT)
    assert reports.letter(run.id) is None


def test_files_are_deleted_when_their_time_is_over(planned: Planned, tmp_path: Path) -> None:
    planned.look(NEXT_DAY)
    with planned._ledger.read() as seen:
        (run,) = seen.reports.all()
    made = planned._reports.make(run.id)
    assert made.finished_at is not None
    assert planned._reports.forget(made.finished_at) == 0
    assert planned._reports.forget(made.finished_at + KEPT) == 1
    assert not (tmp_path / "reports" / run.id).exists()
    with planned._ledger.read() as seen:
        assert seen.reports.get(run.id).files == []
    assert planned._reports.forget(made.finished_at + KEPT) == 0


def test_one_file_that_cannot_be_made_keeps_no_other_back(planned, monkeypatch) -> None:
    def missing(*_given):
        raise InputError("Pango is not there", mend="install it")

    whole = dict(service._FILES)
    monkeypatch.setattr(service, "_FILES", whole | {".pdf": ("laying out the PDF", missing)})
    reports = planned._reports
    run = reports.make(reports.ask("daily", "person:1").id)
    assert (run.state, run.error, run.mend) == ("failed", "Pango is not there", "install it")
    assert [Path(file["name"]).suffix for file in run.files] == [".xlsx", ".eml"]
    monkeypatch.setattr(service, "_FILES", whole)
    reports.again(run.id, "person:1")
    run = reports.make(run.id)
    assert run.state == "made"
    assert [Path(file["name"]).suffix for file in run.files] == [".xlsx", ".eml", ".pdf"]
    with planned._ledger.read() as seen:
        assert len(seen.queue.all(kind=MAKE)) == 1


@pytest.mark.parametrize(
    ("wrong", "place"),
    [({"kind": "hourly"}, "kind"), ({"at": "6"}, "at"), ({"at": "25:00"}, "at"),
     ({"at": "06:00+01:00"}, "at"), ({"channels": ("nobody",)}, "channels")],
)  # fmt: skip
def test_a_plan_that_makes_no_sense_is_refused(planned, wrong, place) -> None:
    with pytest.raises(InputError) as refused:
        planned.plan(replace(planned.plans()[0], **wrong), "test")
    assert refused.value.place == place
