"""Whether a failed connection is the vendor's or our own network's doing.

Ours: the operating system says that there is no way out, or no call to any host got through since
two different hosts failed. One vendor alone that cannot be reached is the vendor's.
"""

from __future__ import annotations

import errno
import threading

from meterstone.connect.clock import Clock

_NO_WAY_OUT = frozenset(
    {errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL}
)
_MEMORY_S = 60.0


class Reachability:
    """What the calls of a home have seen of the network. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failed: dict[str, float] = {}

    def answered(self) -> None:
        """A host answered: our network works."""
        with self._lock:
            self._failed.clear()

    def is_ours(self, host: str, error: BaseException) -> bool:
        """Note that a host could not be reached; whether our network is at fault."""
        now = self._clock.monotonic()
        with self._lock:
            self._failed = {h: at for h, at in self._failed.items() if now - at < _MEMORY_S}
            self._failed[host] = now
            return len(self._failed) > 1 or _says_so(error)


def _says_so(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in _NO_WAY_OUT:
            return True
        error = error.__cause__ or error.__context__
    return False
