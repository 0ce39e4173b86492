"""Where everything is wired: a *home* is one folder with the log, the warehouse and the keys.

    .meterstone/
      landing.sqlite      what was received (the only file that cannot be made anew)
      warehouse.duckdb    facts and rollups, made from the log by `meterstone rebuild`
      keys/               the signing key and the public keys that are trusted
      catalogue/          the own definitions of this home, where it has any
      settings.yaml       reporting time zone and name, where they differ from the defaults
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import IO

from meterstone.catalogue import Catalogue, FactShape, framework_path, load_catalogue
from meterstone.errors import HomeInUse, StorageError
from meterstone.facts import vocabulary
from meterstone.record.log import LandingLog
from meterstone.record.recorder import Mapping, Recorder
from meterstone.warehouse.base import Warehouse
from meterstone.warehouse.duckdb import DuckDBWarehouse


def fact_shapes() -> dict[str, FactShape]:
    """What the catalogue needs to know of the facts."""
    return {
        name: FactShape(
            columns={column.name: column.type for column in schema.columns.values()},
            event_time=schema.event_time,
            rollup_dimensions=schema.rollup.dimensions if schema.rollup else (),
            rollup_value=schema.rollup.value if schema.rollup else "",
        )
        for name, schema in vocabulary().items()
    }


class Home:
    """An opened home. One process at a time; a second one is told who holds it.

    Raises:
        HomeInUse: another process works in this home.
        StorageError: the folder cannot be made or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(path)
        except OSError as error:
            raise StorageError(
                f"cannot use this folder: {error.strerror}",
                place=str(path),
                mend="choose another with --home DIR or METERSTONE_HOME",
            ) from error
        self.log = LandingLog(path / "landing.sqlite")

    @cached_property
    def warehouse(self) -> Warehouse:
        """The engine that holds the facts."""
        return DuckDBWarehouse(self.path / "warehouse.duckdb", vocabulary())

    @cached_property
    def catalogue(self) -> Catalogue:
        """The definitions of this home: its own where it has any, else the framework's."""
        own = self.path / "catalogue"
        return load_catalogue(own if own.exists() else framework_path(), fact_shapes())

    @cached_property
    def recorder(self) -> Recorder:
        """Maps the log into the warehouse."""
        return Recorder(self.log, self.warehouse)

    def rebuild(self, on_progress: Callable[[Mapping], None] = lambda _: None) -> Mapping:
        """Make the warehouse anew from the landing log."""
        self._close_warehouse()
        for name in ("warehouse.duckdb", "warehouse.duckdb.wal"):
            (self.path / name).unlink(missing_ok=True)
        return self.recorder.map_all(on_progress)

    def close(self) -> None:
        """Write everything out and let go of the home."""
        self._close_warehouse()
        self.log.close()
        self._lock.close()

    def _close_warehouse(self) -> None:
        if "warehouse" in self.__dict__:
            self.warehouse.close()
            del self.__dict__["warehouse"]
        self.__dict__.pop("recorder", None)

    def __enter__(self) -> Home:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _lock(home: Path) -> IO[str]:
    """The lock of a home, released by the system when the process ends, however it ends."""
    handle = (home / "lock").open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.seek(0)
        holder = handle.read().strip() or "unknown"
        handle.close()
        raise HomeInUse(
            f"process {holder} works in this home",
            place=str(home),
            mend="stop it, or send data to it over HTTP (POST /v1/facts)",
        ) from None
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return handle
