"""The whole of a home behind one address."""

from __future__ import annotations

from pathlib import Path

from starlette.testclient import TestClient

from homes import own_catalogue, probe_line
from meterstone.app import Home
from meterstone.cli.site import site_app
from meterstone.cli.telemetry import Telemetry
from meterstone.measure.results import Scope
from meterstone.people.rights import Right
from meterstone.record.model import facts_of_ours
from visitors import bearer


def visited(home: Home) -> TestClient:
    """What is served, to a program that may read /metrics."""
    app = site_app(home, "http://testserver", Telemetry({}))
    return TestClient(app, headers=bearer(home.people, Right.SCRAPE))


def test_metrics_are_those_of_the_kept_scorecard(tmp_path: Path) -> None:
    own_catalogue(tmp_path)
    with Home(tmp_path) as home, visited(home) as client:
        assert "meterstone_up" not in client.get("/metrics").text
        day = home.last_day
        line = probe_line(f"{day}T12:00:00Z", ok=True)
        home.recorder.land(facts_of_ours(line.encode(), "probe", "hub"))
        home.evaluator.run_once()
        card = home.board.card(Scope("network"))
        assert card is not None
        text = client.get("/metrics").text
    assert card.hash in text
    [value] = [m["value"] for m in card.document["metrics"] if m["id"] == "up"]
    assert value == 100.0
    assert any(
        line.startswith("meterstone_up") and line.endswith(" 100.0") for line in text.splitlines()
    )
