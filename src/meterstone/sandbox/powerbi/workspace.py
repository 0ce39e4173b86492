"""Push datasets of one workspace: tables with typed columns, rows within the published limits,
refreshes that take time.

https://learn.microsoft.com/power-bi/developer/embedded/push-datasets-limitations
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from meterstone.sandbox.kit import CHANGED, Clock, Entity, Key, Record, micros, rfc3339

MOST_COLUMNS = MOST_TABLES = 75
MOST_ROWS_A_POST = 10_000
MOST_POSTS_A_MINUTE = 120
MOST_ROWS_AN_HOUR = 1_000_000
MOST_CHARACTERS = 4_000
FIFO_ROWS, MOST_ROWS = 200_000, 5_000_000
REFRESH_TAKES = timedelta(milliseconds=200)
"""How long a refresh of the stand-in takes."""

_TYPES: Mapping[str, tuple[type, ...]] = {
    "int64": (int,),
    "double": (int, float),
    "decimal": (int, float),
    "boolean": (bool,),
    "bool": (bool,),
    "string": (str,),
    "datetime": (str,),
}


class PowerBiError(Exception):  # the stand-in renders it as Power BI does
    """An error: HTTP status, code and message; ``retry_after_s`` of a 429."""

    def __init__(
        self, status: int, code: str, message: str, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.retry_after_s = retry_after_s


@dataclass
class Table:
    """A table of a push dataset; ``posts`` are the moments and sizes of the last hour's."""

    name: str
    columns: dict[str, str]
    rows: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Model:
    """What a dataset holds beside its record."""

    fifo: bool
    tables: dict[str, Table] = field(default_factory=dict)
    posts: deque[tuple[datetime, int]] = field(default_factory=deque)
    refreshes: list[tuple[str, datetime, str]] = field(default_factory=list)


class Workspace:
    """One workspace with its push datasets."""

    def __init__(self, group: str, clock: Clock) -> None:
        self.group, self.clock = group, clock
        self.models: dict[str, Model] = {}
        self._made = 0
        self.datasets = Entity(
            "dataset",
            clock,
            keys={CHANGED: Key([], lambda r: micros(datetime.fromisoformat(r["CreatedDate"])))},
            stamp=lambda record, at: record.setdefault("CreatedDate", rfc3339(at)),
        )

    def create(self, wanted: Mapping[str, Any], *, fifo: bool) -> Record:
        """A new push dataset; several may have one name, as at Power BI."""
        tables = wanted.get("tables")
        if not wanted.get("name") or not isinstance(tables, list) or not tables:
            raise _bad("A dataset has a name and tables.")
        if wanted.get("defaultMode", "Push") not in ("Push", "PushStreaming"):
            raise _bad("Only push datasets are made here.")
        if len(tables) > MOST_TABLES:
            raise _bad(f"A dataset has at most {MOST_TABLES} tables.")
        model = Model(fifo, {table.name: table for table in map(read_table, tables)})
        self._made += 1
        id_ = str(uuid5(NAMESPACE_URL, f"{self.group}:{self._made}"))
        self.models[id_] = model
        return self.datasets.put({
            "id": id_, "name": wanted["name"], "addRowsAPIEnabled": True, "IsRefreshable": True,
            "configuredBy": "simulated service principal", "IsEffectiveIdentityRequired": False,
            "IsEffectiveIdentityRolesRequired": False, "IsOnPremGatewayRequired": False,
            "targetStorageMode": "PushStore",
        })  # fmt: skip

    def model(self, id_: str) -> Model:
        """A dataset's model.

        Raises:
            PowerBiError: there is none.
        """
        if self.datasets.get(id_) is None:
            raise PowerBiError(404, "PowerBIEntityNotFound", "The dataset was not found.")
        return self.models[id_]

    def table(self, id_: str, name: str) -> Table:
        """A table of a dataset.

        Raises:
            PowerBiError: there is none.
        """
        found = self.model(id_).tables.get(name)
        if found is None:
            raise PowerBiError(404, "TableNotFound", "The table was not found.")
        return found

    def add_rows(self, id_: str, name: str, rows: object) -> None:
        """Add rows, within the limits.

        Raises:
            PowerBiError: a limit is reached, or a row does not fit the columns; none was added.
        """
        model, table = self.model(id_), self.table(id_, name)
        if not isinstance(rows, list):
            raise _bad("rows is a list.")
        if len(rows) > MOST_ROWS_A_POST:
            raise PowerBiError(
                413, "RequestEntityTooLarge", f"At most {MOST_ROWS_A_POST} rows a request."
            )
        self._check_rate(model, len(rows))
        for row in rows:
            check_row(table, row)
        if not model.fifo and len(table.rows) + len(rows) > MOST_ROWS:
            raise _bad(f"A table holds at most {MOST_ROWS} rows.")
        model.posts.append((self.clock.now(), len(rows)))
        table.rows += rows
        if model.fifo:
            del table.rows[:-FIFO_ROWS]

    def _check_rate(self, model: Model, count: int) -> None:
        now = self.clock.now()
        while model.posts and model.posts[0][0] <= now - timedelta(hours=1):
            model.posts.popleft()
        minute = [at for at, _ in model.posts if at > now - timedelta(minutes=1)]
        if len(minute) >= MOST_POSTS_A_MINUTE:
            wait = (minute[0] + timedelta(minutes=1) - now).total_seconds()
            raise _too_many(wait)
        if sum(size for _, size in model.posts) + count > MOST_ROWS_AN_HOUR:
            wait = (model.posts[0][0] + timedelta(hours=1) - now).total_seconds()
            raise _too_many(wait)

    def refresh(self, id_: str) -> str:
        """Begin a refresh; its id."""
        model = self.model(id_)
        request = str(uuid5(NAMESPACE_URL, f"{id_}:refresh:{len(model.refreshes)}"))
        model.refreshes.append((request, self.clock.now(), "ViaApi"))
        return request

    def history(self, id_: str) -> list[Record]:
        """Refreshes, newest first; one that runs has status Unknown and no end."""
        now = self.clock.now()
        return [_shown(*one, now) for one in reversed(self.model(id_).refreshes)]


