"""A home: its lock, its days, publication, maintenance, rebuild."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import pytest

from homes import own_catalogue, probe_line, write_lines
from meterstone import app
from meterstone.app import Home
from meterstone.errors import HomeInUse, InputError, StorageError
from meterstone.measure.results import Scope
from meterstone.record.ingest import ingest
from meterstone.scorecard.canonical import canonical
from meterstone.scorecard.diff import diff

NETWORK = Scope("network")
DAY = date(2026, 3, 2)
AT = datetime(2026, 3, 3, tzinfo=UTC)


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    own_catalogue(folder)
    lines = write_lines(
        tmp_path / "facts.jsonl",
        [probe_line("2026-03-01T06:00:00Z"), probe_line("2026-03-02T06:00:00Z")],
    )
    with Home(folder) as opened:
        ingest(opened.recorder, [lines])
        yield opened


def standing(moment):
    """A clock for `app` at which no midnight passes."""

    class Standing(datetime):
        @classmethod
        def now(cls, _zone=None):
            return moment

    return Standing


def add(home, tmp_path, *lines):
    ingest(home.recorder, [write_lines(tmp_path / "more.jsonl", lines)])


def test_a_second_opening_is_told_who_holds_the_home(home):
    with pytest.raises(HomeInUse, match=r"process \d+ works in this home"):
        Home(home.path)


def test_another_process_is_told_too(home):
    command = [sys.executable, "-m", "meterstone", "measure", "--json", "--home", str(home.path)]
    command[1:3] = ["-c", "from meterstone.cli import main; main()"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert '"HomeInUse"' in ran.stdout
    assert "works in this home" in ran.stderr


def test_a_home_that_cannot_open_lets_go(tmp_path):
    (tmp_path / "landing.sqlite").write_bytes(
        b"no database, but long enough to be read as one" * 99
    )
    for _ in range(2):
        with pytest.raises(StorageError):
            Home(tmp_path)
    (tmp_path / "landing.sqlite").unlink()
    Home(tmp_path).close()


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot use this folder"):
        Home(tmp_path / "file" / "home")


def test_a_home_lets_go_when_the_work_in_it_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), Home(tmp_path):
        1 / 0  # noqa: B018
    Home(tmp_path).close()


def test_a_day_is_reported_when_it_is_over(home, monkeypatch):
    moment = datetime.now(UTC)
    monkeypatch.setattr(app, "datetime", standing(moment))
    assert home.last_day == moment.date() - timedelta(days=1)
    for day in (home.last_day + timedelta(days=1), date.max):
        with pytest.raises(InputError, match="is not over yet"):
            home.scorecard(NETWORK, day)
        with pytest.raises(InputError, match="is not over yet"):
            home.publish(day)
    for day in (date.min, date(1990, 1, 1)):
        with pytest.raises(InputError, match="before anything was recorded"):
            home.scorecard(NETWORK, day)
    assert home.scorecard(NETWORK, home.last_day)["day"] == str(home.last_day)


def test_nothing_is_signed_about_what_will_be_known(home):
    with pytest.raises(InputError, match="lies ahead"):
        home.scorecard(NETWORK, DAY, datetime.now(UTC) + timedelta(hours=1))


def test_a_scorecard_is_the_same_when_it_is_computed_as_known_then(home, tmp_path):
    first = home.scorecard(NETWORK, DAY)
    known = datetime.fromisoformat(first["known_at"])
    home.publish(DAY)
    add(home, tmp_path, probe_line("2026-03-02T07:00:00Z", ok=False))
    home.publish(DAY)
    assert home.scorecard(NETWORK, DAY, known) == first
    now = home.scorecard(NETWORK, DAY)
    assert now["content_hash"] != first["content_hash"]
    assert [m["value"] for m in now["metrics"] if m["id"] == "up"] == [50]
    found = home.verify(canonical(first), recompute=True)
    assert found.holds, found.sentence
    assert home.verify(canonical(now), recompute=True).holds
    assert any("fell from 100 % to 50 %" in change.sentence for change in diff(first, now))


def test_publishing_again_writes_nothing_also_after_a_rebuild(home):
    first = home.publish(DAY)
    assert (first.appended.new, first.appended.revised) == (2, 0)
    again = home.publish(DAY)
    assert (again.appended.new, again.appended.revised) == (0, 0)
    home.rebuild()
    assert home.publish(DAY).appended.new == 0


def test_one_publication_restates_rules_too(home, tmp_path):
    home.publish(DAY)
    add(home, tmp_path, *(probe_line(f"2026-03-02T07:0{n}:00Z", ok=False) for n in range(3)))
    assert home.publish(DAY).appended.revised == 2
    assert home.publish(DAY).appended.revised == 0
    (gate,) = home.scorecard(NETWORK, DAY)["gates"]
    assert gate["restated"] == ["2026-03-02"]
    assert gate["run"] == 0


def test_an_unknown_report_is_refused(home):
    with pytest.raises(InputError, match=r"unknown report"):
        home.publish(DAY, "dayly' OR 1=1")
    assert home.publish(DAY, "monthly").appended.new == 2


def test_labels_say_what_was_computed_later(home):
    assert home.scorecard(NETWORK, DAY)["labels"] == ["real", "reconstructed"]
    for n in range(2):
        home.publish(DAY - timedelta(days=n))
    assert home.scorecard(NETWORK, DAY)["labels"] == ["real"]
    square = home.scorecard(Scope("integration", "square"), DAY)
    assert (square["labels"], square["gates"]) == (["real"], [])


def test_a_scope_that_was_not_measured(home):
    with pytest.raises(InputError, match="nothing was measured for this scope"):
        home.scorecard(Scope("integration", "squar"), DAY)


def test_maintenance_is_approved_before_it_starts(home):
    now = datetime.now(UTC)
    hour = timedelta(hours=1)
    for start, end in ((now - hour, now + hour), (now + 2 * hour, now + hour)):
        with pytest.raises(InputError, match="approved before it starts"):
            home.approve_maintenance("network", start, end, "why", "Ana", "operations")
    done = home.approve_maintenance(
        "integration:square", now + hour, now + 2 * hour, "upgrade", "Ana", "operations"
    )
    assert done.appended.new == 1
    measured = home.measure(now + 3 * hour)
    assert measured.gates[0].maintenance == ()


def test_a_scorecard_is_shown_without_computing_it_again(home, tmp_path):
    first = home.shown_scorecard(NETWORK, DAY)
    assert home.shown_scorecard(NETWORK, DAY) is first
    add(home, tmp_path, probe_line("2026-03-02T07:00:00Z", ok=False))
    assert home.shown_scorecard(NETWORK, DAY) is not first


def test_the_home_of_a_time_zone_ends_its_days_there(tmp_path, monkeypatch):
    folder = tmp_path / "home"
    own_catalogue(folder)
    path = folder / "catalogue" / "catalogue.yaml"
    path.write_text("time_zone: Pacific/Kiritimati\n" + path.read_text())
    with Home(folder) as opened:
        moment = datetime.now(UTC)
        monkeypatch.setattr(app, "datetime", standing(moment))
        local = (moment + timedelta(hours=14)).date()
        assert opened.last_day == local - timedelta(days=1)
        card = opened.scorecard(NETWORK, DAY)
    assert (card["time_zone"], card["at"]) == ("Pacific/Kiritimati", "2026-03-02T10:00:00Z")
