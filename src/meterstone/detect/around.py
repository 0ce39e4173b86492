"""What the watch asks of the house around it; `meterstone.app` says who answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from meterstone.ledger.alerts import Blame


class Outage(Protocol):
    """A vendor that no call gets through to."""

    @property
    def integration(self) -> str:
        """Key of the vendor."""

    @property
    def started_at(self) -> datetime:
        """The first call that failed."""

    @property
    def error_class(self) -> str:
        """How it failed first, as facts say it."""

    @property
    def blame(self) -> Blame:
        """Whose fault the first failure was."""


class Missing(Protocol):
    """Webhooks that polls show to be missing. ``came``: events that arrived in the same time;
    ``came_since``: since the newest that is missing."""

    @property
    def integration(self) -> str:
        """Key of the vendor."""

    @property
    def count(self) -> int:
        """Changes that no event told."""

    @property
    def first_at(self) -> datetime:
        """When the first of them happened."""

    @property
    def came(self) -> int:
        """Events that did arrive."""

    @property
    def came_since(self) -> int:
        """Those of them after the newest that is missing."""


class Around(Protocol):
    """The answers. Called from the thread of the watch alone."""

    def catch_up(self) -> None:
        """Put everything that is told so far into the warehouse."""

    def name(self, integration: str) -> str:
        """What people call an integration or an endpoint group."""

    def outages(self) -> Sequence[Outage]:
        """Vendors that are down as seen from here."""

    def missing(self, now: datetime, after_s: float, over_s: float) -> Sequence[Missing]:
        """Webhooks of the newest ``over_s`` that did not come within ``after_s``."""

    def has_told(self, subject: str) -> bool:
        """Whether the hub itself keeps an incident of a vendor or a connection as facts."""


@dataclass(frozen=True, slots=True)
class Shops:
    """Who is connected to an integration."""

    connections: int
    franchises: tuple[str, ...]
    broken: tuple[tuple[str, datetime, tuple[str, ...]], ...] = ()
    """Connections that a person has to sign in again, since when, and their franchises."""
