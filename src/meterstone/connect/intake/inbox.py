"""Files and mails of a connection without an API: landed as received, told as a run of a sync."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from meterstone.connect.formats import page_of, vendor_formats
from meterstone.connect.hub import Hub
from meterstone.connect.intake.mailbox import Mailbox
from meterstone.connect.landing import context_of
from meterstone.errors import InputError
from meterstone.facts import Reject
from meterstone.ledger import Connection
from meterstone.record.log import LandingLog
from meterstone.record.model import Incoming, LandedRecord, Receipt

MEDIA = {"mail": "message/rfc822", "csv": "text/csv"}


@dataclass(slots=True)
class Taken:
    """What became of files and mails.

    Attributes:
        read: bodies; ``known`` of them had been landed before, and change nothing.
        facts: rows that they gave.
        refused: what is in quarantine, with the reason.
    """

    read: int = 0
    known: int = 0
    facts: int = 0
    refused: list[Reject] = field(default_factory=list)


class Inbox:
    """Takes files and mails of connections whose vendor has no API.

    Args:
        hub: the connected systems.
        log: where bodies are landed; they are mapped with all that is new there.
    """

    def __init__(self, hub: Hub, log: LandingLog) -> None:
        self._hub, self._log = hub, log
        self._format, _ = vendor_formats(hub.mappings)

    def take_mails(self, connection: str, mailbox: Mailbox, *, since: date | None = None) -> Taken:
        """All mails of a mailbox; those that were taken before have no effect.

        Raises:
            InputError: the connection's vendor has an API.
            MailboxError: the mailbox cannot be read; what was read before is kept.
        """
        bodies = (message.body for message in mailbox.messages(since))
        return self._take(connection, bodies, "mail")

    def take_csv(self, connection: str, body: bytes) -> Taken:
        """One CSV file.

        Raises:
            InputError: the connection's vendor has an API.
        """
        return self._take(connection, [body], "csv")

    def _take(self, id_: str, bodies: Iterable[bytes], medium: str) -> Taken:
        connection = self._hub.connection(id_)
        connector = self._hub.connectors[connection.connector]
        if connector.status != "no_api":
            raise InputError(
                f"{connector.name} has an API: its records are not taken from files",
                place=connection.id,
                mend=f"meterstone sync {connection.id}",
            )
        stream = next(iter(connector.streams))
        context = context_of(connector, connection, stream) | {"medium": medium}
        taken, began = Taken(), self._hub.clock.now()
        try:
            for body in bodies:
                incoming = page_of(body, context, media_type=MEDIA[medium])
                self._count(taken, incoming, self._log.land(incoming))
        finally:
            self._tell(connection, stream, taken, began)
        return taken

    def _count(self, taken: Taken, incoming: Incoming, receipt: Receipt) -> None:
        taken.read += 1
        if receipt.duplicate:
            taken.known += 1
            return
        landed = LandedRecord(
            receipt.seq, receipt.received_at, incoming.body, incoming.format,
            incoming.media_type, incoming.source, incoming.name, incoming.context,
            incoming.sha256,
        )  # fmt: skip
        for found in self._format.map(landed):
            if isinstance(found, Reject):
                taken.refused.append(found)
            else:
                taken.facts += found.table.num_rows
                taken.refused += found.rejects

    def _tell(self, connection: Connection, stream: str, taken: Taken, began: object) -> None:
        every = self._hub.connectors[connection.connector].streams[stream].every
        failed = len(taken.refused)
        self._hub.telemetry.add(
            "sync_run",
            {
                "run_id": secrets.token_hex(16), "connection_id": connection.id,
                "started_at": began, "finished_at": self._hub.clock.now(), "direction": "in",
                "entity": stream, "mode": "file", "interval_s": int(every.total_seconds()),
                "status": "partial" if failed else "success",
                "records_read": taken.facts + failed, "records_written": taken.facts,
                "records_failed": failed, "backlog": 0, "source": "hub",
                "integration": connection.connector, "environment": connection.environment,
            },
        )  # fmt: skip
