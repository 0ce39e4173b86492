"""A mailbox by IMAP4rev1 (RFC 3501), as much of it as a reader needs, for tests on this machine."""

from __future__ import annotations

import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_COMMAND = re.compile(rb"(\S+) (UID )?(\S+)(?: (.*))?", re.IGNORECASE)
_FETCH = re.compile(rb"(\d+) \(BODY\.PEEK\[\]<0\.(\d+)>\)", re.IGNORECASE)


@dataclass
class MailServer:
    """What the mailbox holds, by UID, and what it was asked."""

    mails: dict[int, bytes] = field(default_factory=dict)
    folder: str = "INBOX"
    user: str = "leads@example.org"
    password: str = "open sesame"  # noqa: S105
    asked: list[bytes] = field(default_factory=list)
    hangs_up: bool = False
    port: int = 0


class _Session(socketserver.StreamRequestHandler):
    mail: MailServer

    def handle(self) -> None:
        self._say(b"* OK IMAP4rev1 ready")
        while line := self.rfile.readline():
            found = _COMMAND.match(line.strip())
            if found is None:
                self._say(b"* BAD")
                continue
            tag, name, rest = found[1], found[3].upper(), found[4] or b""
            self.mail.asked.append(name + b" " + rest)
            if not self._answer(tag, name, rest):
                return

    def _answer(self, tag: bytes, name: bytes, rest: bytes) -> bool:
        mail = self.mail
        if name == b"CAPABILITY":
            self._say(b"* CAPABILITY IMAP4rev1", tag + b" OK done")
        elif name == b"LOGIN":
            right = mail.user.encode() in rest and f'"{mail.password}"'.encode() in rest
            self._say(tag + (b" OK in" if right else b" NO [AUTHENTICATIONFAILED] " + rest))
        elif name == b"EXAMINE":
            there = rest == f'"{mail.folder}"'.encode()
            self._say(b"* %d EXISTS" % len(mail.mails))
            self._say(tag + (b" OK [READ-ONLY] done" if there else b" NO no such folder"))
        elif name == b"SEARCH":
            self._say(b"* SEARCH " + b" ".join(b"%d" % uid for uid in sorted(mail.mails)))
            self._say(tag + b" OK done")
        elif name == b"FETCH":
            if mail.hangs_up:
                return False
            self._fetch(tag, rest)
        elif name == b"LOGOUT":
            self._say(b"* BYE", tag + b" OK done")
            return False
        else:
            self._say(tag + b" BAD unknown")
        return True

    def _fetch(self, tag: bytes, rest: bytes) -> None:
        asked = _FETCH.fullmatch(rest)
        assert asked, rest  # a body is peeked at: the message stays unread
        uid, most = int(asked[1]), int(asked[2])
        body = self.mail.mails[uid][:most]
        self.wfile.write(b"* 1 FETCH (UID %d BODY[]<0> {%d}\r\n" % (uid, len(body)) + body)
        self._say(b")", tag + b" OK done")

    def _say(self, *lines: bytes) -> None:
        for line in lines:
            self.wfile.write(line + b"\r\n")


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """A server at a free port of this machine."""
    mail = MailServer()
    handler = type("Session", (_Session,), {"mail": mail})
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    mail.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield mail
    finally:
        server.shutdown()
        server.server_close()
