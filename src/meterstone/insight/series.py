"""Series as people keep them in files: named, dated, with gaps and one wild value."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meterstone.errors import InputError

Floats = NDArray[np.float64]

Stamp = int | datetime
"""When an observation was made: a running number, or a moment."""

_MONTHS = {(28, 31): 1, (89, 92): 3, (365, 366): 12}
"""Months between two observations whose distance in days is in a range."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series at even steps.

    Attributes:
        name: its `unique_id`.
        stamps: when each value was observed, evenly spaced.
        values: one for each stamp; NaN where the file has none.
        whole_days: stamps are dates without a time.
    """

    name: str
    stamps: tuple[Stamp, ...]
    values: Floats
    whole_days: bool = False

    @property
    def gaps(self) -> int:
        """How many steps have no value."""
        return int(np.isnan(self.values).sum())

    def after(self, steps: int) -> list[str]:
        """The next stamps, written as the file writes them."""
        step = _step(self.stamps)
        return [self.written(_moved(self.stamps[-1], step, n)) for n in range(1, steps + 1)]

    def written(self, stamp: Stamp) -> str:
        """A stamp as the file writes it."""
        if isinstance(stamp, int):
            return str(stamp)
        return stamp.date().isoformat() if self.whole_days else stamp.isoformat(sep=" ")


def read_columns(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and the named columns of a CSV file with a header.

    Raises:
        InputError: there is no such file, it is not UTF-8, or a column is missing.
    """
    try:
        # Universal line ends: also those of old Macs.
        with path.open(encoding="utf-8-sig", newline=None) as lines:
            reader = csv.reader(lines)
            header = [name.strip() for name in next(reader, [])]
            missing = [name for name in columns if name not in header]
            if missing:
                raise InputError(
                    f"there is no column {missing[0]!r}; it has {', '.join(header) or 'none'}",
                    place=f"{path}:1",
                    mend=f"the columns {', '.join(columns)} are needed",
                )
            places = [header.index(name) for name in columns]
            for row in reader:
                if row:
                    found = [row[at].strip() if at < len(row) else "" for at in places]
                    yield reader.line_num, found
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror}", place=str(path), mend="name a CSV file"
        ) from None
    except UnicodeDecodeError:
        raise InputError("is not UTF-8", place=str(path), mend="save it as UTF-8") from None


def number(text: str, place: str) -> float:
    """A number of a file; NaN where there is none.

    Raises:
        InputError: it is none.
    """
    if text in ("", "NA", "NaN", "nan", "null"):
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    if math.isinf(value):
        raise InputError(f"{text!r} is no number", place=place, mend="correct the line") from None
    return value


def read_series(path: Path) -> list[Series]:
    """The series of a CSV file with the columns unique_id, ds, y, in the order of the file.

    Raises:
        InputError: the file, or a line of it, cannot be read; names the line.
    """
    found: dict[str, dict[Stamp, float]] = {}
    dated: dict[str, bool] = {}
    for line, (name, ds, y) in read_columns(path, ["unique_id", "ds", "y"]):
        stamp, whole = _stamp(ds, f"{path}:{line}")
        points = found.setdefault(name, {})
        if points and isinstance(next(iter(points)), int) != isinstance(stamp, int):
            raise InputError(
                "dates and numbers are mixed in ds", place=f"{path}:{line}", mend="use one of them"
            )
        if stamp in points:
            raise InputError(
                f"{name} has two values at {ds}", place=f"{path}:{line}", mend="leave one of them"
            )
        points[stamp] = number(y, f"{path}:{line}")
        dated[name] = dated.get(name, True) and whole
    if not found:
        raise InputError("has no rows", place=str(path), mend="give at least one series")
    return [_even(name, points, dated[name]) for name, points in found.items()]


def read_holidays(path: Path) -> dict[date, str]:
    """The name of each day of a CSV file with the columns ds and holiday.

    Raises:
        InputError: the file, or a line of it, cannot be read; names the line.
    """
    found: dict[date, str] = {}
    for line, (ds, name) in read_columns(path, ["ds", "holiday"]):
        try:
            day = date.fromisoformat(ds)
        except ValueError:
            raise InputError(
                f"{ds!r} is no day", place=f"{path}:{line}", mend="write 2026-11-30"
            ) from None
        found[day] = f"{found[day]}, {name}" if day in found else name
    return found


def _stamp(text: str, place: str) -> tuple[Stamp, bool]:
    try:
        return int(text), False
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"{text!r} is no date", place=place, mend="write 2026-11-30, or a running number"
        ) from None
    return moment.replace(tzinfo=None), len(text) == len("2026-11-30")


def _even(name: str, points: dict[Any, float], whole_days: bool) -> Series:
    """At even steps: what lies between two observations and has no line is a gap."""
    stamps = sorted(points)
    if len(stamps) < 3:
        return Series(name, tuple(stamps), np.array([points[s] for s in stamps]), whole_days)
    step = _step(stamps)
    filled = [stamps[0]]
    for n in range(1, 2_000_000):
        if filled[-1] >= stamps[-1]:
            break
        filled.append(_moved(stamps[0], step, n))
    if not set(stamps) <= set(filled):  # uneven: taken as they follow each other
        filled = list(stamps)
    values = np.array([points.get(stamp, math.nan) for stamp in filled])
    return Series(name, tuple(filled), values, whole_days)


def _step(stamps: Sequence[Any]) -> Any:
    """The usual distance: a number, a span, or months (as negative numbers of a date)."""
    if len(stamps) < 2:
        return 1 if isinstance(stamps[0], int) else timedelta(days=1)
    if isinstance(stamps[0], int):
        return max(1, round(median(b - a for a, b in pairwise(stamps))))
    spans = sorted(b - a for a, b in pairwise(stamps))
    usual: timedelta = spans[(len(spans) - 1) // 2]
    for (least, most), months in _MONTHS.items():
        first = stamps[0]
        same_day = all(isinstance(s, datetime) and s.day == first.day for s in stamps[:13])
        if least <= usual.days <= most and same_day:
            return -months
    return usual


def _moved(stamp: Any, step: Any, times: int) -> Any:
    if isinstance(stamp, int):
        return stamp + step * times
    if isinstance(step, timedelta):
        return stamp + step * times
    months = stamp.year * 12 + stamp.month - 1 - step * times
    year, month = divmod(months, 12)
    last = (date(year + (month == 11), (month + 1) % 12 + 1, 1) - timedelta(days=1)).day
    return stamp.replace(year=year, month=month + 1, day=min(stamp.day, last))
