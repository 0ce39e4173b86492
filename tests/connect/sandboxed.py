"""A home that is connected to stand-ins one by one, with credentials that a test chooses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.connect.customer import current, home_for_sandbox

from meterstone.app import Home
from meterstone.connect.auth.access import Access
from meterstone.connect.auth.wishes import Wish
from meterstone.connect.client import Client
from meterstone.connect.hub import Hub
from meterstone.ledger import Connection
from meterstone.record.log import LandingLog


@dataclass(frozen=True)
class Sandboxed:
    """The parts of a home that tests look at."""

    home: Home

    @property
    def hub(self) -> Hub:
        """The connected systems."""
        return self.home.hub

    @property
    def access(self) -> Access:
        """Their sign-ins."""
        return self.home.access

    @property
    def log(self) -> LandingLog:
        """What was landed."""
        return self.home.log

    def connect(
        self,
        connector: str,
        told: Mapping[str, Any],
        credentials: Mapping[str, str],
        **settings: str,
    ) -> Connection:
        """Connect to a stand-in: ``told`` is its line of ``meterstone sandbox up``."""
        self.access.register(connector, credentials, settings=told["settings"])
        wish = Wish(account=told["account"], settings=settings)
        return self.access.connect(connector, credentials, wish)

    def client(self, connection: Connection) -> Client:
        """Its client."""
        return self.hub.client(connection)

    def facts(self, fact: str) -> list[dict[str, Any]]:
        """Current rows of a fact."""
        return current(self.home, fact)


@contextmanager
def sandboxed(folder: Path) -> Iterator[Sandboxed]:
    """A home in a folder."""
    with home_for_sandbox(folder) as home:
        yield Sandboxed(home)
