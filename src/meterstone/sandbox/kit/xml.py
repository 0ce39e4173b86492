"""XML of a stranger, read without document types: nothing in it can expand or reach outside."""

from __future__ import annotations

import pyexpat
from xml.etree.ElementTree import Element, ParseError, fromstring


class NotXml(ValueError):  # what happened, as in a sentence
    """These bytes are no XML, or declare a document type."""


def parse_xml(body: str | bytes) -> Element:
    """The root element.

    Raises:
        NotXml: it is none.
    """
    data = body.encode() if isinstance(body, str) else body
    checker = pyexpat.ParserCreate()
    checker.StartDoctypeDeclHandler = _refuse
    try:
        checker.Parse(data, True)
        return fromstring(data)  # noqa: S314  # without a document type no entity can be declared
    except (pyexpat.ExpatError, ParseError) as error:
        raise NotXml(f"this is no XML: {error}") from None


def _refuse(*_declared: object) -> None:
    raise NotXml("XML with a document type is not read")
