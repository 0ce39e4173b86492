"""One run of one stream of one connection: page by page, each landed before it is counted as read.

A page is on disk before the checkpoint says so, and a page that comes twice changes nothing: a run
that is cut off anywhere goes on from its last checkpoint without loss and without double effect.
The checkpoint is the cursor of the stream in the ledger:

    since     the newest time of change of all runs that ended (of the vendor's clock)
    token     the vendor's own cursor, where the stream has one
    history   up to when changes are what the first run found: they have no lag
    full_at   when the last full pull ended
    pages     digests of the pages of the last run, so that a page as before is not landed again
    run       the run that is under way: its id, mode, begin, state of its walk, counts
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

from meterstone.connect.client import Client
from meterstone.connect.clock import Clock
from meterstone.connect.deletions import Deletions
from meterstone.connect.known import Known
from meterstone.connect.lag import Change, moment_of, tell_changes
from meterstone.connect.landing import SITES, LandedPage, PageLander
from meterstone.connect.mapping import StreamMapping
from meterstone.connect.missed import suspect
from meterstone.connect.paths import at_path
from meterstone.connect.problems import VendorError
from meterstone.connect.pulls import Pull
from meterstone.connect.quirks import Quirks
from meterstone.connect.telemetry import Telemetry
from meterstone.connect.values import word
from meterstone.connect.walk import Page, Walk
from meterstone.errors import InputError, MeterstoneError
from meterstone.facts import FactBatch, Reject
from meterstone.ledger import Connection, Ledger, Priority
from meterstone.record.log import LandingLog
from meterstone.record.recorder import Recorder

Mode = Literal["full", "incremental"]
Status = Literal["success", "partial", "failed"]
MAP_AFTER_ROWS = 20_000
"""Facts that wait for the warehouse at most, so that memory does not grow with a run."""

KEPT_DIGESTS = 64


@dataclass(frozen=True, slots=True)
class Storage:
    """Where a run reads and writes."""

    ledger: Ledger
    log: LandingLog
    recorder: Recorder
    telemetry: Telemetry
    folder: Path
    clock: Clock


@dataclass(slots=True)
class Report:
    """What a run did."""

    run: str
    connection: str
    stream: str
    mode: Mode
    started_at: datetime
    finished_at: datetime | None = None
    status: Status = "success"
    pages: int = 0
    read: int = 0
    written: int = 0
    failed: int = 0
    deleted: int = 0
    error: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


@dataclass(slots=True)
class _Under:
    """The run that is under way, as the cursor keeps it."""

    id: str
    mode: Mode
    began: str
    walk: Mapping[str, Any] | None = None
    since: str | None = None
    high: str | None = None
    pages: int = 0
    read: int = 0
    written: int = 0
    failed: int = 0
    first: bool = False
    digests: list[str] = field(default_factory=list)


class Sync:
    """Runs one stream of one connection.

    Args:
        storage: where to.
        client: calls the vendor.
        mapping: of the stream.
        stream: its key.
        quirks: the vendor's Python.
    """

    def __init__(
        self, storage: Storage, client: Client, mapping: StreamMapping, stream: str,
        quirks: Quirks,
    ) -> None:  # fmt: skip
        self._to = storage
        self._client = client
        self._connector = client.connector
        self._connection = client.connection
        self._mapping = mapping
        self._key = stream
        self._stream = mapping.stream
        self._known = Known(
            storage.recorder, self._connector.connector, self._connection.id, stream,
            mapping.fact_names,
        )  # fmt: skip
        self._lander = PageLander(
            storage.log, storage.recorder, self._connector, mapping, self._connection, stream
        )
        self._backfill = quirks.get
        self._waiting_rows = 0
        self._changes: list[Change] = []
        self._split: list[FactBatch] = []
        self._refs: set[str] = set()

    def run(
        self,
        *,
        priority: Priority = "live",
        full: bool = False,
        find_sites: Callable[[], Connection] | None = None,
        on_page: Callable[[Report], None] = lambda _: None,
    ) -> Report:
        """Read what changed (or everything), and say how it went.

        Args:
            priority: of its calls.
            full: everything, and find what was deleted.
            find_sites: reads the vendor's sites anew; called once when an unknown one occurs.
            on_page: told after each page.

        Raises:
            VendorError, AuthError, SyncError: it ended early; what was landed stays, and the next
                run goes on from there. `sync_run` says so.
            ConflictError: another run of the stream works.
            StorageError: the disk refused.
        """
        now = self._to.clock.now()
        cursor, version = self._cursor()
        under = self._resumed(cursor) or self._begun(cursor, now, full=full)
        report = Report(
            under.id, self._connection.id, self._key, under.mode, _at(under.began),
            pages=under.pages, read=under.read, written=under.written, failed=under.failed,
        )  # fmt: skip
        pull = self._pull(under)
        try:
            version = self._walk(
                cursor, under, version, report, pull, priority, find_sites, on_page
            )
            self._find_deleted(cursor, under, report, pull, now, priority)
            self._finish(cursor, under, version, report, now)
            if pull:
                pull.close(remove=True)
        except MeterstoneError as error:
            report.status = "partial" if report.pages else "failed"
            report.error = error.cause
            self._apply()
            self._tell(report)
            raise
        self._tell(report)
        return report

    def fetch(self, ref: str, *, priority: Priority = "live") -> Report:
        """Read one record by its id; one that is not there any more is withdrawn.

        Raises:
            VendorError, AuthError: it could not be read.
        """
        now = self._to.clock.now()
        report = Report(secrets.token_hex(8), self._connection.id, self._key, "incremental", now)
        one = self._stream.one
        if one is None:
            raise InputError(
                f"stream {self._key} has no `one`", place=self._connector.connector,
                mend="say in the connector file how one record is read",
            )  # fmt: skip
        call = self._client.call(one.request, {"id": ref})
        try:
            answer = self._client.send(call, priority=priority, group=self._stream.endpoint_group)
        except VendorError as error:
            if error.kind != "not_found":
                raise
            return self.withdraw(ref)
        records = list(self._mapping.records(answer.body, {"answer": "one"}))
        page = self._lander.land(
            answer.body, answer.media_type, records, self._to.clock.now(),
            answer="one", run=report.run,
        )  # fmt: skip
        report.read, report.written, report.failed = page.read, page.read, page.failed
        self._note_changes(page.records, self._to.clock.now(), self._cursor()[0].get("history"))
        self._note_rows(page)
        self._apply()
        report.finished_at = self._to.clock.now()
        return report

    def withdraw(self, ref: str) -> Report:
        """Withdraw one record, which the vendor deleted."""
        now = self._to.clock.now()
        report = Report(secrets.token_hex(8), self._connection.id, self._key, "incremental", now)
        self._to.recorder.map_new()
        report.deleted = self._known.retract([ref], "deleted at the vendor")
        report.finished_at = self._to.clock.now()
        return report

    # -- the walk ---------------------------------------------------------------------------------

    def _walk(
        self, cursor: dict[str, Any], under: _Under, version: int, report: Report,
        pull: Pull | None, priority: Priority, find_sites: Callable[[], Connection] | None,
        on_page: Callable[[Report], None],
    ) -> int:  # fmt: skip
        walk = self._walk_kind(under)(
            self._client, self._key, self._mapping,
            since=self._since(under), until=_at(under.began) + self._ahead,
            token=cursor.get("token") if under.mode == "incremental" else None,
            sites=tuple(sorted(self._connection.settings.get(SITES, {}))), priority=priority,
        )  # fmt: skip
        with closing(_restartable(walk, under)) as pages:
            for page in pages:
                if find_sites and self._lander.unknown_sites(page.records):
                    self._lander.connection = self._connection = find_sites()
                    find_sites = None
                self._take(page, cursor, under, report, pull)
                under.walk = page.then
                if page.then is not None:
                    version = self._checkpoint({**cursor, "run": asdict(under)}, version)
                on_page(report)
        return version

    def _walk_kind(self, under: _Under) -> Callable[..., Walk]:
        """The walk over pages, or the vendor's own way for a first run (``backfill``)."""
        own = self._stream.backfill
        return self._backfill(own.python) if own and under.first else Walk

    def _take(
        self, page: Page, cursor: Mapping[str, Any], under: _Under, report: Report,
        pull: Pull | None,
    ) -> None:  # fmt: skip
        """Land a page and count it."""
        now, body = self._to.clock.now(), page.answer.body
        digest = blake2b(body, digest_size=8).hexdigest()
        if page.records and digest not in cursor.get("pages", ()):
            landed = self._lander.land(
                body, page.answer.media_type, page.records, now, run=under.id
            )
            report.written += landed.read - landed.failed
            report.failed += landed.failed
            self._waiting_rows += sum(b.table.num_rows for b in landed.batches)
            if not under.first:
                self._note_changes(landed.records, now, cursor.get("history"))
                self._note_rows(landed)
        under.digests = [*under.digests[-KEPT_DIGESTS + 1 :], digest]
        report.pages += 1
        report.read += len(page.records)
        under.high = _later(under.high, self._newest(page.records))
        if self._stream.cursor and self._stream.cursor.kind == "token":
            token = word(at_path(page.answer.content, self._stream.cursor.field))
            under.high = token or under.high
        if pull:
            pull.add(ref for ref in map(self._mapping.ref_of, page.records) if ref is not None)
        under.pages, under.read = report.pages, report.read
        under.written, under.failed = report.written, report.failed
        if self._waiting_rows >= MAP_AFTER_ROWS:
            self._apply()

    def _newest(self, records: list[Any]) -> str | None:
        cursor = self._stream.cursor
        if cursor is None or cursor.kind != "time":
            return None
        found = (moment_of(at_path(r, cursor.field), cursor) for r in records
                 if not isinstance(r, Reject))  # fmt: skip
        newest = max((at for at in found if at is not None), default=None)
        return newest.isoformat() if newest else None

    def _note_changes(self, records: list[Any], now: datetime, history: str | None) -> None:
        oldest = _at(history) if history else None
        for record in records:
            changed = moment_of(record.changed, self._stream.cursor)
            if changed is None or (oldest is not None and changed <= oldest):
                continue  # the look-back reads the end of the history once more
            if record.ref is not None:
                row = record.rows[0] if record.rows else {}
                self._changes.append(Change(record.ref, changed, now, row.get("franchise_id")))

    def _note_rows(self, page: LandedPage) -> None:
        """Remember what records give now, so that what they gave before can be withdrawn."""
        if self._mapping.may_lose:
            self._refs |= page.whole
            self._split += page.batches

    def _apply(self) -> None:
        """Bring what was landed into the warehouse, and tell what that makes known."""
        self._to.recorder.map_new()
        if self._refs:
            self._known.retract_vanished(self._refs, self._split)
        if self._changes:
            tell_changes(
                self._to.telemetry, self._to.recorder.warehouse, self._connection, self._key,
                self._changes, self._to.clock.now(),
            )  # fmt: skip
            webhooks = self._connector.webhooks
            if webhooks is not None and webhooks.tells_of(self._key):
                suspect(self._to.ledger, self._connection, self._key, self._changes)
        self._waiting_rows, self._changes, self._split, self._refs = 0, [], [], set()

    def _pull(self, under: _Under) -> Pull | None:
        full = under.mode == "full" and self._stream.deletes.kind == "full_pull"
        return Pull(self._to.folder / "pulls", under.id) if full else None

    def _find_deleted(
        self, cursor: Mapping[str, Any], under: _Under, report: Report, pull: Pull | None,
        now: datetime, priority: Priority,
    ) -> None:  # fmt: skip
        self._apply()
        if under.first:
            return
        began = _at(under.began)
        deletions = Deletions(self._client, self._key, self._mapping, self._known, priority)
        if pull is not None:
            sites = tuple(sorted(self._connection.settings.get(SITES, {})))
            report.deleted += deletions.missing_in(
                pull, began, until=now + self._ahead, sites=sites
            )
            if deletions.doubt:
                report.status, report.error = "partial", deletions.doubt
        last = cursor.get("deletes_at")
        report.deleted += deletions.listed(_at(last) if last else began, now)

    # -- checkpoints ------------------------------------------------------------------------------

    def _cursor(self) -> tuple[dict[str, Any], int]:
        with self._to.ledger.read() as seen:
            found = seen.cursors.get(self._connection.id, self._key)
        return (dict(found.value), found.version) if found else ({}, 0)

    def _resumed(self, cursor: Mapping[str, Any]) -> _Under | None:
        found = cursor.get("run")
        return _Under(**found) if found else None

    def _begun(self, cursor: Mapping[str, Any], now: datetime, *, full: bool) -> _Under:
        mode: Mode = "full" if full or self._wants_full(cursor, now) else "incremental"
        under = _Under(secrets.token_hex(8), mode, now.isoformat(), first=not cursor)
        if mode == "incremental":
            under.since = cursor.get("since")
        under.high = cursor.get("since")
        return under

    def _wants_full(self, cursor: Mapping[str, Any], now: datetime) -> bool:
        if self._stream.cursor is None or not (cursor.get("since") or cursor.get("token")):
            return True
        deletes = self._stream.deletes
        if deletes.kind != "full_pull":
            return False
        last = cursor.get("full_at")
        return last is None or _at(last) + deletes.every <= now

    def _since(self, under: _Under) -> datetime | None:
        spec = self._stream.cursor
        if spec is None or spec.kind != "time":
            return None
        if under.since:
            return _at(under.since) - spec.look_back
        return _at(under.began) - spec.history if spec.history else None

    @property
    def _ahead(self) -> timedelta:
        spec = self._stream.cursor
        return spec.look_ahead if spec else timedelta(0)

    def _checkpoint(self, value: dict[str, Any], version: int) -> int:
        with self._to.ledger.change("sync") as change:
            return change.cursors.put(self._connection.id, self._key, value, version).version

    def _finish(
        self, cursor: dict[str, Any], under: _Under, version: int, report: Report, now: datetime
    ) -> None:
        report.finished_at = self._to.clock.now()
        token = self._stream.cursor is not None and self._stream.cursor.kind == "token"
        newest = None if token else under.high
        history = (newest or under.began) if under.first else cursor.get("history")
        value = {
            # a time that lies ahead (a booking's) must not hide what changes until then
            "since": _earlier(newest, under.began),
            "token": under.high if token else None,
            "history": history,
            "full_at": under.began if under.mode == "full" else cursor.get("full_at"),
            "deletes_at": now.isoformat(),
            "pages": under.digests,
            "last": {"at": report.finished_at.isoformat(), "read": report.read},
        }
        self._checkpoint(value, version)

    def _tell(self, report: Report) -> None:
        report.finished_at = report.finished_at or self._to.clock.now()
        self._to.telemetry.add(
            "sync_run",
            {
                "run_id": f"{report.run}-{report.finished_at:%Y%m%dT%H%M%S%f}",
                "connection_id": report.connection, "started_at": report.started_at,
                "finished_at": report.finished_at, "direction": "in", "entity": report.stream,
                "mode": report.mode, "interval_s": int(self._stream.every.total_seconds()),
                "status": report.status, "records_read": report.read,
                "records_written": report.written, "records_failed": report.failed, "backlog": 0,
                "integration": self._connector.connector,
                "franchise_id": self._connection.franchise_id, "source": "hub",
                "environment": self._connection.environment,
            },
        )  # fmt: skip
        self._to.telemetry.flush()


def _restartable(walk: Walk, under: _Under) -> Generator[Page]:
    """The pages of a walk; a checkpoint that the vendor no longer knows begins it anew."""
    pages = walk.pages(under.walk)
    try:
        first = next(pages, None)
    except VendorError as error:
        if under.walk is None or error.kind not in ("cursor_expired", "validation", "not_found"):
            raise
        pages = walk.pages(None)
        first = next(pages, None)
    if first is not None:
        yield first
        yield from pages


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _earlier(one: str | None, limit: str) -> str | None:
    return None if one is None else min(one, limit, key=_at)


def _later(one: str | None, other: str | None) -> str | None:
    if one is None or other is None:
        return one or other
    return max(one, other, key=_at)
