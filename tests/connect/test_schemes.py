"""Deliveries of webhooks prove where they come from; what does not is refused, whatever it is."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from square.utils.webhooks_helper import verify_signature
from standardwebhooks import Webhook

from meterstone.connect.schemes import Delivery, WebhookRefused, verify
from meterstone.connect.spec_webhooks import Scheme

URL = "https://hub.example/hooks/acme/a.b"
KEY = b"signature key"
STANDARD_KEY = b"whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef")
ORGANISATION = b"00D000000000001EAA"
SOAP = (
    '<e:Envelope xmlns:e="x"><notifications><OrganizationId>00D000000000001EAA</OrganizationId>'
    "</notifications></e:Envelope>"
)

Made = tuple[Scheme, Delivery, bytes]


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def hmac_body(body: bytes) -> Made:
    scheme = Scheme(kind="hmac_body", header="intuit-signature")
    signature = _base64(hmac.digest(KEY, body, "sha256"))
    return scheme, Delivery(URL, {"intuit-signature": signature}, body), KEY


def hmac_hex(body: bytes) -> Made:
    scheme = Scheme(
        kind="hmac_body", header="X-Signature", hash="sha512", encoding="hex", prefix="sha512="
    )
    signature = "sha512=" + hmac.new(KEY, body, hashlib.sha512).hexdigest().upper()
    return scheme, Delivery(URL, {"x-signature": signature.replace("SHA", "sha")}, body), KEY


def hmac_url_body(body: bytes) -> Made:
    scheme = Scheme(kind="hmac_url_body", header="x-square-hmacsha256-signature")
    signature = _base64(hmac.digest(KEY, URL.encode() + body, "sha256"))
    return scheme, Delivery(URL, {scheme.header: signature}, body), KEY


def static_header(body: bytes) -> Made:
    scheme = Scheme(kind="static_header", header="X-Clover-Auth")
    return scheme, Delivery(URL, {"x-clover-auth": KEY.decode()}, body), KEY


def standard_webhooks(body: bytes, at: datetime | None = None) -> Made:
    now = at or datetime.now(UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(STANDARD_KEY.decode()).sign("msg_1", now, body.decode()),
    }
    return Scheme(kind="standard_webhooks"), Delivery(URL, headers, body), STANDARD_KEY


def soap_ack(_body: bytes) -> Made:
    scheme = Scheme(kind="soap_ack", of="OrganizationId")
    return scheme, Delivery(URL, {}, SOAP.encode()), ORGANISATION


SIGNED: list[Callable[[bytes], Made]] = [
    hmac_body, hmac_hex, hmac_url_body, static_header, standard_webhooks, soap_ack,
]  # fmt: skip
bodies = st.text(st.characters(codec="utf-8"), max_size=200).map(str.encode)


@pytest.mark.parametrize("made", SIGNED)
@given(body=bodies)
def test_what_is_signed_is_taken_with_either_key(
    made: Callable[[bytes], Made], body: bytes
) -> None:
    scheme, delivery, key = made(body)
    verify(scheme, delivery, [key])
    verify(scheme, delivery, [b"whsec_b3RoZXI=", key])


@pytest.mark.parametrize("made", SIGNED)
@given(body=bodies)
def test_another_key_is_refused(made: Callable[[bytes], Made], body: bytes) -> None:
    scheme, delivery, _ = made(body)
    for keys in ([b"whsec_b3RoZXI="], []):
        with pytest.raises(WebhookRefused) as refused:
            verify(scheme, delivery, keys)
        assert refused.value.reason in ("forged", "unsigned")


@pytest.mark.parametrize("made", [hmac_body, hmac_hex, hmac_url_body, standard_webhooks])
@given(body=bodies, more=st.binary(min_size=1, max_size=3))
def test_a_changed_body_is_refused(made: Callable[[bytes], Made], body: bytes, more: bytes) -> None:
    scheme, delivery, key = made(body)
    with pytest.raises(WebhookRefused):
        verify(scheme, Delivery(URL, delivery.headers, body + more), [key])


@pytest.mark.parametrize("made", SIGNED[:-1])
@given(data=st.data())
def test_any_header_is_read_without_a_crash(
    made: Callable[[bytes], Made], data: st.DataObject
) -> None:
    scheme, delivery, key = made(b"{}")
    junk: Mapping[str, str] = {
        name: data.draw(st.text(max_size=60)) for name in delivery.headers if name != "webhook-id"
    }
    headers = {**delivery.headers, **junk}
    same = headers == delivery.headers or scheme.encoding == "hex"
    assert _reason(scheme, Delivery(URL, headers, b"{}"), key) in (
        {"forged", "unsigned", "replayed"} | ({""} if same else set())
    )


def _reason(scheme: Scheme, delivery: Delivery, key: bytes) -> str:
    try:
        verify(scheme, delivery, [key])
    except WebhookRefused as refused:
        return refused.reason
    return ""


def test_another_url_is_refused_where_the_url_is_signed() -> None:
    scheme, delivery, key = hmac_url_body(b"{}")
    with pytest.raises(WebhookRefused):
        verify(scheme, Delivery(URL + "x", delivery.headers, b"{}"), [key])


@given(bodies.filter(bool))
def test_square_s_own_library_holds_the_same(body: bytes) -> None:
    _, delivery, key = hmac_url_body(body)
    assert verify_signature(
        request_body=body.decode(),
        signature_header=delivery.headers["x-square-hmacsha256-signature"],
        signature_key=key.decode(),
        notification_url=URL,
    )


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_replay_of_standard_webhooks_is_refused(minutes: int) -> None:
    at = datetime.now(UTC) + timedelta(minutes=minutes)
    scheme, delivery, key = standard_webhooks(b"{}", at)
    with pytest.raises(WebhookRefused) as refused:
        verify(scheme, delivery, [key])
    assert refused.value.reason == "replayed"


@pytest.mark.parametrize(
    "body",
    [
        SOAP.replace("00D000000000001EAA", "00D000000000002EAA"),
        SOAP + SOAP,
        "<x/>",
        '<!DOCTYPE x [<!ENTITY a "b">]>' + SOAP,
    ],
)
def test_another_organisation_is_refused(body: str) -> None:
    scheme = Scheme(kind="soap_ack", of="OrganizationId")
    with pytest.raises(WebhookRefused):
        verify(scheme, Delivery(URL, {}, body.encode()), [ORGANISATION])


def test_a_scheme_says_what_it_needs() -> None:
    for wrong in ({"kind": "hmac_body"}, {"kind": "soap_ack"}, {"kind": "md5"}):
        with pytest.raises(ValidationError):
            Scheme(**wrong)
