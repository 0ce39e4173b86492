"""What the commands share: options, moments and scopes as they are typed, progress, output."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from meterstone.app import Home
from meterstone.errors import InputError
from meterstone.measure.results import Scope, read_day, read_moment
from meterstone.publish import terminal
from meterstone.record.ingest import Progress as IngestProgress

log = Console(stderr=True)

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


def emit(document: Any, *, as_json: bool, text: Any = None) -> None:
    if as_json:
        print(json.dumps(document, ensure_ascii=False, default=str))
    elif text is not None:
        terminal.show(text)


def moment_of(text: str | None, option: str) -> datetime | None:
    return None if text is None else read_moment(text, option, f"{option} 2026-03-01T00:00:00Z")


def at_of(text: str | None) -> datetime:
    """The moment to measure; now is the last whole minute, so that stored minutes can be read."""
    return moment_of(text, "--at") or datetime.now(UTC).replace(second=0, microsecond=0)


def scope_of(text: str) -> Scope:
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


def day_of(text: str | None, home: Home) -> date:
    return home.last_day if text is None else read_day(text, "--day", "--day 2026-03-01")


def pairs(texts: list[str], option: str) -> dict[str, str]:
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(
                f"{text!r} is not NAME=VALUE", place=option, mend=f"{option} NAME=VALUE"
            )
        found[name] = value
    return found


def read_file(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read: {error.strerror}", place=str(file), mend="check the path"
        ) from error


def write_file(file: Path, data: bytes) -> None:
    try:
        file.write_bytes(data)
    except OSError as error:
        raise InputError(
            f"cannot write: {error.strerror}", place=str(file), mend="check the path"
        ) from error


@contextmanager
def mapping_shown(title: str) -> Iterator[Any]:
    with Progress(
        TextColumn("{task.description}"), TextColumn("{task.fields[what]}"), TimeElapsedColumn(),
        console=log, transient=True,
    ) as progress:  # fmt: skip
        task = progress.add_task(title, total=None, what="")

        def advance(done: Any) -> None:
            progress.update(task, what=f"{done.records:,} records, {done.rows:,} facts")

        yield advance


@contextmanager
def bytes_shown() -> Iterator[Any]:
    with Progress(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(),
        TextColumn("{task.fields[rows]:,} facts"), TimeElapsedColumn(),
        console=log, transient=True,
    ) as progress:  # fmt: skip
        tasks: dict[str, Any] = {}

        def advance(done: IngestProgress) -> None:
            if done.path not in tasks:
                tasks[done.path] = progress.add_task(Path(done.path).name, total=done.total, rows=0)
            progress.update(tasks[done.path], completed=done.done, rows=done.rows)

        yield advance
