"""Where passwords are checked: in threads of their own, few at once.

A check costs 64 MiB and a tenth of a second on purpose. Without a bound, strangers who only guess
would take the memory and the threads from everybody who is signed in.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread

from meterstone.people.errors import Busy

P = ParamSpec("P")
T = TypeVar("T")

WAITING = 64
"""How many may stand in line: what they wait is then still a few seconds."""
RETRY_AFTER_S = 5


class Desk:
    """Runs what hashes.

    Args:
        at_once: checks that run at the same time; None: as many as there are cores.
        waiting: those that may wait.
    """

    def __init__(self, at_once: int | None = None, waiting: int = WAITING) -> None:
        self._limit = CapacityLimiter(at_once or os.cpu_count() or 1)
        self._waiting = waiting

    async def do(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run it when it is its turn.

        Raises:
            Busy: too many are waiting.
        """
        if self._limit.statistics().tasks_waiting >= self._waiting:
            raise Busy(
                "too many people sign in at this moment",
                place="sign-in",
                mend=f"try again in {RETRY_AFTER_S} s",
            )
        return await to_thread.run_sync(partial(work, *args, **kwargs), limiter=self._limit)
