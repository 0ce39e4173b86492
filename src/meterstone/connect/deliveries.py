"""What a webhook delivery does: verified, landed as received, then on record, and only then
acknowledged. HTTP is in `webhooks.py`.

A vendor sends again what was not acknowledged, so whatever is cut off here is done by the next
delivery: the landing log has the same bytes once, the ledger has an event once.
"""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec

from meterstone.connect import values
from meterstone.connect.formats import VENDOR_EVENT, Mappings
from meterstone.connect.hub import FETCH
from meterstone.connect.lag import moment_of
from meterstone.connect.landing import SITES, context_of
from meterstone.connect.mapping import decoded
from meterstone.connect.paths import at_path, reader
from meterstone.connect.schemes import Delivery, WebhookRefused, answer, verify
from meterstone.connect.spec_webhooks import EventTarget, Scheme, WebhookSpec
from meterstone.connect.values import ColumnRefused, word
from meterstone.connect.worker import fetch_job
from meterstone.errors import FormatError, InputError
from meterstone.ledger import Change, Connection, Ledger
from meterstone.ledger.inbound import Hook, InboundEvent
from meterstone.ledger.store import utc_now
from meterstone.record.log import LandingLog
from meterstone.record.model import Incoming

TOKEN, KEY, FORMER_KEY = "token", "key", "former_key"  # names of a hook's secrets
_LONGEST_CODE = 200
KEEP_EVENTS = timedelta(days=30)
"""How long ids are remembered: longer than any scheme takes an event (`Scheme.within`)."""


class UnknownHook(InputError):
    """No hook has this address. Which part of it is wrong is not told."""

    def __init__(self) -> None:
        super().__init__("there is no such hook", place="webhook", mend="meterstone hooks list")


@dataclass(frozen=True, slots=True)
class Taken:
    """The answer to a delivery, and what it brought."""

    body: bytes
    media_type: str
    events: int = 0
    doubles: int = 0


@dataclass(slots=True)
class _Group:
    """The events of a delivery that are for one connection."""

    connection: Connection
    events: list[tuple[InboundEvent, EventTarget | None]] = field(default_factory=list)


