"""Outbound messages of Salesforce: SOAP, acknowledged by SOAP, sent for up to 24 hours.

There is no signature: a receiver knows the sender by the id of the organisation (and, in real life,
by the client certificate of TLS). Nothing is sent when a record is deleted.
Source: developer.salesforce.com, outbound messages. The waits between tries are ours; Salesforce
says that they grow to two hours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.sax.saxutils import escape

import httpx2

from meterstone.sandbox.kit import Change, Event, Schedule, Sender
from meterstone.sandbox.salesforce.org import Org
from meterstone.sandbox.salesforce.schema import OBJECTS

SCHEDULE = Schedule(
    (15, 30, 60, 120, 240, 480, 960, 1920, 3600, *[7200] * 10), timeout_s=60,
    evidence="https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/"
    "sforce_api_om_outboundmessaging_understanding.htm",
)  # fmt: skip
MEDIA_TYPE = "text/xml; charset=utf-8"
_ACK = re.compile(r"<(?:\w+:)?Ack>\s*true\s*</(?:\w+:)?Ack>")


def sign(_event: Event, _nth: int) -> Mapping[str, str]:
    """No signature; the header that SOAP 1.1 asks for."""
    return {"soapaction": '""'}


def accepts(answer: httpx2.Response) -> bool:
    """Whether a receiver acknowledged."""
    return answer.is_success and bool(_ACK.search(answer.text))


class Messages:
    """Tells every subscriber of every record that was created or changed."""

    def __init__(self, sender: Sender, org: Org) -> None:
        self._sender, self._org = sender, org
        self._action = org.new_id("04k")

    def tell(self, change: Change) -> None:
        """Listener of an entity."""
        if change.silent or change.kind == "deleted":
            return
        id_ = self._org.new_id("04l")
        body = self._envelope(change, id_).encode()
        self._sender.send(change.entity, id_, change.id, lambda _target: body)

    def _envelope(self, change: Change, id_: str) -> str:
        shown = "".join(
            f"<sf:{name}>{escape(_text(change.record[name]))}</sf:{name}>"
            for name in OBJECTS[change.entity].fields
            if change.record.get(name) is not None
        )
        return (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
            ' xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
            ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'
            '<notifications xmlns="http://soap.sforce.com/2005/09/outbound">'
            f"<OrganizationId>{self._org.id}</OrganizationId><ActionId>{self._action}</ActionId>"
            '<SessionId xsi:nil="true"/>'
            "<EnterpriseUrl>https://sandbox.invalid/services/Soap/c/67.0</EnterpriseUrl>"
            "<PartnerUrl>https://sandbox.invalid/services/Soap/u/67.0</PartnerUrl>"
            f"<Notification><Id>{id_}</Id>"
            f'<sObject xsi:type="sf:{change.entity}"'
            ' xmlns:sf="urn:sobject.enterprise.soap.sforce.com">'
            f"{shown}</sObject></Notification></notifications></soapenv:Body></soapenv:Envelope>"
        )


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).replace("+0000", "Z")
