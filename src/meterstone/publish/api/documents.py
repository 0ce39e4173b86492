"""What is answered as it was kept: documents of ours, with their own schema.

They are `msgspec` structs elsewhere; here their JSON Schema becomes part of the API's document.
"""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import Response

from meterstone.detect.state import IntegrationNow, Now
from meterstone.insight.findings import KeptFinding
from meterstone.publish.findings import FindingRow
from meterstone.scorecard.model import Gate, Metric, Scorecard

_KINDS = (Scorecard, Metric, Gate, Now, IntegrationNow)
_FINDINGS = (KeptFinding, FindingRow)
_FINDING = "Finding"
JSON = "application/json"
_REF = "#/components/schemas/{name}"


def schemas() -> dict[str, Any]:
    """The schemas of the documents and their parts by name."""
    _, found = msgspec.json.schema_components(_KINDS, ref_template=_REF)
    return {**found, **_of_findings()}


def _of_findings() -> dict[str, Any]:
    """The same of findings; their parts have names that others have too (`Check`, `Source`), so
    each is called a part of a finding."""
    _, found = msgspec.json.schema_components(_FINDINGS, ref_template=_REF)
    text = msgspec.json.encode(found).decode()
    for name in found:
        if _FINDING not in name:
            text = text.replace(f'schemas/{name}"', f'schemas/{_FINDING}{name}"')
    named: dict[str, Any] = msgspec.json.decode(text)
    return {
        name if _FINDING in name else f"{_FINDING}{name}": schema for name, schema in named.items()
    }


def shown(kind: type, *, many: bool = False) -> dict[int | str, dict[str, Any]]:
    """The answer of an operation that gives a document, for its documentation.

    Args:
        many: it gives a list of them.
    """
    one = {"$ref": f"#/components/schemas/{kind.__name__}"}
    schema = {"type": "array", "items": one} if many else one
    return {200: {"description": "OK", "content": {JSON: {"schema": schema}}}}


def answer(document: Any) -> Response:
    """A document, or several, as JSON."""
    return Response(msgspec.json.encode(document), media_type=JSON)
