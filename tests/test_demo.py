"""The demonstration gives the known answers of its real sample data; its network lives."""

from __future__ import annotations

import gzip
import io
import json
import re
import time
from collections import Counter
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pyarrow.parquet as pq
import pytest

from homes import Meterstone
from meterstone import cli, demo
from meterstone.app import Home
from meterstone.demo.living import Living
from meterstone.demo.network import happened_at, make_network
from meterstone.demo.trouble import Strikes, Troubles
from meterstone.measure.days import day_end
from meterstone.record.ingest import ingest
from meterstone.sandbox.kit import Clock, Faults
from running import LIMIT_S, running

_PATIENCE_S = 60.0
"""A page that is asked for while everything begins takes seconds, on a busy machine many."""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The home that ``meterstone demo --real --no-serve`` leaves, run once."""
    folder = tmp_path_factory.mktemp("demo")
    words = ["meterstone", "demo", "--real", "--no-serve", "--home", str(folder), "--json"]
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(said):
        patch.setattr("sys.argv", words)
        with pytest.raises(SystemExit) as ended:
            cli.main()
    assert not ended.value.code
    (folder / "real" / "scorecard.json").write_text(said.getvalue())
    return folder / "real"


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


NOW = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return make_network(tmp_path_factory.mktemp("network"), NOW, shops=6, months=4)


def times_of(path: Path) -> list[datetime]:
    """When each row of a file was complete."""
    micros = happened_at(pq.read_table(path), path.stem).to_pylist()
    return [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=n) for n in micros]


def test_a_network_is_parted_at_the_present(network):
    past = [at for path in network.past for at in times_of(path)]
    future = [at for path in network.future.glob("*/*.parquet") for at in times_of(path)]
    assert max(past) <= NOW < min(future)
    assert max(past) > NOW - timedelta(hours=1)
    assert min(past) < NOW - timedelta(days=90)
    assert max(future) > NOW + timedelta(days=3)


def test_the_past_is_loaded_without_a_rest(network, tmp_path):
    with Home(tmp_path) as home:
        ingest(home.recorder, [str(path) for path in network.past])
        assert home.log.quarantined() == []
        assert home.origin == "simulated"


def test_what_comes_is_landed_once_and_in_its_time(network):
    living, landed = Living(network.future), []

    def land(lines: bytes) -> None:
        landed.extend(map(json.loads, lines.splitlines()))

    first = living.play(NOW + timedelta(hours=1), land)
    assert first == len(landed) > 0
    assert living.play(NOW + timedelta(hours=1), land) == 0
    probes = [row for row in landed if row["fact"] == "probe"]
    assert all(
        NOW < datetime.fromisoformat(row["at"]) <= NOW + timedelta(hours=1) for row in probes
    )
    due = NOW + timedelta(hours=9)
    living.play(due, land)
    files = network.future.glob("*/*.parquet")
    assert len(landed) == sum(at <= due for path in files for at in times_of(path))


def test_trouble_comes_by_its_timetable_at_the_stand_in_and_in_its_probes():
    troubles = Troubles(NOW)
    before, during = NOW + timedelta(seconds=119), NOW + timedelta(seconds=121)
    assert troubles.at(NOW - timedelta(hours=1)) is troubles.at(before) is None
    first = troubles.at(during)
    assert (first.vendor, first.until - first.since) == ("square", timedelta(minutes=3))
    assert troubles.at(first.until) is None
    second = troubles.at(first.since + troubles.every)
    assert second.vendor != first.vendor
    row = {"at": during, "integration": "square", "ok": True, "fail_reason": "none"}
    assert troubles.probe(row)["fail_reason"] == "provider_down"
    assert troubles.probe(row | {"integration": "clover"})["ok"] is True
    assert troubles.probe(row | {"at": before})["ok"] is True

    faults = Faults(Clock(), seed=1)
    strikes = Strikes(troubles, {"square": faults})
    strikes.look(before)
    assert faults.active() == []
    strikes.look(during)
    strikes.look(during + timedelta(seconds=5))
    (fault,) = faults.active()
    assert (fault["kind"], fault["for_s"]) == ("error", 179)


def await_banner(address: str) -> None:
    """Long before there is a scorecard, every page says that its data are simulated."""
    until = time.monotonic() + _PATIENCE_S
    while "Simulated data" not in httpx2.get(address, timeout=_PATIENCE_S).text:
        assert time.monotonic() < until, "no banner"
        time.sleep(0.1)


def test_a_demonstration_is_served_at_once_and_ends_while_it_is_made(tmp_path):
    with running(tmp_path, "demo") as demonstration:
        assert httpx2.get(f"{demonstration.address}/healthz").status_code == httpx2.codes.OK
        assert "/setup?link=" in demonstration.said["set_up"]
        await_banner(demonstration.said["set_up"])
        code, took_s = demonstration.stop()
    assert code == 0
    assert took_s < LIMIT_S
