"""Commands that measure: measure, explain, framework, publish, maintenance."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from meterstone.app import Home
from meterstone.cli.shared import (
    AtOption,
    HomeOption,
    JsonOption,
    KnownOption,
    ScopeOption,
    at_of,
    day_of,
    emit,
    log,
    moment_of,
    scope_of,
)
from meterstone.errors import InputError, suggest
from meterstone.framework import plain, systems
from meterstone.measure.results import rfc3339
from meterstone.publish import terminal
from meterstone.settings import home_path

app = typer.Typer()
maintenance_app = typer.Typer(no_args_is_help=True, help="Approved maintenance windows.")
app.add_typer(maintenance_app, name="maintenance")


@app.command()
def measure(
    at: AtOption = None,
    known_at: KnownOption = None,
    check: Annotated[bool, typer.Option("--check", help="Exit 1 when a target is missed.")] = False,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Every metric and gate at a moment.

    Example: meterstone measure --at 2026-03-01T00:00:00Z --json
    """
    with Home(home_path(home)) as opened:
        found = opened.measure(at_of(at), moment_of(known_at, "--known-at"))
        titles = {id_: m.raw.title for id_, m in opened.catalogue.metrics.items()}
    document = found.as_dict()
    if json_:
        emit(document, as_json=True)
    else:
        rows = [
            m | {"title": titles[m["id"]] + _scope_words(m["scope"])}
            for m in document["metrics"]
            if m["scope"]["kind"] == "network" or m["places"]
        ]
        terminal.show(terminal.metrics(rows))
        terminal.show(terminal.gates(document["gates"]))
    missed = [p for m in found.metrics for p in m.places if p.verdict == "not_met"]
    if check and missed:
        log.print(f"{len(missed)} targets are missed", style="red")
        raise typer.Exit(1)


def _scope_words(scope: dict[str, str]) -> str:
    return "" if scope["kind"] == "network" else f" · {scope['key']}"


@app.command()
def explain(
    metric: Annotated[str, typer.Argument(help="Metric id or ref of the framework.")],
    scope: ScopeOption = "network",
    at: AtOption = None,
    known_at: KnownOption = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Where a number comes from: definition, inputs, fact rows, landed records.

    Example: meterstone explain integration_uptime --scope integration:square
    """
    with Home(home_path(home)) as opened:
        found = opened.explain(
            metric, scope_of(scope), at_of(at), moment_of(known_at, "--known-at")
        )
        seqs = {row["_seq"] for fact in found.facts for row in fact.sample}
        records = {seq: opened.log.get(seq) for seq in sorted(seqs)}
    landed = [
        {
            "seq": seq,
            "name": record.name,
            "format": record.format,
            "received_at": rfc3339(record.received_at),
            "sha256": record.sha256.hex(),
        }
        for seq, record in records.items()
    ]
    document = {
        "metric": found.result.as_dict(),
        "definition": found.metric.raw.definition,
        "defined_in": found.metric.place,
        "terms": found.terms,
        "facts": [
            {"fact": f.fact, "rows": f.rows, "landed_records": f.records, "sample": list(f.sample)}
            for f in found.facts
        ],
        "landed": landed,
        "notes": found.notes,
    }
    names = {seq: f"{r.name} ({rfc3339(r.received_at)})" for seq, r in records.items()}
    emit(document, as_json=json_, text=terminal.explanation(found, names))


@app.command("framework")
def framework_command(
    system: Annotated[
        str | None, typer.Argument(help="A system of the framework; default: list them.")
    ] = None,
    method: Annotated[str | None, typer.Argument(help="One method; default: all.")] = None,
    at: AtOption = None,
    known_at: KnownOption = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """The framework's document with measured values in place of its literals.

    Example: meterstone framework IntegrationHealthMonitor track_performance_metrics
    """
    known = systems()
    if system is None:
        emit({name: made.parts() for name, made in known.items()}, as_json=json_)
        if not json_:
            for name, made in known.items():
                print(f"{name}: {', '.join(made.parts())}")
        return
    if system not in known:
        raise InputError(
            f"the framework has no system {system!r}",
            place="SYSTEM",
            mend=suggest(system, [*known]),
        )
    with Home(home_path(home)) as opened:
        found = known[system](opened, at_of(at), moment_of(known_at, "--known-at"))
        shape = found.all() if method is None else {method: found.measured(method)}
    emit(plain(shape if method is None else shape[method]), as_json=json_)
    if not json_:
        terminal.show(terminal.framework(system, shape))


@app.command()
def publish(
    day: Annotated[str | None, typer.Option(help="Day to publish (default: yesterday).")] = None,
    report: Annotated[str, typer.Option(help="daily, monthly, quarterly …")] = "daily",
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Put the results of a day on record; gates count published days. Run it once a day.

    Example: meterstone publish --day 2026-03-01
    """
    with Home(home_path(home)) as opened:
        done = opened.publish(day_of(day, opened), report)
    document = {"new": done.appended.new, "revised": done.appended.revised}
    emit(document, as_json=json_)
    if not json_:
        print(f"{done.appended.new} results published, {done.appended.revised} restated")


@maintenance_app.command("add")
def maintenance_add(
    start: Annotated[str, typer.Option("--from", help="Start, UTC.")],
    end: Annotated[str, typer.Option("--to", help="End, UTC.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    person: Annotated[str, typer.Option(help="Who approves it.")],
    role: Annotated[str, typer.Option(help="In which role.")] = "operations",
    scope: Annotated[str, typer.Option(help="network or the key of an integration.")] = "network",
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Approve a maintenance window before it starts; it stands in the scorecard."""
    opens, closes = moment_of(start, "--from"), moment_of(end, "--to")
    with Home(home_path(home)) as opened:
        opened.approve_maintenance(
            scope, opens or datetime.now(UTC), closes or datetime.now(UTC), reason, person, role
        )
    emit({"approved": True}, as_json=json_)
    if not json_:
        print(f"approved for {scope}: {start} to {end}")
