"""The commands on files: rows for other tools, sentences for people, errors with the line."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from homes import Meterstone, own_catalogue, probe_line, write_lines
from meterstone.cli import app, studies
from meterstone.errors import InputError


@pytest.fixture
def meterstone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Meterstone:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Meterstone(tmp_path / "home", monkeypatch, capfd)


def test_a_forecast_as_rows_and_in_words(meterstone: Meterstone, tmp_path: Path) -> None:
    file = tmp_path / "sales.csv"
    rows = [f"a,{n},{100 + n + 10 * (n % 4) + n * n % 7 / 5}" for n in range(1, 41)]
    rows += ["b,1,1", "b,2,2", "b,3,3"]
    file.write_text("unique_id,ds,y\n" + "\n".join(rows))
    made = meterstone(
        "forecast", str(file), "--horizon", "2", "--season", "4", "--json", home=False
    ).json
    assert [row["ds"] for row in made] == ["41", "42", "4", "5"]
    assert list(made[0]) == ["unique_id", "ds", "mean", "lo95", "hi95", "model", "withheld"]
    assert made[0]["lo95"] <= made[0]["mean"] <= made[0]["hi95"]
    assert made[0]["mean"] == pytest.approx(100 + 41 + 10, abs=3)
    assert made[2]["mean"] is None
    assert "at least 12" in made[2]["withheld"]
    assert (
        "no forecast: 3 observations"
        in meterstone("forecast", str(file), "--horizon", "2", home=False).out
    )
    kept = tmp_path / "cache" / "meterstone" / "forecasts"
    assert len(list(kept.iterdir())) == 4, "two series, each asked in two ways"
    wrong = meterstone(
        "forecast", str(file), "--horizon", "2", "--least", "3", "--most", "1", home=False
    )
    assert "3 is not below 1" in wrong.err


def test_limits_and_holidays_of_a_file(meterstone: Meterstone, tmp_path: Path) -> None:
    file, days = tmp_path / "share.csv", tmp_path / "days.csv"
    first = date(2026, 1, 1)
    rows = [f"s,{first + timedelta(days=n)},{98.5 + n % 3 - (n % 5) / 4}" for n in range(60)]
    file.write_text("unique_id,ds,y\n" + "\n".join(rows))
    days.write_text("ds,holiday\n2026-02-30,a\n")
    asked = ("forecast", str(file), "--horizon", "3", "--most", "100", "--no-cache")
    made = meterstone(*asked, "--json", home=False).json
    assert max(row["hi95"] for row in made) <= 100
    wrong = meterstone(*asked, "--holidays", str(days), home=False)
    assert "'2026-02-30' is no day" in wrong.err
    assert f"{days}:2" in wrong.err


def test_anomalies_and_effects(meterstone: Meterstone, tmp_path: Path) -> None:
    file = tmp_path / "calls.csv"
    values = [10 + n % 5 for n in range(300)]
    values[250] = 900
    file.write_text("timestamp,value\n" + "\n".join(f"t{n},{v}" for n, v in enumerate(values)))
    rows = meterstone("anomalies", str(file), "--json", home=False).json
    assert next(row["timestamp"] for row in rows if row["flagged"]) == "t250"
    assert all(0 <= row["score"] <= 1 for row in rows)
    assert "t250" in meterstone("anomalies", str(file), home=False).out
    shops = tmp_path / "shops.csv"
    shops.write_text("u,t,g,y\na,1,,1\na,2,,2\n")
    columns = ("--unit", "u", "--time", "t", "--first-treated", "g", "--outcome", "y")
    told = meterstone("effect", str(shops), *columns, "--json", home=False).json
    assert (told["verdict"], told["att"]) == ("withheld", None)
    assert "no unit is treated" in meterstone("effect", str(shops), *columns, home=False).out
    wrong = meterstone("effect", str(file), *columns, home=False)
    assert wrong.code == 2
    assert "no column 'u'" in wrong.err


def test_values_are_judged_as_they_come_in() -> None:
    random = np.random.default_rng(3)
    lines = [f"t{n},{random.normal(0, 1) + (60 if 250 <= n < 260 else 0):.3f}" for n in range(300)]
    text = "timestamp,value\n" + "\n".join(lines) + "\n"
    told = CliRunner().invoke(app, ["anomalies", "-", "--json"], input=text)
    rows = [json.loads(line) for line in told.stdout.splitlines()]
    assert [row["timestamp"] for row in rows] == [f"t{n}" for n in range(300)]
    assert any(row["flagged"] for row in rows[250:255])
    wrong = CliRunner().invoke(app, ["anomalies", "-"], input="t1,1\nt2,many\n")
    assert isinstance(wrong.exception, InputError)
    assert "line 2" in str(wrong.exception)


def test_a_target_is_tried_before_it_is_adopted(
    meterstone: Meterstone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_catalogue(meterstone.home)
    today = datetime.now(UTC).replace(hour=6, minute=0, second=0, microsecond=0)
    first = today - timedelta(days=45)

    asked = ("insight", "target", "up")
    empty = meterstone(*asked, "--at-least", 99)
    assert empty.code == 2
    assert "nothing was measured yet" in empty.err
    # Two probes a day, of which one fails on every tenth day.
    moments = [first + timedelta(days=n, hours=h) for n in range(45) for h in (0, 1)]
    lines = [
        probe_line(f"{at:%Y-%m-%dT%H:%M:%SZ}", ok=at.hour == 6 or (at - first).days % 10 != 0)
        for at in moments
    ]
    meterstone("ingest", write_lines(tmp_path / "facts.jsonl", lines), "--json")
    assert meterstone("insight", "run", "targets").code == 0
    tried = meterstone(*asked, "--at-least", 99, "--json").json
    figures = {figure["id"]: figure["value"] for figure in tried["figures"]}
    shown = meterstone(*asked, "--at-least", 99).out
    assert shown.splitlines()[0] == tried["sentence"]
    assert "met on " in shown
    assert 0 < figures["holds_90"] < figures["holds_30"] < 50
    easy = meterstone(*asked, "--at-least", 10, "--json").json
    assert easy["figures"][0]["value"] == 100
    most = meterstone(*asked, "--at-most", 100, "--json").json
    assert most["figures"][0]["value"] == 100
    monkeypatch.setattr(studies, "LEAST_DAYS", 100)
    few = meterstone(*asked, "--at-least", 99)
    assert few.code == 2
    assert "45 days have a value; a replay takes 100" in few.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("up",), "give --at-least or --at-most"),
        (("up", "--at-least", "99", "--at-most", "99.9"), "give --at-least or --at-most"),
        (("up", "--at-least", "nan"), "nan is no target"),
        (("up", "--at-most", "inf"), "inf is no target"),
        (("uo", "--at-least", "99"), "there is no metric 'uo'"),
    ],
)
def test_a_target_that_cannot_be_tried(
    meterstone: Meterstone, words: tuple[str, ...], says: str
) -> None:
    own_catalogue(meterstone.home)
    wrong = meterstone("insight", "target", *words)
    assert wrong.code == 2
    assert says in wrong.err
