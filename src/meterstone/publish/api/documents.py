"""What is answered as it was kept: documents of ours, with their own schema.

They are `msgspec` structs elsewhere; here their JSON Schema becomes part of the API's document.
"""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import Response

from meterstone.detect.state import IntegrationNow, Now
from meterstone.scorecard.model import Gate, Metric, Scorecard

_KINDS = (Scorecard, Metric, Gate, Now, IntegrationNow)
JSON = "application/json"


def schemas() -> dict[str, Any]:
    """The schemas of the documents and their parts by name."""
    _, found = msgspec.json.schema_components(_KINDS, ref_template="#/components/schemas/{name}")
    return dict(found)


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
