"""A landed record, as it came over the wire: where a number ends when it is traced."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from io import BytesIO
from pathlib import PurePath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from meterstone.errors import InputError
from meterstone.people.rights import Right
from meterstone.publish.web.site import Site
from meterstone.record.model import LandedRecord
from meterstone.scorecard.values import count_text

Landed = Callable[[int], LandedRecord]
"""A record of the landing log by its number; an `InputError` where there is none."""

_SEES_CONTENT = (Right.CONNECT, Right.AUDIT)
"""Who runs the connections, and who audits. A record may name customers; a number never does."""
_MOST_TEXT = 8_000
_MOST_DIGITS = 15
_AROUND = 2
_PARQUET = "application/vnd.apache.parquet"


def routes(site: Site, landed: Landed) -> list[BaseRoute]:
    """``/catalogue/{metric}/rows/{record}``; ``?item=`` shows that part of it."""

    def show(request: Request) -> Response:
        name = request.path_params["record"]
        metric = site.board.catalogue.metrics.get(request.path_params["metric"])
        if metric is None or not _is_number(name):
            return site.error(request, HTTPStatus.NOT_FOUND)
        try:
            record = landed(int(name))
        except InputError:
            return site.error(request, HTTPStatus.NOT_FOUND)
        item = request.query_params.get("item", "")
        who = site.principal(request)
        return site.render(
            request, "landed.html", title=f"Landed record {name}",
            metric=metric.raw.id, metric_title=metric.raw.title,
            **record_context(
                record,
                int(item) if _is_number(item) else None,
                content=who is not None and any(who.may(right) for right in _SEES_CONTENT),
            ),
        )  # fmt: skip

    return [Route("/catalogue/{metric}/rows/{record}", show)]


def record_context(record: LandedRecord, item: int | None, *, content: bool) -> Mapping[str, Any]:
    """What the page shows.

    Args:
        record: as it landed.
        item: the part of it that became a row, counted from 1; None: its beginning is shown.
        content: whether the reader may see what is in it.
    """
    return {
        "sentence": f"Record {record.seq:,} came from {record.source}.",
        "received_at": record.received_at,
        "facts": [
            ("Way in", record.format.replace("_", " ")),
            ("Name", (record.name if content else PurePath(record.name).name) or "none"),
            ("Media type", record.media_type),
            ("Size", count_text(len(record.body), "bytes")),
            ("SHA-256", record.sha256.hex()),
            *((name.replace("_", " "), text) for name, text in sorted(record.context.items())),
        ],
        "may": content,
        "item": item,
        "parts": _parts(record, item) if content else [],
    }


def _parts(record: LandedRecord, item: int | None) -> list[tuple[str, str, bool]]:
    """Pieces of the body: what each is, its text, and whether it is the one asked for."""
    if record.media_type == _PARQUET:
        return _row(record.body, max(item or 1, 1))
    try:
        text = record.body.decode()
    except UnicodeDecodeError:
        return [("the first bytes, hexadecimal", record.body[:512].hex(" "), False)]
    lines = text.split("\n")
    if item is None or not 1 <= item <= len(lines):
        return [("its beginning", _short(text), False)]
    first = max(item - 1 - _AROUND, 0)
    near = lines[first : item + _AROUND]
    return [
        (f"line {number:,}", _short(line), number == item)
        for number, line in enumerate(near, first + 1)
        if line
    ]


def _row(body: bytes, item: int) -> list[tuple[str, str, bool]]:
    """A row of a Parquet file as JSON, read batch by batch."""
    before = 0
    try:
        for batch in pq.ParquetFile(BytesIO(body)).iter_batches():
            if item <= before + batch.num_rows:
                row = batch.slice(item - 1 - before, 1).to_pylist()[0]
                break
            before += batch.num_rows
        else:
            return []
    except pa.ArrowInvalid as error:
        return [("no readable Parquet", str(error)[:300], False)]
    text = json.dumps(row, indent=2, default=str, ensure_ascii=False)
    return [(f"row {item:,}", _short(text), True)]


def _short(text: str) -> str:
    if len(text) <= _MOST_TEXT:
        return text
    return f"{text[:_MOST_TEXT]}… and {len(text) - _MOST_TEXT:,} characters more"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
