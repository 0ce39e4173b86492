"""When the controls of connections are looked at: twice a day, since a check counts for a day."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from meterstone.connect.auth.access import Access
from meterstone.ledger import Job, Ledger

OAUTH_CHECKS = "oauth_checks"
EVERY = timedelta(hours=12)


class CheckSchedule:
    """The job that looks at the controls of all live connections, and queues itself again.

    Args:
        ledger: the queue.
        access: looks, and lands what it found.
    """

    def __init__(self, ledger: Ledger, access: Access) -> None:
        self._ledger = ledger
        self._access = access

    @property
    def handlers(self) -> Mapping[str, Callable[[Job], None]]:
        """What a worker does for each kind of job."""
        return {OAUTH_CHECKS: self._check}

    def begin(self) -> None:
        """Queue a first look, unless one waits."""
        with self._ledger.change("oauth") as change:
            change.queue.put(OAUTH_CHECKS, {}, dedupe=OAUTH_CHECKS, priority="backfill")

    def _check(self, _job: Job) -> None:
        """The next look is queued first: a failure of this one does not end the series."""
        with self._ledger.change("oauth") as change:
            change.queue.put(
                OAUTH_CHECKS, {}, dedupe=OAUTH_CHECKS, priority="backfill", at=change.now + EVERY
            )
        self._access.tell_checks()
