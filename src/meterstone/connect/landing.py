"""A page onto the disk and into facts: landed as received, mapped once, handed to the recorder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from meterstone.connect.formats import page_of
from meterstone.connect.mapping import SITE, StreamMapping
from meterstone.connect.mapping import Mapped as MappedRecord
from meterstone.connect.spec import Connector
from meterstone.facts import FactBatch, Reject, excerpt
from meterstone.ledger import Connection
from meterstone.record.fact_rows import batches
from meterstone.record.log import LandingLog
from meterstone.record.model import Incoming, LandedRecord
from meterstone.record.recorder import Recorder

SITES = "sites"
"""Key of a connection's settings: franchise by the vendor's site."""


@dataclass(slots=True)
class LandedPage:
    """What became of a page: its records as mapped, the facts, how many records were refused, and
    the vendor ids of those that were not."""

    records: list[MappedRecord] = field(default_factory=list)
    batches: list[FactBatch] = field(default_factory=list)
    failed: int = 0
    read: int = 0
    whole: set[str] = field(default_factory=set)


def context_of(
    connector: Connector, connection: Connection, stream: str, sites: Iterable[str | None] = ()
) -> dict[str, str]:
    """What the mapping of a record needs beside its bytes (docs/connect.md); of the sites only
    those that occur in it."""
    known: Mapping[str, str] = connection.settings.get(SITES, {})
    context = {
        "connector": connector.connector,
        "stream": stream,
        "version": str(connector.version),
        "connection": connection.id,
        "environment": connection.environment,
    }
    if connection.franchise_id:
        context["franchise_id"] = connection.franchise_id
    context |= {SITE + site: known[site] for site in sorted({s for s in sites if s and s in known})}
    context |= {
        f"setting:{name}": str(connection.settings[name])
        for name in connector.settings
        if name in connection.settings
    }
    return context


class PageLander:
    """Lands pages of one stream of one connection. Not thread-safe.

    Args:
        log, recorder: where to.
        connector, mapping: of the stream.
        connection: whose pages.
        stream: its key.
    """

    def __init__(
        self,
        log: LandingLog,
        recorder: Recorder,
        connector: Connector,
        mapping: StreamMapping,
        connection: Connection,
        stream: str,
    ) -> None:
        self._log = log
        self._recorder = recorder
        self._connector = connector
        self._mapping = mapping
        self.connection = connection
        self._stream = stream
        self._refs: dict[int, str] = {}

    def unknown_sites(self, records: Iterable[Any]) -> set[str]:
        """Sites that occur in records and belong to no franchise yet."""
        known = self.connection.settings.get(SITES, {})
        found = {self._mapping.site_of(r) for r in records if not isinstance(r, Reject)}
        return {site for site in found if site is not None and site not in known}

    def land(
        self, body: bytes, media_type: str, records: list[Any], at: datetime, **more: str
    ) -> LandedPage:
        """Land a page; it is on disk and its facts are with the recorder when this returns.

        Args:
            body: as received.
            media_type: as the vendor says.
            records: of the body.
            at: when it came.
            more: of the context.

        Raises:
            StorageError: the disk refused.
        """
        good = [r for r in records if not isinstance(r, Reject)]
        sites = {self._mapping.site_of(record) for record in good}
        context = context_of(self._connector, self.connection, self._stream, sites) | more
        incoming = page_of(body, context, media_type=media_type or "application/json")
        receipt = self._log.land_soon(incoming)
        page = LandedPage(read=len(records))
        rejects = self._map(page, incoming, records, at)
        seq = receipt.result().seq
        if not rejects and page.batches:
            self._recorder.hand_over(seq, page.batches)
        return page

    def _map(
        self, page: LandedPage, incoming: Incoming, records: list[Any], at: datetime
    ) -> list[Reject]:
        """Map the records of a page, as the recorder would."""
        record = _provisional(incoming, at)
        defaults = {"environment": incoming.context["environment"]}
        self._refs = {}
        rejects: list[Reject] = []
        for part in batches(record, self._rows(page, records, incoming.context), defaults):
            if isinstance(part, Reject):
                rejects.append(part)
            else:
                rejects += part.rejects
                page.batches.append(part)
        refused = {reject.item for reject in rejects}
        page.failed = len(refused)
        page.whole = {ref for item, ref in self._refs.items() if item not in refused}
        return rejects

    def _rows(
        self, page: LandedPage, records: list[Any], context: Mapping[str, str]
    ) -> Iterator[tuple[int, dict[str, Any]] | Reject]:
        for item, record in enumerate(records, 1):
            if isinstance(record, Reject):
                yield record
                continue
            mapped = self._mapping.map(record, context)
            page.records.append(mapped)
            if mapped.ref is not None:
                self._refs[item] = mapped.ref
            for row in mapped.rows:
                yield item, row
            for reason, mend in mapped.refused:
                yield Reject(item, reason, mend, excerpt(record))


def _provisional(incoming: Incoming, at: datetime) -> LandedRecord:
    return LandedRecord(
        seq=0, received_at=at, body=incoming.body, format=incoming.format,
        media_type=incoming.media_type, source=incoming.source, name=incoming.name,
        context=incoming.context, sha256=b"",
    )  # fmt: skip
