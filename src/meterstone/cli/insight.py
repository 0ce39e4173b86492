"""Commands over anybody's own file: forecasts, anomalies, and the effect of going live."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from meterstone.cli.shared import JsonOption, emit, log
from meterstone.errors import InputError
from meterstone.insight.anomalies import LEAST, Detector, Scored
from meterstone.insight.anomalies import probation as usual_probation
from meterstone.insight.cache import of_user
from meterstone.insight.effect import effect
from meterstone.insight.forecasts import Forecast, forecast_all
from meterstone.insight.panel import read_panel
from meterstone.insight.series import number, read_holidays, read_series, read_values, usable
from meterstone.insight.shape import Limits

app = typer.Typer()
_File = Annotated[Path, typer.Argument(metavar="FILE.csv")]
_CHECKED = {True: "●", False: "▲", None: "○ not tried:"}


@app.command("forecast")
def forecast_command(
    file: _File,
    horizon: Annotated[int, typer.Option(min=1, max=1000, help="Steps ahead.")],
    season: Annotated[
        int, typer.Option(min=1, max=1000, help="Steps after which it repeats itself.")
    ] = 1,
    processes: Annotated[int, typer.Option(min=1, help="Series at once.")] = 1,
    least: Annotated[float | None, typer.Option(help="No value can be below.")] = None,
    most: Annotated[float | None, typer.Option(help="No value can be above.")] = None,
    holidays: Annotated[
        Path | None, typer.Option(help="CSV file with the columns ds and holiday, of daily series.")
    ] = None,
    cached: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Keep results, and find them again.")
    ] = True,
    json_: JsonOption = False,
) -> None:
    """Forecast each series of a file with the columns unique_id, ds and y.

    A forecast that was not better than naive in the past is withheld, and says so.

    Example: meterstone forecast sales.csv --horizon 13 --season 52 --json
    """
    if least is not None and most is not None and least >= most:
        raise InputError(f"{least:g} is not below {most:g}", place="--least", mend="swap them")
    series = read_series(file)
    named = read_holidays(holidays) if holidays else None
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("forecasting", total=len(series))
        found = forecast_all(
            series, horizon, season, processes=min(processes, os.cpu_count() or 1),
            progress=lambda done: progress.update(task, completed=done),
            cache=of_user() if cached else None, limits=Limits(least, most), holidays=named,
        )  # fmt: skip
    rows = [row for each in found for row in _rows(each)]
    emit(rows, as_json=json_)
    for each in found:
        if not json_:
            print(_line(each))
        elif each.notes:
            said = f"{each.name}: {'; '.join(each.notes)}"
            log.print(said, markup=False, highlight=False, soft_wrap=True)


def _rows(found: Forecast) -> list[dict[str, Any]]:
    """One row a step, in the columns that others' tools know."""
    none: tuple[None, ...] = (None,) * len(found.ds)
    columns = zip(found.ds, found.mean or none, found.low or none, found.high or none, strict=True)
    return [
        {
            "unique_id": found.name, "ds": ds, "mean": mean, "lo95": low, "hi95": high,
            "model": found.model or None, "withheld": found.withheld,
        }
        for ds, mean, low, high in columns
    ]  # fmt: skip


def _line(found: Forecast) -> str:
    if found.mean is None or found.low is None or found.high is None:
        return f"{found.name}: no forecast: {found.withheld}"
    last = f"{found.ds[-1]}: {found.mean[-1]:,.6g} ({found.low[-1]:,.6g} to {found.high[-1]:,.6g})"
    if found.withheld:
        return f"{found.name}: withheld: {found.withheld}; {found.model} says {last}"
    better = f"{found.skill:.0%} better than naive at {found.origins} origins"
    return "; ".join([f"{found.name}: {last}, by {found.model}, {better}", *found.notes])


