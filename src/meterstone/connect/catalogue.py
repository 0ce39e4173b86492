"""Which connectors there are: those that ship, and those of a home's ``connectors`` folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from meterstone.catalogue.problems import Problems
from meterstone.connect.checks import check
from meterstone.connect.quirks import Quirks
from meterstone.connect.reading import FILE, Loaded, load_connector
from meterstone.connect.spec import Connector
from meterstone.errors import CatalogueError, InputError, suggest


class Connectors(Mapping[str, Connector]):
    """All connectors by key. One of the home with the key of a shipped one replaces it."""

    def __init__(self, loaded: Mapping[str, Loaded]) -> None:
        self._loaded = dict(loaded)

    def __getitem__(self, key: str) -> Connector:
        return self.loaded(key).connector

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaded)

    def __len__(self) -> int:
        return len(self._loaded)

    def __contains__(self, key: object) -> bool:
        return key in self._loaded

    def loaded(self, key: str) -> Loaded:
        """A connector with where it came from.

        Raises:
            InputError: there is no such connector.
        """
        if key not in self._loaded:
            raise InputError(
                f"there is no connector {key!r}", place="connector", mend=suggest(key, list(self))
            )
        return self._loaded[key]

    def quirks(self, key: str) -> Quirks:
        """The Python of a connector."""
        return Quirks(key, own=self.loaded(key).own)


def checked(path: Path, *, own: bool = True) -> Loaded:
    """One connector file, read and checked.

    Raises:
        CatalogueError: one error, or `CatalogueErrors` with all of them.
    """
    loaded = load_connector(path, own=own)
    check(loaded, Quirks(loaded.connector.connector, own=own))
    return loaded


def connectors(home: Path | None = None) -> Connectors:
    """The connectors that ship with Meterstone and those of a home.

    Raises:
        CatalogueError: a file of the home is wrong.
    """
    if home is None or not (home / "connectors").is_dir():
        return Connectors(_shipped())
    return Connectors({**_shipped(), **_in_folder(home / "connectors", own=True)})


@cache
def _shipped() -> Mapping[str, Loaded]:
    return _in_folder(Path(__file__).parent, own=False)


def _in_folder(folder: Path, *, own: bool) -> dict[str, Loaded]:
    problems, found = Problems(), {}
    for file in sorted(folder.glob(f"*/{FILE}")):
        with problems.caught():
            loaded = checked(file, own=own)
            _check_folder(loaded)
            found[loaded.connector.connector] = loaded
    problems.raise_any()
    return found


def _check_folder(loaded: Loaded) -> None:
    if loaded.folder.name != loaded.connector.connector:
        error: CatalogueError = (loaded.at / "connector").error(
            f"connector {loaded.connector.connector!r} lies in folder {loaded.folder.name!r}",
            "give both the same name",
        )
        raise error
