"""Texts that a person typed, as the types of a fact's columns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from meterstone.facts.model import FactSchema

_WITHOUT_ZONE = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?")


def typed(schema: FactSchema | None, texts: Mapping[str, str]) -> dict[str, Any]:
    """The columns of a row; what does not fit stays text, and is refused by name later.

    Args:
        schema: of the fact; None: there is no such fact.
        texts: by column. A moment without a zone is UTC, as forms of browsers give it.
    """
    columns = schema.columns if schema else {}
    return {
        name: _value(columns[name].type, text) if name in columns else text
        for name, text in texts.items()
    }


def _value(kind: str, text: str) -> Any:
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    if kind == "timestamp" and _WITHOUT_ZONE.fullmatch(text):
        return f"{text}Z"
    if kind in ("integer", "number", "decimal"):
        try:
            return int(text) if kind == "integer" else float(text)
        except ValueError:
            return text
    return text
