"""``./run proof [NAME]``: the long proofs; their pages: docs/proofs.

Without a name all of them run, one after the other.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
PAGES = HERE.parents[1] / "docs" / "proofs"
PROOFS = {
    "kill": ["kill_ingest.py", "--kills", "100"],
    "kill_sync": ["kill_sync.py", "--kills", "100", "--out", str(PAGES / "kill_sync.md")],
    "truth": ["truth_table.py", "--out", str(PAGES / "truth.md")],
    "mutations": ["mutations.py", "--out", str(PAGES / "mutations.md")],
    "faults": ["fault_drill.py", "--out", str(PAGES / "faults.md")],
    "sync": ["sync_truth.py", "--out", str(PAGES / "sync.md")],
    "outbound": ["outbound.py", "--out", str(PAGES / "outbound.md")],
    "reconcile": ["reconcile.py", "--out", str(PAGES / "reconcile.md")],
    "refresh": ["refresh_race.py", "--out", str(PAGES / "refresh_race.md")],
    "webhooks": [
        "kill_webhooks.py",
        "--kills",
        "100",
        "--out",
        str(PAGES / "kill_webhooks.md"),
    ],
    "live": ["live_sync.py", "--out", str(PAGES / "live_sync.md")],
    "declaration": ["declaration.py", "--out", str(PAGES / "declaration.md")],
}


def main(arguments: list[str]) -> int:
    """Exit code: 0 when all proofs that were asked for hold."""
    if arguments and arguments[0] not in PROOFS:
        print(f"no proof {arguments[0]!r}; known: {', '.join(PROOFS)}", file=sys.stderr)
        return 2
    chosen, more = (arguments[:1] or list(PROOFS)), arguments[1:]
    failed = 0
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join((str(HERE.parent), str(HERE.parents[1])))
    }  # they use what tests use
    with tempfile.TemporaryDirectory(prefix="networks") as folder:
        for name in chosen:
            script, *options = PROOFS[name]
            kept = [] if name == "kill" or "--folder" in more else ["--folder", folder]
            command = [sys.executable, str(HERE / script), *options, *kept, *more]
            print(f"$ {script} {' '.join(more)}", flush=True)
            failed |= subprocess.run(command, check=False, env=environment).returncode
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
