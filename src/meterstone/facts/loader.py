"""Reads the one declaration of all facts (``vocabulary.yaml``)."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from meterstone.facts.model import Column, FactSchema, Rollup, RowCheck, Vocabulary

#: Columns that only the hub sets; a sender that fills them is told so.
SET_BY_THE_HUB = ("recorded_at",)


@cache
def vocabulary() -> Vocabulary:
    """The fifty facts of the house; read once a process."""
    text = files("meterstone.facts").joinpath("vocabulary.yaml").read_text(encoding="utf-8")
    raw = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    common = _columns(raw["common"])
    schemas = {name: _schema(name, entry, common) for name, entry in raw["facts"].items()}
    return Vocabulary(schemas, raw["version"])


def _columns(raw: dict[str, dict[str, Any]]) -> tuple[Column, ...]:
    return tuple(
        Column(
            name=name,
            type=entry["type"],
            unit=entry.get("unit", ""),
            nullable=entry.get("nullable", False),
            allowed=tuple(entry.get("allowed", ())),
            codes=entry.get("codes", ""),
            desc=entry.get("desc", ""),
        )
        for name, entry in raw.items()
    )


def _schema(name: str, raw: dict[str, Any], common: tuple[Column, ...]) -> FactSchema:
    rollup = raw.get("rollup")
    return FactSchema(
        name=name,
        description=raw["description"],
        grain=raw["grain"],
        key=tuple(raw["key"]),
        event_time=raw["event_time"],
        sources=tuple(raw["sources"]),
        own_columns=_columns(raw["columns"]),
        common_columns=common,
        checks=tuple(RowCheck.parse(text) for text in raw.get("checks", ())),
        rollup=Rollup(tuple(rollup["dimensions"]), rollup["weight"], rollup["value"])
        if rollup
        else None,
        frozen=raw.get("frozen", False),
    )
