"""The few lines of Python of an odd vendor: ``quirks.py`` (and ``push.py``) of its folder."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

from meterstone.catalogue.source import Position
from meterstone.errors import CatalogueError, suggest

PACKAGE = "meterstone.connect"


class Quirks:
    """Functions of a vendor's modules by name; only connectors that ship with Meterstone have any:
    a file in a home is data, and code beside it is not run."""

    def __init__(self, connector: str, *, own: bool) -> None:
        self._connector = connector
        self._own = own

    def get(self, name: str) -> Callable[..., Any]:
        """A function: ``name`` of ``quirks.py``, or ``module.name``.

        Raises:
            CatalogueError: there is none.
        """
        module_name, _, attribute = name.rpartition(".")
        place = f"{PACKAGE}.{self._connector}.{module_name or 'quirks'}"
        if self._own:
            raise CatalogueError(
                f"`python: {name}` in a file of one's own",
                place=self._connector,
                mend="code is run only of connectors that ship with Meterstone; use `map`, `first`",
            )
        if importlib.util.find_spec(f"{PACKAGE}.{self._connector}") is None or (
            importlib.util.find_spec(place) is None
        ):
            raise CatalogueError(
                f"there is no module {place}", mend="write it, or correct `python`"
            )
        module = importlib.import_module(place)
        found = getattr(module, attribute, None)
        if not callable(found):
            known = [n for n in vars(module) if not n.startswith("_")]
            raise CatalogueError(
                f"{place} has no {attribute!r}", place=place, mend=suggest(attribute, known)
            )
        function: Callable[..., Any] = found
        return function

    def require(self, name: str, at: Position) -> None:
        """Check that a function exists.

        Raises:
            CatalogueError: with the line that names it.
        """
        try:
            self.get(name)
        except CatalogueError as error:
            raise at.error(error.cause, error.mend) from error
