"""Mails that are more than a text: a report with its pictures and files.

Apprise makes a mail out of a text. Here the mail is ours, and Apprise's controller of SMTP carries
it: sign-in and TLS are those of its URL.
"""

from __future__ import annotations

import smtplib
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, formataddr
from typing import Any

from apprise.plugins.email.smtp import AppriseSMTPController

from meterstone.errors import MeterstoneError


class NotDelivered(MeterstoneError):
    """A service did not take a message; it may take it later."""


def carry(service: Any, letter: EmailMessage, key: str, at: datetime) -> None:
    """Send a letter to all receivers of a mail URL.

    Args:
        service: what Apprise read in the URL: its ``NotifyEmail``, whose types are loose.
        letter: gets sender, receivers, date and id; sent twice, both have the same id.
        key: of the letter.
        at: its date.

    Raises:
        NotDelivered: the mail server did not take it for all of them.
    """
    name, sender = service.from_addr
    shown = [formataddr((called or "", address)) for called, address in service.targets]
    letter["From"] = formataddr((name or "Meterstone", sender))
    letter["To"] = ", ".join(shown)
    if service.cc:
        letter["Cc"] = ", ".join(sorted(service.cc))
    letter["Date"] = format_datetime(at)
    letter["Message-ID"] = f"<{key}@{sender.rpartition('@')[2]}>"
    receivers = {address for _, address in service.targets} | set(service.cc) | set(service.bcc)
    try:
        with AppriseSMTPController(
            service.smtp_host, service.port, service.secure_mode, service.user, service.password,
            service.verify_certificate, service.socket_connect_timeout,
        ) as smtp:  # fmt: skip
            taken = smtp.sendmail(sender, sorted(receivers), letter.as_string())
    except (OSError, smtplib.SMTPException) as error:
        raise _refused(service.smtp_host) from error
    if not taken:
        raise _refused(service.smtp_host)


def _refused(host: str) -> NotDelivered:
    return NotDelivered(
        "the mail server did not take the report",
        place=host,
        mend="send a test, and look at the server's own log",
    )