class Deliveries:
    """Takes deliveries. Thread-safe.

    Args:
        mappings: of the connectors of this home.
        on_events: told after a commit that there is something to settle.
        now: the time, UTC.
    """

    def __init__(
        self,
        ledger: Ledger,
        log: LandingLog,
        mappings: Mappings,
        on_events: Callable[[], None] = lambda: None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._ledger = ledger
        self._log = log
        self._mappings = mappings
        self._on_events = on_events
        self._now = now

    def scheme(self, connector: str) -> Scheme:
        """How deliveries of a vendor are signed.

        Raises:
            UnknownHook: it has no webhooks.
        """
        return self._spec(connector).scheme

    def take(self, connector: str, token: str, headers: Mapping[str, str], body: bytes) -> Taken:
        """Take one delivery; all of it is durable when this returns.

        Args:
            token: the secret part of the address.
            headers: by lower-case name.

        Raises:
            UnknownHook: no such address.
            WebhookRefused: it does not prove where it comes from, or is too old.
            FormatError: it is not what this vendor sends.
            StorageError: the disk refused; the vendor sends it again.
        """
        spec = self._spec(connector)
        hook, keys, connections = self._read(connector, token, spec.scheme)
        ok, media_type = answer(spec.scheme)
        code = _handshake(spec.scheme, headers, body)
        if code:
            with self._ledger.change("webhooks") as change:
                change.inbound.shake(hook.id, code)
            return Taken(ok, media_type)
        url = f"{hook.url}/{token}"
        try:
            verify(spec.scheme, Delivery(url, headers, body), keys)
            groups, strangers = self._groups(spec, hook, connections, headers, body)
        except WebhookRefused as refused:
            self._refuse(hook, refused.reason)
            raise
        except FormatError:
            self._refuse(hook, "unreadable")
            raise
        landed = {id_: self._land(group.connection, body) for id_, group in groups.items()}
        counts = self._commit(hook, groups, landed)
        if strangers:
            self._refuse(hook, "of an account that is not connected")
        self._on_events()
        return Taken(ok, media_type, events=counts["new"], doubles=counts["double"])

    def _spec(self, connector: str) -> WebhookSpec:
        known = self._mappings.connectors
        spec = known[connector].webhooks if connector in known else None
        if spec is None:
            raise UnknownHook
        return spec

    def _read(
        self, connector: str, token: str, scheme: Scheme
    ) -> tuple[Hook, list[bytes], list[Connection]]:
        """The hook of an address, the keys that may sign, and the connections it serves."""
        with self._ledger.read() as seen:
            hook = seen.inbound.hook(token.partition(".")[0])
            kept = seen.secrets.get(hook.owner, TOKEN) if hook else None
            known = kept.value if kept else b""
            right = hmac.compare_digest(known, token.encode("utf-8", "replace"))
            if hook is None or not right or not known or hook.connector != connector:
                raise UnknownHook
            connections = _served(seen, hook)
            if scheme.has_key:
                found = [seen.secrets.get(hook.owner, name) for name in (KEY, FORMER_KEY)]
                keys = [
                    key.value for key in found
                    if key and (key.expires_at is None or key.expires_at > seen.now)
                ]  # fmt: skip
            else:
                keys = [each.account.encode() for each in connections if each.account]
            return hook, keys, connections

    def _groups(
        self,
        spec: WebhookSpec,
        hook: Hook,
        connections: list[Connection],
        headers: Mapping[str, str],
        body: bytes,
    ) -> tuple[dict[str, _Group], int]:
        """The events by connection, and how many were for an account that is not connected."""
        now = self._now()
        groups: dict[str, _Group] = {}
        strangers = 0
        for content in self._mappings.events(hook.connector, body, {}):
            event = _Event(spec, content, headers)
            connection = _owner(connections, event.account, of_hook=hook.connection is not None)
            if connection is None:
                strangers += 1
                continue
            if event.at is not None and now - event.at > spec.scheme.within:
                raise WebhookRefused("replayed", "the event is too old")
            group = groups.setdefault(connection.id, _Group(connection))
            group.events += self._noted(event, connection, spec, now)
        return groups, strangers

    def _noted(
        self, event: _Event, connection: Connection, spec: WebhookSpec, now: datetime
    ) -> Iterable[tuple[InboundEvent, EventTarget | None]]:
        """An event as it is put on record: one row, or one a record that it carries."""
        target = spec.target(event.type)
        plain = InboundEvent(
            connection.id, event.id, event.type, target.stream if target else "", "",
            event.at, now,
        )  # fmt: skip
        if target is None:
            yield plain, None
        elif target.record is None:
            named = word(at_path(event.content, target.fetch or ""))
            if named is None:
                raise FormatError("the event names no record", mend="look at what the vendor sent")
            yield replace(plain, record=named), target
        else:
            found = at_path(event.content, target.record)
            records = found if isinstance(found, list) else [found]
            mapping = self._mappings.of(connection.connector, target.stream)
            for nth, record in enumerate(records):
                mapped = mapping.map(record, {})
                changed = moment_of(mapped.changed, mapping.stream.cursor) or event.at
                id_ = event.id if nth == 0 else f"{event.id}/{nth}"
                yield (
                    replace(plain, event=id_, record=mapped.ref or "", changed_at=changed),
                    target,
                )

    def _land(self, connection: Connection, body: bytes) -> int:
        """Put the delivery on disk for one connection; returns its number in the log."""
        connector = self._mappings.connectors[connection.connector]
        context = context_of(connector, connection, "", connection.settings.get(SITES, {}))
        incoming = Incoming(
            body=body,
            format=VENDOR_EVENT,
            media_type="application/json",
            source=f"connection {connection.id}",
            name=f"{connection.connector} webhook",
            context={**context, "account": connection.account},
        )
        return self._log.land(incoming).seq

    def _commit(
        self, hook: Hook, groups: Mapping[str, _Group], landed: Mapping[str, int]
    ) -> Counter[str]:
        """Put the events on record, with the jobs of those that only name a record."""
        counts: Counter[str] = Counter()
        with self._ledger.change("webhooks") as change:
            for id_, group in groups.items():
                for event, target in group.events:
                    fetches = target is not None and target.record is None
                    noted = replace(event, landed=None if fetches else landed[id_])
                    is_new = change.inbound.note(noted)
                    counts["new" if is_new else "double"] += 1
                    if is_new and fetches:
                        _queue(change, noted)
            change.inbound.count(hook.id, taken=counts["new"], doubles=counts["double"])
        return counts

    def _refuse(self, hook: Hook, reason: str) -> None:
        with self._ledger.change("webhooks") as change:
            change.inbound.refuse(hook.id, reason)


class _Event:
    """One event of a delivery, read by the paths of the connector file."""

    def __init__(self, spec: WebhookSpec, content: Any, headers: Mapping[str, str]) -> None:
        def read(path: str) -> Any:
            return reader(path)(content, content, {}) if path else None

        self.content = content
        self.type = word(read(spec.event.type)) or ""
        self.account = word(read(spec.event.account)) or ""
        self.at = _moment(read(spec.event.at))
        given = word(read(spec.event.id)) or headers.get("webhook-id", "")
        # a vendor that gives no id sends the same bytes again
        self.id = given or sha256(msgspec.json.encode(content, order="sorted")).hexdigest()[:32]


def _moment(value: Any) -> datetime | None:
    """A time as vendors write it: RFC 3339, or milliseconds since 1970."""
    if value in (None, ""):
        return None
    try:
        if isinstance(value, int | float) or str(value).isdecimal():
            return values.epoch_ms(value)
        return values.instant(value)
    except ColumnRefused:
        return None


def _handshake(scheme: Scheme, headers: Mapping[str, str], body: bytes) -> str:
    """The code of a delivery that only verifies the address; empty for any other."""
    if not scheme.handshake or headers.get(scheme.header.lower()):
        return ""
    code = word(at_path(decoded(body), scheme.handshake))
    return (code or "")[:_LONGEST_CODE]


def _served(seen: Change, hook: Hook) -> list[Connection]:
    """Connections whose events may come by a hook."""
    if hook.connection is not None:
        found = [seen.connections.get(hook.connection)]
    else:
        found = seen.connections.all(hook.connector)
    return [each for each in found if each.status not in ("disconnected", "paused")]


def _owner(connections: list[Connection], account: str, *, of_hook: bool) -> Connection | None:
    """The connection that an event is for. An event that names no account, or a hook of one
    connection that does not know its account, leaves no choice."""
    named = [each for each in connections if account and each.account == account]
    if named:
        return named[0]
    alone = connections[0] if len(connections) == 1 else None
    if alone and (not account or (of_hook and not alone.account)):
        return alone
    return None


def _queue(change: Change, event: InboundEvent) -> None:
    """Ask for the record of an event; one that is gone is withdrawn when it is asked for."""
    change.queue.put(
        FETCH,
        *fetch_job(event.connection, event.stream, event.record),
        dedupe=f"{FETCH}:{event.connection}:{event.stream}:{event.record}",
        priority="live",
    )
