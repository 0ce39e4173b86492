"""Proof: of the gates that are given a chance to pass, that share passes; so with chances to hold.

    python tests/proof/outlook.py --programmes 5000

Simulates programmes of 2 to 12 targets that are met or not by spells of their own, some of them
getting better, with outages that hit the gate and half of the targets. Of each the first 45 or 90
days are the record; what then happens is the truth. A gate of 30 and one of 90 days in a row are
asked at four moments ahead whether they pass; the gate, and one target alone, whether each of the
next 30 and 90 days is met. The simulation knows nothing of the chain by which this is told. The
levels of what the chain holds to be possible were chosen on other seeds (`LEARNT_ON`). A second
simulation, built differently, shows what becomes of it elsewhere: it is reported and not judged.

Exits with 1 when a tenth of the chances is off by more than chance explains and 5 points.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import signal, stats

from meterstone.insight.outlook import Day, Outlook
from meterstone.insight.runs import Chain

AHEAD = (45, 90, 135, 180)
FUTURE = max(AHEAD)
NEEDED = (30, 90)
LEARNT_ON = range(100_000, 106_000)
FIRST = 500_000
"""Seed of the first programme: none of those that anything was learnt on."""

SET = 500
WITHIN_POINTS = 5.0
ENOUGH = 30
"""Programmes below which a row is shown and not judged."""

_WARM_UP = 50

Days = NDArray[np.bool_]
Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Programme:
    """A simulated programme: days met, the record and what follows.

    Attributes:
        exposed: whether outages hit the target that is asked alone.
    """

    past: int
    targets: int
    gate: Days
    target: Days
    exposed: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """A chance that was given, and what happened.

    Attributes:
        kind: "pass", or what was to hold: "gate", "target".
        days: days in a row of the gate, or those to hold.
        ahead: by when it is to pass; 0: it is to hold.
    """

    programme: int
    kind: str
    days: int
    ahead: int
    past: int
    exposed: bool
    said: float
    came: bool


def programme(seed: int) -> Programme:
    """Spells, targets that get better, outages."""
    rng = np.random.default_rng([seed, 2026])
    past = int(rng.choice([45, 90, 90]))
    days = past + FUTURE
    count = int(rng.integers(2, 13))
    targets = [_target(rng, past, days) for _ in range(count)]
    no_outage = ~_outages(rng, days)
    exposed = bool(rng.random() < 0.5)
    alone = targets[0] & no_outage if exposed else targets[0]
    return Programme(past, count, np.logical_and.reduce(targets) & no_outage, alone, exposed)


def _target(rng: np.random.Generator, past: int, days: int) -> Days:
    """One target: its distance is an autoregression, and a fifth get better in the record."""
    spell = rng.uniform(0, 0.9)
    level = -stats.norm.ppf(math.exp(rng.uniform(math.log(1e-4), math.log(0.08))))
    noise = math.sqrt(1 - spell**2) * rng.normal(size=days + _WARM_UP)
    distance = signal.lfilter([1.0], [1.0, -spell], noise)[_WARM_UP:]
    behind = rng.uniform(0, 1.5) if rng.random() < 0.2 else 0.0
    growing = behind * np.clip(1 - np.arange(days) / past, 0, 1)
    met: Days = distance + level - growing > 0
    return met


def _outages(rng: np.random.Generator, days: int) -> Days:
    """Days of an outage, each on average two days long."""
    out = np.zeros(days, dtype=bool)
    often = math.exp(rng.uniform(math.log(1 / 400), math.log(1 / 25)))
    day = int(rng.exponential(1 / often)) + 1
    while day < days:
        length = int(rng.geometric(0.5))
        out[day : day + length] = True
        day += length + int(rng.exponential(1 / often)) + 1
    return out


def elsewhere(seed: int) -> Programme:
    """Another world: odds of a miss that wander for months, for better or worse, partly together;
    a third of the targets are three times as often missed on one day of the week; no outages, and
    no spells but those."""
    rng = np.random.default_rng([seed, 77])
    past = int(rng.choice([45, 90, 90]))
    days = past + FUTURE
    count = int(rng.integers(2, 13))
    shared = _wander(rng, days)
    targets = []
    for _ in range(count):
        odds = math.exp(rng.uniform(math.log(1e-4), math.log(0.08)))
        worse = np.ones(days)
        if rng.random() < 1 / 3:
            worse[int(rng.integers(7)) :: 7] = 3.0
        chance = odds * worse * np.exp(0.5 * shared + 0.7 * _wander(rng, days))
        targets.append(rng.random(days) >= np.minimum(chance, 0.9))
    return Programme(past, count, np.logical_and.reduce(targets), targets[0], exposed=False)


def _wander(rng: np.random.Generator, days: int) -> NDArray[np.float64]:
    """A level of mean 0 and spread 1 that forgets itself in two months."""
    keep = math.exp(-1 / 60)
    noise = math.sqrt(1 - keep**2) * rng.normal(size=days + 300)
    found: NDArray[np.float64] = signal.lfilter([1.0], [1.0, -keep], noise)[300:]
    return found


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


def asked(seed: int, world: Callable[[int], Programme] = programme) -> list[Asked]:
    """All that is asked of one programme."""
    made = world(seed)
    past, gate = made.past, made.gate
    record = tuple(Day(frozenset() if day else frozenset({"one"})) for day in gate[:past])
    run = length(gate[:past])
    found = []
    for needed in NEEDED:
        if run >= needed:
            continue
        outlook = Outlook(record, needed, run, FUTURE, made.targets)
        found += [
            Asked(
                seed, "pass", needed, ahead, past, made.exposed,
                float(outlook.chances[ahead - 1]), passes(gate, past, needed, ahead),
            )
            for ahead in AHEAD if ahead >= needed - run
        ]  # fmt: skip
    for kind, met, targets in (("gate", gate, made.targets), ("target", made.target, 1)):
        chain = Chain.of(met[:past].tolist(), targets)
        found += [
            Asked(
                seed, kind, days, 0, past, made.exposed,
                chain.holds(days), bool(met[past : past + days].all()),
            )
            for days in NEEDED
        ]  # fmt: skip
    return found


# --- rows ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Held:
    """Chances that were given, beside what happened, in points of a hundred.

    Attributes:
        chance: what chance explains of the difference, nineteen times of twenty. Questions of one
            programme go together, so programmes are counted (a sandwich estimate).
    """

    questions: int
    programmes: int
    said: float
    came: float
    chance: float

    @classmethod
    def of(cls, rows: Sequence[Asked]) -> Held | None:
        """None: nothing was asked."""
        if not rows:
            return None
        said, came = np.array([row.said for row in rows]), np.array([row.came for row in rows])
        _, which = np.unique([row.programme for row in rows], return_inverse=True)
        off = came - said
        each = np.bincount(which, off - off.mean())
        spread = math.sqrt(float((each**2).sum())) / len(rows)
        # With all of a few passed there is no spread to see; then that of the chances given.
        given = math.sqrt(float((said * (1 - said)).mean()) / len(each))
        chance = 196 * max(spread, given)
        return cls(len(rows), len(each), 100 * said.mean(), 100 * came.mean(), chance)

    @property
    def judged(self) -> bool:
        return self.programmes >= ENOUGH

    @property
    def holds(self) -> bool:
        return abs(self.said - self.came) <= WITHIN_POINTS + self.chance

    def cells(self) -> Row:
        """Of a table."""
        held = ("yes" if self.holds else "NO") if self.judged else "too few"
        return (
            str(self.questions), str(self.programmes), f"{self.said:.1f} %", f"{self.came:.1f} %",
            f"{self.chance:.1f}", held,
        )  # fmt: skip


HEAD = ("questions", "programmes", "said, mean", "came true", "chance explains", "within 5 and it")


def inside(rows: Iterable[Asked], low: int, high: int) -> list[Asked]:
    """Those given a chance between these percentages; 100 belongs to the highest."""
    above = math.inf if high == 100 else high
    return [row for row in rows if low <= 100 * row.said < above]


def tenths(rows: Sequence[Asked]) -> list[tuple[str, Held]]:
    """Of each tenth of the chances that was given at all."""
    found = [
        (f"{low} to {low + 10} %", Held.of(inside(rows, low, low + 10)))
        for low in range(0, 100, 10)
    ]
    return [(name, held) for name, held in found if held]


def sets(rows: Sequence[Asked]) -> list[tuple[str, Held]]:
    """Of those given 70 to 80 %: each full set of `SET` programmes."""
    first = min(row.programme for row in rows)
    last = max(row.programme for row in rows)
    found = []
    for at in range((last - first + 1) // SET):
        of = [row for row in rows if (row.programme - first) // SET == at]
        if held := Held.of(inside(of, 70, 80)):
            found.append((f"{at + 1}", held))
    return found


def breakdown(rows: Sequence[Asked]) -> list[tuple[str, Held]]:
    """Of those given 70 to 80 %: by gate, by record, by how far ahead."""
    found = []
    for name, of in (
        *((f"gate of {days} days", [row for row in rows if row.days == days]) for days in NEEDED),
        *((f"{past} days on record", [r for r in rows if r.past == past]) for past in (45, 90)),
        *((f"{ahead} days ahead", [row for row in rows if row.ahead == ahead]) for ahead in AHEAD),
    ):
        if held := Held.of(inside(of, 70, 80)):
            found.append((name, held))
    return found


def table(first: str, rows: Sequence[tuple[str, Held]]) -> str:
    """In Markdown."""
    lines = [(first, *HEAD), ("---",) * (1 + len(HEAD)), *((name, *h.cells()) for name, h in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def parts(rows: Sequence[Asked]) -> list[tuple[str, list[tuple[str, Held]]]]:
    """Tenths of everything that was asked, by what it was."""
    asks = [row for row in rows if row.kind == "pass"]
    found = [("All gates: to pass", tenths(asks))]
    for days in NEEDED:
        of = [row for row in asks if row.days == days]
        found.append((f"A gate of {days} days: to pass", tenths(of)))
    for kind in ("target", "gate"):
        for days in NEEDED:
            of = [row for row in rows if row.kind == kind and row.days == days]
            found.append((f"A {kind}: to hold each of {days} days", tenths(of)))
    return found


def summary(rows: Sequence[Asked]) -> str:
    """A line for each kind of question, with its worst tenth."""
    lines = [
        "| asked | said, mean | came true | tenths that hold | the tenth farthest off |",
        "|---|---|---|---|---|",
    ]
    asks = [row for row in rows if row.kind == "pass"]
    kinds = [("all gates: to pass", asks)]
    kinds += [(f"gates of {d} days: to pass", [r for r in asks if r.days == d]) for d in NEEDED]
    kinds += [
        (f"{kind}: to hold {d} days", [r for r in rows if r.kind == kind and r.days == d])
        for kind in ("target", "gate") for d in NEEDED
    ]  # fmt: skip
    for name, of in kinds:
        held = Held.of(of)
        judged = [(label, each) for label, each in tenths(of) if each.judged]
        if held is None or not judged:
            continue
        good = sum(each.holds for _, each in judged)
        label, worst = max(judged, key=lambda pair: abs(pair[1].said - pair[1].came))
        lines.append(
            f"| {name} | {held.said:.1f} % | {held.came:.1f} % | {good} of {len(judged)} | "
            f"{label}: said {worst.said:.1f} %, came {worst.came:.1f} % |"
        )
    return "\n".join(lines)


def exposure(rows: Sequence[Asked]) -> list[tuple[str, Held]]:
    """Targets that outages hit, and those that they do not: the record seldom tells which."""
    found = []
    for days in NEEDED:
        for exposed, name in ((False, "not hit"), (True, "hit")):
            of = [
                row for row in rows
                if row.kind == "target" and row.days == days and row.exposed is exposed
            ]  # fmt: skip
            if held := Held.of(of):
                found.append((f"{days} days, {name} by outages", held))
    return found


def page(rows: Sequence[Asked], other: Sequence[Asked], programmes: int, others: int) -> str:
    """The page of docs/proofs."""
    asks = [row for row in rows if row.kind == "pass"]
    brier = np.mean([(row.said - row.came) ** 2 for row in asks])
    rate = np.mean([row.came for row in asks])
    tables = "\n\n".join(f"### {title}\n\n{table('said', of)}" for title, of in parts(rows))
    judged = [held for _, of in parts(rows) for _, held in of if held.judged]
    missed = sum(not held.holds for held in judged)
    result = (
        f"All {len(judged)} tenths with at least {ENOUGH} programmes hold."
        if not missed
        else f"{missed} of {len(judged)} tenths with at least {ENOUGH} programmes do not hold (NO)."
    )
    return f"""# Outlook of gates and targets

