"""FranConnect's envelope, JSON and XML, and its filter."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from starlette.responses import JSONResponse, Response

from meterstone.sandbox.kit.xml import NotXml, parse_xml

NO_DATA = "No data found."


class Refused(Exception):
    """A request that FranConnect answers with responseStatus Error, inside a 200."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What a filterXML asks for; ``until`` is exclusive."""

    since: datetime | None = None
    until: datetime | None = None
    equal: Mapping[str, str] = field(default_factory=dict)


def success(data: Any, form: Mapping[str, str], *, more: bool | None = None) -> Response:
    """``responseStatus`` Success around the data."""
    body: dict[str, Any] = {"responseStatus": "Success", "responseData": data}
    if more is not None:
        body["pagination"] = {"hasMoreRecords": "true" if more else "false"}
    return _answer(body, form)


def warning(root: str, reference: str, details: str, form: Mapping[str, str]) -> Response:
    """A record was made, and something about it is odd."""
    record = {"referenceId": reference, "warning": {"warningDetails": details}}
    return _answer({"responseStatus": "Warning", "responseData": {root: record}}, form)


def error(details: str, form: Mapping[str, str]) -> Response:
    """An error; its HTTP status is 200."""
    return _answer({"responseStatus": "Error", "error": {"errorDetails": details}}, form)


def one_or_many(root: str, records: Sequence[Mapping[str, Any]]) -> Any:
    """No row is a text, one an object, several a list."""
    if not records:
        return NO_DATA
    return {root: records[0] if len(records) == 1 else list(records)}


def read_filter(xml: str) -> Filter:
    """The filter of a retrieve.

    Raises:
        Refused: it is no filter.
    """
    if not xml.strip():
        return Filter()
    try:
        root = parse_xml(xml)
    except NotXml:
        raise Refused("Invalid:filterXML") from None
    fields = {element.tag: (element.text or "").strip() for element in root.iterfind("filter/*")}
    since, until = fields.pop("lastUpdateFrom", ""), fields.pop("lastUpdateTo", "")
    return Filter(
        _day(since) if since else None,
        _day(until) + timedelta(days=1) if until else None,
        fields,
    )


def read_record(xml: str, root: str) -> dict[str, str]:
    """The fields of an xmlString of create.

    Raises:
        Refused: it is no record of that kind.
    """
    try:
        element = parse_xml(xml)
    except NotXml:
        raise Refused("Invalid:xmlString") from None
    found = element if element.tag == root else element.find(root)
    if found is None:
        raise Refused(f"Missing:{root}")
    return {child.tag: (child.text or "").strip() for child in found}


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%m/%d/%Y").replace(tzinfo=UTC)
    except ValueError:
        raise Refused("Invalid:date, MM/DD/YYYY is expected") from None


def _answer(body: dict[str, Any], form: Mapping[str, str]) -> Response:
    if form.get("responseType", "XML").upper() == "JSON":
        return JSONResponse({"fcResponse": body})
    root = Element("fcResponse")
    _write(root, body)
    return Response(tostring(root, "utf-8", xml_declaration=True), media_type="application/xml")


def _write(parent: Element, value: Any) -> None:
    if not isinstance(value, Mapping):
        parent.text = str(value)
        return
    for name, inner in value.items():
        for one in inner if isinstance(inner, list) else [inner]:
            _write(SubElement(parent, _tag(name)), one)


def _tag(name: str) -> str:
    return re.sub(r"[^\w.-]", "_", name)
