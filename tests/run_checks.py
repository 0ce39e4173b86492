"""All checks, in the order in which they fail fastest; ``./run test`` calls this.

With arguments only pytest runs, on what they name: ``./run test tests/catalogue -x``.
With METERSTONE_NO_SKIP=1 (as in CI) a skipped test is a failure.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHON = sys.executable
COVERED = ("catalogue", "facts", "record", "measure", "scorecard", "ledger")
LEAST_BRANCHES = 95.0
COVERAGE = [
    *(f"--cov=meterstone.{package}" for package in COVERED),
    "--cov-branch",
    "--cov-report=json:.coverage.json",
]
SIDE_BY_SIDE = ["-n", "auto", "--maxprocesses", "4", "--no-loadscope-reorder"]
SAME_ORDER = ["--randomly-seed=1"]
"""All tests run in the same order, on the same dice: what failed once can be seen again, and no
change is held up by what it did not touch. On named tests each run has an order of its own."""


def main(arguments: list[str]) -> int:
    """Exit code: 0 when everything holds."""
    if arguments:
        return run("pytest", arguments)
    steps = (
        ("ruff", ["check", "."]),
        ("ruff", ["format", "--check", "."]),
        ("mypy", []),
        ("pytest", [*SIDE_BY_SIDE, *SAME_ORDER, *COVERAGE]),
    )
    for tool, options in steps:
        if run(tool, options):
            print(f"\n{tool} {' '.join(options)} failed", file=sys.stderr)
            return 1
    return check_coverage(json.loads((ROOT / ".coverage.json").read_text()))


def run(tool: str, options: list[str]) -> int:
    print(f"$ {tool} {' '.join(options)}", flush=True)
    # Tests begin many processes: where nothing may be kept, each would compile the house anew.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [PYTHON, "-m", tool, *options]
    return subprocess.run(command, cwd=ROOT, env=kept, check=False).returncode


def check_coverage(report: dict) -> int:
    """Share of branches taken, a package; the core has to reach the limit."""
    failed = 0
    for package in COVERED:
        taken = total = 0
        for name, file in report["files"].items():
            if f"meterstone/{package}/" in name:
                taken += file["summary"]["covered_branches"]
                total += file["summary"]["num_branches"]
        share = 100 * taken / total if total else 100.0
        print(f"branches taken in {package}: {share:.1f} % of {total}")
        failed |= share < LEAST_BRANCHES
    if failed:
        print(f"the core needs {LEAST_BRANCHES} % of its branches tested", file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
