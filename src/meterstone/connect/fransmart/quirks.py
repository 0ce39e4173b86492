"""How Fransmart's leads are written. The format is ours: nothing of theirs is documented."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meterstone.connect.intake import Form, read_leads
from meterstone.connect.intake.mail import Mail
from meterstone.facts import Reject


def _of_mail(mail: Mail) -> dict[str, Any]:
    return dict(mail.fields)


FORM = Form(senders=("fransmart.com",), read=_of_mail)


def leads(body: bytes, context: Mapping[str, str]) -> Iterator[dict[str, Any] | Reject]:
    """Leads of a CSV file, or of one e-mail (``medium: mail``)."""
    return read_leads(FORM, body, context)
