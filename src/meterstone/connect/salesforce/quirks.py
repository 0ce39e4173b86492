"""What is odd about Salesforce: answers as JSON or, from bulk jobs, as CSV; SOAP notifications."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree as ET

import msgspec

from meterstone.errors import FormatError
from meterstone.facts import Reject, excerpt

Context = Mapping[str, str]

_LOST = "Closed - Not Converted"
_OUTBOUND = "{http://soap.sforce.com/2005/09/outbound}"
_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


def records(body: bytes, _context: Context) -> Iterator[dict[str, Any] | Reject]:
    """Records of a page: of a query (JSON), or of the result of a bulk job (CSV, every cell in
    quotes, in which a parent's field is a column such as ``Account.AccountNumber``).

    Raises:
        FormatError: it is neither.
    """
    if not body.strip():  # a job that found nothing
        return
    if not body.startswith(b'"'):
        yield from _of_json(body)
        return
    text = io.StringIO(body.decode("utf-8-sig", "replace"), newline="")
    for number, row in enumerate(csv.DictReader(text), 1):
        if None in row or None in row.values():
            yield Reject(
                number, f"line {number + 1} has another number of cells than the header",
                "fetch the result of the job again", excerpt(str(row)),
            )  # fmt: skip
        else:
            yield _nested(row)


def _of_json(body: bytes) -> Iterator[dict[str, Any]]:
    try:
        content = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise FormatError(
            f"the answer is not JSON: {error}", mend="look at what the vendor sent"
        ) from error
    found = content.get("records") if isinstance(content, dict) else None
    if not isinstance(found, list):
        raise FormatError("an answer without `records`", mend="look at what the vendor sent")
    yield from found


def _nested(row: Mapping[str, str]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in row.items():
        *above, own = name.split(".")
        place = made
        for relation in above:
            place = place.setdefault(relation, {})
        place[own] = value or None
    return made


def closed_at(record: Mapping[str, Any], _context: Context) -> str | None:
    """When an opportunity was closed: its own field, else the beginning of the day of closing."""
    if record.get("Closed_At__c"):
        return str(record["Closed_At__c"])
    closed = str(record.get("IsClosed")).lower() == "true"
    return f"{record['CloseDate']}T00:00:00Z" if closed and record.get("CloseDate") else None


def open_probability(record: Mapping[str, Any], _context: Context) -> float | None:
    """Salesforce's own probability as a fraction, of a deal that is open."""
    percent = record.get("Probability")
    if percent is None or str(record.get("IsClosed")).lower() == "true":
        return None
    return float(percent) / 100


def lead_stage(record: Mapping[str, Any], _context: Context) -> str:
    """The status of a lead; one that came to nothing is lost."""
    status = str(record.get("Status") or "open")
    return "lost" if status == _LOST else status


def notifications(body: bytes, _context: Context) -> Iterator[dict[str, Any]]:
    """Notifications of an outbound message.

    Yields:
        ``id`` (of the notification: doubles have the same), ``organization, type`` (object),
        ``record`` (id), ``at`` (time of change).

    Raises:
        ValueError: it is no outbound message.
    """
    if re.search(rb"<!(DOCTYPE|ENTITY)", body, re.IGNORECASE):
        raise ValueError("an outbound message declares no document type")
    try:
        root = ET.fromstring(body)  # noqa: S314  # declarations, and so entities, are refused above
    except ET.ParseError as error:
        raise ValueError(f"no outbound message: {error}") from error
    message = root.find(f".//{_OUTBOUND}notifications")
    if message is None:
        raise ValueError("no outbound message: it has no notifications")
    organization = message.findtext(f"{_OUTBOUND}OrganizationId", "")
    for notified in message.findall(f"{_OUTBOUND}Notification"):
        told = notified.find(f"{_OUTBOUND}sObject")
        if told is None:
            continue
        fields = {child.tag.rpartition("}")[2]: child.text for child in told}
        yield {
            "id": notified.findtext(f"{_OUTBOUND}Id", ""), "organization": organization,
            "type": told.get(_TYPE, "").rpartition(":")[2], "record": fields.get("Id"),
            "at": fields.get("SystemModstamp"),
        }  # fmt: skip
