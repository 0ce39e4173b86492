"""What a vendor does to publish a table, and how that goes wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from meterstone.connect.answers import Answer
from meterstone.connect.push.table import Table
from meterstone.connect.requests import Call
from meterstone.connect.spec import EndpointGroup, Request
from meterstone.errors import MeterstoneError
from meterstone.ledger import Priority


class PushError(MeterstoneError):
    """The vendor took the table and could not use it, or it cannot be published there at all."""


class Caller(Protocol):
    """As much of `meterstone.connect.client.Client` as a publisher needs."""

    @property
    def values(self) -> Mapping[str, str]:
        """Values of the connection, those that the sign-in told among them."""

    def call(self, request: Request, values: Mapping[str, str] | None = None) -> Call:
        """A request, filled."""

    def send(
        self,
        call: Call,
        *,
        priority: Priority = "live",
        group: EndpointGroup | None = None,
        data: bool = True,
        repeatable: bool = True,
    ) -> Answer:
        """Send it and give the good answer."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """What became of a table at the vendor.

    Attributes:
        id: of the data set there.
        job: of the vendor's work on it; empty where there was none.
        rows: that the vendor took.
    """

    id: str
    job: str
    rows: int


class Publisher(Protocol):
    """Publishes at one vendor over one connection. A publication replaces the one before it."""

    def publish(self, table: Table) -> Pushed:
        """Publish a table, and wait until the vendor has done its work on it.

        Raises:
            PushError: the vendor cannot use it; what to do about it is said.
            VendorError: a call failed.
        """


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a vendor's job is waited for.

    Attributes:
        most_s: at most; a job that takes longer is an error, and may still succeed.
        pauses_s: between looks; the last one repeats.
    """

    most_s: float = 600.0
    pauses_s: tuple[float, ...] = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic

    def wait(self, look: Callable[[], Literal["running"] | str], what: str) -> str:
        """Look until the state is no longer ``running``, and give it.

        Raises:
            PushError: it takes too long.
        """
        began, nth = self.monotonic(), 0
        while (state := look()) == "running":
            if self.monotonic() - began > self.most_s:
                raise PushError(
                    f"{what} is not done after {self.most_s:.0f} s",
                    place=what,
                    mend="nothing: it is published again at the next turn",
                )
            self.sleep(self.pauses_s[min(nth, len(self.pauses_s) - 1)])
            nth += 1
        return state
