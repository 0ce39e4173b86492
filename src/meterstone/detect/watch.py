"""The watch: looks every few seconds, evaluates all rules, and tells everybody how it is now."""

from __future__ import annotations

import threading
from collections.abc import Callable

from meterstone.detect.state import Now

TICK_S = 2.0
Listener = Callable[[Now], None]


class Watch:
    """Makes `Now` every few seconds and tells its listeners. Thread-safe."""

    def __init__(self) -> None:
        self._now: Now | None = None
        self._listeners: list[Listener] = []
        self._lock = threading.Lock()

    @property
    def now(self) -> Now | None:
        """The newest state; None before the first look."""
        return self._now

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call a listener with every new `Now`, from the thread of the watch.

        Returns:
            ends it.
        """
        with self._lock:
            self._listeners.append(listener)

        def end() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return end

    def wake(self) -> None:
        """Look now, not only when the time has come."""

    def start(self) -> None:
        """Look until `stop`, in a thread."""

    def stop(self) -> None:
        """Look no more; returns when the last look is over."""
