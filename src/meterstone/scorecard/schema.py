"""The JSON Schema of the document, for readers in other languages."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from meterstone.scorecard.model import SCHEMA_VERSION, Scorecard

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The packaged schema, JSON Schema 2020-12; a copy that the caller may change."""
    document: dict[str, Any] = json.loads(_packaged())
    return document


def schema_of_model() -> dict[str, Any]:
    """The schema as the model has it now; the packaged file must be equal to it."""
    made = msgspec.json.schema(Scorecard)
    return {"$schema": DIALECT, "$id": f"urn:meterstone:scorecard:{SCHEMA_VERSION}", **made}


@cache
def _packaged() -> str:
    return files(__package__).joinpath("scorecard.schema.json").read_text("utf-8")


def write() -> str:
    """The text of ``scorecard.schema.json``, after the model was changed."""
    return json.dumps(schema_of_model(), indent=2, ensure_ascii=False) + "\n"
