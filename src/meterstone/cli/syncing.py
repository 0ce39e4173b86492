"""Commands of what is connected: sync, connections, work."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from meterstone.app import Home
from meterstone.cli.live import working
from meterstone.cli.shared import HomeOption, JsonOption, emit, log
from meterstone.connect.hub import Hub
from meterstone.connect.sync import Report
from meterstone.errors import InputError, MeterstoneError
from meterstone.ledger import Connection
from meterstone.measure.results import rfc3339
from meterstone.settings import home_path

app = typer.Typer()


@app.command()
def sync(
    connection: Annotated[
        str | None, typer.Argument(help="Id of a connection, or a connector; default: all.")
    ] = None,
    stream: Annotated[list[str] | None, typer.Option(help="Only this stream; repeat it.")] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Read everything, and find what was deleted.")
    ] = False,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Read what changed at the vendors, and turn it into facts.

    Example: meterstone sync square
    """
    with Home(home_path(home)) as opened:
        chosen = chosen_connections(opened.hub, connection)
        opened.hub.settle_memory()
        with _watched() as on_page:
            ended = list(_run(opened.hub, chosen, stream or [], full=full, on_page=on_page))
    documents = [document for of_one in ended for document in of_one]
    emit(documents, as_json=json_)
    if not json_:
        for each in documents:
            print(_line(each))
        print(_total(documents))
    if any(each["error"] for each in documents):
        raise typer.Exit(1)


@app.command("connections")
def connections(home: HomeOption = None, json_: JsonOption = False) -> None:
    """What is connected, how it is, and what mends it where it is broken.

    Example: meterstone connections --json
    """
    with Home(home_path(home)) as opened, opened.ledger.read() as seen:
        found = [
            _told(each, [cursor.value for cursor in seen.cursors.of(each.id)])
            for each in seen.connections.all()
        ]
    emit(found, as_json=json_)
    if not json_:
        for each in found:
            print(f"{each['id']:24} {each['connector']:12} {each['status']:12} {each['name']}")
            if each["reason"]:
                print(f"  {each['reason']}\n  mend: {each['mend']}")
        if not found:
            print("Nothing is connected: meterstone connect VENDOR")


@app.command()
def work(
    threads: Annotated[int, typer.Option(help="Jobs at once.")] = 4,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Sync on schedule, probe, and do what webhooks ask for, until stopped.

    Example: meterstone work --threads 8
    """
    del json_  # nothing is printed but what goes wrong
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    with Home(home_path(home)) as opened, working(opened, threads):
        opened.hub.settle_memory()
        log.print("working; stop with Ctrl-C", markup=False)
        stopped.wait()


def chosen_connections(hub: Hub, wanted: str | None) -> list[Connection]:
    """Connections by id or connector; all that are active where nothing is asked for.

    Raises:
        InputError: nothing fits; says what to do.
    """
    active = hub.active()
    found = [c for c in active if wanted in (None, c.id, c.connector)]
    if found:
        return found
    if wanted and wanted not in hub.connectors:
        found = [hub.connection(wanted)]  # raises for one that is unknown
        raise InputError(
            f"{found[0].id} is {found[0].status}: {found[0].reason or 'it is not synced'}",
            place="connection",
            mend=found[0].mend or f"meterstone connect {found[0].connector}",
        )
    raise InputError(
        "nothing is connected", place="connection", mend=f"meterstone connect {wanted or 'VENDOR'}"
    )


def _run(
    hub: Hub,
    chosen: list[Connection],
    only: list[str],
    *,
    full: bool,
    on_page: Callable[[Report], None],
) -> Iterator[list[dict[str, Any]]]:
    """Sync connections side by side, the streams of one after the other."""
    with ThreadPoolExecutor(4, thread_name_prefix="sync") as pool:
        futures: list[Future[list[dict[str, Any]]]] = [
            pool.submit(_one, hub, connection, only, full=full, on_page=on_page)
            for connection in chosen
        ]
        for ended in as_completed(futures):
            yield ended.result()


def _one(
    hub: Hub,
    connection: Connection,
    only: list[str],
    *,
    full: bool,
    on_page: Callable[[Report], None],
) -> list[dict[str, Any]]:
    done = []
    for stream in hub.streams(connection):
        if only and stream not in only:
            continue
        try:
            report = hub.sync(
                connection.id, stream, priority="interactive", full=full, on_page=on_page
            )
            done.append(_document(report))
        except MeterstoneError as error:
            done.append(
                {"connection": connection.id, "stream": stream, "status": "failed", "read": 0,
                 "written": 0, "failed": 0, "deleted": 0, "error": error.cause,
                 "mend": error.mend}
            )  # fmt: skip
    return done


def _document(report: Report) -> dict[str, Any]:
    ended = report.finished_at or report.started_at
    return {
        "connection": report.connection, "stream": report.stream, "mode": report.mode,
        "status": report.status, "pages": report.pages, "read": report.read,
        "written": report.written, "failed": report.failed, "deleted": report.deleted,
        "seconds": round((ended - report.started_at).total_seconds(), 3), "error": report.error,
        "mend": "",
    }  # fmt: skip


def _line(each: dict[str, Any]) -> str:
    head = f"{each['connection']} {each['stream']}: "
    if each["error"]:
        mend = f"\n  mend: {each['mend']}" if each["mend"] else ""
        return f"{head}{each['status']}: {each['error']}{mend}"
    gone = f", {each['deleted']:,} withdrawn" if each["deleted"] else ""
    refused = f", {each['failed']:,} in quarantine" if each["failed"] else ""
    return f"{head}{each['read']:,} read, {each['written']:,} written{gone}{refused}"


def _total(documents: list[dict[str, Any]]) -> str:
    broken = sum(1 for each in documents if each["error"])
    read = sum(each["read"] for each in documents)
    tail = f"; {broken} of {len(documents)} streams failed" if broken else ""
    return f"{read:,} records of {len(documents)} streams{tail}"


def _told(connection: Connection, cursors: list[Any]) -> dict[str, Any]:
    last = max((c["last"]["at"] for c in cursors if c.get("last")), default=None)
    return {
        "id": connection.id, "connector": connection.connector, "name": connection.name,
        "account": connection.account, "franchise_id": connection.franchise_id,
        "environment": connection.environment, "status": connection.status,
        "reason": connection.reason, "mend": connection.mend, "last_sync": last,
        "since": rfc3339(connection.created_at),
    }  # fmt: skip


@contextmanager
def _watched() -> Iterator[Callable[[Report], None]]:
    """Progress of runs, one line a stream."""
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"),
        TextColumn("{task.fields[pages]:,} pages, {task.fields[read]:,} records"),
        TimeElapsedColumn(), console=log, transient=True,
    ) as progress:  # fmt: skip
        tasks: dict[str, Any] = {}
        lock = threading.Lock()

        def advance(report: Report) -> None:
            name = f"{report.connection} {report.stream}"
            with lock:
                if name not in tasks:
                    tasks[name] = progress.add_task(name, total=None, pages=0, read=0)
            progress.update(tasks[name], pages=report.pages, read=report.read)

        yield advance
