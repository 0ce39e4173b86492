"""The JSON Schema of the document, for readers in other languages."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from meterstone.scorecard.model import THIS_SCHEMA, Scorecard

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The packaged schema, JSON Schema 2020-12; a copy that the caller may change."""
    document: dict[str, Any] = json.loads(_packaged())
    return document


@cache
def _packaged() -> str:
    return files(__package__).joinpath("scorecard.schema.json").read_text("utf-8")


def text_of_model() -> str:
    """The text that ``scorecard.schema.json`` must have; write it there when the model changes."""
    head = {"$schema": DIALECT, "$id": f"urn:meterstone:scorecard:{THIS_SCHEMA.version}"}
    made = head | msgspec.json.schema(Scorecard)
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"
