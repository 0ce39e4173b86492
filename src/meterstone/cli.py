"""The command line. Every command takes ``--home`` and ``--json``; exit 0 done, 1 the answer is no,
2 wrong use or bad input. One JSON document goes to standard output, all else to standard error."""

from __future__ import annotations

import getpass
import json
import mimetypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn
from starlette.routing import BaseRoute

from meterstone import __version__, demo
from meterstone.app import FIRST_DAY, Home, definitions
from meterstone.catalogue import framework_path, starter
from meterstone.catalogue.export import export
from meterstone.errors import InputError, MeterstoneError, suggest
from meterstone.facts import vocabulary
from meterstone.framework import plain, systems
from meterstone.measure.results import Scope, rfc3339
from meterstone.publish import terminal
from meterstone.publish.attestation_api import attestation_routes
from meterstone.publish.framework_api import framework_routes
from meterstone.publish.pages import pages
from meterstone.record.attestation import forms
from meterstone.record.formats import formats
from meterstone.record.ingest import Progress as IngestProgress
from meterstone.record.ingest import ingest as ingest_files
from meterstone.record.receiver import serve as serve_receiver
from meterstone.sandbox.network import PRESETS, preset
from meterstone.sandbox.network import simulate as simulate_network
from meterstone.scorecard import trusted_keys, verify_document
from meterstone.scorecard.canonical import canonical
from meterstone.scorecard.diff import diff as diff_scorecards
from meterstone.settings import home_path, port_number, refuse_unknown_variables, setting

