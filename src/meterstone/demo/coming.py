"""The demonstration comes to life while its pages are served already: simulate, load, measure,
sign in at the vendors, and let time pass."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from meterstone.app import SIMULATED_CLAIM, Home
from meterstone.demo.living import Living
from meterstone.demo.network import MONTHS, SHOPS, Parted, make_network
from meterstone.demo.nine import nine
from meterstone.demo.trouble import Strikes, Troubles
from meterstone.errors import MeterstoneError
from meterstone.record.ingest import Progress, ingest
from meterstone.record.model import facts_of_ours
from meterstone.sandbox.network.facts import SIMULATED

_log = logging.getLogger(__name__)

_FIRST_NUMBERS_S = 180.0
_LOOKS_EVERY_S = 0.5
_CLAIM_HOLDS = timedelta(days=3650)

Say = Callable[[str], object]


class _OverError(MeterstoneError):
    """The demonstration was ended before it was ready."""


class Coming:
    """Makes a served home one that lives.

    Args:
        home: opened and empty.
        folder: for the simulated network; made anew.
        work: sets the home to work while its block runs.
        shops, months: of the network.
    """

    def __init__(
        self,
        home: Home,
        folder: Path,
        work: Callable[[], AbstractContextManager[object]],
        *,
        shops: int = SHOPS,
        months: int = MONTHS,
    ) -> None:
        self._home, self._folder, self._work = home, folder, work
        self._shops, self._months = shops, months
        self._over = threading.Event()

    @contextmanager
    def living(self, address: str) -> Iterator[None]:
        """Come to life in a thread while the block runs, and end in good order.

        Args:
            address: where the home is served: vendors call back there.
        """
        thread = threading.Thread(target=self._run, args=(address,), name="coming")
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _run(self, address: str) -> None:
        with ExitStack() as stack:
            try:
                self._begin(stack, address)
            except _OverError:
                return
            except MeterstoneError as error:
                if self._over.is_set():  # the server ends first: nothing reaches us any more
                    return
                _log.exception("the demonstration cannot go on: %s", error.cause)
            self._over.wait()

    def _begin(self, stack: ExitStack, address: str) -> None:
        home = self._home
        self._claim()
        with home.busy.doing("simulating a franchise network") as say:
            made = self._network(say)
            self._load(made, say)
        stack.enter_context(self._work())
        self._await_numbers()
        with home.busy.doing("signing in at nine vendors (stand-ins on this machine)"):
            vendors = stack.enter_context(nine(home, made.folder))
            vendors.connect()
            vendors.announce(address)
        self._go_on()
        troubles = Troubles(datetime.now(UTC))
        strikes = Strikes(troubles, {name: each.faults for name, each in vendors.vendors.items()})
        living = Living(made.future, troubles.probe)
        stack.enter_context(living.playing(self._land, strikes.look))

    def _claim(self) -> None:
        """Before anything can be seen, so that no page is ever without its banner."""
        self._home.attest(
            "attestation",
            {
                "claim_key": f"{SIMULATED_CLAIM}demonstration",
                "statement": "All facts of this demonstration are simulated.",
            },
            person=SIMULATED,
            role=SIMULATED,
            evidence=f"https://example.org/{SIMULATED}/attestation",
            expires_at=datetime.now(UTC) + _CLAIM_HOLDS,
        )

    def _network(self, say: Say) -> Parted:
        def on_progress(part: str) -> None:
            self._go_on()
            say(f"simulating {self._months} months of {self._shops} franchises: {part}")

        shutil.rmtree(self._folder, ignore_errors=True)
        return make_network(
            self._folder, datetime.now(UTC), shops=self._shops, months=self._months,
            on_progress=on_progress,
        )  # fmt: skip

    def _load(self, made: Parted, say: Say) -> None:
        def on_progress(progress: Progress) -> None:
            self._go_on()
            say(f"loading simulated facts: {progress.rows:,} so far")

        say("loading simulated facts")
        ingest(self._home.recorder, [str(path) for path in made.past], on_progress=on_progress)

    def _await_numbers(self) -> None:
        """Vendors come after the first numbers: both at once would make both late."""
        for _ in range(int(_FIRST_NUMBERS_S / _LOOKS_EVERY_S)):
            if self._home.board.version:
                return
            if self._over.wait(_LOOKS_EVERY_S):
                self._go_on()

    def _land(self, lines: bytes) -> None:
        self._home.recorder.land(facts_of_ours(lines, "simulated network", "simulated"))

    def _go_on(self) -> None:
        if self._over.is_set():
            raise _OverError("ended", place="demo")
