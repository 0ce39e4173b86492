"""The one exception tree: every error carries place, cause and mend."""

from __future__ import annotations

import pytest

from meterstone import errors
from meterstone.errors import (
    CatalogueError,
    FormatError,
    HomeInUse,
    InputError,
    MeterstoneError,
    StorageError,
    VerificationFailed,
    suggest,
)


def test_an_error_says_where_what_and_what_to_do() -> None:
    error = CatalogueError("unknown key 'vaule'", place="shop.yaml:7", mend="write value")
    assert str(error) == "shop.yaml:7: unknown key 'vaule'\n  mend: write value"
    assert error.as_dict() == {
        "error": "CatalogueError",
        "place": "shop.yaml:7",
        "cause": "unknown key 'vaule'",
        "mend": "write value",
    }


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (MeterstoneError("broken"), "broken"),
        (MeterstoneError("broken", place="here"), "here: broken"),
        (MeterstoneError("broken", mend="wait"), "broken\n  mend: wait"),
    ],
)
def test_what_is_not_known_is_left_out(error: MeterstoneError, text: str) -> None:
    assert str(error) == text


@pytest.mark.parametrize(
    ("kind", "parent", "exit_code"),
    [
        (InputError, MeterstoneError, 2),
        (CatalogueError, InputError, 2),
        (FormatError, InputError, 2),
        (HomeInUse, MeterstoneError, 2),
        (StorageError, MeterstoneError, 2),
        (VerificationFailed, MeterstoneError, 1),
    ],
)
def test_the_tree_and_its_exit_codes(
    kind: type[MeterstoneError], parent: type[MeterstoneError], exit_code: int
) -> None:
    assert issubclass(kind, parent)
    assert kind("x").exit_code == exit_code


def test_the_tree_is_drawn_as_it_is() -> None:
    drawing = errors.__doc__ or ""
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, Exception):
            assert name in drawing
            assert kind.__doc__


@pytest.mark.parametrize(
    ("word", "known", "mend"),
    [
        ("requets", ["requests", "errors"], "did you mean 'requests'?"),
        ("zzz", ["b", "a"], "known: a, b"),
        ("a", [], "known: "),
    ],
)
def test_a_misspelt_name_gets_the_likely_one_or_all(word: str, known: list[str], mend: str) -> None:
    assert suggest(word, known) == mend