`./run proof outlook`: {programmes} simulated programmes of 2 to 12 targets, each met or missed in
spells of its own, a fifth of the targets getting better, outages that hit the gate and half of the
targets; 45 or 90 days on record. A gate of {NEEDED[0]} and one of {NEEDED[1]} days in a row are
asked at {len(AHEAD)} moments, up to {FUTURE} days ahead, whether they are passed; the gate, and one
target of each programme, whether each of the next {NEEDED[0]} and {NEEDED[1]} days is met. The
simulation knows nothing of the chain by which this is told. What the chain holds to be possible was
chosen on programmes {LEARNT_ON.start} to {LEARNT_ON.stop - 1} of the same simulation; these are
{FIRST} and later. What chance explains counts programmes, not questions: those of one go together.

{result} Brier score of passing {brier:.3f}; always saying {100 * rate:.0f} %, the share that
passed, has {rate * (1 - rate):.3f}. Run on {datetime.now(UTC):%Y-%m-%d}.

## Gates given 70 to 80 %, in sets of {SET} programmes

{table("set", sets(asks))}

## Gates given 70 to 80 %, by what was asked

{table("asked", breakdown(asks))}

## Tenths

{tables}

## Targets that outages hit, and others

The record of a target seldom tells whether outages hit it too. Over both the chances hold; of each
kind alone they do not have to.

{table("targets", exposure(rows))}

## Another world

{others} programmes of a simulation built differently: no outages and no spells, but odds of a miss
that wander for months, partly those of all targets together, and days of the week that are worse.
Nothing was learnt on it; it is reported, not judged.

{summary(other)}
"""


def main() -> int:
    """Run it; see the top of this file."""
    parser = argparse.ArgumentParser(description="Calibration of the outlook of gates.")
    parser.add_argument("--programmes", type=int, default=5_000)
    parser.add_argument("--elsewhere", type=int, default=1_500)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows: list[Asked] = []
    for at in range(options.programmes):
        rows += asked(FIRST + at)
        if at % SET == SET - 1:
            print(f"{at + 1} of {options.programmes} programmes", flush=True)
    other = [row for at in range(options.elsewhere) for row in asked(FIRST + at, elsewhere)]
    text = page(rows, other, options.programmes, options.elsewhere)
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    return int(any(held.judged and not held.holds for _, of in parts(rows) for _, held in of))


if __name__ == "__main__":
    sys.exit(main())
