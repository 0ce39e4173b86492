"""Series as people keep them in files: named, dated, with gaps and one wild value."""

from __future__ import annotations

import csv
import math
import re
from calendar import monthrange
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
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

_COMPACT = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
_MOST_GAPS, _MOST_ADDED = 100, 10_000
"""Gaps for each observation, and beside that, above which a date is taken for a slip."""

_MOST_NUMBER = 1e100

_DAY_WIDE, _MONTH_WIDE = len("2026-11-30"), len("2026-11")
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
_DAYS_OF_MONTH = 365.2425 / 12


@dataclass(frozen=True, slots=True)
class _Months:
    """Months between two observations; `ends`: they lie on the last day of theirs."""

    count: int
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Series:
    """One series at even steps.

    Attributes:
        name: its `unique_id`.
        stamps: when each value was observed, evenly spaced.
        values: one for each stamp; NaN where the file has none.
        whole_days: stamps are dates without a time.
        uneven: they were not evenly spaced, and are taken as they follow each other.
        whole_months: stamps are months, kept as their first day.
    """

    name: str
    stamps: tuple[Stamp, ...]
    values: Floats
    whole_days: bool = False
    uneven: bool = False
    whole_months: bool = False

    @property
    def gaps(self) -> int:
        """How many steps have no value."""
        return int(np.isnan(self.values).sum())

    def after(self, steps: int) -> list[str]:
        """The next stamps, written as the file writes them."""
        step, last = _step(self.stamps), self.stamps[-1]
        if self.whole_months and len(self.stamps) == 1:
            step = _Months(1)
        try:
            return [self.written(_moved(last, step, n)) for n in range(1, steps + 1)]
        except (OverflowError, ValueError):  # of datetime
            raise InputError(
                f"{steps} steps after {self.written(last)} lie beyond the year 9999",
                place=self.name, mend="correct the dates, or ask for fewer steps",
            ) from None  # fmt: skip

    def written(self, stamp: Stamp) -> str:
        """A stamp as the file writes it."""
        if isinstance(stamp, int):
            return str(stamp)
        if self.whole_months:
            return f"{stamp:%Y-%m}"
        return stamp.date().isoformat() if self.whole_days else stamp.isoformat(sep=" ")


