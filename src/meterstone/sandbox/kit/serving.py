"""Stand-ins over real HTTP: one server a vendor, all in one process."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import uvicorn

from meterstone.errors import InputError
from meterstone.sandbox.kit.vendor import Vendor

HOST = "127.0.0.1"
_START_S = 20.0


@contextmanager
def running(
    *vendors: Vendor, ports: Sequence[int] = (), live: bool = False, seed: int = 1
) -> Iterator[list[str]]:
    """Serve from a thread in the background while the block runs.

    Args:
        vendors: each gets a server of its own.
        ports: of each; missing ones, and 0, are free ones.
        live: new records and edits come in as they would at the vendor.
        seed: of what comes in.

    Yields:
        the base address of each, such as ``http://127.0.0.1:40123``.

    Raises:
        InputError: a port cannot be taken.
    """
    with ExitStack() as stack:
        wanted = [*ports, *[0] * (len(vendors) - len(ports))]
        sockets = [stack.enter_context(_listen(p)) for p in wanted[: len(vendors)]]
        servers = [uvicorn.Server(_config(vendor)) for vendor in vendors]
        thread = threading.Thread(
            target=lambda: asyncio.run(_serve(servers, sockets)), name="sandbox", daemon=True
        )
        thread.start()
        stack.callback(_stop, vendors, servers, thread)
        _wait_for(servers, thread)
        if live:
            stack.enter_context(_happening(vendors, seed))
        yield [f"http://{HOST}:{listener.getsockname()[1]}" for listener in sockets]


def _config(vendor: Vendor) -> uvicorn.Config:
    return uvicorn.Config(
        vendor.app, access_log=False, log_config=None, log_level="critical", lifespan="off",
        ws="none", server_header=False, date_header=False, timeout_graceful_shutdown=2,
    )  # fmt: skip


async def _serve(servers: Sequence[uvicorn.Server], sockets: Sequence[socket.socket]) -> None:
    await asyncio.gather(
        *(server.serve(sockets=[s]) for server, s in zip(servers, sockets, strict=True))
    )


def _wait_for(servers: Sequence[uvicorn.Server], thread: threading.Thread) -> None:
    waited, done = 0.0, threading.Event()
    while not all(server.started for server in servers):
        if not thread.is_alive() or waited > _START_S:
            raise InputError("the sandbox does not start", mend="look at standard error")
        done.wait(0.005)
        waited += 0.005


def _stop(
    vendors: Sequence[Vendor], servers: Sequence[uvicorn.Server], thread: threading.Thread
) -> None:
    for vendor in vendors:
        if vendor.sender is not None:
            vendor.sender.stop()
    for server in servers:
        server.should_exit = True
    thread.join(timeout=5)


@contextmanager
def _listen(port: int) -> Iterator[socket.socket]:
    try:
        listener = socket.create_server((HOST, port), backlog=2048)
    except OSError as error:
        raise InputError(
            f"cannot listen: {error.strerror or error}",
            place=f"{HOST}:{port}",
            mend="choose other ports with --port",
        ) from error
    with listener:
        yield listener


@contextmanager
def _happening(vendors: Sequence[Vendor], seed: int) -> Iterator[None]:
    """What happens at each vendor, by its own rate; the order of events depends on the seed."""
    over = threading.Event()

    def happen(vendor: Vendor) -> None:
        chance = random.Random(f"{seed}:{vendor.name}")  # noqa: S311  # no secret
        while vendor.live is not None:
            if over.wait(chance.expovariate(vendor.live.per_minute / 60)):
                return
            vendor.live.happen(chance)

    threads = [
        threading.Thread(target=happen, args=[vendor], name=f"live-{vendor.name}", daemon=True)
        for vendor in vendors
        if vendor.live is not None
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(timeout=5)
