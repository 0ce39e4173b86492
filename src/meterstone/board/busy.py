"""What is being prepared at this moment, in sentences that faces show."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Busy:
    """Work that a reader waits for: the first evaluation, the loading of a demonstration.

    Thread-safe; works may overlap.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._doing: dict[int, str] = {}
        self._next = 0

    @contextmanager
    def doing(self, what: str) -> Iterator[Say]:
        """Something is being done while the block runs.

        Args:
            what: in a few words, such as ``measuring 231 targets for the first time``.

        Yields:
            takes better words as the work goes on.
        """
        with self._lock:
            self._next += 1
            number = self._next
            self._doing[number] = what
        try:
            yield Say(self, number)
        finally:
            with self._lock:
                del self._doing[number]

    def sentences(self) -> list[str]:
        """What is being done, what began first standing first; empty when nothing is waited for."""
        with self._lock:
            return list(self._doing.values())

    def _say(self, number: int, what: str) -> None:
        with self._lock:
            self._doing[number] = what


class Say:
    """Tells how far a work is."""

    def __init__(self, busy: Busy, number: int) -> None:
        self._busy, self._number = busy, number

    def __call__(self, what: str) -> None:
        """From now on this is what is being done."""
        self._busy._say(self._number, what)  # the two are one
