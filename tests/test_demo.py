"""The demonstration gives the known answers of its sample data."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from homes import Meterstone
from meterstone import cli, demo
from meterstone.app import Home
from meterstone.measure.history import day_end


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def ran(home):
    """``meterstone demo --no-serve``, run once."""
    words = ["meterstone", "demo", "--no-serve", "--home", str(home), "--json"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", words)
        with pytest.raises(SystemExit) as ended:
            cli.main()
    assert not ended.value.code
    return home


@pytest.fixture(scope="module")
def card(ran):
    return json.loads((ran / "scorecard.json").read_bytes())


def test_uptime_of_the_three_sites(ran):
    with Home(ran) as home:
        _, results = home.results(["site_uptime_all_time"], day_end(demo.DAY, home.zone))
    values = [result.value for result in results if result.scope.kind == "integration"]
    assert sorted(values) == pytest.approx([71.14, 99.54, 99.95], abs=0.01)


def test_requests_by_status_are_those_of_the_log(ran):
    with Home(ran) as home:
        rows = home.warehouse.query(
            "SELECT status_code, sum(count) AS n FROM facts.api_request GROUP BY ALL"
        ).to_pylist()
    found = {row["status_code"]: row["n"] for row in rows}
    log = next(path for path in demo.paths() if path.endswith("access.log.gz"))
    lines = gzip.decompress(Path(log).read_bytes()).decode().splitlines()
    counted = Counter(int(re.search(r'" (\d{3}) ', line)[1]) for line in lines)
    assert sum(found.values()) == len(lines) == 10_000
    assert found == dict(counted)


def test_requests_answered_without_a_server_error(card):
    (result,) = [m for m in card["metrics"] if m["id"] == "requests_answered"]
    assert result["value"] == pytest.approx(100 * (1 - 3 / result["n"]), abs=1e-9)
    assert result["verdict"] == "met"


def test_the_median_of_the_incidents_with_the_open_one_shown(card):
    (result,) = [m for m in card["metrics"] if m["id"] == "incident_resolution_median"]
    assert result["value"] == 31
    assert result["n"] == 8
    assert result["parts"] == {"still_open": 1}


def test_the_gate_tells_what_held_it_back(card):
    (gate,) = [g for g in card["gates"] if g["id"] == "sites_30_days"]
    assert (gate["run"], gate["needed"]) == (0, 30)
    assert gate["broken_by"] == ["Demo.site_uptime_30_days"]
    assert card["labels"] == ["real", "reconstructed"]


def test_the_scorecard_verifies(ran, monkeypatch, capfd):
    found = Meterstone(ran, monkeypatch, capfd)("verify", ran / "scorecard.json", "--json")
    assert found.code == 0
    assert (found.json["outcome"], found.json["recomputed"]["outcome"]) == ("valid", "equal")


@pytest.fixture(scope="module")
def simulated(ran):
    return json.loads((demo.simulated_home(ran) / "scorecard.json").read_bytes())


def test_the_simulated_network_is_apart_and_says_so(card, simulated):
    assert card["labels"] == ["real", "reconstructed"]
    assert simulated["labels"] == ["reconstructed", "simulated"]
    assert simulated["day"] == "2026-09-30"


def test_the_simulated_network_is_mixed(simulated):
    verdicts = {metric["verdict"] for metric in simulated["metrics"]}
    assert {"met", "not_met", "insufficient_data", "no_data", "expired"} <= verdicts
