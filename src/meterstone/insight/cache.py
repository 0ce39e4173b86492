"""Results by the content they follow from: the same series is not forecast twice."""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, TypeVar

import msgspec

if TYPE_CHECKING:
    from meterstone.insight.series import Series
    from meterstone.insight.shape import Holidays, Limits

T = TypeVar("T")

_MOST = 20_000
"""Entries above which the older half goes."""


@dataclass(frozen=True, slots=True)
class Cache:
    """A folder of results. Losing it costs time and nothing else; a folder that cannot be written
    is no cache."""

    folder: Path

    def get(self, key: str, kind: type[T]) -> T | None:
        """What was kept under a key; None: nothing that can be read."""
        try:
            return msgspec.json.decode((self.folder / key).read_bytes(), type=kind)
        except (OSError, msgspec.DecodeError):
            return None

    def put(self, key: str, value: object) -> None:
        """Keep a result: there at once and whole, or not at all."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=self.folder, prefix=".", delete=False) as file:
                file.write(msgspec.json.encode(value))
            Path(file.name).replace(self.folder / key)
            self._bounded()
        except OSError:
            return

    def _bounded(self) -> None:
        names = os.listdir(self.folder)
        if len(names) > _MOST:
            oldest = sorted(
                (self.folder / name for name in names), key=lambda path: path.stat().st_mtime
            )
            for path in oldest[: _MOST // 2]:
                path.unlink(missing_ok=True)


def of_user() -> Cache:
    """The cache of whoever runs a command, where the system wants such things."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Cache(Path(root) / "meterstone" / "forecasts")


def key_of(
    version: str, series: Series, horizon: int, season: int, limits: Limits,
    holidays: Holidays | None,
) -> str:  # fmt: skip
    """What a forecast follows from: all of the series, what is asked, and who answers."""
    from statsforecast import __version__ as library  # noqa: PLC0415 - loads the models

    digest = sha256(series.values.tobytes())
    named = sorted((str(day), name) for day, name in (holidays or {}).items())
    ends = [series.name, *series.after(horizon)]
    asked = [version, library, horizon, season, limits.least, limits.most, ends, named]
    digest.update(msgspec.json.encode([*asked, [str(s) for s in series.stamps], series.whole_days]))
    return digest.hexdigest()
