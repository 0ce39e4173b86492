"""Errors of a catalogue: all that are independent are reported together, not one a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from meterstone.errors import CatalogueError


class ExpressionError(ValueError):
    """An expression that cannot be read. ``line`` is 0-based within the expression."""

    def __init__(self, cause: str, mend: str, line: int = 0) -> None:
        super().__init__(cause)
        self.mend = mend
        self.line = line


class CatalogueErrors(CatalogueError):  # the plural says it
    """Several definitions are wrong. Place, cause and mend are those of the first; ``errors`` has
    all of them by file and line, and the text shows them all."""

    def __init__(self, errors: tuple[CatalogueError, ...]) -> None:
        first = errors[0]
        super().__init__(first.cause, place=first.place, mend=first.mend)
        self.errors = errors

    def __str__(self) -> str:
        return "\n".join(
            [f"{len(self.errors)} errors in the catalogue", *(str(e) for e in self.errors)]
        )


class Problems:
    """Collects errors of one stage; the stages after it build on what it made.

    >>> problems = Problems()
    >>> with problems.caught():
    ...     raise CatalogueError("unknown key 'vaule'", place="shop.yaml:7", mend="write value")
    >>> problems.raise_any()
    Traceback (most recent call last):
    meterstone.errors.CatalogueError: shop.yaml:7: unknown key 'vaule'
      mend: write value
    """

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], CatalogueError] = {}

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Keep an error of this block and go on after it."""
        try:
            yield
        except CatalogueError as error:
            self.add(error)

    def add(self, error: CatalogueError) -> None:
        """Keep an error; the same one at the same place counts once."""
        self._found.setdefault((error.place, error.cause), error)

    def raise_any(self) -> None:
        """Raise what was caught.

        Raises:
            CatalogueError: the one error, or `CatalogueErrors` with all.
        """
        errors = tuple(sorted(self._found.values(), key=_by_place))
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise CatalogueErrors(errors)


def _by_place(error: CatalogueError) -> tuple[str, int]:
    file, _, line = error.place.rpartition(":")
    return (file, int(line)) if line.isdecimal() else (error.place, 0)
