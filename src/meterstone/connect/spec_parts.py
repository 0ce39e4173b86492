"""What all sections of a connector file share."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from meterstone.connect.paths import parse

_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")


class Strict(BaseModel):
    """A section: an unknown key is an error, and nothing changes after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)


def _duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None or not any(match.groups()):
        raise ValueError("write a duration such as PT5M, PT36H or P30D")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _path(text: str) -> str:
    parse(text)
    return text


Duration = Annotated[timedelta, BeforeValidator(_duration)]
"""An ISO 8601 duration in days and less: months and years have no fixed length."""

Path = Annotated[str, AfterValidator(_path)]
"""A path into a record, such as ``amount.value`` or ``lines[0].id``."""


class Python(Strict):
    """A function or class of the vendor's own module."""

    python: str
