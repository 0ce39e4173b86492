"""How often somebody may try: by name and by address, with a pause that grows.

An attempt counts as failed before it is looked at, so that many at once gain nothing; one that
succeeds takes back what it counted. Names and addresses are kept as digests: a name that
nobody has may be a password that was typed into the wrong field.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from meterstone.ledger import Ledger
from meterstone.people.errors import TooManyAttempts
from meterstone.people.secret import digest

REMEMBERED = timedelta(hours=1)
"""Failures are forgotten when none followed for so long."""
ACTOR = "sign-in"


@dataclass(frozen=True, slots=True)
class Pace:
    """How many attempts are free, and how the pause grows: 2, 4, 8 … seconds, up to ``most``."""

    free: int
    most: timedelta

    def pause(self, failures: int) -> timedelta:
        """How long nothing is taken after so many failures in a row."""
        over = failures - self.free
        if over < 0:
            return timedelta()
        return min(timedelta(seconds=2.0 ** min(over + 1, 20)), self.most)


NAME = Pace(free=5, most=timedelta(minutes=15))
ADDRESS = Pace(free=20, most=timedelta(minutes=15))
"""More than for a name: a whole shop may sit behind one address."""


class AttemptLimit:
    """Counts attempts in the ledger, so that all processes and restarts share the count."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def begin(self, name: str, address: str) -> None:
        """Count an attempt.

        Raises:
            TooManyAttempts: the pause is not over; nothing was counted.
        """
        keys = _keys(name, address)
        with self._ledger.change(ACTOR) as change:
            now = change.now
            held = [change.sign_ins.attempts(key) for key in keys]
            wait = max((h.blocked_until - now for h in held if h), default=timedelta())
            if wait > timedelta():
                raise TooManyAttempts(math.ceil(wait.total_seconds()))
            for key, pace in keys.items():
                change.sign_ins.failed(key, pace.pause, now - REMEMBERED)

    def succeeded(self, name: str, address: str) -> None:
        """The attempt was right: the count of the name begins anew. That of the address loses this
        attempt only, or one known password would be a way to try many others."""
        with self._ledger.change(ACTOR) as change:
            change.sign_ins.forgive(_name_key(name))
            change.sign_ins.take_back(_address_key(address))


def _keys(name: str, address: str) -> Mapping[str, Pace]:
    found = {} if not address else {_address_key(address): ADDRESS}
    return {_name_key(name): NAME, **found} if name else found


def _name_key(name: str) -> str:
    return digest(f"name {name}")


def _address_key(address: str) -> str:
    return digest(f"address {address}")
