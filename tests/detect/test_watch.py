"""The watch over a real engine and a real ledger, by a clock that is set."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.detect.scenes import DEFAULT, House, Told

from meterstone.app import Home
from meterstone.connect.watched import franchises_of
from meterstone.detect.service import Alerts
from meterstone.detect.state import Now
from meterstone.detect.watch import Watch
from meterstone.errors import StorageError
from meterstone.facts import vocabulary
from meterstone.record.model import facts_of_ours

BEGAN = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)


class Landing(House):
    """A house whose facts are those of a home."""

    home: Home
    broken = False

    def catch_up(self) -> None:
        if self.broken:
            raise StorageError("the disk is full", place="warehouse", mend="make room")
        self.home.recorder.map_new()


@dataclass
class Scene:
    """A home, its watch, and the time."""

    home: Home
    house: Landing
    now: datetime = BEGAN
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(10_000)))

    def __post_init__(self) -> None:
        self.watch = self.made()

    def made(self) -> Watch:
        return Watch(
            ledger=self.home.ledger, warehouse=self.home.warehouse, vocabulary=vocabulary(),
            definitions=DEFAULT, around=self.house, franchises=franchises_of,
            tell=self.tell, clock=lambda: self.now, days=self.house,
        )  # fmt: skip

    def tell(self, rows: Sequence[Mapping[str, Any]]) -> None:
        lines = "".join(json.dumps({"environment": "production", **row}) + "\n" for row in rows)
        self.home.recorder.land(facts_of_ours(lines.encode(), "own", "hub"))

    def calls(self, number: int, **given: Any) -> None:
        usual = {
            "fact": "api_request", "source": "hub", "integration": "square",
            "at": self.now.isoformat(), "direction": "outbound", "method": "GET",
            "endpoint_group": "pos_integration", "endpoint": "/v2/orders", "outcome": "success",
            "fault": "none", "error_class": "none", "attempts": 1, "duration_ms": 80.0,
            "count": 1, "consumer": "hub_ui",
        }  # fmt: skip
        self.tell(
            [{**usual, "request_id": f"r{next(self.numbers)}", **given} for _ in range(number)]
        )

    def fail(self, number: int) -> None:
        self.calls(number, outcome="error", fault="provider", error_class="server")

    def look(self, seconds: float = 2.0) -> Now:
        self.now += timedelta(seconds=seconds)
        return self.watch.look()

    def incidents(self) -> list[dict[str, Any]]:
        self.home.recorder.map_new()
        found: list[dict[str, Any]] = self.home.warehouse.query(
            f"SELECT * FROM {self.home.warehouse.relation('incident', None)} AS k"
        ).to_pylist()
        return found


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    house = Landing()
    with Home(tmp_path) as home:
        house.home = home
        with home.ledger.change("test") as change:
            change.connections.add(
                connector="square", account="M1", franchise_id="F1", status="active"
            )
        yield Scene(home, house)


def test_a_fault_is_seen_told_shown_and_over(scene: Scene) -> None:
    scene.calls(20)
    quiet = scene.look()
    assert (quiet.sentence, quiet.incidents) == ("All is well.", ())
    assert quiet.lead == "1 integration is connected; 0 incidents are open."
    began = scene.now
    scene.fail(4)
    loud = scene.look()
    [incident] = loud.incidents
    assert incident.started_at == began, "the first call that failed"
    assert (incident.detected_at - began).total_seconds() == 2
    assert (incident.cause_key, incident.franchises) == ("square:service", ("F1",))
    assert "error budget" in incident.says, "how long it lasts"
    assert loud.sentence == "Square fails. Everything else is well."
    assert loud.version > quiet.version
    [square] = loud.integrations
    assert (square.health, square.since, square.shops_affected) == ("failing", began, 1)
    assert square.success == pytest.approx(20 / 24)
    [error] = loud.errors or scene.look(12).errors
    assert (error.error_class, error.fault, error.count) == ("server", "provider", 4)
    for _ in range(12):
        scene.calls(1)
        calm = scene.look(10)
    assert calm.incidents == ()
    assert calm.sentence == "All is well."
    [over] = Alerts(scene.home.ledger).incidents()
    assert over.resolution.startswith("Over: ")
    [row] = {row["incident_id"]: row for row in scene.incidents()}.values()
    assert row["detected_by"] == "monitor"
    assert row["integration"] == "square"
    assert row["started_at"].replace(tzinfo=UTC) == began


def recover(scene: Scene) -> None:
    """Until the alarms of calls are over, as soon as the rules say so."""
    for _ in range(5):
        scene.calls(1)
        scene.look(6)


@pytest.mark.parametrize("restarted", [False, True])
def test_a_fault_that_follows_another_begins_by_itself(scene: Scene, restarted: bool) -> None:
    scene.look()
    scene.fail(3)
    scene.look()
    recover(scene)
    assert scene.look().incidents == ()
    if restarted:
        scene.watch = scene.made()
        scene.look()
    scene.fail(1)
    assert scene.look().incidents == (), "one failed call is none, whatever was before"
    began = scene.now
    scene.fail(4)
    [second] = scene.look().incidents
    assert began - second.started_at == timedelta(seconds=2), "not the fault before"
    first, *_ = [i for i in Alerts(scene.home.ledger).incidents() if i.resolved_at]
    assert first.resolved_at is not None
    assert first.resolved_at < second.started_at, "no second counts twice"


def test_a_budget_that_burns_on_does_not_begin_an_incident_with_the_one_before(
    scene: Scene,
) -> None:
    scene.look()
    scene.fail(4)  # too few for a budget
    scene.look()
    recover(scene)
    began = scene.now
    scene.fail(3)
    [incident] = scene.look().incidents
    with scene.home.ledger.read() as seen:
        rules = {alert.rule for alert in seen.alerts.lasting()}
    assert {"calls_fail", "calls_succeed"} <= rules
    assert incident.started_at == began


def test_vitals_of_the_last_hour(scene: Scene) -> None:
    changed = scene.now - timedelta(seconds=40)
    common = {"source": "hub", "integration": "square"}
    scene.tell(
        [
            {**common, "fact": "sync_lag", "change_id": "c", "connection_id": "s", "entity": "o",
             "source_changed_at": changed.isoformat(), "received_at": scene.now.isoformat(),
             "applied_at": scene.now.isoformat(), "status": "applied", "conflict": False,
             "conflict_resolution": "none"},
            {**common, "fact": "throttle_event", "throttle_id": "t", "at": scene.now.isoformat(),
             "limiter": "provider", "decision": "queued", "final": "admitted",
             "over_quota": True, "wait_ms": 1500.0, "priority": "normal", "count": 2},
        ]
    )  # fmt: skip
    scene.calls(3)
    now = scene.look()
    [square] = now.integrations
    assert (square.lag_p99_s, square.p95_ms) == (40, 80)
    assert now.queue is not None
    assert (now.queue.throttled, now.queue.throttled_wait_s) == (2, 3)
    [signal] = now.signals
    assert (signal.group, signal.requests, signal.success, signal.p95_ms) == (
        "pos_integration", 3, 1, 80,
    )  # fmt: skip
    assert [p for p in signal.p95_by_minute if p is not None] == [80]
    assert (signal.direction, signal.target_ms) == ("outbound", None)
    assert signal.saturation == 1.0, "both turns had to wait"


def load_level(test: str, users: int, requests: int, success: float, p95: float) -> dict[str, Any]:
    at = {"t1": 60, "t2": 30}[test]
    return {
        "fact": "load_test", "source": "hub", "test_id": test, "concurrent_users": users,
        "started_at": (BEGAN - timedelta(minutes=at + 1)).isoformat(),
        "ended_at": (BEGAN - timedelta(minutes=at)).isoformat(), "release_version": "1",
        "scenario": "mix", "hold_s": 10, "requests": requests, "p95_ms": p95,
        "success_rate": success, "production_like": True,
    }  # fmt: skip


def test_golden_signals_of_what_we_serve_are_weighed_judged_and_set_beside_the_load_test(
    scene: Scene,
) -> None:
    scene.tell(
        [
            load_level("t1", 10, 9_000, 100.0, 50.0),  # an older test
            load_level("t2", 10, 20, 99.9, 80.0),
            load_level("t2", 20, 40, 99.5, 480.0),
            load_level("t2", 40, 60, 98.0, 900.0),  # not borne: too many failed
            load_level("t2", 50, 80, 99.9, 501.0),  # not borne: too slow
        ]
    )
    scene.calls(1, direction="inbound", duration_ms=20.0, count=95)
    scene.calls(1, direction="inbound", duration_ms=900.0, count=4)
    scene.calls(1, direction="inbound", duration_ms=None, count=21)
    scene.calls(1, duration_ms=5_000.0)
    served, called = scene.look().signals
    assert (served.direction, served.title) == ("inbound", "pos integration")
    assert (served.requests, served.per_minute, served.p95_ms) == (120, 2.0, 20.0)
    assert served.target_ms == 500
    assert served.saturation == pytest.approx(120 / 60 / 4), "of the four a second that were borne"
    assert called.title == "pos integration, calls to vendors"
    assert (called.p95_ms, called.target_ms, called.saturation) == (5_000, None, None)


def test_without_a_load_test_nobody_knows_how_full_it_is(scene: Scene) -> None:
    scene.calls(1, direction="inbound")
    [served] = scene.look().signals
    assert served.saturation is None


def test_more_good_than_all_is_impossible_and_hides_nothing(scene: Scene) -> None:
    scene.look()
    scene.calls(1, outcome="success", fault="provider")
    now = scene.look()
    assert [incident.cause_key for incident in now.incidents] == ["square:data"]
    assert "contradict themselves" in now.incidents[0].says


def test_a_restart_goes_on_where_it_was(scene: Scene) -> None:
    scene.look()
    scene.fail(4)
    [before] = scene.look().incidents
    scene.now += timedelta(minutes=5)
    scene.watch = scene.made()
    [during] = scene.look().incidents
    scene.fail(4)
    [after] = scene.look().incidents
    assert before.id == during.id == after.id, "stopped for minutes: it is not taken for well"
    assert scene.watch.feed.of("calls", "square").counts.sum(scene.now, 3600) == (0, 8)


def test_a_vendor_that_is_down_is_shown_while_it_is(scene: Scene) -> None:
    scene.calls(1)
    scene.look()
    scene.house.down = [Told("square", started_at=scene.now)]
    assert scene.look().integrations[0].health == "down"
    scene.house.down = []
    assert scene.look(6).integrations[0].health == "healthy"


def test_listeners_are_told_until_they_have_enough(scene: Scene) -> None:
    heard: list[int] = []
    end = scene.watch.listen(lambda now: heard.append(now.version))
    first = scene.look()
    end()
    end()
    scene.look()
    assert heard == [first.version]
    assert scene.watch.now is not None


def test_it_goes_on_looking_when_it_could_not(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    seen = threading.Event()
    scene.house.broken = True
    scene.watch.listen(lambda _: seen.set())
    scene.watch.start()
    while "could not look" not in caplog.text:
        seen.wait(0.01)
    scene.house.broken = False
    scene.watch.wake()
    assert seen.wait(20)
    scene.watch.stop()