@app.command("anomalies")
def anomalies_command(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv|-", help="-: as they come in.")],
    probation: Annotated[
        int | None, typer.Option(min=LEAST, help="Values not judged (default: 15 %; with -: 60).")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Score each value of a file with the columns timestamp and value by those before it.

    With - lines are read from standard input and each is answered at once, one JSON object a line.

    Example: meterstone anomalies requests.csv --json
    """
    if str(file) == "-":
        _stream(Detector(probation or LEAST), as_json=json_)
        return
    found = read_values(file)
    wait = probation or usual_probation(len(found.rows))
    detector = Detector(wait)
    scored = [detector.push(value) for _, value in found.rows]
    rows = [_judged(when, each) for (when, _), each in zip(found.rows, scored, strict=True)]
    judged = sum(each.judged for each in scored)
    emit(rows, as_json=json_)
    for note in (*found.notes, *_not_judged(found.rows, wait, judged)):
        log.print(f"{file}: {note}", markup=False, highlight=False, soft_wrap=True)
    if not json_:
        flagged = [row["timestamp"] for row in rows if row["flagged"]]
        print(f"{len(flagged)} of {judged} values judged are flagged")
        for when in flagged:
            print(when)


def _not_judged(rows: Sequence[tuple[str, float]], wait: int, judged: int) -> Iterator[str]:
    """A score of 0 that says nothing is not to be read as all well."""
    known = sum(not math.isnan(value) for _, value in rows)
    if known <= wait:
        values = "1 value is" if known == 1 else f"{known} values are"
        yield f"nothing is judged: {values} no more than the {wait} that are only looked at"
    else:
        missing = f"{len(rows) - known} missing, " if known < len(rows) else ""
        yield (
            f"{len(rows) - judged} of {len(rows)} values are not judged, and their 0 says nothing: "
            f"the first {wait}, {missing}and those in the quiet after an alarm"
        )


def _judged(when: str, scored: Scored) -> dict[str, Any]:
    return {"timestamp": when, "score": round(scored.score, 6), "flagged": scored.flagged}


def _stream(detector: Detector, *, as_json: bool) -> None:
    """Lines ``timestamp,value``; a header is passed over. Ends with its input."""
    for line, text in enumerate(sys.stdin, start=1):
        when, _, value = text.strip().partition(",")
        if not when or (line == 1 and value.strip() == "value"):
            continue
        told = usable(number(value.strip(), f"line {line}"), f"line {line}")
        row = _judged(when, detector.push(told))
        if as_json:
            print(json.dumps(row), flush=True)
        elif row["flagged"]:
            print(when, flush=True)


@app.command("effect")
def effect_command(
    file: _File,
    unit: Annotated[str, typer.Option(help="Column of the unit, such as a shop.")],
    time: Annotated[str, typer.Option(help="Column of the period.")],
    first_treated: Annotated[
        str, typer.Option(help="Column of the first treated period; 0 or nothing: never.")
    ],
    outcome: Annotated[str, typer.Option(help="Column of the outcome.")],
    json_: JsonOption = False,
) -> None:
    """The effect of a treatment that came to units at different times; withheld if a check fails.

    Example: meterstone effect shops.csv --unit shop --time month --first-treated live --outcome y
    """
    panel = read_panel(file, unit=unit, time=time, first_treated=first_treated, outcome=outcome)
    found = effect(panel)

    def told(each: Any) -> dict[str, float] | None:
        if each is None:
            return None
        return {"att": each.att, "se": each.se, "lo95": each.low, "hi95": each.high}

    nothing = {"att": None, "se": None, "lo95": None, "hi95": None}
    document: dict[str, Any] = {
        "verdict": found.verdict, "withheld": found.withheld, "estimator": "did2s",
        **(told(found.estimate) or nothing),
        "by_time": [{"time": e, **(told(v) or {})} for e, v in found.by_time.items()],
        "estimators": {name: told(each) for name, each in found.estimators.items()},
        "checks": [asdict(check) for check in found.checks],
        "smallest_effect": found.smallest, "units": found.units, "treated": found.treated,
        "dropped": list(found.dropped), "sentence": found.sentence,
    }  # fmt: skip
    emit(document, as_json=json_)
    if not json_:
        print(found.sentence)
        for check in found.checks:
            print(f"  {_CHECKED[check.passed]} {check.name}: {check.says}")
