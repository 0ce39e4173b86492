"""Tells the live stream what changed: the parts of the operations page, and that there are new
scorecards. Nothing is made while nobody looks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from meterstone.publish.web.operations import Kept, is_stale, parts
from meterstone.publish.web.site import Site
from meterstone.publish.web.stream import Publisher

BOARD = "board"
"""Topic, and the only id of its parts: the version of the board, which is nobody's secret."""


class News:
    """Looks for what is new whenever it is asked to.

    Args:
        site: what pages read.
        kept: incidents and the work list.
        to: where it is told.
        time: the time, UTC.
    """

    def __init__(
        self, site: Site, kept: Kept, to: Publisher,
        time: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:  # fmt: skip
        self._site, self._kept, self._to, self._time = site, kept, to, time
        self._told: tuple[object, ...] = ()

    def look(self) -> None:
        """Tell of what changed since the last look."""
        now, board, time = self._site.now(), self._site.board.version, self._time()
        self._to.publish(BOARD, {BOARD: str(board)})
        seen = (now.version if now else None, board, is_stale(now, time))
        if seen != self._told:
            self._to.publish("operations", self._operations(time))
            self._told = seen

    def _operations(self, time: datetime) -> Mapping[str, str]:
        return parts(self._site, self._kept, time)
