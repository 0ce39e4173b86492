"""One e-mail (RFC 5322) as the labelled lines of its text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.errors import MessageError
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import getaddresses, parsedate_to_datetime
from html.parser import HTMLParser

_LABELLED = re.compile(r"^\s*([A-Za-z][A-Za-z0-9 _-]{0,40}?)\s*:[ \t]*(\S.*?)?\s*$")
_QUOTED = re.compile(r"^\s*(?:>|-----\s*Original Message)")
_MOST_PARTS = 100
_LARGEST = 5 * 1024 * 1024


class NotAMail(ValueError):
    """Why these bytes are no e-mail that can be read, as in a sentence."""

    def __init__(self, reason: str, mend: str) -> None:
        super().__init__(reason)
        self.mend = mend


@dataclass(frozen=True, slots=True)
class Mail:
    """What an intake needs of an e-mail.

    Attributes:
        message_id: without the angle brackets; empty where the message has none.
        sender, reply_to: addresses, lower case; empty where the message has none.
        sent_at: of its Date line, UTC.
        fields: the first value of each labelled line (``Candidate: …``), by the label in
            snake_case. Quoted lines of an earlier message are not read.
    """

    message_id: str
    sender: str
    reply_to: str
    subject: str
    sent_at: datetime | None
    fields: dict[str, str]


def read_mail(body: bytes) -> Mail:
    """Read one message.

    Raises:
        NotAMail: it is none, is larger than 5 MiB, or has no text.
    """
    if len(body) > _LARGEST:
        raise NotAMail("the message is larger than 5 MiB", "send it without attachments")
    if body.lower().count(b"boundary=") > _MOST_PARTS:
        raise NotAMail("the message nests too many parts", "send it as plain text")
    try:
        message = BytesParser(EmailMessage, policy=policy.default).parsebytes(body)
        return _mail(message)
    except (MessageError, LookupError, UnicodeError, ValueError, RecursionError) as error:
        if isinstance(error, NotAMail):
            raise
        raise NotAMail(
            f"the message cannot be read: {type(error).__name__}", "send it anew as plain text"
        ) from None


def label(text: str) -> str:
    """A label in snake_case: ``Win probability`` is win_probability."""
    return re.sub(r"[^a-z0-9]+", "_", text.strip().lower()).strip("_")


def _mail(message: EmailMessage) -> Mail:
    if message["From"] is None and message["Subject"] is None:
        raise NotAMail(
            "these bytes have neither a From nor a Subject line", "give e-mails as .eml files"
        )
    text = _text(message)
    if text is None:
        raise NotAMail("the message has no text", "send the lead as text, not as an attachment")
    return Mail(
        message_id=str(message["Message-ID"] or "").strip().strip("<>"),
        sender=_address(message, "From"),
        reply_to=_address(message, "Reply-To"),
        subject=" ".join(str(message["Subject"] or "").split()),
        sent_at=_date(message),
        fields=_fields(text),
    )


def _text(message: EmailMessage) -> str | None:
    part = message.get_body(preferencelist=("plain", "html"))
    if part is None:
        return None
    content = part.get_content()
    if not isinstance(content, str):
        return None
    return _shown(content) if part.get_content_type() == "text/html" else content


def _address(message: EmailMessage, name: str) -> str:
    found = getaddresses([str(value) for value in message.get_all(name, [])])
    return found[0][1].strip().lower() if found else ""


def _date(message: EmailMessage) -> datetime | None:
    try:
        at = parsedate_to_datetime(str(message["Date"] or ""))
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)


def _fields(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in _fresh(text):
        found = _LABELLED.match(line)
        if found:
            fields.setdefault(label(found[1]), found[2] or "")
    return fields


def _fresh(text: str) -> Iterator[str]:
    """Lines up to a signature, without what is quoted."""
    for line in text.splitlines():
        if line.rstrip() == "--" or line.lstrip().startswith("-----Original"):
            return
        if not _QUOTED.match(line):
            yield line


class _Shown(HTMLParser):
    """The text of a page as lines, without scripts and styles."""

    _BREAKS = frozenset({"br", "p", "div", "tr", "li", "table", "h1", "h2", "h3"})
    _HIDDEN = frozenset({"script", "style", "head", "title"})

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        if tag in self._BREAKS:
            self.pieces.append("\n")
        self._hidden += tag in self._HIDDEN

    def handle_endtag(self, tag: str) -> None:
        if tag in self._BREAKS:
            self.pieces.append("\n")
        self._hidden -= tag in self._HIDDEN and self._hidden > 0

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.pieces.append(data.replace("\n", " "))


def _shown(html: str) -> str:
    parser = _Shown()
    parser.feed(html)
    parser.close()
    return "".join(parser.pieces)
