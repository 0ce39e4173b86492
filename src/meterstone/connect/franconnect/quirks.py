"""What FranConnect writes oddly: one row as an object and none as a text, a tenant's own fields
with a number behind their names, days as MM/DD/YYYY, nothing as an empty text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from meterstone.facts import Reject, excerpt

_TENANT_FIELD = re.compile(r"_([A-Za-z]\w*?)\d{6,}")
_DAY = re.compile(r"\d\d/\d\d/\d{4}")


def rows(body: bytes, _context: Mapping[str, str]) -> Iterator[dict[str, Any] | Reject]:
    """Records of one answer of ``retrieve``.

    Fields of a tenant (``_netWorth1193748353``) lose the underscore and the number; days become
    ISO 8601; empty texts are left out.
    """
    try:
        data = json.loads(body)["fcResponse"]["responseData"]
    except (ValueError, KeyError, TypeError):
        yield Reject(
            1, "the answer has no fcResponse.responseData", "look at the answer", excerpt(body)
        )
        return
    if not isinstance(data, dict):
        return  # "No data found."
    for of_root in data.values():
        for record in of_root if isinstance(of_root, list) else [of_root]:
            if isinstance(record, dict):
                yield _plain(record)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        named = {_name(name): _plain(inner) for name, inner in value.items()}
        return {name: inner for name, inner in named.items() if inner != ""}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, str) and _DAY.fullmatch(value):
        return _iso(value)
    return value


def _name(name: str) -> str:
    found = _TENANT_FIELD.fullmatch(name)
    return found[1] if found else name


def _iso(day: str) -> str:
    try:
        return datetime.strptime(day, "%m/%d/%Y").date().isoformat()  # noqa: DTZ007  # a day
    except ValueError:
        return day  # the mapping refuses it, and says which column
