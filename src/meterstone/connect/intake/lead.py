"""Leads of a mail or of a CSV file, in the one form that mappings read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from meterstone.connect.intake.mail import Mail, NotAMail, read_mail
from meterstone.connect.intake.sheet import read_sheet
from meterstone.facts import Reject, excerpt

Record = dict[str, Any]

_MAILS = ("message/rfc822", "mail")
NEEDED = ("lead_id", "stage_at")
"""What a row must have: who it is, and since when it is so."""


@dataclass(frozen=True, slots=True)
class Form:
    """How one sender writes leads.

    Attributes:
        senders: domains from which its mails come; empty: any.
        read: the lead of a mail; raises `NotAMail` with the reason where it is none.
    """

    senders: tuple[str, ...]
    read: Callable[[Mail], Record]


def read_leads(form: Form, body: bytes, context: Mapping[str, str]) -> Iterator[Record | Reject]:
    """Records of a landed body.

    Args:
        form: how the sender writes.
        body: one e-mail, or a CSV file.
        context: ``medium`` is ``mail`` or ``csv`` (the default).
    """
    if context.get("medium") in _MAILS:
        yield _of_mail(form, body)
        return
    for row in read_sheet(body, NEEDED):
        yield row if isinstance(row, Reject) else _checked(*row)


def _of_mail(form: Form, body: bytes) -> Record | Reject:
    try:
        mail = read_mail(body)
        _check_sender(form, mail)
        record = {name: text for name, text in form.read(mail).items() if text not in ("", None)}
    except NotAMail as refused:
        return Reject(1, str(refused), refused.mend, excerpt(body))
    return _checked(1, record)


def _check_sender(form: Form, mail: Mail) -> None:
    domain = mail.sender.rpartition("@")[2]
    fits = any(domain == known or domain.endswith(f".{known}") for known in form.senders)
    if form.senders and not fits:
        raise NotAMail(
            f"the sender is of {domain or 'no domain'}, not of {' or '.join(form.senders)}",
            "forward leads as attachments that keep their From line, or upload them as CSV",
        )


def _checked(number: int, record: Mapping[str, Any]) -> Record | Reject:
    missing = [name for name in NEEDED if not record.get(name)]
    if missing:
        return Reject(
            number,
            f"a lead without {missing[0]}",
            f"give {' and '.join(NEEDED)} with every lead",
            excerpt(dict(record)),
        )
    return dict(record)


def anonymous_id(*parts: str) -> str:
    """An id for a lead whose sender gives none: of what names it, so that a copy has the same."""
    return hashlib.sha256("\0".join(part.strip().lower() for part in parts).encode()).hexdigest()[
        :16
    ]