def read_columns(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Line numbers (of where a row begins) and the named columns of a CSV file with a header.

    Raises:
        InputError: there is no such file, it is not UTF-8, a column is missing or there twice, or
            a row is longer than the header or no CSV; names the line.
    """
    line = 1
    try:
        # Universal line ends: also those of old Macs.
        with path.open(encoding="utf-8-sig", newline=None) as lines:
            reader = csv.reader(lines, strict=True)
            header = [name.strip() for name in next(reader, [])]
            places = _places(header, columns, f"{path}:1")
            line = reader.line_num + 1
            for row in reader:
                if any(cell.strip() for cell in row[len(header) :]):
                    raise InputError(
                        f"has {len(row)} cells where the header has {len(header)}",
                        place=f"{path}:{line}", mend="write 1.5, not 1,5, or put it in quotes",
                    )  # fmt: skip
                if row:
                    found = [row[at].strip() if at < len(row) else "" for at in places]
                    yield line, found
                line = reader.line_num + 1
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror}", place=str(path), mend="name a CSV file"
        ) from None
    except UnicodeDecodeError:
        raise InputError(
            "is not UTF-8", place=_undecodable(path), mend="save it as UTF-8"
        ) from None
    except csv.Error:
        raise InputError(
            "is no row of CSV", place=f"{path}:{line}",
            mend="close each quote, double those within a cell, and keep cells short",
        ) from None  # fmt: skip


def _places(header: Sequence[str], columns: Sequence[str], place: str) -> list[int]:
    needed = f"the columns {', '.join(columns)} are needed, separated by commas"
    if not header:
        raise InputError("there is no header", place=place, mend=needed)
    for name in columns:
        if header.count(name) != 1:
            cause = (
                f"there are {header.count(name)} columns {name!r}"
                if name in header
                else f"there is no column {name!r}; it has {', '.join(header)}"
            )
            raise InputError(cause, place=place, mend=needed)
    return [header.index(name) for name in columns]


def _undecodable(path: Path) -> str:
    """The file, and the first line of it that is not UTF-8."""
    with path.open("rb") as lines:
        for line, text in enumerate(lines, 1):
            try:
                text.decode("utf-8-sig" if line == 1 else "utf-8")
            except UnicodeDecodeError:
                return f"{path}:{line}"
    return str(path)


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
    lines: dict[str, dict[Stamp, int]] = {}
    kinds: dict[str, str] = {}
    widths: dict[str, set[int]] = {}
    for line, (name, ds, y) in read_columns(path, ["unique_id", "ds", "y"]):
        place = f"{path}:{line}"
        stamp, width = _stamp(ds, place)
        kind = _kind(stamp)
        if kinds.setdefault(name, kind) != kind:
            raise InputError(
                f"{kinds[name]} and {kind} are mixed in ds", place=place, mend="use one of them"
            )
        points = found.setdefault(name, {})
        if stamp in points:
            raise InputError(
                f"{name} has two values at {ds}", place=place, mend="leave one of them"
            )
        points[stamp] = number(y, place)
        lines.setdefault(name, {})[stamp] = line
        widths.setdefault(name, set()).add(width)
    if not found:
        raise InputError("has no rows", place=str(path), mend="give at least one series")
    even = [
        _even(path, name, points, lines[name], widths[name] <= {_DAY_WIDE, _MONTH_WIDE})
        for name, points in found.items()
    ]
    return [replace(each, whole_months=widths[each.name] == {_MONTH_WIDE}) for each in even]


@dataclass(frozen=True, slots=True)
class Values:
    """Values by timestamp, in the order of their file.

    Attributes:
        rows: timestamps as written, and values; NaN where there is none.
        notes: what is odd about the timestamps, a sentence each.
    """

    rows: list[tuple[str, float]]
    notes: tuple[str, ...]


def read_values(path: Path) -> Values:
    """The columns timestamp and value of a CSV file. Timestamps may be any names; where they are
    numbers or dates, they have to follow each other.

    Raises:
        InputError: the file, or a line of it, cannot be read, or the rows are not in order; names
            the line.
    """
    rows: list[tuple[str, float]] = []
    kind, newest, back, again, first_back = "", 0.0, 0, 0, ""
    for line, (when, value) in read_columns(path, ["timestamp", "value"]):
        place = f"{path}:{line}"
        if not when:
            raise InputError("there is no timestamp", place=place, mend="name each value")
        told, own = _place_in_time(when)
        if (kind or own) != own and kind != _NAMES:
            raise InputError(
                f"{when!r} is among {kind}, and is none", place=place,
                mend="write all timestamps in one way",
            )  # fmt: skip
        if rows and kind != _NAMES:
            back, again = back + (told < newest), again + (told == newest)
            first_back = first_back or (place if told < newest else "")
        kind, newest = kind or own, told
        rows.append((when, usable(number(value, place), place)))
    if not rows:
        raise InputError("has no rows", place=str(path), mend="give at least one value")
    if back > max(1, len(rows) // 100):
        raise InputError(
            f"timestamps go back, here and on {back - 1} other lines", place=first_back,
            mend="sort the rows by timestamp",
        )  # fmt: skip
    notes = [f"timestamps come twice: {again}"] * bool(again)
    notes += [f"a timestamp goes back in time ({first_back})"] * bool(back)
    return Values(rows, tuple(notes))


_NAMES = "names"


def _place_in_time(text: str) -> tuple[float, str]:
    """A number to order by, and what it is one of."""
    try:
        return float(text), "numbers"
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0.0, _NAMES
    zoned = moment.replace(tzinfo=moment.tzinfo or UTC)
    return (zoned - datetime(1, 1, 1, tzinfo=UTC)).total_seconds(), _kind(moment)


def usable(value: float, place: str) -> float:
    """A value that can be squared.

    Raises:
        InputError: it is too large.
    """
    if abs(value) > _MOST_NUMBER:
        raise InputError(
            f"{value:g} is too large to be compared", place=place, mend="take another unit"
        )
    return value


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


def _stamp(text: str, place: str) -> tuple[Stamp, int]:
    """A stamp, and how wide a date without a time was written; else 0."""
    if _COMPACT.fullmatch(text):
        raise InputError(
            f"{text!r} is a running number, or a date?", place=place,
            mend=f"write {text[:4]}-{text[4:6]}-{text[6:]}",
        )  # fmt: skip
    try:
        return int(text), 0
    except ValueError:
        pass
    month = bool(_MONTH.fullmatch(text))
    try:
        moment = datetime.fromisoformat(f"{text}-01" if month else text)
    except ValueError:
        cause = f"{text!r} is no date" if text else "there is no date"
        raise InputError(cause, place=place, mend="write 2026-11-30, or a running number") from None
    return moment, len(text) if month or len(text) == _DAY_WIDE else 0


def _kind(stamp: Stamp) -> str:
    if isinstance(stamp, int):
        return "numbers"
    return "dates" if stamp.tzinfo is None else "dates with a zone"


def _even(
    path: Path, name: str, points: dict[Any, float], lines: dict[Any, int], whole_days: bool
) -> Series:
    """At even steps: what lies between two observations and has no line is a gap. Observations
    that lie beside the steps are taken as they follow each other."""
    stamps = sorted(points)
    if len(stamps) < 3:
        return Series(name, tuple(stamps), np.array([points[s] for s in stamps]), whole_days)
    step = _step(stamps)
    by_month = isinstance(step, _Months)
    if not by_month and any((stamp - stamps[0]) % step for stamp in stamps):
        values = np.array([points[stamp] for stamp in stamps])
        return Series(name, tuple(stamps), values, whole_days, uneven=True)
    if not by_month and (stamps[-1] - stamps[0]) // step > _MOST_GAPS * len(stamps) + _MOST_ADDED:
        before, after = max(pairwise(stamps), key=lambda pair: pair[1] - pair[0])
        raise InputError(
            f"{(after - before) // step:,} steps lie between {before} and {after}",
            place=f"{path}:{lines[after]}", mend="correct the date, or leave the line out",
        )  # fmt: skip
    filled = [stamps[0]]
    while filled[-1] < stamps[-1]:
        filled.append(_moved(stamps[0], step, len(filled)))
    uneven = not set(stamps) <= set(filled)
    if uneven:
        filled = list(stamps)
    values = np.array([points.get(stamp, math.nan) for stamp in filled])
    return Series(name, tuple(filled), values, whole_days, uneven)


def _step(stamps: Sequence[Any]) -> Any:
    """The usual distance: a number, a span, or months."""
    if len(stamps) < 2:
        return 1 if isinstance(stamps[0], int) else timedelta(days=1)
    if isinstance(stamps[0], int):
        return max(1, round(median(b - a for a, b in pairwise(stamps))))
    spans = sorted(b - a for a, b in pairwise(stamps))
    usual: timedelta = spans[(len(spans) - 1) // 2]
    ends = all(isinstance(s, datetime) and s.day == _last_day(s.year, s.month) for s in stamps)
    same_day = all(isinstance(s, datetime) and s.day == stamps[0].day for s in stamps[:13])
    if usual.days >= 28 and (ends or same_day):
        return _Months(round(usual.days / _DAYS_OF_MONTH), ends)
    return usual


def _last_day(year: int, month: int) -> int:
    return monthrange(year, month)[1]


def _moved(stamp: Any, step: Any, times: int) -> Any:
    if not isinstance(step, _Months):
        return stamp + step * times
    year, month = divmod(stamp.year * 12 + stamp.month - 1 + step.count * times, 12)
    last = _last_day(year, month + 1)
    day = last if step.ends else min(stamp.day, last)
    return stamp.replace(year=year, month=month + 1, day=day)
