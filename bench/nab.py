"""The scoring rules of the Numenta Anomaly Benchmark.

A detection inside a labelled window earns by how early in the window it is, one outside costs by
how far behind the last window it is, a window without any costs the weight of a miss. One threshold
for all series is chosen so that the sum is largest. 0 is a detector that never says anything, 100
one that finds every window at its first value and nothing else.

Source: A. Lavin and S. Ahmad, *Evaluating Real-Time Anomaly Detection Algorithms: the Numenta
Anomaly Benchmark* (2015), https://arxiv.org/abs/1510.03336.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

_STEEP = 5.0
_FAR = 3.0
_PROBATION, _MOST = 0.15, 5000


@dataclass(frozen=True, slots=True)
class Labelled:
    """A series with its windows, as first and last place."""

    name: str
    values: np.ndarray
    windows: tuple[tuple[int, int], ...]

    @property
    def probation(self) -> int:
        """Values at the beginning that are not scored."""
        return int(min(math.floor(_PROBATION * len(self.values)), _PROBATION * _MOST))


@dataclass(frozen=True, slots=True)
class Profile:
    """What a find is worth, and what a miss and a false alarm cost."""

    name: str
    found: float
    missed: float
    false: float


def profiles(folder: Path) -> list[Profile]:
    """Those of the benchmark, as its files say."""
    told = json.loads((folder / "config" / "profiles.json").read_text())
    return [
        Profile(name, of["CostMatrix"]["tpWeight"], of["CostMatrix"]["fnWeight"],
                of["CostMatrix"]["fpWeight"])
        for name, of in told.items()
    ]  # fmt: skip


def labelled(folder: Path) -> list[Labelled]:
    """All series that are at hand."""
    windows: Mapping[str, Sequence[tuple[str, str]]] = json.loads(
        (folder / "labels" / "combined_windows.json").read_text()
    )
    return [
        _read(folder / "data" / name, name, windows[name])
        for name in sorted(windows)
        if (folder / "data" / name).exists()
    ]


def _read(path: Path, name: str, windows: Sequence[tuple[str, str]]) -> Labelled:
    with path.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    at = {datetime.fromisoformat(row["timestamp"]): n for n, row in reversed([*enumerate(rows)])}
    stamps = [datetime.fromisoformat(row["timestamp"]) for row in rows]
    found = []
    for start, end in windows:
        first, last = (datetime.fromisoformat(text) for text in (start, end))
        inside = [at[stamp] for stamp in stamps if first <= stamp <= last]
        found.append((min(inside), max(inside)))
    return Labelled(name, np.array([float(row["value"]) for row in rows]), tuple(found))


@dataclass(frozen=True, slots=True)
class Score:
    """What a detector is worth under a profile.

    Attributes:
        threshold: at which it is best: one for all series.
        found, false: windows found, and detections outside any, at this threshold.
    """

    score: float
    threshold: float
    found: int
    windows: int
    false: int


def score(
    series: Sequence[Labelled], scores: Sequence[Sequence[float]], profile: Profile,
    threshold: float | None = None,
) -> Score:  # fmt: skip
    """The normalised score of a detector.

    Args:
        scores: of each value of each series, from 0 to 1.
        threshold: a given one; None: the best.
    """
    points = sorted(
        (p for n, (one, own) in enumerate(zip(series, scores, strict=True))
         for p in _points(n, one, own, profile)),
        key=lambda p: -p.score,
    )  # fmt: skip
    names = {p.window for p in points if p.window is not None}
    gained = dict.fromkeys(names, -profile.missed)
    total, false, found = -profile.missed * len(names), 0, 0
    best = (total, 1.1, 0, 0)
    for place, point in enumerate(points):
        if threshold is not None and point.score < threshold:
            break
        if point.window is None:
            total += point.weight
            false += 1
        else:
            before = gained[point.window]
            new = point.weight if before == -profile.missed else max(before, point.weight)
            found += before == -profile.missed
            gained[point.window] = new
            total += new - before
        is_last = place + 1 == len(points) or points[place + 1].score < point.score
        if is_last and (threshold is not None or total > best[0]):
            best = (total, point.score, found, false)
    null, perfect = -profile.missed * len(names), profile.found * len(names)
    whole = perfect - null or 1.0  # no window, nothing to gain
    return Score(100 * (best[0] - null) / whole, best[1], best[2], len(names), best[3])


@dataclass(frozen=True, slots=True)
class _Point:
    score: float
    weight: float
    window: tuple[int, int] | None
    """Series and place; None outside any."""


def _points(nth: int, series: Labelled, scores: Sequence[float], p: Profile) -> Iterator[_Point]:
    most = _sigmoid(-1.0)
    ahead, inside, last = list(series.windows), None, None
    for at, value in enumerate(scores):
        if inside is None and ahead and at == ahead[0][0]:
            inside = ahead.pop(0)
        if inside is not None:
            first, end = inside
            weight = _sigmoid(-(end - at + 1) / (end - first + 1)) * p.found / most
            window: tuple[int, int] | None = (nth, first)
        else:
            behind = -1.0 if last is None else _sigmoid((at - last[1]) / (last[1] - last[0]))
            weight, window = behind * p.false, None
        if at >= series.probation:
            yield _Point(value, weight, window)
        if inside is not None and at == inside[1]:
            last, inside = inside, None


def _sigmoid(position: float) -> float:
    return -1.0 if position > _FAR else 2 / (1 + math.exp(_STEEP * position)) - 1


def windowed_gaussian(values: np.ndarray, window: int = 6400, step: int = 100) -> list[float]:
    """The benchmark's own baseline: how far in the tail of a normal distribution a value is, whose
    mean and deviation are those of the newest values, looked at again every `step` values."""
    found: list[float] = []
    data: list[float] = []
    waiting: list[float] = []
    mean, deviation = 0.0, 1.0
    for value in values:
        tail = 0.0
        if data:
            tail = 1 - math.erfc(abs(float(value) - mean) / deviation / math.sqrt(2)) / 2
        found.append(tail)
        if len(data) < window:
            data.append(float(value))
            mean, deviation = _moments(data)
        else:
            waiting.append(float(value))
            if len(waiting) >= step:
                data, waiting = [*data[step:], *waiting], []
                mean, deviation = _moments(data)
    return found


def _moments(data: Sequence[float]) -> tuple[float, float]:
    return float(np.mean(data)), float(np.std(data)) or 1e-6
