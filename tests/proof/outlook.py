"""Proof: of the gates that are given a chance to pass, that share passes.

    python tests/proof/outlook.py --programmes 5000

Simulates programmes of 2 to 12 targets that are met or not by spells of their own, some of them
getting better, with outages that hit all of them. Of each the first 45 or 90 days are the record;
a gate of 30 and one of 90 days in a row are asked at four moments ahead; what then happens is the
truth. The simulation knows nothing of the chain by which the outlook is made. Exits with 1 when a
tenth of the chances is off by more than chance explains and 5 points.
"""

from __future__ import annotations

import argparse
import math
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from meterstone.insight.outlook import Day, Outlook

AHEAD = (45, 90, 135, 180)
FUTURE = max(AHEAD)
NEEDED = (30, 90)
WITHIN_POINTS = 5.0
_WARM_UP = 50

Days = NDArray[np.bool_]
Row = tuple[str, ...]


def programme(rng: np.random.Generator, past: int) -> Days:
    """Whether all targets were met, a day each: the record and what follows."""
    days = past + FUTURE
    met = np.ones(days, dtype=bool)
    for _ in range(int(rng.integers(2, 13))):
        met &= _target(rng, past, days)
    often = math.exp(rng.uniform(math.log(1 / 400), math.log(1 / 25)))
    day = int(rng.exponential(1 / often)) + 1
    while day < days:  # an outage, on average two days long
        length = int(rng.geometric(0.5))
        met[day : day + length] = False
        day += length + int(rng.exponential(1 / often)) + 1
    return met


def _target(rng: np.random.Generator, past: int, days: int) -> Days:
    """One target: its distance is an autoregression, and a fifth get better in the record."""
    spell = rng.uniform(0, 0.9)
    level = -stats.norm.ppf(math.exp(rng.uniform(math.log(1e-4), math.log(0.08))))
    noise = rng.normal(size=days + _WARM_UP)
    distance = np.zeros(days + _WARM_UP)
    for at in range(1, len(distance)):
        distance[at] = spell * distance[at - 1] + math.sqrt(1 - spell**2) * noise[at]
    behind = rng.uniform(0, 1.5) if rng.random() < 0.2 else 0.0
    growing = behind * np.clip(1 - np.arange(days) / past, 0, 1)
    met: Days = distance[_WARM_UP:] + level - growing > 0
    return met


def passes(met: Days, past: int, needed: int, ahead: int) -> bool:
    """Whether there are so many met days in a row by then."""
    run = length(met[:past])
    for day in met[past : past + ahead]:
        run = run + 1 if day else 0
        if run >= needed:
            return True
    return False


def length(met: Days) -> int:
    """Met days in a row up to the newest."""
    bad = np.flatnonzero(~met)
    return len(met) - 1 - int(bad[-1]) if len(bad) else len(met)


def asked(seed: int) -> list[tuple[float, bool]]:
    """Of one programme: chances that were given, and what happened."""
    rng = np.random.default_rng([seed, 2026])
    past = int(rng.choice([45, 90, 90]))
    met = programme(rng, past)
    record = tuple(Day(frozenset() if day else frozenset({"one"})) for day in met[:past])
    found = []
    for needed in NEEDED:
        run = length(met[:past])
        if run >= needed:
            continue
        outlook = Outlook(record, needed, run, FUTURE)
        found += [
            (float(outlook.chances[ahead - 1]), passes(met, past, needed, ahead))
            for ahead in AHEAD
            if ahead >= needed - run
        ]
    return found


def tenths(rows: list[tuple[float, bool]], programmes: int) -> list[Row]:
    """A row for each tenth of the chances; the last column says whether it holds."""
    said = np.array([chance for chance, _ in rows])
    came = np.array([passed for _, passed in rows])
    table: list[Row] = []
    for low in range(0, 100, 10):
        inside = (said >= low / 100) & ((said < low / 100 + 0.1) | (low == 90))
        count = int(inside.sum())
        given, happened = 100 * said[inside].mean(), 100 * came[inside].mean()
        # Questions of one programme go together: it counts as many as there are programmes in it.
        apart = max(1.0, count * programmes / len(rows))
        bound = 196 * math.sqrt(given / 100 * (1 - given / 100) / apart)
        holds = abs(given - happened) <= WITHIN_POINTS + bound
        table.append(
            (
                f"{low} to {low + 10} %", str(count), f"{given:.1f} %", f"{happened:.1f} %",
                f"{bound:.1f}", "yes" if holds else "NO",
            )
        )  # fmt: skip
    return table


def page(table: list[Row], rows: list[tuple[float, bool]], programmes: int) -> str:
    """The page of docs/proofs."""
    lines = "\n".join("| " + " | ".join(row) + " |" for row in table)
    brier = np.mean([(chance - passed) ** 2 for chance, passed in rows])
    rate = np.mean([passed for _, passed in rows])
    return f"""# Outlook of gates

`./run proof outlook`: {programmes} simulated programmes of 2 to 12 targets, each met or missed in
spells of its own, a fifth of the targets getting better, outages that hit all of them; 45 or 90
days on record. A gate of {NEEDED[0]} and one of {NEEDED[1]} days in a row are asked at {len(AHEAD)}
moments, up to {FUTURE} days ahead. The simulation knows nothing of the chain by which the outlook
is made; its two constants of calibration were learnt from other programmes of the same simulation.

| said to pass | questions | said, mean | passed | chance explains, points | within 5 and chance |
|---|---|---|---|---|---|
{lines}

Brier score {brier:.3f}; always saying {100 * rate:.0f} %, the share that passed, has
{rate * (1 - rate):.3f}. Run on {datetime.now(UTC):%Y-%m-%d}.
"""


def main() -> int:
    """Run it; see the top of this file."""
    parser = argparse.ArgumentParser(description="Calibration of the outlook of gates.")
    parser.add_argument("--programmes", type=int, default=5_000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = []
    for seed in range(options.programmes):
        rows += asked(seed)
        if seed % 500 == 499:
            print(f"{seed + 1} of {options.programmes} programmes", flush=True)
    table = tenths(rows, options.programmes)
    text = page(table, rows, options.programmes)
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    return int(any(row[-1] == "NO" for row in table))


if __name__ == "__main__":
    sys.exit(main())
