"""``./run proof [NAME]``: the long proofs; their pages: docs/proofs.

Without a name all of them run, one after the other.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
PAGES = HERE.parents[1] / "docs" / "proofs"
KILLS = ("--kills", "100")


class Proof(NamedTuple):
    """A script beside this one, the page that it writes (none: what it prints is kept by hand), its
    options, and whether it reads the simulated networks of a folder that proofs share."""

    script: str
    page: str = ""
    options: tuple[str, ...] = ()
    networks: bool = False

    def command(self, folder: str, more: Sequence[str]) -> list[str]:
        """As it is run; ``more`` are options of the caller, which come last and win."""
        command = [sys.executable, str(HERE / f"{self.script}.py"), *self.options]
        if self.page:
            command += ["--out", str(PAGES / f"{self.page}.md")]
        if self.networks:
            command += ["--folder", folder]
        return [*command, *more]


PROOFS = {
    "api": Proof("api", "api"),
    "kill": Proof("kill_ingest", options=KILLS),
    "kill_sync": Proof("kill_sync", "kill_sync", KILLS),
    "truth": Proof("truth_table", "truth", networks=True),
    "mutations": Proof("mutations", "mutations", networks=True),
    "faults": Proof("fault_drill", "faults"),
    "sync": Proof("sync_truth", "sync"),
    "sync_whole": Proof("sync_truth", "sync_whole", ("--whole",)),
    "outbound": Proof("outbound", "outbound"),
    "reconcile": Proof("reconcile", "reconcile", networks=True),
    "browser": Proof("browser", "browser"),
    "lighthouse": Proof("lighthouse", "lighthouse"),
    "refresh": Proof("refresh_race", "refresh_race"),
    "webhooks": Proof("kill_webhooks", "kill_webhooks", KILLS),
    "live": Proof("live_sync", "live_sync"),
    "capacity": Proof("capacity", "capacity"),
    "risk": Proof("risk", "risk"),
    "drills": Proof("drills", "drills"),
    "on_page": Proof("on_page", "on_page"),
    "outlook": Proof("outlook", "outlook"),
    "effect": Proof("effect", "effect"),
    "declaration": Proof("declaration", "declaration", networks=True),
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
            command = PROOFS[name].command(folder, more)
            print(f"$ {Path(command[1]).name} {' '.join(more)}", flush=True)
            failed |= subprocess.run(command, check=False, env=environment).returncode
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
