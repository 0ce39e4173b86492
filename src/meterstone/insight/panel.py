"""Units by period, some of which are treated from a time on: what effects are estimated from."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from meterstone.errors import InputError
from meterstone.insight.series import number, read_columns

NEVER = 0
"""The first treated period of who is never treated."""

_NEVER_TOLD = ("", "NA", "NaN", "nan", "inf", "Inf", "never")
_BEGIN = datetime(1, 1, 1)  # noqa: DTZ001 - beside moments that have no zone either


@dataclass(slots=True)
class Panel:
    """Rows of units by period; periods count from 1, `first` 0 is never treated.

    Attributes:
        dropped: what could not be used, and why, a sentence each.
        times: what the file calls a period.
    """

    unit: list[str] = field(default_factory=list)
    period: list[int] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    outcome: list[float] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    times: Mapping[int, str] = field(default_factory=dict)

    def frame(self) -> Any:
        """As a data frame with the columns u, t, g, y."""
        import pandas as pd  # noqa: PLC0415 - a second to load; few commands need it

        made = pd.DataFrame({"u": self.unit, "t": self.period, "g": self.first, "y": self.outcome})
        made["u"] = made["u"].astype("category").cat.codes
        return made

    def when(self, period: int) -> str:
        """A period as the file calls it."""
        return self.times.get(period, f"period {period}")

    def treated(self) -> set[str]:
        """Units that were seen after they were treated."""
        rows = zip(self.unit, self.period, self.first, strict=True)
        return {unit for unit, period, first in rows if first != NEVER and period >= first}


def seen_before(panel: Panel) -> Panel:
    """The panel without units that were treated whenever they were seen: they cannot be compared
    with themselves, and do not count."""
    begun: dict[str, int] = {}
    for unit, period in zip(panel.unit, panel.period, strict=True):
        begun[unit] = min(period, begun.get(unit, period))
    firsts = dict(zip(panel.unit, panel.first, strict=True))
    late = {unit for unit, first in firsts.items() if first != NEVER and begun[unit] >= first}
    if not late:
        return panel
    kept = [n for n, unit in enumerate(panel.unit) if unit not in late]
    says = f"{counted(len(late), 'unit has', 'units have')} no value before being treated"
    return Panel(
        [panel.unit[n] for n in kept], [panel.period[n] for n in kept],
        [panel.first[n] for n in kept], [panel.outcome[n] for n in kept],
        [*panel.dropped, says], panel.times,
    )  # fmt: skip


def counted(count: int, one: str, many: str) -> str:
    """``1 row``, ``2 rows``."""
    return f"{count} {one if count == 1 else many}"


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    unit: str
    when: str
    time: float
    first: float
    value: float


def read_panel(path: Path, *, unit: str, time: str, first_treated: str, outcome: str) -> Panel:
    """The panel of a CSV file; the arguments name its columns.

    Times are numbers or dates; whoever is never treated has 0, or nothing, in ``first_treated``.

    Raises:
        InputError: a line cannot be read, a unit is treated first at two times or has two values
            at one; names the line.
    """
    rows = _rows(path, unit, time, first_treated, outcome)
    _once(path, rows, unit, time)
    times = sorted({row.time for row in rows})
    if times[0] < 0 <= times[-1] and any(row.first == math.inf for row in rows):
        raise InputError(
            f"0 in {first_treated} means never, and is a {time} too", place=str(path),
            mend="count times from 1",
        )  # fmt: skip
    early = {row.unit for row in rows if row.first <= times[0]}
    panel = Panel(times={bisect_left(times, row.time) + 1: row.when for row in rows})
    for row in rows:
        if row.unit in early or math.isnan(row.value):
            continue
        # whoever is treated after the data end is not treated in them
        late = row.first > times[-1]
        panel.unit.append(row.unit)
        panel.period.append(bisect_left(times, row.time) + 1)
        panel.first.append(NEVER if late else bisect_left(times, row.first) + 1)
        panel.outcome.append(row.value)
    if early:
        was = counted(len(early), "unit was", "units were")
        panel.dropped.append(f"{was} treated before the data begin")
    empty = sum(math.isnan(row.value) for row in rows)
    if empty:
        panel.dropped.append(f"{counted(empty, 'row has', 'rows have')} no outcome")
    return panel


def read_untreated(path: Path, *, unit: str, time: str, outcome: str) -> Panel:
    """The same of a file in which nobody is treated yet; see `read_panel`."""
    rows = _rows(path, unit, time, None, outcome)
    _once(path, rows, unit, time)
    times = sorted({row.time for row in rows})
    panel = Panel(times={bisect_left(times, row.time) + 1: row.when for row in rows})
    for row in rows:
        if not math.isnan(row.value):
            panel.unit.append(row.unit)
            panel.period.append(bisect_left(times, row.time) + 1)
            panel.first.append(NEVER)
            panel.outcome.append(row.value)
    return panel


def _rows(path: Path, unit: str, time: str, first_treated: str | None, outcome: str) -> list[_Row]:
    rows: list[_Row] = []
    kind = ""
    wanted = [unit, time, outcome, *([first_treated] if first_treated else [])]
    for line, given in read_columns(path, wanted):
        told = [*given[:2], given[3] if first_treated else "", given[2]]
        place = f"{path}:{line}"
        if not told[0]:
            raise InputError(f"there is no {unit}", place=place, mend="name it on each line")
        when, own = _time(told[1], time, place)
        first, other = _first(told[2], first_treated or "", place)
        kind = kind or own
        mixed = next((each for each in (own, other) if each not in ("", kind)), None)
        if mixed:
            raise InputError(
                f"{kind} and {mixed} are mixed in {time} and {first_treated}", place=place,
                mend="write all of them in one way",
            )  # fmt: skip
        rows.append(_Row(line, told[0], told[1], when, first, number(told[3], place)))
    if not rows:
        raise InputError("has no rows", place=str(path), mend="give units by period")
    return rows


def _once(path: Path, rows: list[_Row], unit: str, time: str) -> None:
    """Refuses a unit with two values at one time, or two first times."""
    firsts: dict[str, float] = {}
    seen: set[tuple[str, float]] = set()
    for row in rows:
        place = f"{path}:{row.line}"
        if firsts.setdefault(row.unit, row.first) != row.first:
            raise InputError(
                f"{unit} {row.unit} has two first times", place=place, mend="give it one"
            )
        if (row.unit, row.time) in seen:
            raise InputError(
                f"{unit} {row.unit} has two values at {time} {row.when}", place=place,
                mend="leave one of them",
            )  # fmt: skip
        seen.add((row.unit, row.time))


def _time(text: str, column: str, place: str) -> tuple[float, str]:
    """A number, or the seconds of a moment; and which of the two it is."""
    try:
        value = float(text)
    except ValueError:
        value = None
    if value is not None and math.isfinite(value):
        return value, "numbers"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"{text!r} in {column} is no time" if text else f"there is no {column}",
            place=place, mend="write a number, or 2026-11-30",
        ) from None  # fmt: skip
    if moment.tzinfo is None:
        return (moment - _BEGIN).total_seconds(), "dates"
    return (moment - _BEGIN.replace(tzinfo=UTC)).total_seconds(), "dates with a zone"


def _first(text: str, column: str, place: str) -> tuple[float, str]:
    """As `_time`; who is never treated is treated at the end of time."""
    if text in _NEVER_TOLD:
        return math.inf, ""
    value, kind = _time(text, column, place)
    return (math.inf, "") if kind == "numbers" and value == NEVER else (value, kind)
