"""What is sent: which events there are, the signature of a message, and secrets that sign."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

EVENT_TYPES: Mapping[str, str] = {
    "connection.added": "a system was connected",
    "connection.broken": "a connection stopped working and needs a person",
    "connection.mended": "a broken connection works again",
    "connection.removed": "a system was disconnected",
    "webhook.disabled": "an endpoint failed for so long that nothing is sent there any more",
    "webhook.test": "sent by a person who tries an endpoint",
}
"""What can be announced."""

_SECRET_BYTES = 32


def new_secret() -> str:
    """A secret as receivers take it: ``whsec_`` and base64 of 32 random bytes."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def headers(
    message_id: str, at: datetime, payload: bytes, signing: Sequence[str]
) -> dict[str, str]:
    """The headers of one attempt.

    Args:
        message_id: the same in every attempt: what a receiver tells doubles by.
        at: of the attempt.
        signing: the secrets that are valid now, newest first; while one is rotated there are two,
            and so two signatures.
    """
    text = payload.decode()
    signed = (Webhook(secret).sign(message_id, at.astimezone(UTC), text) for secret in signing)
    return {
        "content-type": "application/json",
        "user-agent": "Meterstone-Webhooks/1",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signed),
    }
