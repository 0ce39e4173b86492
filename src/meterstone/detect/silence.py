"""Approved maintenance windows: what breaks within one alarms nobody.

A window is an attestation ``maintenance_window:<scope>:<start>/<end>``, as gates read it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from meterstone.ledger import Alert
from meterstone.measure.gates import MaintenanceWindow

_READ_AGAIN = timedelta(seconds=10)


class Silence:
    """The window that an alert falls into.

    Args:
        windows: those approved before a moment; asked anew every ten seconds.
    """

    def __init__(self, windows: Callable[[datetime], Sequence[MaintenanceWindow]]) -> None:
        self._windows = windows
        self._read_at: datetime | None = None
        self._held: Sequence[MaintenanceWindow] = ()

    def __call__(self, alert: Alert, now: datetime) -> str:
        """In words: until when, and who approved it; empty: none."""
        if self._read_at is None or now - self._read_at >= _READ_AGAIN:
            self._read_at, self._held = now, self._windows(now)
        for window in self._held:
            if window.start <= now < window.end and _covers(window.scope, alert.integration):
                by = f", approved by {window.person}" if window.person else ""
                return f"maintenance until {window.end:%Y-%m-%d %H:%M} UTC{by}"
        return ""


def _covers(scope: str, integration: str) -> bool:
    """A window of the network covers everything; of an integration, that one."""
    return scope in ("network", "*", "platform", integration, f"integration:{integration}")
