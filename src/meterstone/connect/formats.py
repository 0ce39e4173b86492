"""The two formats of the landing log that hold what a vendor sent: pages and events.

They map by the connector that the record's context names, so they are made for a set of connectors,
and the recorder of a home is given them where it is wired.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from meterstone.connect.catalogue import Connectors
from meterstone.connect.mapping import Context, Row, StreamMapping, decoded
from meterstone.connect.paths import reader
from meterstone.connect.values import word
from meterstone.facts import Reject
from meterstone.record.fact_rows import batches
from meterstone.record.model import Format, Incoming, LandedRecord, Mapped

VENDOR_PAGE = "vendor_page"
"""An answer of a vendor, as received."""

VENDOR_EVENT = "vendor_event"
"""A delivery of a webhook, as received."""


class Mappings:
    """The compiled mappings of some connectors, made when first asked for. Thread-safe.

    Args:
        connectors: gives them; asked when something has to be mapped, so that a home opens without
            reading connector files.
    """

    def __init__(self, connectors: Callable[[], Connectors]) -> None:
        self._connectors = connectors
        self._of = lru_cache(maxsize=None)(self._compile)

    @property
    def connectors(self) -> Connectors:
        """The connectors."""
        return self._connectors()

    def of(self, connector: str, stream: str) -> StreamMapping:
        """Of one stream.

        Raises:
            InputError: no such connector or stream.
        """
        return self._of(connector, stream)

    def _compile(self, connector: str, stream: str) -> StreamMapping:
        return StreamMapping(self.connectors[connector], stream, self.connectors.quirks(connector))

    def events(self, connector: str, body: bytes, context: Context) -> list[Any]:
        """The events of a delivery (one, or several where the vendor bundles them)."""
        spec = self.connectors[connector].webhooks
        if spec is None:
            return []
        if spec.event.python:
            return list(self.connectors.quirks(connector).get(spec.event.python)(body, context))
        content = decoded(body)
        if not spec.event.each:
            return content if isinstance(content, list) else [content]
        found = reader(spec.event.each)(content, None, context)
        return found if isinstance(found, list) else []


def vendor_formats(mappings: Mappings) -> tuple[Format, Format]:
    """`VENDOR_PAGE` and `VENDOR_EVENT` for these connectors. Neither is recognised in a file."""
    return (
        Format(
            name=VENDOR_PAGE,
            title="Answers of vendors' APIs, with the connection they came over",
            media_type="application/json",
            detect=_never,
            map=lambda record: _mapped(record, _page_rows(mappings, record)),
        ),
        Format(
            name=VENDOR_EVENT,
            title="Webhook deliveries of vendors, with the connection they belong to",
            media_type="application/json",
            detect=_never,
            map=lambda record: _mapped(record, _event_rows(mappings, record)),
        ),
    )


def _never(_path: Path, _head: bytes) -> bool:
    """No file is a page or an event: they need the context of a connection."""
    return False


def page_of(
    body: bytes, context: Context, *, name: str = "", media_type: str = "application/json"
) -> Incoming:
    """An answer as the record to land; ``context`` as docs/connect.md lists it."""
    return Incoming(
        body=body,
        format=VENDOR_PAGE,
        media_type=media_type,
        source=f"connection {context['connection']}",
        name=name or f"{context['connector']} {context['stream']}",
        context=context,
    )


def _mapped(record: LandedRecord, rows: Iterator[tuple[int, Row] | Reject]) -> Iterator[Mapped]:
    defaults = {"environment": record.context.get("environment") or "production"}
    return batches(record, rows, defaults)


def _page_rows(mappings: Mappings, record: LandedRecord) -> Iterator[tuple[int, Row] | Reject]:
    context = record.context
    return mappings.of(context["connector"], context["stream"]).rows(record.body, context)


def _event_rows(mappings: Mappings, record: LandedRecord) -> Iterator[tuple[int, Row] | Reject]:
    """Rows of the events that carry their record; the others put a job on the queue instead."""
    context, connector = record.context, record.context["connector"]
    spec = mappings.connectors[connector].webhooks
    if spec is None:
        yield Reject(0, f"connector {connector} has no webhooks", "correct the connector file")
        return
    type_of = reader(spec.event.type) if spec.event.type else None
    account_of = reader(spec.event.account) if spec.event.account else None
    for item, event in enumerate(mappings.events(connector, record.body, context), 1):
        account = word(account_of(event, event, context)) if account_of else None
        if account and account != (context.get("account") or account):
            continue  # landed once for each account that it tells of
        kind = word(type_of(event, event, context)) if type_of else ""
        target = spec.target(kind or "")
        if target is None or target.record is None:
            continue
        found = reader(target.record)(event, event, context)
        stream = mappings.of(connector, target.stream)
        for row in stream.rows_of([found] if isinstance(found, dict) else found or [], context):
            if isinstance(row, Reject):
                yield row
            else:
                yield item, row[1] | {"retracted": True} if target.deleted else row[1]
