"""Where mails of leads are fetched from: a folder of messages, or a mailbox by IMAP.

Fetching changes nothing: messages stay where they are, and unread. A message that was landed
before is a duplicate of the landing log, so the whole mailbox may be read each time.
"""

from __future__ import annotations

import imaplib
import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Protocol

from meterstone.errors import InputError, MeterstoneError

LARGEST = 5 * 1024 * 1024
"""A larger message is not fetched: its first bytes are given, and quarantined with the reason."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class MailboxError(MeterstoneError):
    """The mailbox cannot be read."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it lies there; ``name`` says where."""

    name: str
    body: bytes


class Mailbox(Protocol):
    """Gives all messages, oldest first as far as the mailbox knows."""

    def messages(self, since: date | None = None) -> Iterator[Message]:
        """Messages; received on ``since`` or later, where the mailbox can tell.

        Raises:
            MailboxError: it cannot be read.
        """


@dataclass(frozen=True, slots=True)
class Folder:
    """A Maildir (``new`` and ``cur``), or a folder of ``.eml`` files."""

    path: Path

    def messages(self, since: date | None = None) -> Iterator[Message]:  # noqa: ARG002
        """Every message in the order of the file names; ``since`` is left unused: a copied file
        tells nothing of when it was received.

        Raises:
            MailboxError: there is no such folder, or it cannot be read.
        """
        if not self.path.is_dir():
            raise MailboxError(
                "there is no such folder", place=str(self.path), mend="name a Maildir or .eml files"
            )
        for file in sorted(self._files(), key=lambda file: file.name):
            try:
                with file.open("rb") as stream:
                    yield Message(file.name, stream.read(LARGEST + 1))
            except OSError as error:
                raise MailboxError(
                    f"a message cannot be read: {error.strerror}", place=str(file)
                ) from error

    def _files(self) -> Iterator[Path]:
        if (self.path / "cur").is_dir():
            for part in ("new", "cur"):
                yield from (f for f in (self.path / part).iterdir() if f.is_file())
        else:
            yield from self.path.glob("*.eml")


@dataclass(frozen=True)
class Imap:
    """A mailbox by IMAP4rev1 (RFC 3501): read only (``EXAMINE``), by UID.

    Attributes:
        tls: from the first byte, as providers ask; without it only on this machine.
    """

    host: str
    user: str
    password: str = field(repr=False)
    folder: str = "INBOX"
    port: int = 993
    tls: bool = True
    timeout_s: float = 30.0

    def messages(self, since: date | None = None) -> Iterator[Message]:
        """Messages in the order in which the server received them.

        Raises:
            MailboxError: the server cannot be reached, refuses the sign-in, or has no such folder.
        """
        if not self.tls and self.host not in ("127.0.0.1", "::1", "localhost"):
            raise InputError(
                "IMAP without TLS", place=self.host, mend="use the port of IMAP over TLS (993)"
            )
        server = self._connected()
        try:
            self._signed_in(server)
            for uid in self._uids(server, since):
                yield Message(f"{self.folder};uid={uid}", self._body(server, uid))
        except (imaplib.IMAP4.error, OSError) as error:
            raise self._error("the mailbox stopped answering", error) from None
        finally:
            _end(server)

    def _connected(self) -> imaplib.IMAP4:
        try:
            if self.tls:
                context = ssl.create_default_context()
                return imaplib.IMAP4_SSL(
                    self.host, self.port, ssl_context=context, timeout=self.timeout_s
                )
            return imaplib.IMAP4(self.host, self.port, timeout=self.timeout_s)
        except (imaplib.IMAP4.error, OSError) as error:
            raise self._error("the mail server cannot be reached", error) from None

    def _signed_in(self, server: imaplib.IMAP4) -> None:
        try:
            server.login(self.user, self.password)
        except imaplib.IMAP4.error:
            # what the server says may repeat what was sent
            raise MailboxError(
                "the mail server refuses the sign-in",
                place=f"{self.host}:{self.port}",
                mend="check user name and password; many providers want an app password",
            ) from None
        status, _ = server.select(_quoted(self.folder), readonly=True)
        if status != "OK":
            raise MailboxError(
                f"there is no folder {self.folder!r}", place=f"{self.host}:{self.port}"
            )

    def _uids(self, server: imaplib.IMAP4, since: date | None) -> list[str]:
        asked = ["ALL"] if since is None else ["SINCE", _imap_day(since)]
        status, found = server.uid("SEARCH", *asked)
        if status != "OK":
            raise MailboxError("the mailbox cannot be searched", place=self.host)
        return sorted((found[0] or b"").decode("ascii").split(), key=int)

    def _body(self, server: imaplib.IMAP4, uid: str) -> bytes:
        status, parts = server.uid("FETCH", uid, f"(BODY.PEEK[]<0.{LARGEST + 1}>)")
        if status == "OK":
            for part in parts:
                if isinstance(part, tuple):
                    return bytes(part[1])
        raise MailboxError(f"message {uid} cannot be fetched", place=self.host)

    def _error(self, what: str, error: Exception) -> MailboxError:
        return MailboxError(
            f"{what} ({type(error).__name__})",
            place=f"{self.host}:{self.port}",
            mend="check host and port, and try again",
        )


def _imap_day(day: date) -> str:
    return f"{day.day}-{_MONTHS[day.month - 1]}-{day.year}"


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _end(server: imaplib.IMAP4) -> None:
    with suppress(imaplib.IMAP4.error, OSError):  # the connection may be gone already
        server.logout()
    with suppress(OSError):  # a server that hung up leaves our end of it open
        server.shutdown()
