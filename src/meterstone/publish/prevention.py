"""Preventive actions as faces show them: the port, and their words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from meterstone.errors import NotFound
from meterstone.insight.actions import PreventiveAction, Said
from meterstone.scorecard.values import VerdictLook

_LOOKS: Mapping[str, VerdictLook] = {
    "recommended": VerdictLook("▲", "Recommended", "doubt"),
    "accepted": VerdictLook("◐", "Accepted", "doubt"),
    "implemented": VerdictLook("●", "Implemented", "met"),
    "verified": VerdictLook("●", "Verified", "met"),
    "declined": VerdictLook("○", "Dismissed", "reference"),
}


class Prevention(Protocol):
    """Preventive actions of a home. Thread-safe."""

    def all(
        self, study: str | None = None, until: datetime | None = None,
        known_at: datetime | None = None,
    ) -> Sequence[PreventiveAction]:  # fmt: skip
        """Those that were recommended: open ones first, then the newest.

        Args:
            study: by this one; None: by any.
            until: before this moment; None: at any time.
            known_at: as known then; None: now.
        """

    def say(self, action: str, said: Said) -> PreventiveAction:
        """Put on record what is said of an action.

        Raises:
            NotFound: nothing recommended such an action.
            InputError: there is no such state, or it was declined without a reason.
        """


class NoPrevention:
    """Where nothing is recommended."""

    def all(
        self, study: str | None = None, until: datetime | None = None,
        known_at: datetime | None = None,
    ) -> Sequence[PreventiveAction]:  # fmt: skip
        """None."""
        del study, until, known_at
        return ()

    def say(self, action: str, said: Said) -> PreventiveAction:
        """There is none to say something of."""
        del said
        raise NotFound(f"nothing recommended {action[:100]!r}", place="action", mend="reload")


def look(state: str) -> VerdictLook:
    """How a state looks."""
    return _LOOKS[state]
