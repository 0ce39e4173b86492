"""What the vendor has: its records in parts, each with the rows that it gives now."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from meterstone.connect.client import Client
from meterstone.connect.lag import moment_of
from meterstone.connect.landing import SITES, context_of
from meterstone.connect.mapping import Mapped, StreamMapping
from meterstone.connect.problems import VendorError
from meterstone.connect.reconcile.result import Row
from meterstone.connect.walk import FLOOR, Page, Walk
from meterstone.facts import FactBatch, Reject
from meterstone.ledger import Connection
from meterstone.record.fact_rows import batches
from meterstone.record.model import LandedRecord


@dataclass(slots=True)
class Part:
    """Some records of the source.

    Attributes:
        refs: their ids; ``settled``: those that did not change within the grace.
        rows: what they give, as the warehouse would have it, with ``fact``.
        refused: records that give no row, because the mapping refuses them.
        body, media_type, records, context: what has to be landed to take them again.
    """

    refs: set[str]
    settled: set[str]
    rows: list[Row]
    refused: int
    body: bytes
    media_type: str
    records: list[Any]
    context: dict[str, str] = field(default_factory=dict)


class Source:
    """The records of one stream of one connection, as they are now.

    Args:
        client: calls the vendor.
        connection, stream, mapping: which.
        at: when the comparison began.
        grace: what changed so shortly before is not settled.
    """

    def __init__(
        self, client: Client, connection: Connection, stream: str, mapping: StreamMapping,
        at: datetime, grace: timedelta,
    ) -> None:  # fmt: skip
        self._client = client
        self._connection = connection
        self._key = stream
        self._mapping = mapping
        self._stream = mapping.stream
        self._at = at
        self._grace = grace

    @property
    def has_one(self) -> bool:
        """Whether one record can be asked for by its id."""
        return self._stream.one is not None

    @property
    def can_sample(self) -> bool:
        """Whether a random part can be asked for."""
        return self.has_one

    def parts(self) -> Iterator[Part]:
        """All records, a page at a time."""
        cursor = self._stream.cursor
        since = self._at - cursor.history if cursor and cursor.history else None
        return self._walk(since)

    def parts_from(self, chance: random.Random) -> Iterator[Part]:
        """Records from a random moment of the last year on; none where the stream knows no time."""
        cursor = self._stream.cursor
        if cursor is None or cursor.kind != "time":
            return iter(())
        back = chance.uniform(0, (min(cursor.history or _YEAR, _YEAR)).total_seconds())
        return self._walk(max(FLOOR, self._at - timedelta(seconds=back)))

    def one(self, ref: str) -> Part | None:
        """One record; None: the vendor does not have it.

        Raises:
            VendorError: it could not be asked.
        """
        one = self._stream.one
        if one is None:
            return None
        call = self._client.call(one.request, {"id": ref})
        try:
            answer = self._client.send(call, priority="backfill", group=self._stream.endpoint_group)
        except VendorError as error:
            if error.kind == "not_found":
                return None
            raise
        records = list(self._mapping.records(answer.body, {"answer": "one"}))
        return self._part(answer.body, answer.media_type, records, {"answer": "one"})

    def _walk(self, since: datetime | None) -> Iterator[Part]:
        cursor = self._stream.cursor
        ahead = cursor.look_ahead if cursor else timedelta(0)
        walk = Walk(
            self._client, self._key, self._mapping, since=since, until=self._at + ahead,
            sites=tuple(sorted(self._connection.settings.get(SITES, {}))), priority="backfill",
        )  # fmt: skip
        for page in walk.pages():
            yield self._of_page(page)

    def _of_page(self, page: Page) -> Part:
        return self._part(page.answer.body, page.answer.media_type, page.records, {})

    def _part(self, body: bytes, media_type: str, records: list[Any], more: dict[str, str]) -> Part:
        good = [record for record in records if not isinstance(record, Reject)]
        sites = {self._mapping.site_of(record) for record in good}
        context = context_of(self._client.connector, self._connection, self._key, sites)
        mapped = [self._mapping.map(record, context) for record in good]
        rows, refused = self._rows(mapped, body, media_type, context)
        return Part(
            refs={each.ref for each in mapped if each.ref is not None},
            settled={each.ref for each in mapped if each.ref is not None and self._settled(each)},
            rows=rows, refused=refused + len(records) - len(good),
            body=body, media_type=media_type, records=records, context=more,
        )  # fmt: skip

    def _settled(self, record: Mapped) -> bool:
        changed = moment_of(record.changed, self._stream.cursor)
        return changed is None or changed <= self._at - self._grace

    def _rows(
        self, mapped: list[Mapped], body: bytes, media_type: str, context: dict[str, str]
    ) -> tuple[list[Row], int]:
        """Rows with the types that the warehouse gives."""
        record = LandedRecord(
            seq=0, received_at=self._at, body=body, format="", media_type=media_type, source="",
            name="", context=context, sha256=b"",
        )  # fmt: skip
        given = ((item, row) for item, each in enumerate(mapped, 1) for row in each.rows)
        rows: list[Row] = []
        refused = {item for item, each in enumerate(mapped, 1) if each.refused}
        for part in batches(record, given, {"environment": context["environment"]}):
            if isinstance(part, FactBatch):
                rows += [{"fact": part.schema.name, **row} for row in part.table.to_pylist()]
                refused |= {reject.item for reject in part.rejects}
            else:
                refused.add(part.item)
        return rows, len(refused)


_YEAR = timedelta(days=365)
