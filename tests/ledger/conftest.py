"""Ledgers on both engines: every test of the contract runs on each."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from meterstone.ledger import Ledger
from meterstone.ledger.store import Store, file_url, utc_now
from meterstone.ledger.tables import metadata

from .postgres import Server, binaries, running


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def forward(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@dataclass
class Place:
    """Where one ledger lies; opens it, also several times."""

    folder: Path
    url: str | None
    clock: Clock = field(default_factory=Clock)
    opened: list[Ledger | Store] = field(default_factory=list)

    def open(self, clock: Callable[[], datetime] | None = None) -> Ledger:
        made = Ledger.open(self.folder, self.url, clock=clock or self.clock)
        self.opened.append(made)
        return made

    def store(self) -> Store:
        """The database itself, as somebody has it who does not go through the ledger."""
        self.folder.mkdir(exist_ok=True)
        made = Store(self.url or file_url(self.folder), self.clock)
        self.opened.append(made)
        return made

    def close(self) -> None:
        while self.opened:
            self.opened.pop().close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL of our own; skips where the package is not installed."""
    found = binaries()
    if found is None:
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    with running(found) as server:
        yield server


ENGINES = ("sqlite", "postgresql")


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return request.param


def _emptied(url: str) -> None:
    """Leave the tables, and nothing in them: migrating takes a while."""
    store = Store(url, utc_now)
    with store.changing("test") as transaction:
        for table in reversed(metadata.sorted_tables):
            transaction.run(table.delete())
    store.close()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("migrated")
    Ledger.open(folder).close()
    _emptied(file_url(folder))
    return folder / "ledger.sqlite"


@pytest.fixture(scope="session")
def migrated_database(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """One for all tests, one after another: each begins with empty tables."""
    url = postgres.new_database()
    Ledger.open(tmp_path_factory.mktemp("migrated"), url).close()
    return url


@pytest.fixture
def make_place(engine: str, request: pytest.FixtureRequest) -> Iterator[Callable[[Path], Place]]:
    """Makes new ledgers, one after another: with PostgreSQL they share a database."""
    made: list[Place] = []

    def make(folder: Path) -> Place:
        if engine == "sqlite":
            folder.mkdir(parents=True)
            shutil.copy(request.getfixturevalue("migrated_file"), folder / "ledger.sqlite")
            made.append(Place(folder, None))
        else:
            for place in made:
                place.close()
            _emptied(url := request.getfixturevalue("migrated_database"))
            made.append(Place(folder, url))
        return made[-1]

    yield make
    for place in made:
        place.close()


@pytest.fixture
def place(make_place: Callable[[Path], Place], tmp_path: Path) -> Place:
    return make_place(tmp_path / "home")


@pytest.fixture
def empty_place(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    """A place whose database has no table yet."""
    url = None
    if engine == "postgresql":
        url = request.getfixturevalue("postgres").new_database()
    made = Place(tmp_path / "home", url)
    yield made
    made.close()


@pytest.fixture
def clock(place: Place) -> Clock:
    return place.clock


@pytest.fixture
def ledger(place: Place) -> Ledger:
    return place.open()
