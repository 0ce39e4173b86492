"""What an integration shows before it fails: telemetry by the hour, measured against its own past.

Each signal becomes a deviation: how far its last six hours lie above the median of the fortnight
before, in units of that fortnight's own spread. What is seen during an incident is left out, and
the six hours begin anew when it is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

RECENT_H = 6
FORTNIGHT_H = 14 * 24
_GAP_H = 24
"""Hours between the fortnight and now: a drift of a day must not be its own past."""
_HOLDS_H = 26
"""For how long a value stands where none is recorded: daily runs have one a day."""
_CLIP = 12.0


@dataclass(frozen=True, slots=True)
class Signal:
    """One thing that is watched.

    Attributes:
        scale: how it is compared: ``log`` as a ratio; ``root`` for shares, whose noise
            then does not depend on their size.
        least: the smallest spread that is believed, on that scale: noise of a quiet thing.
        says: what it means when it deviates; ``{now}`` and ``{usual}`` are filled in.
        action: what prevents the incident.
    """

    id: str
    title: str
    scale: Literal["log", "root"]
    least: float
    unit: str
    says: str
    action: str


SIGNALS: tuple[Signal, ...] = (
    Signal("latency", "Latency of calls", "log", 0.03, "ms",
           "calls take {now} ms instead of {usual} ms",
           "Ask the vendor, lengthen timeouts and spread its syncs before calls run into them"),
    Signal("probe_latency", "Latency of probes", "log", 0.03, "ms",
           "probes take {now} ms instead of {usual} ms",
           "Ask the vendor, lengthen timeouts and spread its syncs before calls run into them"),
    Signal("errors", "Error budget burn", "root", 0.008, "%",
           "{now} % of calls fail instead of {usual} %",
           "Look at the newest failed calls, and pause what makes them"),
    Signal("backlog", "Backlog of syncs", "log", 0.1, "",
           "{now} changes wait instead of {usual}",
           "Sync it more often or in parallel until nothing waits"),
    Signal("throttling", "Rate limit headroom", "log", 0.1, "",
           "{now} calls an hour are refused by its rate limit instead of {usual}",
           "Lower the pace of its syncs or ask the vendor for a higher limit"),
    Signal("credential", "Credentials", "root", 0.2, "%",
           "{now} % of its credential checks fail instead of {usual} %",
           "Renew the credential of its connections now"),
)  # fmt: skip


_SCALES = {"log": (np.log1p, np.expm1), "root": (np.sqrt, np.square)}


@dataclass(frozen=True, slots=True)
class Panel:
    """Hours of integrations.

    Attributes:
        keys: of the integrations.
        values: integrations × hours × signals; NaN where nothing is recorded. Counts and
            milliseconds as they are, shares from 0 to 1.
        starts: hours (fractions since the first one) at which incidents begin, by integration.
        ends: when each of them is over; infinite where it is not.
    """

    keys: tuple[str, ...]
    values: Floats
    starts: tuple[Floats, ...]
    ends: tuple[Floats, ...]

    @property
    def hours(self) -> int:
        """How many there are."""
        return int(self.values.shape[1])

    def failing(self) -> Flags:
        """Integrations × hours: whether an incident lasts at any time of the hour."""
        found = np.zeros(self.values.shape[:2], bool)
        for k, (starts, ends) in enumerate(zip(self.starts, self.ends, strict=True)):
            for start, end in zip(starts, ends, strict=True):
                last = self.hours if np.isinf(end) else int(np.ceil(end))
                found[k, max(int(start), 0) : max(last, 0)] = True
        return found


@dataclass(frozen=True, slots=True)
class Deviations:
    """Integrations × hours × signals: as of the end of each hour.

    Attributes:
        z: deviation, in spreads; 0 where too little is known.
        now, usual: the compared figures, in the signal's own unit.
        known: whether there is a fortnight to compare with.
    """

    z: Floats
    now: Floats
    usual: Floats
    known: Flags


def deviations(panel: Panel, signals: Sequence[Signal] = SIGNALS) -> Deviations:
    """Measure every hour against the fortnight before it; only the past is looked at."""
    shape = panel.values.shape
    z, now, usual = np.zeros(shape), np.full(shape, np.nan), np.full(shape, np.nan)
    failing = panel.failing()
    for k in range(shape[0]):
        segment = np.cumsum(np.diff(failing[k].astype(int), prepend=0) == -1)
        for s, signal in enumerate(signals):
            raw = pd.Series(np.where(failing[k], np.nan, panel.values[k, :, s]))
            if not raw.notna().any():
                continue
            there, back = _SCALES[signal.scale]
            compared = there(raw)
            held = compared.groupby(segment).ffill(limit=_HOLDS_H)
            recent = held.groupby(segment).rolling(RECENT_H, min_periods=1).mean()
            recent = recent.reset_index(level=0, drop=True).sort_index()
            past = recent.shift(_GAP_H).rolling(FORTNIGHT_H, min_periods=72)
            middle = past.median()
            spread = np.maximum((past.quantile(0.9) - middle) / 1.2816, signal.least)
            found = ((recent - middle) / spread).clip(-_CLIP, _CLIP).fillna(0.0)
            z[k, :, s] = np.where(failing[k], 0.0, found)
            now[k, :, s], usual[k, :, s] = back(recent), back(middle)
    return Deviations(z, now, usual, ~np.isnan(usual))