def read_table(wanted: object) -> Table:
    """The schema of a table.

    Raises:
        PowerBiError: it is none.
    """
    if not isinstance(wanted, Mapping) or not wanted.get("name"):
        raise _bad("A table has a name.")
    columns = wanted.get("columns")
    if not isinstance(columns, list) or not columns:
        raise _bad("A table has columns.")
    if len(columns) > MOST_COLUMNS:
        raise _bad(f"A table has at most {MOST_COLUMNS} columns.")
    read: dict[str, str] = {}
    for column in columns:
        kind = str(column.get("dataType", "")).lower() if isinstance(column, Mapping) else ""
        if kind not in _TYPES or not column.get("name"):
            raise _bad("A column has a name and a known dataType.")
        read[column["name"]] = kind
    return Table(str(wanted["name"]), read)


def check_row(table: Table, row: object) -> None:
    """Whether a row fits the columns.

    Raises:
        PowerBiError: it does not.
    """
    if not isinstance(row, Mapping):
        raise _bad("A row is an object.")
    for name, value in row.items():
        kind = table.columns.get(name)
        if kind is None:
            raise _bad(f"The table has no column '{name}'.")
        if value is None:
            continue
        is_bool = isinstance(value, bool)
        if not isinstance(value, _TYPES[kind]) or (is_bool and kind not in ("bool", "boolean")):
            raise _bad(f"The value of '{name}' is no {kind}.")
        if isinstance(value, str) and len(value) > MOST_CHARACTERS:
            raise _bad(f"The value of '{name}' has more than {MOST_CHARACTERS} characters.")
        if kind == "datetime":
            _check_moment(name, str(value))


def _check_moment(name: str, value: str) -> None:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        raise _bad(f"The value of '{name}' is no datetime.") from None


def _shown(request: str, began: datetime, kind: str, now: datetime) -> Record:
    shown: Record = {
        "requestId": request, "refreshType": kind, "startTime": rfc3339(began), "status": "Unknown",
    }  # fmt: skip
    if now >= began + REFRESH_TAKES:
        shown |= {"endTime": rfc3339(began + REFRESH_TAKES), "status": "Completed"}
    return shown


def _bad(message: str) -> PowerBiError:
    return PowerBiError(400, "BadRequest", message)


def _too_many(wait: float) -> PowerBiError:
    return PowerBiError(429, "TooManyRequests", "Too many requests.", max(1.0, wait))
