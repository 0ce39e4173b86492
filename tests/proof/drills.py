"""Proof: alarms find known faults soon, nearly all of them, and hardly anything else.

    python tests/proof/drills.py --drills 200

Runs `meterstone drill` in some processes side by side, each with a home and some of the nine
stand-ins: the faults are dealt out to the vendors in turn. Exits with 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from meterstone.demo.drilling import EVERY
from meterstone.detect.drills import Figures, figures
from meterstone.ledger import Drill
from meterstone.sandbox.kit import known_vendors

MEDIAN_S, RECALL, PRECISION = 30.0, 0.99, 0.95


def run(seed: int, folder: Path, group: tuple[list[str], int]) -> list[Drill]:
    """Some drills at some vendors, in a process of their own."""
    names, number = group
    command = [
        sys.executable, "-m", "meterstone", "drill", "--json", "--drills", str(number),
        "--seed", str(seed), "--series", "proof", "--home", str(folder / names[0]),
        *(word for name in names for word in ("--only", name)),
    ]  # fmt: skip
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if not done.stdout:
        raise SystemExit(f"{' '.join(command)} told nothing")
    document: dict[str, Any] = json.loads(done.stdout)
    return msgspec.convert(document["drills"], list[Drill])


def groups(names: Sequence[str], drills: int, processes: int) -> list[tuple[list[str], int]]:
    """Which vendors are of which process, and how many drills each has: as many a vendor."""
    dealt = [list(names[nth::processes]) for nth in range(processes)]
    each, more = divmod(drills, len(names))
    extra = set(names[:more])
    return [(own, each * len(own) + len(extra & set(own))) for own in dealt if own]


def by_fault(drills: Sequence[Drill]) -> list[str]:
    """A row a fault."""
    found: dict[str, list[Drill]] = defaultdict(list)
    for drill in drills:
        found[drill.fault].append(drill)
    rows = []
    for fault, own in sorted(found.items(), key=lambda each: (not each[1][0].harmful, each[0])):
        harmful = [drill for drill in own if drill.harmful]
        made = figures(own)
        ends = sorted(drill.recovered_s for drill in own if drill.recovered_s is not None)
        cells = (
            fault, len(own), len(harmful), made.found, _s(made.median_s), _s(made.longest_s),
            _s(ends[len(ends) // 2] if ends else None), made.alarms, made.false,
        )  # fmt: skip
        rows.append("| " + " | ".join(map(str, cells)) + " |")
    return rows


def _s(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def holds(made: Figures) -> dict[str, bool]:
    """Each goal, and whether it is met."""
    return {
        f"median time to detection below {MEDIAN_S:.0f} s":
            made.median_s is not None and made.median_s < MEDIAN_S,
        f"recall at least {RECALL:.0%}": (made.recall or 0) >= RECALL,
        f"precision at least {PRECISION:.0%}": (made.precision or 0) >= PRECISION,
    }  # fmt: skip


PAGE = """# Drills

`./run proof drills`: known faults are switched on at the nine stand-ins, at moments that are known
exactly, while records keep changing there; a home that is connected to them works and watches. What
its alarms make of it is held against the truth. Simulated vendors, with the data of the simulated
network `honest` (6 shops, 3 months); real HTTP, a real home, a real clock.

| | goal | found | 95 % bounds |
|---|---|---|---|
| drills | 200 | {drills} | |
| time to detection, median | < 30 s | {median} s | |
| time to detection, 95 % within | | {p95} s | |
| time to detection, longest | | {longest} s | |
| recall: harmful faults that were found | ≥ 99 % | {found} of {harmful}: {recall} | {recalls} |
| precision: alarms that were right | ≥ 95 % | {right} of {alarms}: {precision} | {precisions} |

- *Time to detection* counts from the moment at which the fault was switched on, not from the first
  call that met it, until an alert fires.
- *Harmful*: a fault that loses or delays something. The hub bears the others by itself: a token
  that expired or was revoked where it may renew it, a vendor's clock that is 10 s off, webhooks
  that come twice or in another order. No alarm is the right answer to these.
- An alarm is *right* when its rule says what is the matter: `src/meterstone/detect/drills.py`,
  `RIGHT`. An alarm about something else during a fault, any alarm during a harmless one, and any
  alarm between two drills count as false.
- What is due every hour or more often is due every {every} s here, and so are health checks.
  With the schedules as they ship a fault is met later at vendors that send no webhooks: what nobody
  asks, nobody can see fail.

| fault | drills | harmful | found | median (s) | longest (s) | over (s) | alarms | false |
|---|---|---|---|---|---|---|---|---|
{rows}

{notes}

{verdict} Seed {seed}. Made {day}, in {took:.0f} s, on {cores} cores with a load of {load:.1f} at
the end: stand-ins, homes and all else share them, and a home that gets no core sees nothing.
"""


def page(drills: Sequence[Drill], seed: int, took: float) -> str:
    """What was found, as the page of the documentation."""
    made = figures(drills)
    notes = [
        f"- {d.vendor}, {d.fault}: {'not found' if d.harmful and d.detected_s is None else 'found'}"
        f"{'; ' + d.note if d.note else ''}"
        for d in drills
        if d.note or (d.harmful and d.detected_s is None)
    ]
    low = [f"not met: {goal}" for goal, met in holds(made).items() if not met]
    return PAGE.format(
        drills=made.drills, median=_s(made.median_s), p95=_s(made.p95_s),
        longest=_s(made.longest_s), found=made.found, harmful=made.harmful,
        recall=_share(made.recall), recalls=_bounds(made.recall_bounds),
        right=made.alarms - made.false, alarms=made.alarms, precision=_share(made.precision),
        precisions=_bounds(made.precision_bounds), every=EVERY.seconds,
        rows="\n".join(by_fault(drills)),
        notes="What was not as it should be:\n\n" + "\n".join(notes) if notes
        else "Everything was as it should be.",
        verdict="; ".join(low).capitalize() + "." if low else "All goals are met.",
        cores=os.cpu_count(), load=os.getloadavg()[0], seed=seed,
        day=f"{datetime.now(UTC):%Y-%m-%d}", took=took,
    )  # fmt: skip


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value * 100:.1f} %"


def _bounds(bounds: tuple[float, float]) -> str:
    return " to ".join(_share(bound) for bound in bounds)


def main(arguments: list[str]) -> int:
    """Exit code: 0 when all goals are met."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--drills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--only", action="append", choices=known_vendors(), default=[])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args(arguments)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="drills") as name:
        dealt = groups(given.only or known_vendors(), given.drills, given.processes)
        with ThreadPoolExecutor(len(dealt)) as pool:
            found = [
                drill
                for own in pool.map(partial(run, given.seed, Path(name)), dealt)
                for drill in own
            ]
    made = figures(found)
    if given.out:
        given.out.write_text(page(found, given.seed, time.monotonic() - began), encoding="utf-8")
    for goal, met in holds(made).items():
        print(f"{'met' if met else 'NOT MET'}: {goal}")
    return 0 if found and len(found) == given.drills and all(holds(made).values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
