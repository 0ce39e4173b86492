"""What pages and the API need of a home to put statements on record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol


class Attests(Protocol):
    """An opened home, as far as statements need it."""

    def attestation_forms(self) -> Mapping[str, Sequence[Any]]:
        """Fields by fact."""

    def attest(
        self,
        fact: str,
        columns: Mapping[str, Any],
        *,
        person: str,
        role: str,
        evidence: str | tuple[bytes, str, str],
        expires_at: datetime,
    ) -> Mapping[str, Any]:
        """Put a statement on record."""

    def attestations_due(
        self,
        within: timedelta = ...,
        at: datetime | None = ...,
        known_at: datetime | None = ...,
    ) -> Sequence[Any]:
        """Statements that expire within a time of a moment or have expired, soonest first."""

    def retract(self, fact: str, key: Mapping[str, str], person: str, role: str) -> object:
        """Withdraw a statement."""
