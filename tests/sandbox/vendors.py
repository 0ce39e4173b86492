"""What the tests of the stand-ins share: the books of a small network, and published schemas."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from meterstone.sandbox.kit import Books
from meterstone.sandbox.network import preset, simulate

_SHARED = Path(os.environ.get("METERSTONE_SHARED", Path(__file__).parents[3] / "shared"))


def small_books(folder: Path) -> Books:
    """The honest network of six shops and three months."""
    simulate(preset("honest", shops=6, months=3, telemetry_days=None, seed=1), folder)
    return Books(folder)


@cache
def spec(name: str) -> dict[str, Any]:
    """A published API description; skips the test where the shared data are absent."""
    path = _SHARED / "specs" / name
    if not path.exists():
        pytest.skip(f"no specification at {path}; set METERSTONE_SHARED")
    text = path.read_text(encoding="utf-8")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    read: dict[str, Any] = (
        json.loads(text) if path.suffix == ".json" else yaml.load(text, Loader=loader)  # noqa: S506
    )
    return read


def validate(value: Any, schema: str, of: str) -> None:
    """Hold a value against a schema of a description; unknown properties are errors.

    Args:
        value: JSON.
        schema: name among the components.
        of: file under ``specs``.
    """
    document = spec(of)
    jsonschema.Draft202012Validator(
        {"$ref": f"#/components/schemas/{schema}", "components": _strict(of)}
    ).validate(value)
    assert document


@cache
def _strict(of: str) -> dict[str, Any]:
    closed: dict[str, Any] = _closed(spec(of)["components"])
    return closed


def _closed(value: Any) -> Any:
    """Objects with named properties take no others; `nullable` is spelt out."""
    if isinstance(value, list):
        return [_closed(item) for item in value]
    if not isinstance(value, dict):
        return value
    inner = {name: _closed(item) for name, item in value.items() if name != "examples"}
    if isinstance(value.get("properties"), dict) and "additionalProperties" not in value:
        inner["additionalProperties"] = False
    if value.get("nullable") is True and isinstance(value.get("type"), str):
        inner["type"] = [value["type"], "null"]
    return inner
