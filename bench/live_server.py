"""The server of ``bench/live.py``: the operations page and its stream behind the guard.

Prints its port and the cookie of a session; then reads what to do, a line each, and answers with
when the new state was there (monotonic clock).
"""

from __future__ import annotations

import json
import os
import resource
import socket
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette

from bench.live_state import state
from meterstone.app import Home
from meterstone.detect.state import Now
from meterstone.people.refusals import Refusal
from meterstone.people.sessions import Browser
from meterstone.publish.web import operations
from meterstone.publish.web.kept import LedgerKept
from meterstone.publish.web.news import News
from meterstone.publish.web.site import Site
from meterstone.publish.web.stream import Hub, Limits, stream_routes
from meterstone.record.serving import run

_AT = datetime.now(UTC) + timedelta(days=1)
"""When the states are of: none of them grows old while it is measured."""


def main() -> None:
    """Serve until terminated."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 20_000)), hard))
    with (
        Home(Path(sys.argv[1])) as home,
        socket.create_server(("127.0.0.1", 0), backlog=2048) as listener,
    ):
        served = Served(home)
        port = listener.getsockname()[1]
        cookie = f"meterstone={_session(home)}"
        print(json.dumps({"port": port, "cookie": cookie}), flush=True)
        threading.Thread(target=served.obey, daemon=True).start()
        run(served.app, listener)


class Served:
    """The operations page and its stream over a state that is told to change."""

    def __init__(self, home: Home) -> None:
        self._now = state(1, _AT)
        site = Site(home.board, lambda: self._now)
        kept = LedgerKept(home.alerts, home.ledger)
        self._hub = Hub(limits=Limits(life_s=3600.0, beat_s=3600.0))
        self._hub.look = News(site, kept, self._hub).look
        routes = [*operations.routes(site, kept, self._hub.mark), *stream_routes(self._hub)]
        self.app = home.people.guard(Starlette(routes=routes), "http://127.0.0.1", _refused(site))

    def obey(self) -> None:
        """Change the state as standard input says."""
        for line in sys.stdin:
            print(json.dumps(self._done(line.strip())), flush=True)

    def _done(self, what: str) -> dict[str, Any]:
        if what == "memory":
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            return {"mib": pages * os.sysconf("SC_PAGE_SIZE") / 2**20, "viewers": self._hub.viewers}
        version = self._now.version + 1
        marker = f"Version {version}."
        made = state(version, _AT) if what == "page" else self._now
        self._now = _marked(made, version, marker)
        at = time.monotonic()
        self._hub.wake()
        return {"at": at, "marker": marker}


def _marked(now: Now, version: int, marker: str) -> Now:
    return msgspec.structs.replace(now, version=version, sentence=marker)


def _session(home: Home) -> str:
    person = home.people.directory.add("bench", name="bench", role="operator").id
    with home.ledger.change(person) as change:
        return home.people.sessions.begin(change, person, Browser("a bench")).secret


def _refused(site: Site) -> Any:
    def refused(request: Any, refusal: Refusal) -> Any:
        return site.error(request, refusal.status, refusal.cause, refusal.mend)

    return refused


if __name__ == "__main__":
    main()
