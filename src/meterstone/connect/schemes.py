"""How a delivery of a webhook proves where it comes from. Pure functions; every comparison takes
the same time whatever is wrong."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from meterstone.connect.spec_webhooks import Scheme
from meterstone.errors import InputError

SOAP_ACK = (
    b'<?xml version="1.0" encoding="UTF-8"?>'
    b'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
    b'<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound">'
    b"<Ack>true</Ack></notificationsResponse></soapenv:Body></soapenv:Envelope>"
)
SALESFORCE_ID = 15
"""The part of a Salesforce id that tells; the other three characters are a checksum."""


class WebhookRefused(InputError):
    """A delivery that does not prove where it comes from. ``reason`` is a word for counting:
    ``unsigned``, ``forged``, ``replayed``."""

    def __init__(self, reason: str, cause: str) -> None:
        super().__init__(cause, place="webhook", mend="sign it with the key of this hook")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came in.

    Attributes:
        url: as the vendor was given it.
        headers: by lower-case name.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes


def verify(scheme: Scheme, delivery: Delivery, keys: Sequence[bytes]) -> None:
    """Check a delivery by its scheme.

    Args:
        keys: any of them may have signed: two while one is rotated. For ``soap_ack`` the ids of the
            organisations that are connected.

    Raises:
        WebhookRefused: it does not hold.
    """
    _CHECKS[scheme.kind](scheme, delivery, keys)


def answer(scheme: Scheme) -> tuple[bytes, str]:
    """Body and media type of the answer that the vendor takes for an acknowledgement."""
    return (
        (SOAP_ACK, "text/xml")
        if scheme.kind == "soap_ack"
        else (b'{"ok":true}', "application/json")
    )


def _hmac_body(scheme: Scheme, delivery: Delivery, keys: Sequence[bytes]) -> None:
    _check_hmac(scheme, delivery, keys, delivery.body)


def _hmac_url_body(scheme: Scheme, delivery: Delivery, keys: Sequence[bytes]) -> None:
    _check_hmac(scheme, delivery, keys, delivery.url.encode() + delivery.body)


def _check_hmac(scheme: Scheme, delivery: Delivery, keys: Sequence[bytes], signed: bytes) -> None:
    given = _header(scheme, delivery)
    if not given.startswith(scheme.prefix):
        raise WebhookRefused("forged", "the signature has another form")
    text = given.removeprefix(scheme.prefix).strip()
    # the encoded texts are compared: nothing of the sender's has to be decoded
    made = [_encoded(scheme, hmac.digest(key, signed, scheme.hash)) for key in keys]
    _one_of(made, text.lower() if scheme.encoding == "hex" else text)


def _static_header(scheme: Scheme, delivery: Delivery, keys: Sequence[bytes]) -> None:
    given = _header(scheme, delivery)
    _one_of([scheme.prefix + key.decode() for key in keys], given)


def _standard_webhooks(_scheme: Scheme, delivery: Delivery, keys: Sequence[bytes]) -> None:
    problem = "it is not signed"
    for key in keys:
        try:
            Webhook(key.decode()).verify(delivery.body, dict(delivery.headers), json_parse=False)
        except WebhookVerificationError as error:
            problem = str(error)
        except ValueError:  # the library lets through what malformed headers do to it
            problem = "Invalid Signature Headers"
        else:
            return
    if "too old" in problem or "too new" in problem:
        raise WebhookRefused("replayed", "the time of the delivery is not now")
    raise WebhookRefused("unsigned" if "Missing" in problem else "forged", problem.lower())


def _soap_ack(scheme: Scheme, delivery: Delivery, keys: Sequence[bytes]) -> None:
    if b"<!DOCTYPE" in delivery.body or b"<!ENTITY" in delivery.body:
        raise WebhookRefused("forged", "the message declares a document type")
    name = re.escape(scheme.of)
    found = re.findall(
        rf"<(?:\w+:)?{name}>\s*(\w+)\s*</(?:\w+:)?{name}>", delivery.body.decode("utf-8", "replace")
    )
    if len(found) != 1:
        raise WebhookRefused("unsigned", f"the message has {len(found)} elements {scheme.of}")
    _one_of([key.decode()[:SALESFORCE_ID] for key in keys], found[0][:SALESFORCE_ID])


def _url_secret(_scheme: Scheme, _delivery: Delivery, _keys: Sequence[bytes]) -> None:
    """The token of the URL was the proof, and is checked for every scheme."""


def _header(scheme: Scheme, delivery: Delivery) -> str:
    given = delivery.headers.get(scheme.header.lower(), "")
    if not given:
        raise WebhookRefused("unsigned", f"header {scheme.header} is missing")
    return given


def _encoded(scheme: Scheme, digest: bytes) -> str:
    return digest.hex() if scheme.encoding == "hex" else base64.b64encode(digest).decode()


def _one_of(made: Sequence[str], given: str) -> None:
    """All are compared, whichever holds."""
    held = [hmac.compare_digest(each.encode(), given.encode("utf-8", "replace")) for each in made]
    if not any(held):
        raise WebhookRefused("forged", "the signature does not hold")


_CHECKS: Mapping[str, Callable[[Scheme, Delivery, Sequence[bytes]], Any]] = {
    "hmac_body": _hmac_body,
    "hmac_url_body": _hmac_url_body,
    "static_header": _static_header,
    "standard_webhooks": _standard_webhooks,
    "soap_ack": _soap_ack,
    "url_secret": _url_secret,
}
