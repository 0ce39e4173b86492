"""Errors are collected once each, in the order of the files, and shown together."""

from __future__ import annotations

import pytest

from meterstone.catalogue import CatalogueErrors
from meterstone.catalogue.problems import Problems
from meterstone.errors import CatalogueError


def error(place: str, cause: str = "wrong") -> CatalogueError:
    return CatalogueError(cause, place=place, mend="mend it")


def test_nothing_is_raised_without_an_error() -> None:
    Problems().raise_any()


def test_one_error_is_itself() -> None:
    problems = Problems()
    with problems.caught():
        raise error("a.yaml:1")
    problems.add(error("a.yaml:1"))
    with pytest.raises(CatalogueError) as caught:
        problems.raise_any()
    assert not isinstance(caught.value, CatalogueErrors)


def test_several_are_shown_by_file_and_line() -> None:
    problems = Problems()
    for place in ("b.yaml:1", "a.yaml:10", "a.yaml:9", "a.yaml"):
        problems.add(error(place))
    with pytest.raises(CatalogueErrors) as caught:
        problems.raise_any()
    several = caught.value
    assert [e.place for e in several.errors] == ["a.yaml", "a.yaml:9", "a.yaml:10", "b.yaml:1"]
    assert (several.place, several.cause, several.mend) == ("a.yaml", "wrong", "mend it")
    assert str(several).startswith("4 errors in the catalogue\na.yaml: wrong\n  mend: mend it\n")
    assert several.exit_code == 2


def test_other_errors_are_not_caught() -> None:
    with pytest.raises(KeyError), Problems().caught():
        raise KeyError
