"""Whatever is written into a catalogue, it loads or says where it is wrong."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meterstone.catalogue import load_catalogue
from meterstone.errors import CatalogueError

from .conftest import BASE, RULE, SHAPES, errors_of

WORDS = st.sampled_from(
    [
        "sale", "call", "amount", "status", "ms", "network", "franchise", "Shop", "wait",
        "paid_share", "sum(amount)", "count(*)", "at_least", "within", ">=", "==", "otherwise",
        "trailing", "day", "instant", "P1D", "%", "s", "0", "-1", "NULL", "SELECT", "*", "FROM",
        "(", "'", '"', "$start", "and", "max(",
    ]
)  # fmt: skip
KEYS = st.sampled_from(
    ["from", "where", "q", "unit", "rule", "hook", "facts", "heartbeat", "over", "materialize"]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | WORDS
    | st.lists(WORDS, max_size=4).map(" ".join),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | WORDS, inner),
    max_leaves=5,
)  # fmt: skip
DOCUMENT = yaml.safe_load(BASE)
DOCUMENT["metrics"] += yaml.safe_load(RULE)["metrics"]


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of all values under a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in inner:
        yield (*path, key)
        if isinstance(item, dict | list):
            yield from paths(item, (*path, key))


def changed(path: tuple[Any, ...], key: Any, value: Any) -> str:
    """The document with one value replaced, or one added under another key."""
    document = copy.deepcopy(DOCUMENT)
    target: Any = document
    for step in path[:-1]:
        target = target[step]
    if isinstance(target, dict) and isinstance(key, str):
        target[key] = value
    else:
        target[path[-1]] = value
    return yaml.safe_dump(document, allow_unicode=True)


@given(st.sampled_from(sorted(paths(DOCUMENT), key=str)), st.none() | KEYS, ANYTHING)
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_any_change_loads_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, path: tuple[Any, ...], key: str | None, value: Any
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(changed(path, key, value).encode("utf-8", "surrogatepass"))
    assert_loads_or_says_where(file)


@given(st.text("ab: -[]{}&*!|>'\"#\n\t,?%@`", max_size=60))
@settings(deadline=None)
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "text.yaml"
    file.write_text(text, encoding="utf-8")
    assert_loads_or_says_where(file)


def assert_loads_or_says_where(file: Path) -> None:
    errors: list[CatalogueError] = []
    try:
        load_catalogue(file, SHAPES, hooks=("roi",))
    except CatalogueError as caught:
        errors += errors_of(caught)
    for error in errors:
        assert error.place.startswith(str(file))
        assert error.cause
        assert error.mend
