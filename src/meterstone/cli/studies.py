"""Commands of studies: ask them, and read what they found."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from meterstone.app import Home
from meterstone.cli.shared import HomeOption, JsonOption, emit, scope_of
from meterstone.errors import InputError, suggest
from meterstone.insight.actions import STUDIES, Said
from meterstone.insight.findings import as_dict
from meterstone.insight.studies.targets import daily, finding
from meterstone.insight.targets import LEAST_DAYS, Direction, replay
from meterstone.measure.results import Scope, read_day
from meterstone.scorecard.values import format_value
from meterstone.settings import home_path

app = typer.Typer()
insight_app = typer.Typer(
    no_args_is_help=True, help="Forecasts, risks, effects and returns, with their evidence."
)
app.add_typer(insight_app, name="insight")


@insight_app.command("run")
def insight_run(
    study: Annotated[list[str] | None, typer.Argument(help="Studies (default: all).")] = None,
    day: Annotated[str | None, typer.Option(help="A closed day (default: the newest).")] = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Also where nothing has changed since.")
    ] = False,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Ask the studies now; a server asks them once a day by itself.

    Example: meterstone insight run forecasts risk
    """
    wanted = None if day is None else read_day(day, "--day", "--day 2026-03-31")
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with (
        Home(home_path(home)) as opened,
        Progress(*columns, console=Console(stderr=True), transient=True) as progress,
    ):
        task = progress.add_task("looking for what was measured", total=None)
        if not opened.board.days(Scope("network")):
            progress.update(task, description="measuring all targets for the first time")
            opened.evaluator.run_once()
        done = opened.insights.run(
            study or (), wanted, lambda what: progress.update(task, description=what), anew=anew
        )
        rows = [
            {
                "study": each.round.study, "day": each.round.day.isoformat(), "new": each.new,
                "found": each.round.found, "took_s": round(each.round.took_s, 2),
            }
            for each in done
        ]  # fmt: skip
    emit(rows, as_json=json_)
    if not json_:
        for row in rows:
            how = f"in {row['took_s']} s" if row["new"] else "nothing has changed since"
            print(f"{row['study']}: {row['found']} findings of {row['day']}, {how}")


@insight_app.command("act")
def insight_act(
    action: Annotated[str, typer.Argument(help="Id of an action, as `insight actions` has it.")],
    state: Annotated[
        str,
        typer.Argument(help="accepted, implemented, verified, declined; recommended takes back."),
    ],
    person: Annotated[str, typer.Option(help="Who did it.")],
    reason: Annotated[str, typer.Option(help="Why it was declined.")] = "",
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Say what was done about a preventive action; what came of it is followed.

    Example: meterstone insight act risk:square:backlog:2026-09-30 implemented --person "J. Doe"
    """
    if not person.strip():
        raise InputError("nobody is named", place="--person", mend="say who did it")
    with Home(home_path(home)) as opened:
        done = opened.actions.say(action, Said(state, "cli", person.strip(), reason=reason))
    emit(asdict(done), as_json=json_)
    if not json_:
        print(f"{action}: {done.state}")


@insight_app.command("actions")
def insight_actions(
    study: Annotated[str | None, typer.Option(help="risk or capacity (default: both).")] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """The preventive actions that studies recommended, open ones first.

    Example: meterstone insight actions --study risk
    """
    if study not in (None, *STUDIES):
        raise InputError(
            f"study {study!r} recommends no actions", place="--study",
            mend=suggest(str(study), list(STUDIES)),
        )  # fmt: skip
    with Home(home_path(home)) as opened:
        opened.recorder.map_new()
        found = opened.actions.all(study)
    emit([asdict(each) for each in found], as_json=json_)
    if not json_:
        for each in found:
            why = f" ({each.reason})" if each.reason else ""
            print(f"{each.id}  {each.state}{why}  recommended {each.recommended_at:%Y-%m-%d}")
        if not found:
            print("Nothing was recommended yet: run `meterstone insight run`.")


@insight_app.command("show")
def insight_show(
    study: Annotated[str | None, typer.Argument(help="One study (default: all).")] = None,
    scope: Annotated[
        str | None, typer.Option("--scope", help="Such as network or franchise:KEY (default: all).")
    ] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """What the studies found, a sentence each; with --json everything.

    Example: meterstone insight show effect
    """
    whom = None if scope is None else scope_of(scope)
    with Home(home_path(home)) as opened:
        found = opened.insights.of(whom, study)
    emit(
        [
            {"day": kept.day.isoformat(), "hash": kept.hash, **as_dict(kept.finding)}
            for kept in found
        ],
        as_json=json_,
    )
    if not json_:
        for kept in found:
            mark = "◐ withheld: " if kept.finding.withheld else "● "
            print(f"{mark}{kept.finding.sentence}")
        if not found:
            print("Nothing was found yet: run `meterstone insight run`.")


@insight_app.command("target")
def insight_target(
    metric: Annotated[str, typer.Argument(help="Id of a metric.")],
    at_least: Annotated[
        float | None, typer.Option(help="The target, in the metric's unit.")
    ] = None,
    at_most: Annotated[float | None, typer.Option(help="The same, where less is better.")] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Try a target on what happened, before it is adopted.

    Example: meterstone insight target integration_uptime --at-least 99.95
    """
    wanted = at_least if at_most is None else at_most
    if wanted is None or None not in (at_least, at_most):
        raise InputError(
            "one target is tried at a time", place="target", mend="give --at-least or --at-most"
        )
    if not math.isfinite(wanted):
        raise InputError(f"{wanted} is no target", place="target", mend="give a finite number")
    with Home(home_path(home)) as opened:
        if metric not in opened.catalogue.metrics:
            raise InputError(
                f"there is no metric {metric!r}", place="metric",
                mend=suggest(metric, list(opened.catalogue.metrics)),
            )  # fmt: skip
        raw = opened.catalogue.metrics[metric].raw
        days = daily(opened.source(), metric)
    if len(days) < LEAST_DAYS:
        raise InputError(
            f"{len(days)} days have a value; a replay takes {LEAST_DAYS}", place=metric,
            mend="try again when more days are on record",
        )  # fmt: skip
    direction: Direction = "at least" if at_most is None else "at most"
    about = {"id": metric, "title": raw.title, "unit": raw.unit}
    found = finding(about, days, replay([value for _, value in days], direction, wanted))
    emit(as_dict(found), as_json=json_)
    if not json_:
        print(found.sentence)
        for figure in found.figures:
            print(f"  {figure.title}: {format_value(figure.value, figure.unit)}")
