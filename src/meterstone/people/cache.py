"""Who was seen a moment ago: so that a request costs no database, and a revocation holds at once.

Another process with the same ledger revokes within ``LIFE_S`` here.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from meterstone.people.rights import Principal

LIFE_S = 5.0
"""How long an entry is believed without asking the ledger again."""
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Seen:
    """Somebody who was let in.

    Attributes:
        person: whose session or token it is.
        credential: ``session:…`` or ``token:…``.
        until: when the session or token ends if it is not used.
    """

    principal: Principal
    person: str
    credential: str
    until: datetime


class Cache:
    """Digest of a secret to who it is. Thread-safe.

    Args:
        now: the clock.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, tuple[Seen, datetime]] = OrderedDict()
        self._forgotten = 0

    @property
    def mark(self) -> int:
        """Taken before the ledger is read; see `put`."""
        return self._forgotten

    def get(self, digest: str) -> Seen | None:
        """Who it is, where that is known and holds still."""
        held = self._entries.get(digest)
        if held is None:
            return None
        seen, believed_until = held
        now = self._now()
        return seen if now < believed_until and now < seen.until else None

    def put(self, digest: str, seen: Seen, mark: int) -> None:
        """Remember; unless something was revoked since ``mark``, when it may be outdated."""
        with self._lock:
            if mark != self._forgotten:
                return
            self._entries[digest] = (seen, self._now() + timedelta(seconds=LIFE_S))
            self._entries.move_to_end(digest)
            while len(self._entries) > _MOST:
                self._entries.popitem(last=False)

    def forget(self, person: str) -> None:
        """A person, a session or a token of theirs changed: read everything of theirs again."""
        with self._lock:
            self._forgotten += 1
            for digest in [d for d, (seen, _) in self._entries.items() if seen.person == person]:
                del self._entries[digest]
