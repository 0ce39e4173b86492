"""Tableau's bodies: one content, as XML (the default) or as JSON, and requests in either."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from meterstone.sandbox.kit.xml import NotXml, parse_xml

NAMESPACE = "http://tableau.com/api"
_TEXTS = frozenset({"summary", "detail", "restApiVersion", "notes"})
"""Fields that are elements with a text in XML; all other plain values are attributes."""


class TableauError(Exception):  # the stand-in renders it as Tableau does
    """An error of Tableau: ``code`` is the HTTP status and three digits more."""

    def __init__(self, code: str, summary: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.summary, self.detail = code, summary, detail

    @property
    def status(self) -> int:
        """The HTTP status."""
        return int(self.code[:3])


def answer(request: Request, content: Mapping[str, Any], status: int = 200) -> Response:
    """A ``tsResponse`` in the form that the request accepts."""
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse(dict(content), status)
    return xml_answer(content, status)


def xml_answer(content: Mapping[str, Any], status: int) -> Response:
    """A ``tsResponse`` in XML."""
    root = Element("tsResponse", {"xmlns": NAMESPACE})
    _write(root, content)
    body = tostring(root, "utf-8", xml_declaration=True)
    return Response(body, status, media_type="application/xml")


def error_content(error: TableauError) -> dict[str, Any]:
    """The content of an error."""
    return {
        "error": {"summary": error.summary, "detail": error.detail, "code": error.code},
    }


def _write(parent: Element, content: Mapping[str, Any]) -> None:
    for name, value in content.items():
        if value is None:
            continue
        if isinstance(value, list):
            for one in value:
                _write(SubElement(parent, name), one)
        elif isinstance(value, Mapping):
            child = SubElement(parent, name)
            child.text = value.get("value")
            _write(child, {k: v for k, v in value.items() if k != "value"})
        elif name in _TEXTS:
            SubElement(parent, name).text = str(value)
        else:
            parent.set(name, str(value))


def asked(body: bytes, media_type: str) -> dict[str, Any]:
    """The content of a ``tsRequest``: attributes and elements by name, as in JSON.

    Raises:
        TableauError: it is none.
    """
    try:
        if "json" in media_type:
            content = json.loads(body)
        else:
            root = parse_xml(body)
            content = _read(root) if _local(root.tag) == "tsRequest" else None
    except (NotXml, ValueError):
        content = None
    if not isinstance(content, dict):
        raise TableauError("400000", "Bad Request", "The request body is no tsRequest.")
    return content


def _read(element: Element) -> dict[str, Any]:
    content: dict[str, Any] = dict(element.attrib)
    for child in element:
        content[_local(child.tag)] = _read(child)
    return content


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def stamp(at: datetime) -> str:
    """Tableau's moments have whole seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart body."""

    name: str
    filename: str
    content: bytes


_NAME = re.compile(r'\bname="?([^";]*)"?')
_FILENAME = re.compile(r'\bfilename="?([^";]*)"?')


def parts(body: bytes, media_type: str) -> dict[str, Part]:
    """Parts of a ``multipart/mixed`` body by name (RFC 2046); contents as they are, byte by byte.

    Raises:
        TableauError: it is none.
    """
    found = re.search(r'boundary="?([^";]+)"?', media_type)
    if not media_type.startswith("multipart/mixed") or not found:
        raise TableauError("406000", "Not Acceptable", "multipart/mixed is expected.")
    read: dict[str, Part] = {}
    for piece in (b"\r\n" + body).split(b"\r\n--" + found[1].encode())[1:]:
        if piece.startswith(b"--"):
            return read
        head, blank, content = piece.partition(b"\r\n\r\n")
        if not blank:
            break
        disposition = head.decode("utf-8", "replace")
        name, filename = _NAME.search(disposition), _FILENAME.search(disposition)
        if name:
            read[name[1]] = Part(name[1], filename[1] if filename else "", content)
    raise TableauError("400000", "Bad Request", "The multipart body does not end.")
