"""Proof: what is changed behind our back at the vendors is found, all of it and nothing else.

    python tests/proof/reconcile.py --out docs/proofs/reconcile.md

A struggling network is synced from stand-ins of five vendors. Then, in several rounds, records are
edited, deleted and added at each vendor without a new time of change, so that no sync can see it. A
full sweep of every stream has to find exactly these and resolve them; a second one finds nothing.

Recall: found of what was injected. Precision: injected of what was found. Exits with 1 when either
is below 100 %, or something stays open.
"""

from __future__ import annotations

import argparse
import platform
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.connect.customer import Customer, customer
from tests.connect.reconcile.injected import EDITS, inject

from meterstone.sandbox.kit import Books
from meterstone.sandbox.network import preset, simulate

NAMES = ("square", "clover", "quickbooks", "franconnect", "salesforce")


@dataclass
class Found:
    """What one vendor's sweeps found, against what was injected."""

    injected: Counter[str] = field(default_factory=Counter)
    hits: int = 0
    false: int = 0
    left: int = 0
    checked: int = 0
    resolved: int = 0

    @property
    def recall(self) -> float:
        return self.hits / max(1, sum(self.injected.values()))

    @property
    def precision(self) -> float:
        return self.hits / max(1, self.hits + self.false)

    @property
    def holds(self) -> bool:
        return self.recall == self.precision == 1.0 and self.left == 0


def sweep(at: Customer, name: str, found: Found) -> dict[str, str]:
    """Full sweeps of all streams of a vendor: kind of each difference by the vendor's id."""
    kinds = {}
    for connection in at.connections[name]:
        for result in at.home.reconciler.connection(connection.id, full=True):
            if result.entity == "sales":
                continue
            found.checked += result.checked
            found.resolved += result.auto_resolved
            kinds |= {each.row["source_ref"]: each.kind for each in result.differences}
    return kinds


def one_round(at: Customer, name: str, chance: random.Random, share: float, found: Found) -> None:
    """Inject, sweep, compare; and once more, when nothing may be left."""
    wanted: dict[str, str] = {}
    for vendor, kind in EDITS:
        if vendor == name:
            wanted |= inject(at.vendors[vendor], kind, chance, share)
    told = sweep(at, name, found)
    found.injected.update(wanted.values())
    found.hits += sum(told.get(ref) == kind for ref, kind in wanted.items())
    found.false += sum(wanted.get(ref) != kind for ref, kind in told.items())
    found.left += len(sweep(at, name, found))


def page(results: dict[str, Found], given: argparse.Namespace, took: float) -> str:
    """The page of the proof."""
    lines = [
        "# Proof: what is changed behind our back is found, all of it and nothing else",
        "",
        "`./run proof reconcile`",
        "",
        *(__doc__ or "").split("\n\n", 2)[2].strip().split("\n"),
        "",
        f"Run on {datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, in {took:.0f} s:"
        f" simulated network `struggling`, {given.shops} shops, {given.months} months, seed"
        f" {given.seed}; {given.rounds} rounds.",
        "",
        "| vendor | rows compared | edited | deleted | added late | found | recall | precision |"
        " resolved | left |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, found in results.items():
        kinds = (found.injected[kind] for kind in ("mismatched", "extra", "missing"))
        counts = " | ".join(f"{number:,}" for number in kinds)
        lines.append(
            f"| {name} | {found.checked:,} | {counts} | {found.hits:,} | {found.recall:.0%} |"
            f" {found.precision:.0%} | {found.resolved:,} | {found.left} |"
        )
    return "\n".join(
        [*lines, "", "`tests/connect/reconcile/test_sandbox.py` runs it in small.", ""]
    )


def main() -> int:
    """Exit code: 0 when everything was found and nothing else."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shops", type=int, default=24)
    parser.add_argument("--months", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--share", type=float, default=0.02)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    began, chance = time.monotonic(), random.Random(given.seed)
    facts = given.folder / "struggling-reconcile"
    simulate(
        preset("struggling", shops=given.shops, months=given.months, telemetry_days=1,
               seed=given.seed), facts,
    )  # fmt: skip
    results = {name: Found() for name in NAMES}
    with customer(given.folder / "home-reconcile", Books(facts), *NAMES) as at:
        at.sync(facts_only=True)
        for name, found in results.items():
            found.false += len(sweep(at, name, found))  # nothing was injected yet
            for _ in range(given.rounds):
                one_round(at, name, chance, given.share, found)
            print(name, found, flush=True)
    text = page(results, given, time.monotonic() - began)
    print(text)
    if given.out:
        given.out.write_text(text, encoding="utf-8")
    return 0 if all(found.holds for found in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
