"""Command ``loadtest``: load on a system, as facts that prove what it carries."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from meterstone import loadtest
from meterstone.app import Home
from meterstone.cli.shared import HomeOption, JsonOption, emit, log, read_file, write_file
from meterstone.errors import InputError
from meterstone.insight.capacity import Fitted, Level, fit
from meterstone.loadtest import Held, Plan
from meterstone.settings import home_path

app = typer.Typer()


@app.command("loadtest")
def loadtest_command(
    url: Annotated[list[str], typer.Argument(help="What is asked; several are asked in turn.")],
    users: Annotated[
        list[int] | None, typer.Option(help="Users at once; repeat it for more levels.")
    ] = None,
    hold: Annotated[int, typer.Option(min=1, help="Seconds that each level is held.")] = 60,
    think: Annotated[float, typer.Option(min=0, help="Mean seconds between requests.")] = 1.0,
    release: Annotated[
        str | None, typer.Option(help="The release tested (default: the newest on record).")
    ] = None,
    production_like: Annotated[
        bool,
        typer.Option("--production-like", help="Same topology, and half of the data or more."),
    ] = False,
    permitted: Annotated[
        str | None, typer.Option(help="A host beyond this machine whose owner permits the test.")
    ] = None,
    headers: Annotated[
        Path | None, typer.Option(help="A JSON file of headers to send, such as a token.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the facts there, and leave the home alone.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the think times.")] = 0,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Put load on a system over HTTP, level after level, and keep what it carried as facts.

    Only a level that was held for 15 minutes (--hold 900) on a --production-like system counts as
    proven capacity. A level at which the generator itself was too slow is not kept.

    Example: meterstone loadtest http://127.0.0.1:4318/ --users 10 --users 50 --users 100
    """
    loadtest.check(url, permitted)
    plan = Plan(url, users or [1, 5, 10, 20], hold, think, _headers(headers), seed=seed)
    test_id = f"loadtest-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    if out is not None:
        found = _run(plan)
        rows = loadtest.facts(
            found, plan, test_id, release or "unknown", production_like=production_like
        )
        write_file(out, b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    else:
        with Home(home_path(home)) as opened:
            of = release or _newest_release(opened)
            found = _run(plan)
            rows = loadtest.facts(found, plan, test_id, of, production_like=production_like)
            if rows:
                opened.state(rows, test_id)
    law = fit([Level(each.users, each.throughput) for each in found if each.starved is None])
    emit(
        {"facts": rows, "law": _told(law), "levels": [_row(each) for each in found]}, as_json=json_
    )
    if not json_:
        for each in found:
            print(_line(each))
        print(_sentence(law))
    if not rows:
        raise typer.Exit(1)


def _run(plan: Plan) -> list[Held]:
    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    with Progress(*columns, console=log, transient=True) as progress:
        whole = len(plan.users)
        task = progress.add_task("starting", total=float(whole))
        over: list[Held] = []

        def under(now: loadtest.Under) -> None:
            progress.update(
                task,
                completed=len(over) + min(1.0, now.elapsed_s / now.whole_s),
                description=f"{now.users:,} users: {now.requests:,} requests",
            )

        return loadtest.run(plan, over.append, under)


def _newest_release(home: Home) -> str:
    """The newest release on record, which `load_test` facts are of; ``unknown`` where none is."""
    home.recorder.map_new()
    relation = home.warehouse.relation("release", None)
    rows = home.warehouse.query(
        f"SELECT r.version FROM {relation} AS r WHERE r.rolled_back_at IS NULL "
        "ORDER BY r.released_at DESC, r.release_id DESC LIMIT 1"
    ).to_pylist()
    return str(rows[0]["version"]) if rows else "unknown"


def _headers(file: Path | None) -> dict[str, str]:
    if file is None:
        return {}
    try:
        found = json.loads(read_file(file))
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise InputError(
            "is no JSON object of texts",
            place=str(file),
            mend='write {"Authorization": "Bearer …"}',
        )
    return found


def _row(held: Held) -> dict[str, Any]:
    return {
        "users": held.users, "requests": held.requests, "throughput": round(held.throughput, 3),
        "success_rate": round(held.success_rate, 3), "p50_ms": round(held.p50_ms, 2),
        "p95_ms": round(held.p95_ms, 2), "not_kept": held.starved,
    }  # fmt: skip


def _line(held: Held) -> str:
    kept = f"  not kept: {held.starved}" if held.starved else ""
    return (
        f"{held.users:>7,} users  {held.throughput:>9,.1f} good answers/s  "
        f"{held.success_rate:>6.2f} % good  p95 {held.p95_ms:>8,.1f} ms{kept}"
    )


def _told(law: Fitted | str) -> dict[str, Any]:
    if isinstance(law, str):
        return {"withheld": law}
    return {
        "withheld": law.withheld, "rate": law.law.rate, "contention": law.law.contention,
        "coherency": law.law.coherency, "error": law.error,
    }  # fmt: skip


def _sentence(law: Fitted | str) -> str:
    if isinstance(law, str) or law.withheld:
        return f"No limit is claimed: {law if isinstance(law, str) else law.withheld}."
    most = law.interval(lambda each: each.most)
    return (
        f"By the universal scalability law it gives at most {_bound(most.value)} good answers a "
        f"second (95 %: {_bound(most.low)} to {_bound(most.high)})."
    )


def _bound(value: float) -> str:
    return "no limit known" if value == float("inf") else f"{value:,.0f}"
