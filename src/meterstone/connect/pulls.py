"""Ids that a full pull has seen, on disk: a pull of a million records costs no memory, and one that
was cut off goes on where it stood."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from meterstone.errors import StorageError


class Pull:
    """The ids of one pull; the file is removed when it is done.

    Args:
        folder: where; made when absent.
        name: of the pull.

    Raises:
        StorageError: the disk refused.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / f"{name}.sqlite"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(self._path, isolation_level=None)
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute("CREATE TABLE IF NOT EXISTS seen (ref TEXT PRIMARY KEY) STRICT")
        except (OSError, sqlite3.Error) as error:
            raise StorageError(f"cannot keep what a pull has seen: {error}", place=name) from error

    def add(self, refs: Iterable[str]) -> None:
        """Note ids; on disk when this returns."""
        with self._file:
            self._file.execute("BEGIN")
            self._file.executemany(
                "INSERT OR IGNORE INTO seen VALUES (?)", ((ref,) for ref in refs)
            )

    def count(self) -> int:
        """How many ids."""
        return int(self._file.execute("SELECT count(*) FROM seen").fetchone()[0])

    def missing(self, known: Iterable[str]) -> list[str]:
        """Which of these the pull did not see."""
        query = "SELECT 1 FROM seen WHERE ref = ?"
        return sorted(ref for ref in known if not self._file.execute(query, (ref,)).fetchone())

    def close(self, *, remove: bool) -> None:
        """Let go of the file."""
        self._file.close()
        if remove:
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self._path}{suffix}").unlink(missing_ok=True)
