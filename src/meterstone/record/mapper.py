"""Maps what is landed into the warehouse in the background, for as long as the receiver runs."""

from __future__ import annotations

import logging
import threading
import time

from meterstone.errors import StorageError
from meterstone.record.recorder import Recorder

_LOG = logging.getLogger(__name__)

_INTERVAL_S = 0.1
"""From one pass to the next: gathers small records into one transaction."""
_LONGEST_PAUSE_S = 10.0
"""How long a disk that refuses is left alone before the next try."""


class MapperThread:
    """One thread that maps new records soon after they were landed.

    A disk that refuses is tried again, each time after a longer pause; nothing is lost meanwhile,
    because what is acknowledged is in the landing log. Any other error ends the thread: then
    ``alive`` is false, and the records stay unmapped until the process starts anew.

    Args:
        recorder: what to map with.
        interval_s: at most this long after its landing a record's mapping begins, unless an
            earlier one is still being mapped.
    """

    def __init__(self, recorder: Recorder, *, interval_s: float = _INTERVAL_S) -> None:
        self._recorder = recorder
        self._interval = interval_s
        self._stop = threading.Event()
        self._deadline = float("inf")
        self._thread = threading.Thread(target=self._run, name="mapper", daemon=True)
        self.failure: StorageError | None = None
        self.mapped_to = 0
        """The record up to which all is in the warehouse, as of the last transaction."""

    @property
    def alive(self) -> bool:
        """Does the thread run?"""
        return self._thread.is_alive()

    @property
    def state(self) -> str:
        """``ok``, or why nothing is being mapped."""
        if not self.alive:
            return "stopped"
        return "ok" if self.failure is None else "the disk refuses"

    def start(self) -> None:
        """Begin, with what an earlier process left unmapped."""
        self.mapped_to = self._recorder.warehouse.mapped_to()
        self._thread.start()

    def stop(self, drain_s: float = 4.0) -> None:
        """Map what is landed, for at most ``drain_s`` and the transaction then running, and end.

        What is left is mapped at the next start.
        """
        self._deadline = time.monotonic() + drain_s
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        pause = 0.0
        while not self._stop.wait(pause):
            began = time.monotonic()
            if self._mapped():
                pause = max(0.0, self._interval - (time.monotonic() - began))
            else:
                pause = min(2 * max(pause, self._interval), _LONGEST_PAUSE_S)
        self._mapped()

    def _mapped(self) -> bool:
        """One pass; false when the disk refused."""
        try:
            begun = self._recorder.warehouse.mapped_to()
            self.mapped_to = begun
            self._recorder.map_new(
                lambda done: self._come(begun + done.records), enough=self._enough
            )
        except StorageError as error:
            if self.failure is None:
                _LOG.warning("mapping waits for the disk: %s", error.cause)
            self.failure = error
            return False
        self.failure = None
        return True

    def _come(self, seq: int) -> None:
        self.mapped_to = seq

    def _enough(self) -> bool:
        return time.monotonic() > self._deadline