app = typer.Typer(
    name="meterstone",
    help="Measure an integration programme, and say honestly whether a target is met.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
catalogue_app = typer.Typer(no_args_is_help=True, help="Definitions of what is measured.")
quarantine_app = typer.Typer(no_args_is_help=True, help="What could not be mapped, and why.")
attest_app = typer.Typer(no_args_is_help=True, help="What no machine knows, with evidence.")
maintenance_app = typer.Typer(no_args_is_help=True, help="Approved maintenance windows.")
app.add_typer(catalogue_app, name="catalogue")
app.add_typer(quarantine_app, name="quarantine")
app.add_typer(attest_app, name="attest")
app.add_typer(maintenance_app, name="maintenance")

_log = Console(stderr=True)
_LAST_YEAR = 2200
_WRONG_USE = 2

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="Folder to work in (METERSTONE_HOME; default ./.meterstone)."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
AtOption = Annotated[
    str | None,
    typer.Option("--at", help="Moment measured, such as 2026-03-01T00:00:00Z (default: now)."),
]
KnownOption = Annotated[
    str | None,
    typer.Option("--known-at", help="Only what was recorded by then counts (default: now)."),
]
ScopeOption = Annotated[
    str,
    typer.Option("--scope", help="network, integration:KEY, franchise:KEY or endpoint_group:KEY."),
]


def main() -> None:
    """Entry point: runs the command line and turns errors into exit codes."""
    try:
        refuse_unknown_variables()
        _run()
    except MeterstoneError as error:
        if "--json" in sys.argv:
            print(json.dumps(error.as_dict()))
        _log.print(
            f"meterstone: {error}", style="red", markup=False, highlight=False, soft_wrap=True
        )
        sys.exit(error.exit_code)


def _run() -> None:
    """Run the command line; wrong use is told as JSON too, where that was asked for."""
    try:
        app()
    except SystemExit as ended:
        if ended.code == _WRONG_USE and "--json" in sys.argv:
            told = InputError("wrong use; standard error says what", mend="meterstone --help")
            print(json.dumps(told.as_dict()))
        raise


def _emit(document: Any, *, as_json: bool, text: Any = None) -> None:
    if as_json:
        print(json.dumps(document, ensure_ascii=False, default=str))
    elif text is not None:
        terminal.show(text)


def _moment(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"{text!r} is not a time", place=option, mend=f"{option} 2026-03-01T00:00:00Z"
        ) from error
    if not FIRST_DAY.year <= moment.year <= _LAST_YEAR:
        raise InputError(
            f"{text!r} lies outside the years {FIRST_DAY.year} to {_LAST_YEAR}",
            place=option,
            mend=f"{option} 2026-03-01T00:00:00Z",
        )
    return moment


def _at(text: str | None) -> datetime:
    """The moment to measure; now is the last whole minute, so that stored minutes can be read."""
    return _moment(text, "--at") or datetime.now(UTC).replace(second=0, microsecond=0)


def _scope(text: str) -> Scope:
    kind, _, key = text.partition(":")
    if kind not in ("network", "integration", "franchise", "endpoint_group", "party") or (
        (kind == "network") != (key == "")
    ):
        raise InputError(
            f"unknown scope {text!r}",
            place="--scope",
            mend="write network, integration:square, franchise:F1 or endpoint_group:analytics",
        )
    return Scope(kind, key or "*")  # type: ignore[arg-type]  # checked above


def _day(text: str | None, home: Home) -> date:
    if text is None:
        return home.last_day
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(
            f"{text!r} is not a day", place="--day", mend="--day 2026-03-01"
        ) from error


@contextmanager
def _mapping_shown(title: str) -> Iterator[Any]:
    with Progress(
        TextColumn("{task.description}"), TextColumn("{task.fields[what]}"), TimeElapsedColumn(),
        console=_log, transient=True,
    ) as progress:  # fmt: skip
        task = progress.add_task(title, total=None, what="")

        def advance(done: Any) -> None:
            progress.update(task, what=f"{done.records:,} records, {done.rows:,} facts")

        yield advance


def _faces(home: Home, day: date | None = None) -> list[BaseRoute]:
    """Everything that is served beside the ways in."""
    return [*pages(home, day), *framework_routes(home), *attestation_routes(home)]


@app.command()
def ingest(
    paths: Annotated[list[str], typer.Argument(help="Files, folders, or - for standard input.")],
    as_: Annotated[str | None, typer.Option("--as", help="Format; default: recognised.")] = None,
    context: Annotated[
        list[str] | None,
        typer.Option("--set", help="What the bytes do not say, as KEY=VALUE (integration=square)."),
    ] = None,
    entered_by: Annotated[
        str | None, typer.Option(help="Who enters rows of a CSV (default: the user).")
    ] = None,
    entered_role: Annotated[str, typer.Option(help="In which role.")] = "operator",
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Land files and turn them into facts.

    Example: meterstone ingest access.log.gz traces.json facts.jsonl
    """
    added = {"entered_by": entered_by or getpass.getuser(), "entered_role": entered_role}
    for pair in context or []:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"{pair!r} is not KEY=VALUE", place="--set", mend="--set fact=probe")
        added[key] = value
    with Home(home_path(home)) as opened, _bytes_shown() as advance:
        report = ingest_files(opened.recorder, paths, as_=as_, context=added, on_progress=advance)
        unknown = opened.strangers()
    appended = report.mapping.appended
    document = {
        "files": [
            {
                "path": f.path,
                "format": f.format,
                "landed": f.landed,
                "duplicate": f.duplicate,
                "refused": f.refused,
            }
            for f in report.files
        ],
        "skipped": report.skipped,
        "facts": {
            "new": appended.new,
            "duplicate": appended.duplicate,
            "revised": appended.revised,
        },
        "quarantined": report.mapping.rejected,
        "unknown_franchises": [stranger.franchise_id for stranger in unknown],
    }
    _emit(document, as_json=json_)
    if not json_:
        for file in report.files:
            again = f", {file.duplicate} landed before" if file.duplicate else ""
            print(f"{file.path}: {file.format}, {file.landed} records{again}")
        for skipped in report.skipped:
            print(f"{skipped}: skipped, no format recognises it")
        print(
            f"{appended.new:,} new facts, {appended.duplicate:,} known already, "
            f"{appended.revised:,} revised, {report.mapping.rejected:,} in quarantine"
        )
        if report.mapping.rejected:
            print("next: meterstone quarantine list")
        if unknown:
            print(f"{len(unknown):,} franchises nobody knows: meterstone quarantine franchises")


@contextmanager
def _bytes_shown() -> Iterator[Any]:
    with Progress(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(),
        TextColumn("{task.fields[rows]:,} facts"), TimeElapsedColumn(),
        console=_log, transient=True,
    ) as progress:  # fmt: skip
        tasks: dict[str, Any] = {}

        def advance(done: IngestProgress) -> None:
            if done.path not in tasks:
                tasks[done.path] = progress.add_task(Path(done.path).name, total=done.total, rows=0)
            progress.update(tasks[done.path], completed=done.done, rows=done.rows)

        yield advance


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address (METERSTONE_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Port (METERSTONE_PORT); 0: a free one.")] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Receive OTLP traces and facts over HTTP, and show the scorecard as a page.

    Example: meterstone serve --port 4318
    """
    del json_  # the line with the address goes to standard error in either case
    with Home(home_path(home)) as opened:
        serve_receiver(opened, setting("host", host), port_number(port), _faces(opened))


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
        found = opened.measure(_at(at), _moment(known_at, "--known-at"))
        titles = {id_: m.raw.title for id_, m in opened.catalogue.metrics.items()}
    document = found.as_dict()
    if json_:
        _emit(document, as_json=True)
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
        _log.print(f"{len(missed)} targets are missed", style="red")
        raise typer.Exit(1)


def _scope_words(scope: dict[str, str]) -> str:
    return "" if scope["kind"] == "network" else f" · {scope['key']}"


@app.command()
def scorecard(
    scope: ScopeOption = "network",
    day: Annotated[str | None, typer.Option(help="Day reported (default: yesterday).")] = None,
    known_at: KnownOption = None,
    out: Annotated[Path | None, typer.Option(help="Write the signed document to a file.")] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """The signed scorecard of a scope and day.

    Example: meterstone scorecard --scope network --day 2026-03-01 --out march-1.json
    """
    with Home(home_path(home)) as opened:
        document = opened.scorecard(
            _scope(scope), _day(day, opened), _moment(known_at, "--known-at")
        )
    data = canonical(document)
    if out:
        _write(out, data)
        _log.print(f"wrote {out}", highlight=False)
    if json_:
        sys.stdout.write(data.decode() + "\n")
    elif not out:
        terminal.show(terminal.scorecard(document))


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A signed scorecard.")],
    recompute: Annotated[
        bool,
        typer.Option("--recompute/--no-recompute", help="Also compute it again as known then."),
    ] = True,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Is a scorecard as it was signed, and does the warehouse still give the same numbers?

    Without a home at hand only hash and signature are checked, by the public keys in
    HOME/keys/trusted.

    Example: meterstone verify march-1.json
    """
    folder, document = home_path(home), _read(file)
    if recompute and (folder / "landing.sqlite").exists():
        with Home(folder) as opened:
            found = opened.verify(document, recompute=True)
    else:
        found = verify_document(document, trusted_keys(folder))
    if json_:
        _emit(found.as_dict(), as_json=True)
    else:
        print(found.sentence)
    if not found.holds:
        raise typer.Exit(1)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read: {error.strerror}", place=str(file), mend="check the path"
        ) from error


def _write(file: Path, data: bytes) -> None:
    try:
        file.write_bytes(data)
    except OSError as error:
        raise InputError(
            f"cannot write: {error.strerror}", place=str(file), mend="check the path"
        ) from error


@app.command()
def diff(
    a: Annotated[Path, typer.Argument(help="The earlier scorecard.")],
    b: Annotated[Path, typer.Argument(help="The later scorecard.")],
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """What changed between two scorecards, in words, and why.

    Example: meterstone diff march-1.json march-2.json
    """
    del home  # two documents say all there is
    changes = diff_scorecards(_read(a), _read(b))
    _emit([change.as_dict() for change in changes], as_json=json_)
    if not json_:
        print("\n".join(change.sentence for change in changes) or "Nothing changed.")


@app.command()
def simulate(
    name: Annotated[str, typer.Argument(metavar="PRESET", help=", ".join(PRESETS) + ".")],
    out: Annotated[Path, typer.Option("--out", help="Folder for facts/ and truth.json.")],
    shops: Annotated[int | None, typer.Option(help="Shops signed by the end, 1 to 2000.")] = None,
    months: Annotated[int | None, typer.Option(help="Length of the history, 2 to 48.")] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same bytes.")] = None,
    telemetry_days: Annotated[
        int | None, typer.Option(help="Days with probes and checks; 122 for gates of 90 days.")
    ] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Simulate a franchise network: facts to ingest, and what is true of it.

    Example: meterstone simulate honest --out network && meterstone ingest network/facts
    """
    del home  # nothing is recorded yet: `ingest` does that
    chosen = preset(name, shops=shops, months=months, telemetry_days=telemetry_days, seed=seed)
    with _log.status("simulating") as status:
        made = simulate_network(chosen, out, lambda part: status.update(f"simulating: {part}"))
    document = {
        "preset": name, "seed": chosen.seed, "at": rfc3339(chosen.end), "facts": made.rows,
        "files": [str(path) for path in made.files], "truth": str(made.truth),
    }  # fmt: skip
    _emit(document, as_json=json_)
    if not json_:
        print(
            f"{made.rows:,} simulated facts in {len(made.files)} files; truth: {made.truth}\n"
            f"next: meterstone ingest {out / 'facts'}"
        )


@app.command()
def rebuild(home: HomeOption = None, json_: JsonOption = False) -> None:
    """Make the warehouse anew from the landing log; values stay equal."""
    with Home(home_path(home)) as opened, _mapping_shown("rebuilding") as advance:
        done = opened.rebuild(advance)
    document = {"records": done.records, "facts": done.rows, "quarantined": done.rejected}
    _emit(document, as_json=json_)
    if not json_:
        print(
            f"{done.records:,} records mapped to {done.rows:,} facts; "
            f"{done.rejected:,} in quarantine"
        )


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
        found = opened.explain(metric, _scope(scope), _at(at), _moment(known_at, "--known-at"))
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
    _emit(document, as_json=json_, text=terminal.explanation(found, names))


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
        _emit({name: made.parts() for name, made in known.items()}, as_json=json_)
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
        found = known[system](opened, _at(at), _moment(known_at, "--known-at"))
        shape = found.all() if method is None else {method: found.measured(method)}
    _emit(plain(shape if method is None else shape[method]), as_json=json_)
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
        done = opened.publish(_day(day, opened), report)
    document = {"new": done.appended.new, "revised": done.appended.revised}
    _emit(document, as_json=json_)
    if not json_:
        print(f"{done.appended.new} results published, {done.appended.revised} restated")


@catalogue_app.command("export")
def catalogue_export(home: HomeOption = None, json_: JsonOption = False) -> None:
    """Every target with its definition, one entry a ref of the framework."""
    folder = home_path(home)
    own = folder / "catalogue"
    entries = export(definitions(own if own.exists() else framework_path()))
    _emit(entries, as_json=json_)
    if not json_:
        for entry in entries:
            print(
                f"{entry['ref']}  {entry['id']}  {entry['target']['cmp']} "
                f"{entry['target']['value']} {entry['unit']}"
            )


@catalogue_app.command("init")
def catalogue_init(
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Write a commented catalogue of your own goals, to be edited.

    Example: meterstone catalogue init --home mine && meterstone catalogue check mine/catalogue
    """
    file = home_path(home) / "catalogue" / "catalogue.yaml"
    if file.exists():
        raise InputError(
            "this home has a catalogue already", place=str(file), mend="edit it, or move it away"
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    _write(file, starter().encode())
    _emit({"written": str(file)}, as_json=json_)
    if not json_:
        print(f"{file}\nnext: edit it, then meterstone catalogue check {file.parent}")


@catalogue_app.command("check")
def catalogue_check(
    path: Annotated[Path, typer.Argument(help="A catalogue file or folder.")],
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Is a catalogue right? Errors name file, line and what to write instead."""
    del home  # a catalogue stands by itself
    checked = definitions(path)
    document = {
        "ok": True,
        "metrics": len(checked.metrics),
        "refs": len(checked.order),
        "hash": checked.hash,
    }
    _emit(document, as_json=json_)
    if not json_:
        print(f"{path}: {len(checked.metrics)} metrics in {len(checked.order)} places, no errors")


@quarantine_app.command("list")
def quarantine_list(
    all_: Annotated[bool, typer.Option("--all", help="Mended ones too.")] = False,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """What could not be mapped, with the reason and what mends it."""
    with Home(home_path(home)) as opened:
        opened.recorder.map_new()
        waiting = opened.log.quarantined(None if all_ else "open")
    document = [
        {
            "id": q.id, "record": q.seq, "name": q.name, "item": q.item, "fact": q.fact,
            "reason": q.reason, "mend": q.mend, "excerpt": q.excerpt, "state": q.state,
            "at": rfc3339(q.at),
        }
        for q in waiting
    ]  # fmt: skip
    _emit(document, as_json=json_)
    if not json_:
        for q in waiting:
            print(f"record {q.seq} ({q.name}) item {q.item} {q.fact}: {q.reason}\n  mend: {q.mend}")
        print(f"{len(waiting)} in quarantine" if waiting else "The quarantine is empty.")


@quarantine_app.command("franchises")
def quarantine_franchises(home: HomeOption = None, json_: JsonOption = False) -> None:
    """Franchises that rows name and no register knows; their rows are kept."""
    with Home(home_path(home)) as opened:
        opened.recorder.map_new()
        found = opened.strangers()
    document = [
        {
            "franchise_id": s.franchise_id, "fact": s.fact, "rows": s.rows, "record": s.seq,
            "reason": s.reason, "mend": s.mend,
        }
        for s in found
    ]  # fmt: skip
    _emit(document, as_json=json_)
    if not json_:
        for stranger in found:
            print(f"record {stranger.seq}: {stranger.reason}\n  mend: {stranger.mend}")
        print(f"{len(found)} unknown" if found else "All franchises are known.")


@quarantine_app.command("retry")
def quarantine_retry(
    record: Annotated[
        int | None, typer.Argument(help="Number of the landed record; default: all.")
    ] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Map quarantined records again, after what they need was mended."""
    with Home(home_path(home)) as opened:
        opened.recorder.map_new()
        seqs = sorted({q.seq for q in opened.log.quarantined()}) if record is None else [record]
        done = {seq: opened.recorder.retry(seq) for seq in seqs}
    mended = [seq for seq, result in done.items() if result is not None]
    document = {"tried": seqs, "mended": mended}
    _emit(document, as_json=json_)
    if not json_:
        print(f"{len(mended)} of {len(seqs)} records mapped anew")


@attest_app.command("forms")
def attest_forms(
    fact: Annotated[str | None, typer.Argument(help="One fact; default: all.")] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """What can be attested, and which fields each form has."""
    del home  # the same everywhere
    found = forms()
    if fact is not None and fact not in found:
        raise InputError(
            f"{fact!r} is not entered by hand", place="FACT", mend=suggest(fact, list(found))
        )
    chosen = found if fact is None else {fact: found[fact]}
    _emit({name: [asdict(f) for f in fields] for name, fields in chosen.items()}, as_json=json_)
    if not json_:
        for name, fields in chosen.items():
            print(name)
            for entry in fields if fact else ():
                allowed = f" ({', '.join(entry.allowed)})" if entry.allowed else f" {entry.unit}"
                needed = "required" if entry.required else "optional"
                print(f"  {entry.name}: {entry.type}{allowed}, {needed}. {entry.desc}")


@attest_app.command("add")
def attest_add(
    fact: Annotated[str, typer.Argument(help="A fact of `attest forms`, such as recognition.")],
    person: Annotated[str, typer.Option(help="Who states it.")],
    role: Annotated[str, typer.Option(help="In which role.")],
    evidence: Annotated[str, typer.Option(help="Link to the evidence, or a file to keep.")],
    expires: Annotated[str, typer.Option(help="Until when it counts, such as 2027-06-30.")],
    columns: Annotated[
        list[str] | None, typer.Option("--set", help="A column, as NAME=VALUE; repeat it.")
    ] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """State something, with evidence and expiry.

    Example: meterstone attest add attestation --set claim_key=register_review:recognition
    --set statement="All awards are in" --person "J. Doe" --role marketing
    --evidence minutes.pdf --expires 2027-01-31
    """
    until = _moment(expires, "--expires")
    given = _pairs(columns or [], "--set")
    with Home(home_path(home)) as opened:
        done = opened.attest(
            fact, _typed(fact, given), person=person, role=role, evidence=_evidence(evidence),
            expires_at=until or datetime.now(UTC),
        )  # fmt: skip
    _emit(done, as_json=json_)
    if not json_:
        print(f"{fact}: {done['new']} stated, {done['revised']} corrected; {done['evidence_uri']}")


@attest_app.command("retract")
def attest_retract(
    fact: Annotated[str, typer.Argument(help="A fact of `attest forms`.")],
    key: Annotated[list[str], typer.Option("--key", help="What identifies it, as NAME=VALUE.")],
    person: Annotated[str, typer.Option(help="Who withdraws it.")],
    role: Annotated[str, typer.Option(help="In which role.")],
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Withdraw a statement. What was known before stays on record.

    Example: meterstone attest retract recognition --key recognition_id=r1 --person … --role …
    """
    with Home(home_path(home)) as opened:
        done = opened.retract(fact, _pairs(key, "--key"), person, role)
    _emit({"retracted": done.appended.revised}, as_json=json_)
    if not json_:
        print(f"{done.appended.revised} withdrawn")


@attest_app.command("due")
def attest_due(
    days: Annotated[int, typer.Option(help="How far ahead to look.")] = 60,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """The review queue: evidence that expires soon, or has expired."""
    with Home(home_path(home)) as opened:
        found = opened.attestations_due(timedelta(days=days))
    _emit([entry.as_dict() for entry in found], as_json=json_)
    if not json_:
        for entry in found:
            told = f"{entry.state} {entry.expires_at:%Y-%m-%d}"
            print(f"{told}  {entry.fact}  {entry.what}  ({entry.entered_role})")
        print(f"{len(found)} to review" if found else f"Nothing expires within {days} days.")


def _pairs(texts: list[str], option: str) -> dict[str, str]:
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(
                f"{text!r} is not NAME=VALUE", place=option, mend=f"{option} NAME=VALUE"
            )
        found[name] = value
    return found


def _typed(fact: str, given: dict[str, str]) -> dict[str, Any]:
    """Values of the command line as the types of the fact's columns, where they are not text."""
    schema = vocabulary().get(fact)
    return {
        name: _value(schema.columns[name].type, text) if schema and name in schema.columns else text
        for name, text in given.items()
    }


def _value(kind: str, text: str) -> Any:
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    if kind in ("integer", "number", "decimal"):
        try:
            return int(text) if kind == "integer" else float(text)
        except ValueError:
            return text  # refused with the name of the column
    return text


def _evidence(text: str) -> str | tuple[bytes, str, str]:
    path = Path(text)
    if "://" in text or text.startswith("urn:"):
        return text
    media_type, _ = mimetypes.guess_type(path.name)
    return _read(path), path.name, media_type or ""


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
    opens, closes = _moment(start, "--from"), _moment(end, "--to")
    with Home(home_path(home)) as opened:
        opened.approve_maintenance(
            scope, opens or datetime.now(UTC), closes or datetime.now(UTC), reason, person, role
        )
    _emit({"approved": True}, as_json=json_)
    if not json_:
        print(f"approved for {scope}: {start} to {end}")


@app.command("formats")
def formats_list(home: HomeOption = None, json_: JsonOption = False) -> None:
    """What ``ingest`` can read."""
    del home  # the same everywhere
    found = [{"name": f.name, "title": f.title} for f in formats().values()]
    _emit(found, as_json=json_)
    if not json_:
        for entry in found:
            print(f"{entry['name']:20} {entry['title']}")


@app.command("demo")
def demo_command(
    host: Annotated[str | None, typer.Option(help="Address (METERSTONE_HOST).")] = None,
    port: Annotated[int, typer.Option(help="Port; 0: a free one.")] = 4318,
    serve_page: Annotated[
        bool, typer.Option("--serve/--no-serve", help="Serve the page when done.")
    ] = True,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Load real sample data and a simulated network, measure both, and serve them as pages.

    Example: meterstone demo --no-serve
    """
    folder = home_path(home) if home else Path(".meterstone/demo")
    demo.prepare(folder)
    with Home(folder) as real, Home(demo.simulated_home(folder)) as simulated:
        with _log.status("simulating a network") as status:
            files = demo.simulated_paths(folder, lambda part: status.update(f"simulating: {part}"))
        with _bytes_shown() as advance:
            ingest_files(real.recorder, demo.paths(), context=demo.CONTEXT, on_progress=advance)
        with _bytes_shown() as advance:
            ingest_files(simulated.recorder, files, on_progress=advance)
        documents = {}
        for opened, day in ((real, demo.DAY), (simulated, demo.SIMULATED_DAY)):
            document = documents[opened.origin] = opened.scorecard(Scope("network"), day)
            (opened.path / "scorecard.json").write_bytes(canonical(document))
            if not json_:
                terminal.show(terminal.scorecard(document))
        _emit(documents, as_json=json_)
        if serve_page:
            serve_receiver(real, setting("host", host), port, _demo_faces(real, simulated))


def _demo_faces(real: Home, simulated: Home) -> list[BaseRoute]:
    """Both homes, each at addresses of its own; the framework is that of the simulated network."""
    return [
        *pages(real, demo.DAY, beside={"simulated network": "/simulated/"}),
        *pages(simulated, demo.SIMULATED_DAY, base="/simulated", beside={"real data": "/"}),
        *framework_routes(simulated),
        *attestation_routes(simulated),
    ]


@app.command()
def version(home: HomeOption = None, json_: JsonOption = False) -> None:
    """The version of Meterstone."""
    del home  # the same everywhere
    _emit({"version": __version__}, as_json=json_)
    if not json_:
        print(__version__)


if __name__ == "__main__":
    main()
