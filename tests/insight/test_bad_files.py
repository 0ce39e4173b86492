"""Files as people have them: each is refused with file, line, cause and mend (exit 2), or answered
without a number and with the reason (exit 0); never a traceback, never a confident wrong number."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from math import sin
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from homes import Meterstone, Ran

Lines = list[str]
BEGIN = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture
def asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Ran]:
    """Runs a command over a file of these contents."""
    run = Meterstone(tmp_path / "home", monkeypatch, capfd)
    file = tmp_path / "own.csv"
    more = {
        "forecast": ("--horizon", "7", "--season", "7", "--no-cache"),
        "anomalies": (),
        "effect": ("--unit", "u", "--time", "t", "--first-treated", "g", "--outcome", "y"),
    }

    def ask(command: str, content: bytes | str | Lines | None, *, as_json: bool = True) -> Ran:
        if isinstance(content, list):
            content = "\n".join(content) + "\n"
        if content is None:
            file.mkdir()
        else:
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return run(command, file, *more[command], *["--json"] * as_json, home=False)

    return ask


def day(n: int) -> str:
    return str(date(2025, 1, 1) + timedelta(days=n))


def hour(n: int, zone: str = "") -> str:
    return f"{BEGIN + timedelta(hours=n):%Y-%m-%dT%H:%M:%S}{zone}"


def series(count: int = 60, at: Callable[[int], str] = day) -> Lines:
    drawn = np.random.default_rng(9)
    told = [f"a,{at(n)},{100 + 10 * sin(n / 1.1) + drawn.normal():.3f}" for n in range(count)]
    return ["unique_id,ds,y", *told]


def stream(count: int = 200, at: Callable[[int], str] = hour) -> Lines:
    drawn = np.random.default_rng(9)
    told = [f"{at(n)},{10 + n % 5 + drawn.normal():.3f}" for n in range(count)]
    return ["timestamp,value", *told]


def half(unit: int) -> int:
    return 6 * (unit % 2)


def shops(
    count: int = 20,
    at: Callable[[int], str] = str,
    first: Callable[[int], int] = half,
) -> Lines:
    drawn = np.random.default_rng(9)
    told = ["u,t,g,y"]
    for u in range(count):
        g = first(u)
        for t in range(1, 11):
            y = u + t + drawn.normal() + 3 * (0 < g <= t)
            told.append(f"s{u},{at(t)},{at(g) if g else ''},{y:.3f}")
    return told


USUAL: dict[str, Lines] = {"forecast": series(), "anomalies": stream(), "effect": shops()}
NEEDED = {
    "forecast": "the columns unique_id, ds, y are needed",
    "anomalies": "the columns timestamp, value are needed",
    "effect": "the columns u, t, y, g are needed",
}


def put(lines: Lines, at: int, line: str) -> Lines:
    """The lines with one more, which becomes line `at` of the file."""
    return [*lines[: at - 1], line, *lines[at - 1 :]]


def changed(lines: Lines, at: int, value: str) -> Lines:
    """The lines with the value of line `at` of the file exchanged."""
    head = lines[at - 1].rpartition(",")[0]
    return [*lines[: at - 1], f"{head},{value}", *lines[at:]]


def refused(ran: Ran, place: str, cause: str, mend: str) -> None:
    """Exit 2; one JSON document and one message, which say the same."""
    told = json.loads(ran.out)
    assert ran.code == 2
    assert told["place"].endswith(place), told
    assert cause in told["cause"]
    assert mend in told["mend"]
    assert told["cause"] in ran.err
    assert "Traceback" not in ran.err


EVERY: dict[str, tuple[Callable[[Lines], bytes | str | Lines | None], str, str, str]] = {
    "a directory": (lambda _: None, "own.csv", "Is a directory", "name a CSV file"),
    "empty": (lambda _: "", ":1", "there is no header", "are needed, separated by commas"),
    "a header only": (lambda lines: lines[:1], "own.csv", "has no rows", "give"),
    "blank lines": (lambda lines: [lines[0], "", "", ""], "own.csv", "has no rows", "give"),
    "latin-1": (
        lambda lines: "\n".join(put(lines, 9, "café")).encode("latin-1"),
        ":9",
        "is not UTF-8",
        "UTF-8",
    ),
    "utf-16": (lambda lines: "\n".join(lines).encode("utf-16"), ":1", "is not UTF-8", "UTF-8"),
    "a missing column": (
        lambda lines: [lines[0].rpartition(",")[0] + ",z", *lines[1:]],
        ":1",
        "there is no column",
        "",
    ),
    "semicolons": (
        lambda lines: [line.replace(",", ";") for line in lines],
        ":1",
        "there is no column",
        "commas",
    ),
    "a column twice": (
        lambda lines: [lines[0] + "," + lines[0].rpartition(",")[2], *lines[1:]],
        ":1",
        "there are 2 columns",
        "",
    ),
    "a decimal comma": (
        lambda lines: changed(lines, 9, "1,5"),
        ":9",
        "cells where the header has",
        "write 1.5",
    ),
    "a word": (lambda lines: changed(lines, 9, "many"), ":9", "'many' is no number", "correct"),
    "infinity": (lambda lines: changed(lines, 9, "-inf"), ":9", "'-inf' is no number", "correct"),
    "beyond all numbers": (
        lambda lines: changed(lines, 9, "1e400"),
        ":9",
        "is no number",
        "correct",
    ),
    "an open quote": (
        lambda lines: [*lines[:8], '"' + lines[8], *lines[9:]],
        ":9",
        "is no row of CSV",
        "close",
    ),
    "an endless cell": (
        lambda lines: changed(lines, 9, "1" * 200_000),
        ":9",
        "is no row of CSV",
        "keep cells short",
    ),
}


@pytest.mark.parametrize("command", USUAL)
@pytest.mark.parametrize("case", EVERY)
def test_what_no_command_can_read(asked: Callable[..., Ran], command: str, case: str) -> None:
    make, place, cause, mend = EVERY[case]
    refused(asked(command, make(USUAL[command])), place, cause, mend)


@pytest.mark.parametrize("command", USUAL)
def test_the_message_says_which_columns_are_needed(asked: Callable[..., Ran], command: str) -> None:
    told = asked(command, ["a,b", "1,2"], as_json=False)
    assert (told.code, told.out) == (2, "")
    assert NEEDED[command] in told.err


OWN: dict[str, tuple[str, Lines, str, str, str]] = {
    "a date of ours": (
        "forecast",
        put(series(), 9, "a,31.12.2026,1"),
        ":9",
        "is no date",
        "2026-11-30",
    ),
    "no such day": ("forecast", put(series(), 9, "a,2026-02-30,1"), ":9", "is no date", "2026"),
    "no date": ("forecast", put(series(), 9, "a,,1"), ":9", "there is no date", "2026-11-30"),
    "a short row": ("forecast", put(series(), 9, "a"), ":9", "there is no date", "2026-11-30"),
    "compact dates": (
        "forecast",
        series(at=lambda n: day(n).replace("-", "")),
        ":2",
        "a running number, or a date",
        "write 2025-01-01",
    ),
    "a day twice": (
        "forecast",
        put(series(), 9, series()[7]),
        ":9",
        "a has two values at 2025-01-07",
        "leave one",
    ),
    "a moment twice, in two zones": (
        "forecast",
        series(at=lambda n: hour(n, "+01:00" if n % 2 else "Z")),
        ":3",
        "two values",
        "",
    ),
    "with and without a zone": (
        "forecast",
        series(at=lambda n: hour(n, "" if n % 2 else "Z")),
        ":3",
        "dates with a zone and dates are mixed in ds",
        "use one",
    ),
    "dates and numbers": (
        "forecast",
        put(series(), 9, "a,8,1"),
        ":9",
        "dates and numbers are mixed",
        "use one",
    ),
    "a slip in the year": (
        "forecast",
        [*series(), "a,2925-03-01,1"],
        ":62",
        "steps lie between 2025-03-01",
        "correct",
    ),
    "a slip in the number": (
        "forecast",
        [*series(at=str), "a,40000000,1"],
        ":62",
        "steps lie between 59",
        "correct",
    ),
    "the end of time": (
        "forecast",
        series(at=lambda n: str(date(9999, 11, 1) + timedelta(days=n))),
        "a",
        "lie beyond the year 9999",
        "fewer steps",
    ),
    "no timestamp": ("anomalies", put(stream(), 9, ",1"), ":9", "there is no timestamp", "name"),
    "a name among dates": (
        "anomalies",
        put(stream(), 9, "31.12.2026,1"),
        ":9",
        "is among dates, and is none",
        "one way",
    ),
    "a shuffled stream": (
        "anomalies",
        [stream()[0], *stream()[:0:-1]],
        ":3",
        "timestamps go back",
        "sort the rows",
    ),
    "zones that go back and forth": (
        "anomalies",
        stream(at=lambda n: hour(n, "+05:00" if n % 2 else "Z")),
        ":3",
        "timestamps go back",
        "sort",
    ),
    "too large to be squared": (
        "anomalies",
        changed(stream(), 9, "1e300"),
        ":9",
        "1e+300 is too large",
        "another unit",
    ),
    "no unit": ("effect", put(shops(), 9, ",3,6,1"), ":9", "there is no u", "name it"),
    "no time": ("effect", put(shops(), 9, "s0,,6,1"), ":9", "there is no t", "2026-11-30"),
    "a time that is none": (
        "effect",
        put(shops(), 9, "s0,nan,6,1"),
        ":9",
        "'nan' in t is",
        "number",
    ),
    "a first time that is none": (
        "effect",
        put(shops(), 9, "s0,11,soon,1"),
        ":9",
        "'soon' in g is no time",
        "number",
    ),
    "two first times": (
        "effect",
        put(shops(), 9, "s0,11,4,1"),
        ":9",
        "u s0 has two first times",
        "give it one",
    ),
    "a unit twice at a time": (
        "effect",
        put(shops(), 9, shops()[7]),
        ":9",
        "u s0 has two values at t 7",
        "leave one",
    ),
    "years and dates": (
        "effect",
        put(shops(at=lambda t: str(2000 + t)), 9, "s0,2011-01-01,,1"),
        ":9",
        "numbers and dates are mixed in t and g",
        "one way",
    ),
    "first times that are dates": (
        "effect",
        [shops()[0], "s0,1,2006-01-01,1"],
        ":2",
        "numbers and dates are mixed in t and g",
        "one way",
    ),
    "zones here and there": (
        "effect",
        put(shops(at=lambda t: hour(t, "Z")), 9, "s0,2025-01-01T20:00:00,,1"),
        ":9",
        "dates with a zone and dates are mixed",
        "one way",
    ),
    "never is a time too": (
        "effect",
        shops(at=lambda t: str(t - 5)),
        "own.csv",
        "0 in g means never, and is a t too",
        "count times from 1",
    ),
}


@pytest.mark.parametrize("case", OWN)
def test_what_this_command_cannot_read(asked: Callable[..., Ran], case: str) -> None:
    command, lines, place, cause, mend = OWN[case]
    refused(asked(command, lines), place, cause, mend)


WITHHELD: dict[str, tuple[Lines, str]] = {
    "three observations": (series(3), "3 observations; a forecast takes at least 12"),
    "one observation": (series(1), "1 observation; a forecast takes at least 12"),
    "constant": (
        [line.rpartition(",")[0] + ",5" for line in series()][1:],
        "the series is constant",
    ),
    "nothing but gaps": (
        [line.rpartition(",")[0] + ",NaN" for line in series()][1:],
        "0 observations",
    ),
    "more gaps than values": (
        [line if n % 5 == 0 else line.rpartition(",")[0] + "," for n, line in enumerate(series())],
        "of 60 steps have no value",
    ),
    "long ago": ([*series(), "a,2030-01-01,1"], "1 observation in the newest 700 steps"),
    "numbers like atoms": (
        [f"{line.rpartition(',')[0]},{n % 7}e-200" for n, line in enumerate(series())][1:],
        "take another unit",
    ),
    "numbers like galaxies": (changed(series(), 61, "1e16"), "take another unit"),
}


@pytest.mark.parametrize("case", WITHHELD)
def test_no_forecast_and_why(asked: Callable[..., Ran], case: str) -> None:
    lines, said = WITHHELD[case]
    told = asked("forecast", lines if lines[0].startswith("unique_id") else [series()[0], *lines])
    assert told.code == 0
    assert len(told.json) == 7
    for row in told.json:
        assert (row["mean"], row["lo95"], row["hi95"], row["model"]) == (None, None, None, None)
        assert said in row["withheld"]


@pytest.mark.parametrize("at", [30, 61])
def test_one_wild_value_is_not_learnt_or_widens_the_interval(
    asked: Callable[..., Ran], at: int
) -> None:
    """In the middle it is left out; at the end it may be a new level, and nobody knows."""
    rows = asked("forecast", changed(series(), at, "1000000")).json
    for row in rows:
        assert row["lo95"] <= 112
        assert row["hi95"] >= 1_000_000 if at == 61 else row["hi95"] < 200


def test_sales_below_nothing_are_forecast_below_nothing(asked: Callable[..., Ran]) -> None:
    head, *rest = series()
    rows = [
        f"{line.rpartition(',')[0]},{float(line.rpartition(',')[2]) - 100:.3f}" for line in rest
    ]
    told = asked("forecast", [head, *rows]).json
    assert min(row["lo95"] for row in told) < -2
    assert all(row["lo95"] <= row["mean"] <= row["hi95"] for row in told)


def test_hours_stay_even_over_the_change_of_the_clock(asked: Callable[..., Ran]) -> None:
    def local(n: int) -> str:
        return hour(n + (n >= 26), "+02:00" if n >= 26 else "+01:00")

    told = asked("forecast", series(at=local))
    moments = [datetime.fromisoformat(row["ds"]) for row in told.json]
    last = datetime.fromisoformat(local(59))
    assert [b - a for a, b in pairwise([last, *moments])] == [timedelta(hours=1)] * 7
    assert "uneven" not in told.err


def test_uneven_steps_are_told(asked: Callable[..., Ran]) -> None:
    told = asked("forecast", series(at=lambda n: str(100 * n + n * n % 7)))
    assert told.code == 0
    assert "a: its steps are uneven" in told.err


def test_a_stream_that_is_not_judged_says_so(asked: Callable[..., Ran]) -> None:
    told = asked("anomalies", stream(3))
    assert [row["flagged"] for row in told.json] == [False] * 3
    assert "nothing is judged: 3 values are no more than the 60" in told.err
    shown = asked("anomalies", stream(3), as_json=False)
    assert "0 of 0 values judged are flagged" in shown.out
    none = asked("anomalies", ["timestamp,value", *(f"{hour(n)},NaN" for n in range(200))])
    assert "nothing is judged: 0 values" in none.err


def test_how_many_values_are_not_judged_is_told(asked: Callable[..., Ran]) -> None:
    lines = ["timestamp,value", *(f"{hour(n)},5" for n in range(200))]
    told = asked("anomalies", changed(lines, 180, ""))
    assert told.json[178]["score"] == 0
    assert "of 200 values are not judged, and their 0 says nothing: the first 60, 1 missing" in (
        " ".join(told.err.split())
    )


def test_timestamps_that_come_twice_are_told(asked: Callable[..., Ran]) -> None:
    told = asked("anomalies", put(stream(), 9, stream()[7]))
    assert told.code == 0
    assert "timestamps come twice: 1" in told.err


def test_a_constant_stream_has_no_anomaly_and_its_first_change_is_one(
    asked: Callable[..., Ran],
) -> None:
    flat = ["timestamp,value", *(f"{hour(n)},5" for n in range(200))]
    assert not any(row["flagged"] for row in asked("anomalies", flat).json)
    moved = asked("anomalies", changed(flat, 150, "6")).json
    assert [row["flagged"] for row in moved].index(True) == 148


def test_a_high_level_hides_no_anomaly(asked: Callable[..., Ran]) -> None:
    """Squares of billions have no digits left for what is small; nothing was flagged once."""
    low = stream()
    high = [
        low[0],
        *(f"{line.split(',')[0]},{1e9 + float(line.split(',')[1])}" for line in low[1:]),
    ]
    for lines, base in ((low, 0.0), (high, 1e9)):
        rows = asked("anomalies", changed(lines, 180, str(base + 60))).json
        assert rows[178]["flagged"], base


NO_EFFECT: dict[str, tuple[Lines, str]] = {
    "three rows": (shops()[:4], "no unit is treated within the data"),
    "all on one day": (shops(first=lambda _: 6), "nobody to compare them with; add some"),
    "all before the data": (shops(first=lambda _: 1), "no unit is treated within the data"),
    "all after the data": (
        shops(first=lambda u: 99 * (u % 2)),
        "no unit is treated within the data",
    ),
    "one unit": (shops(1), "no unit is treated within the data"),
    "few units": (shops(8), "4 treated and 4 never treated units; each side takes 5"),
    "constant": (
        ["u,t,g,y", *(line.rpartition(",")[0] + ",5" for line in shops()[1:])],
        "outcome is constant",
    ),
}


@pytest.mark.parametrize("case", NO_EFFECT)
def test_no_effect_and_why(asked: Callable[..., Ran], case: str) -> None:
    lines, said = NO_EFFECT[case]
    told = asked("effect", lines)
    assert told.code == 0
    assert (told.json["verdict"], told.json["att"]) == ("withheld", None)
    assert said in told.json["withheld"]


def test_who_was_treated_before_the_data_is_told(asked: Callable[..., Ran]) -> None:
    told = asked("effect", shops(30, first=lambda u: (0, 6, 1)[u % 3])).json
    assert told["dropped"] == ["10 units were treated before the data begin"]
    assert told["lo95"] <= 3 <= told["hi95"]


def test_one_wild_outcome_shows_no_effect(asked: Callable[..., Ran]) -> None:
    for at in (18, 201):
        told = asked("effect", changed(shops(), at, "1000000")).json
        assert told["verdict"] != "effect"
        bounds: Any = (told["lo95"], told["hi95"])
        assert bounds == (None, None) or bounds[0] < 3 < bounds[1]


def test_losses_have_an_effect_as_gains_have(asked: Callable[..., Ran]) -> None:
    head, *rest = shops()
    lost = [f"{line.rpartition(',')[0]},{-float(line.rpartition(',')[2])}" for line in rest]
    gain, loss = asked("effect", [head, *rest]).json, asked("effect", [head, *lost]).json
    assert (loss["verdict"], loss["att"]) == ("effect", pytest.approx(-gain["att"]))


def test_hours_of_one_day_are_told_apart(asked: Callable[..., Ran]) -> None:
    """Only the day of a moment counted once, and all hours fell together."""
    plain, hours = asked("effect", shops()).json, asked("effect", shops(at=hour)).json
    assert hours["att"] == plain["att"]
    assert hours["verdict"] == "effect"


@pytest.mark.parametrize("command", USUAL)
def test_a_hundred_thousand_rows(asked: Callable[..., Ran], command: str) -> None:
    """They are read, and answered in time."""
    made = {
        "forecast": lambda: series(100_000, at=str),
        "anomalies": lambda: stream(100_000),
        "effect": lambda: [
            "u,t,g,y",
            *(f"s{n // 2},{1 + n % 2},{n // 2 % 2 * 2 or ''},{n % 97}" for n in range(100_000)),
        ],
    }
    told = asked(command, made[command]())
    assert told.code == 0
    if command == "effect":
        assert "50,000 units; at most 10,000 can be compared at once" in told.json["withheld"]
    else:
        assert len(told.json) == {"forecast": 7, "anomalies": 100_000}[command]
