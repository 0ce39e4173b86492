"""People of all roles in a ledger that is quick: cheap hashes, a clock that stands."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from meterstone.ledger import Ledger
from meterstone.people.cache import Cache
from meterstone.people.passwords import Passwords
from meterstone.people.rights import Role
from meterstone.people.sessions import Browser, Sessions
from meterstone.people.tokens import Tokens

PASSWORD = "four words not together"  # noqa: S105  # of people who do not exist


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def forward(self, **by: float) -> None:
        self.moment += timedelta(**by)


@dataclass
class Staff:
    """A ledger with one person of each role, and what lets them in."""

    ledger: Ledger
    clock: Clock
    cache: Cache
    sessions: Sessions
    tokens: Tokens
    passwords: Passwords
    ids: dict[str, str]

    def signed_in(self, who: str) -> str:
        """A session's secret."""
        with self.ledger.change("test") as change:
            return self.sessions.begin(change, self.ids[who], Browser("test")).secret


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    Ledger.open(folder).close()
    return folder


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(migrated: Path, tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    folder = tmp_path / "home"
    shutil.copytree(migrated, folder)
    with Ledger.open(folder, clock=clock) as opened:
        yield opened


@pytest.fixture(scope="session")
def passwords() -> Passwords:
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def staff(ledger: Ledger, clock: Clock, passwords: Passwords) -> Staff:
    cache = Cache(clock)
    ids = {}
    hashed = passwords.hash(PASSWORD)
    with ledger.change("test") as change:
        for role in Role:
            owned = {"F1"} if role is Role.OWNER else set()
            person = change.people.add(name=role, called=f"The {role}", role=role, franchises=owned)
            change.people.set_password(person.id, hashed)
            ids[str(role)] = person.id
        other = change.people.add(name="other", called="Other", role=Role.OWNER, franchises={"F2"})
        change.people.set_password(other.id, hashed)
        ids["other"] = other.id
    return Staff(
        ledger, clock, cache, Sessions(ledger, cache), Tokens(ledger, cache), passwords, ids
    )
