"""Publishes a table as a push dataset of a Power BI workspace, and follows its refresh.

Limits: https://learn.microsoft.com/power-bi/developer/embedded/push-datasets-limitations
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from meterstone.connect.answers import Answer
from meterstone.connect.paths import at_path
from meterstone.connect.push.publisher import Caller, Patience, Pushed, PushError
from meterstone.connect.push.table import Column, Table, Type
from meterstone.connect.spec import Request

ROWS_A_POST = 10_000
ROWS_A_TABLE = 5_000_000
COLUMNS = 75
CHARACTERS = 4_000
_BYTES_A_POST = 15_000_000
"""Ours: no size of a request is documented."""

_DATASETS = "/v1.0/myorg/groups/{workspace}/datasets"
_DATASET = f"{_DATASETS}/{{dataset}}"
_TABLE = f"{_DATASET}/tables/{{table}}"
_TYPES: dict[Type, str] = {
    "text": "String",
    "number": "Double",
    "integer": "Int64",
    "boolean": "Boolean",
    "moment": "DateTime",
    "day": "DateTime",
}


class Publisher:
    """Publishes over one connection.

    Args:
        caller: the connection's client.
        patience: how long a refresh is waited for.
        rows_a_post: rows of one request.
    """

    def __init__(
        self,
        caller: Caller,
        patience: Patience | None = None,
        *,
        rows_a_post: int = ROWS_A_POST,
    ) -> None:
        self._caller, self._patience = caller, patience or Patience()
        self._rows_a_post = rows_a_post

    def publish(self, table: Table) -> Pushed:
        """Replace the rows of the dataset of the table's name; it is made where it is missing.

        A request that adds rows is not repeated when it is not known whether it was done: then the
        publication fails, and the next one begins with no rows again.

        Raises:
            PushError: the table is beyond Power BI's limits, or the refresh failed.
            VendorError: a call failed.
        """
        _check(table)
        given = {"dataset": self._dataset(table), "table": table.name}
        self._send("DELETE", f"{_TABLE}/rows", given)
        for part in self._parts(table):
            self._send("POST", f"{_TABLE}/rows", given, body={"rows": part}, repeatable=False)
        return Pushed(given["dataset"], self._refresh(given, table.name), len(table.rows))

    def _dataset(self, table: Table) -> str:
        """The id of the dataset, with the columns of the table."""
        columns = [{"name": c.name, "dataType": _TYPES[c.type]} for c in table.columns]
        wanted = {"name": table.name, "columns": columns}
        known = at_path(self._send("GET", _DATASETS, {}).content, "value") or []
        found = next((dataset for dataset in known if dataset.get("name") == table.name), None)
        if found is None:
            made = self._send(
                "POST",
                _DATASETS,
                {},
                query={"defaultRetentionPolicy": "None"},
                body={"name": table.name, "defaultMode": "Push", "tables": [wanted]},
                repeatable=False,
            )
            return str(at_path(made.content, "id"))
        if not found.get("addRowsAPIEnabled", True):
            raise PushError(
                f"the workspace has a dataset {table.name!r} that takes no rows",
                place="Power BI",
                mend="rename or delete it there",
            )
        given = {"dataset": str(found["id"]), "table": table.name}
        self._send("PUT", _TABLE, given, body=wanted)
        return given["dataset"]

    def _parts(self, table: Table) -> Iterator[list[dict[str, Any]]]:
        """Rows in requests that Power BI takes."""
        part, size = list[dict[str, Any]](), 0
        for row in table.rows:
            made = _row(table.columns, row)
            length = len(json.dumps(made))
            if part and (len(part) >= self._rows_a_post or size + length > _BYTES_A_POST):
                yield part
                part, size = [], 0
            part.append(made)
            size += length
        if part:
            yield part

    def _refresh(self, given: dict[str, str], what: str) -> str:
        """Ask for a refresh and follow it in the history; its id.

        A push dataset needs none to show its rows; it renews what reports keep, and its history
        says when that was done. The answer names the refresh only where it was asked for with
        options of Premium, so it is known as the first one that was not there before.
        """
        before = self._newest_refresh(given).get("requestId")
        self._send("POST", f"{_DATASET}/refreshes", given, repeatable=False)
        entry: dict[str, Any] = {}

        def look() -> str:
            entry.clear()
            entry.update(self._newest_refresh(given))
            if not entry or entry.get("requestId") == before:
                return "running"
            status = str(entry.get("status", "Unknown"))
            return "running" if status == "Unknown" else status

        if self._patience.wait(look, f"Power BI's refresh of {what}") != "Completed":
            raise PushError(
                f"Power BI's refresh ended as {entry.get('status')}: {_code(entry)}",
                place=f"refresh {entry.get('requestId')}",
                mend="look at the refresh history of the dataset in Power BI",
            )
        return str(entry.get("requestId", ""))

    def _newest_refresh(self, given: dict[str, str]) -> dict[str, Any]:
        path = f"{_DATASET}/refreshes"
        told = self._send("GET", path, given, query={"$top": "1"}).content
        history = at_path(told, "value")
        return dict(history[0]) if isinstance(history, list) and history else {}

    def _send(
        self,
        method: str,
        path: str,
        given: dict[str, str],
        *,
        query: dict[str, str] | None = None,
        body: Any = None,
        repeatable: bool = True,
    ) -> Answer:
        asked = Request.model_validate({"method": method, "path": path, "query": query or {}})
        call = replace(self._caller.call(asked, given), body=body)
        return self._caller.send(call, repeatable=repeatable)


def _check(table: Table) -> None:
    for what, size, most in (
        ("columns", len(table.columns), COLUMNS),
        ("rows", len(table.rows), ROWS_A_TABLE),
    ):
        if size > most:
            raise PushError(
                f"{size:,} {what}; a push dataset takes {most:,}",
                place=table.name,
                mend="publish fewer, or let Power BI read the OData feed instead",
            )


def _row(columns: tuple[Column, ...], row: tuple[Any, ...]) -> dict[str, Any]:
    return {c.name: _value(v) for c, v in zip(columns, row, strict=True)}


def _value(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, str) and len(value) > CHARACTERS:
        return value[: CHARACTERS - 1] + "…"
    return value


def _code(entry: dict[str, Any]) -> str:
    try:
        told = json.loads(entry.get("serviceExceptionJson") or "{}")
    except ValueError:
        told = {}
    code = told.get("errorCode") if isinstance(told, dict) else None
    return str(code or "no reason is given")
