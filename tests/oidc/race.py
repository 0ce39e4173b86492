"""Syncs of one connection that run side by side in several processes, on tokens that end soon."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx2

from meterstone.connect.auth.access import Access
from meterstone.connect.auth.flow import Callback
from meterstone.connect.auth.wishes import Wish
from meterstone.connect.egress import VENDORS, Egress
from meterstone.connect.spec import Connector
from meterstone.ledger import Connection, Ledger

from .judge import CLIENT, connector, person_agrees

_MOST_S = 600


@dataclass
class Raced:
    """What came of it.

    Attributes:
        statuses: of all calls that went through, by status.
        retried: calls that were refused and went through with a newer token.
        longest_s: the longest call, waiting for a renewal included.
        seconds: from the first call to the last.
        version: of the stored token at the end: one more than the renewals.
    """

    statuses: Counter[int]
    retried: int
    longest_s: float
    seconds: float
    version: int


def access(ledger: Ledger, url: str, **auth: object) -> Access:
    """The hub's side, registered at the provider."""
    of = Connector.model_validate(connector(**auth))
    made = Access(ledger, {"judge": of}, Egress(VENDORS.with_loopback()))
    made.register("judge", CLIENT, settings={"base_url": url})
    return made


def sign_in(hub: Access, redirect: str, wish: Wish | None = None) -> Callback:
    """What the provider sent a person's browser back with."""
    started = hub.start("judge", redirect, wish or Wish(name="Main street", account="M1"))
    return Callback("judge", redirect, started.browser, person_agrees(started.url, redirect))


def rows(hub: Access, connection: Connection, client: httpx2.Client) -> tuple[int, int]:
    """One call of the vendor, as a client makes it: renewed once when it is refused. Status, and
    how often it was refused before."""
    authorizer = hub.authorizer(connection.id)
    url = hub.values(connection)["base_url"] + "/api/rows"
    for refused in range(2):  # noqa: B007  # it is what is given back
        request = httpx2.Request("GET", url)
        version = authorizer.apply(request)
        status = client.send(request).status_code
        if status != 401 or not authorizer.renew(version):
            break
    return status, refused


def version(ledger: Ledger, connection: str) -> int:
    """Of the stored token."""
    with ledger.read() as seen:
        secret = seen.secrets.get(connection, "token")
    return secret.version if secret else 0


def race(
    folder: Path, url: str, connection: str, *, processes: int, threads: int, until: int,
    pause_s: float = 0.0,
) -> Raced:  # fmt: skip
    """Run them until token ``until`` is in use.

    Args:
        folder: with the ledger.
        pause_s: between two calls of a thread.
    """
    context = multiprocessing.get_context("spawn")
    results, ready = context.Queue(), context.Barrier(processes)
    given = (folder, url, connection, threads, until, pause_s, ready, results)
    workers = [context.Process(target=_worker, args=given) for _ in range(processes)]
    for worker in workers:
        worker.start()
    found = [results.get(timeout=_MOST_S + 120) for _ in workers]
    for worker in workers:
        worker.join()
    with Ledger.open(folder) as ledger:
        last = version(ledger, connection)
    statuses: Counter[int] = Counter()
    for counted, *_ in found:
        statuses += counted
    return Raced(
        statuses,
        retried=sum(each[1] for each in found),
        longest_s=max(each[2] for each in found),
        seconds=max(each[3] for each in found),
        version=last,
    )


def _worker(folder, url, connection_id, threads, until, pause_s, ready, results):
    with Ledger.open(folder) as ledger:
        of = Connector.model_validate(connector())
        hub = Access(ledger, {"judge": of}, Egress(VENDORS.with_loopback()))
        with ledger.read() as seen:
            connection = seen.connections.get(connection_id)
        ready.wait(120)
        began = time.monotonic()
        ends = began + _MOST_S

        def syncs(_):
            statuses, retried, longest = Counter(), 0, 0.0
            with httpx2.Client(timeout=60) as client:
                while version(ledger, connection_id) < until and time.monotonic() < ends:
                    at = time.monotonic()
                    status, refused = rows(hub, connection, client)
                    longest = max(longest, time.monotonic() - at)
                    statuses[status] += 1
                    retried += refused
                    time.sleep(pause_s)
            return statuses, retried, longest

        with ThreadPoolExecutor(threads) as pool:
            found = list(pool.map(syncs, range(threads)))
        counted: Counter[int] = Counter()
        for statuses, *_ in found:
            counted += statuses
        took = time.monotonic() - began
        results.put((counted, sum(f[1] for f in found), max(f[2] for f in found), took))
