"""How leads of IFPG's members are written.

Known of the mails: they come from ifpg.org, their subject is 'Territory Check from IFPG Member
<name>', the candidate stands behind ``Candidate:``, the consultant in Reply-To, and often there is
no address of the candidate. Their other lines, and the CSV, are our exchange format.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from meterstone.connect.intake import Form, read_leads
from meterstone.connect.intake.lead import anonymous_id
from meterstone.connect.intake.mail import Mail, NotAMail
from meterstone.facts import Reject

_SUBJECT = re.compile(r"(?:(?:re|fwd?):\s*)*territory check from ifpg member\s*(.*)", re.IGNORECASE)


def _of_mail(mail: Mail) -> dict[str, Any]:
    subject = _SUBJECT.fullmatch(mail.subject)
    if subject is None:
        raise NotAMail(
            "the subject is not 'Territory Check from IFPG Member …'",
            "give other mails of IFPG to a person",
        )
    candidate = mail.fields.get("candidate", "")
    if not candidate:
        raise NotAMail("there is no line 'Candidate: …'", "ask the consultant who the candidate is")
    record: dict[str, Any] = {**mail.fields, "consultant": subject[1] or mail.reply_to}
    # a bare mail: the day of the check and who asked about whom make the lead
    record.setdefault("lead_id", anonymous_id("ifpg", candidate, mail.reply_to or subject[1]))
    if mail.sent_at is not None:
        record.setdefault("stage_at", mail.sent_at.isoformat())
    return record


FORM = Form(senders=("ifpg.org", "ifpg.com"), read=_of_mail)


def leads(body: bytes, context: Mapping[str, str]) -> Iterator[dict[str, Any] | Reject]:
    """Leads of a CSV file, or of one e-mail (``medium: mail``)."""
    return read_leads(FORM, body, context)
