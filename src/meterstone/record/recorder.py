"""From the landing log to the warehouse: maps what was landed, sets aside what cannot be mapped.

The warehouse keeps in one transaction the facts and how far the log was mapped, so that a record is
mapped once. Only a record larger than a transaction is written in parts; after a crash amid them it
is mapped again whole, and the warehouse drops what it has already.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Mapping as MappingOf
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType

import pyarrow as pa

from meterstone.errors import InputError, StorageError
from meterstone.facts import FactBatch, Reject, excerpt
from meterstone.record.formats import formats
from meterstone.record.frozen import held
from meterstone.record.log import LandingLog
from meterstone.record.model import Format, Incoming, LandedRecord, Mapped, Receipt
from meterstone.warehouse.base import Appended, Recorded, Warehouse

RETRY_OF = "retry_of"
"""Key of a record's context: the number of the record that it maps once more."""

_ROWS_AT_ONCE = 50_000
_RECORDS_AT_ONCE = 2_000
_REJECTS_AT_ONCE = 10_000
_READY_ROWS = 100_000
_TEXT_LIMIT = 1_000


@dataclass(slots=True)
class Mapping:
    """What one pass over the log did."""

    records: int = 0
    rejected: int = 0
    appended: Appended = field(default_factory=Appended)

    @property
    def rows(self) -> int:
        """Facts that the pass read, known ones included."""
        return self.appended.new + self.appended.duplicate + self.appended.revised

    def __add__(self, other: Mapping) -> Mapping:
        return Mapping(
            self.records + other.records,
            self.rejected + other.rejected,
            self.appended + other.appended,
        )


class Recorder:
    """Maps landed records into a warehouse. One `map_new` runs at a time.

    Args:
        log, warehouse: from where, and where to.
        more: formats beside those of `meterstone.record.formats`, which only the home knows.
    """

    def __init__(self, log: LandingLog, warehouse: Warehouse, more: Sequence[Format] = ()) -> None:
        self.log = log
        self._more = {form.name: form for form in more}
        self.warehouse = warehouse
        self._mapping = threading.Lock()
        self._ready = _Ready()

    def land(self, incoming: Incoming) -> Receipt:
        """Land one record durably; it becomes facts at the next `map_new`."""
        return self.log.land(incoming)

    def hand_over(self, seq: int, batches: Sequence[FactBatch]) -> None:
        """Give the facts of a landed record that were found before it was acknowledged, so that it
        need not be mapped again.

        They must be all that `map_record` yields for the record, without a reject: a row in the
        future may be none a moment later. Kept in memory up to a bound; beyond it, and after a
        crash, the record is mapped from the log like any other.
        """
        self._ready.put(seq, batches)

    def map(self, record: LandedRecord) -> Iterator[Mapped]:
        """The facts and rejects of one landed record, by the formats that this recorder knows."""
        return map_record(record, self._more)

    def backlog(self) -> int:
        """Records that are landed and not yet in the warehouse."""
        return self.log.last_seq() - self.warehouse.mapped_to()

    def map_new(
        self,
        on_progress: Callable[[Mapping], None] = lambda _: None,
        *,
        enough: Callable[[], bool] = lambda: False,
    ) -> Mapping:
        """Map the records that are not in the warehouse yet, in order.

        What lands while this runs is for the next call, so that a steady stream cannot hold the
        last transaction open.

        Args:
            on_progress: called after each transaction with the figures so far.
            enough: asked after each transaction; true ends the pass there.

        Raises:
            StorageError: the disk refused, or the log is older than the warehouse. What the pass
                wrote before stays.
        """
        with self._mapping, _Pass(self, self._ready) as pass_:
            begin, waiting = self._waiting()
            self._ready.forget(begin)
            for record in self.log.read(after=begin, limit=waiting):
                pass_.add(record)
                if pass_.full:
                    pass_.flush()
                    on_progress(pass_.done)
                    if enough():
                        break
            pass_.finish()
            on_progress(pass_.done)
            return pass_.done

    def _waiting(self) -> tuple[int, int]:
        """The last record that is mapped, and how many follow it."""
        begin = self.warehouse.mapped_to()
        waiting = self.log.last_seq() - begin
        if waiting < 0:
            raise StorageError(
                f"the warehouse is {-waiting} records ahead of the landing log",
                mend="the log was restored from an older copy: run `meterstone rebuild`",
            )
        return begin, waiting

    def retry(self, seq: int) -> Mapping | None:
        """Map a quarantined record again, as the mappings are today.

        What it yields is known from now on, so the retry is landed as a record of its own, and
        mends what was set aside of the first. None when the mapping still refuses the same rows:
        then nothing is written.
        """
        record = self.log.get(seq)
        waiting = {(q.item, q.reason) for q in self.log.quarantined() if q.seq == seq}
        still = {(r.item, r.reason) for m in self.map(record) for r in rejects_in(m)}
        if waiting <= still:
            return None
        self.land(
            Incoming(
                body=record.body,
                format=record.format,
                media_type=record.media_type,
                source=record.source,
                name=record.name,
                context={**record.context, RETRY_OF: str(seq)},
            )
        )
        return self.map_new()

    def map_all(self, on_progress: Callable[[Mapping], None] = lambda _: None) -> Mapping:
        """Map the whole log into an empty warehouse (rebuild)."""
        self.log.clear_quarantine()
        return self.map_new(on_progress)


class _Ready:
    """Facts of records that are landed but not in the warehouse yet, by record. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._batches: dict[int, Sequence[FactBatch]] = {}
        self._rows = 0

    def put(self, seq: int, batches: Sequence[FactBatch]) -> None:
        rows = _rows_in(batches)
        with self._lock:
            if self._rows + rows <= _READY_ROWS:
                self._batches[seq] = batches
                self._rows += rows

    def take(self, seq: int) -> Sequence[FactBatch] | None:
        with self._lock:
            batches = self._batches.pop(seq, None)
            self._rows -= _rows_in(batches or ())
            return batches

    def forget(self, to: int) -> None:
        """Let go of what came when its record was mapped already."""
        for seq in [seq for seq in tuple(self._batches) if seq <= to]:
            self.take(seq)


def _rows_in(batches: Sequence[FactBatch]) -> int:
    return sum(batch.table.num_rows for batch in batches)


class _Pass:
    """Collects mapped records up to a transaction's worth, then writes the quarantine and after it
    the facts: a record counts as mapped only when nothing of it can get lost any more.

    One transaction is written while the records of the next are being mapped. ``done`` counts what
    is written.
    """

    def __init__(self, recorder: Recorder, ready: _Ready) -> None:
        self._ready = ready
        self.done = Mapping()
        self._map = recorder.map
        self._log = recorder.log
        self._warehouse = recorder.warehouse
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="recorder")
        self._writing: tuple[Future[Appended], int] | None = None
        self._facts: list[Recorded] = []
        self._rejects: list[tuple[int, Reject]] = []
        self._mended: list[int] = []
        self._rows = 0
        self._records = 0
        self._last: int | None = None

    def __enter__(self) -> _Pass:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.shutdown()

    @property
    def full(self) -> bool:
        return self._rows >= _ROWS_AT_ONCE or self._records >= _RECORDS_AT_ONCE

    def add(self, record: LandedRecord) -> None:
        ready = self._ready.take(record.seq)
        for mapped in self._map(record) if ready is None else ready:
            self._set_aside(record.seq, rejects_in(mapped))
            if isinstance(mapped, FactBatch):
                self._take(record, mapped)
        if RETRY_OF in record.context:
            self._mended.append(int(record.context[RETRY_OF]))
        self._records += 1
        self._last = record.seq

    def _take(self, record: LandedRecord, batch: FactBatch) -> None:
        if batch.schema.frozen:
            self._write_facts()  # what came before must be known to hold this against it
            self._await_writing()
            batch, refused = held(batch, self._warehouse)
            self._set_aside(record.seq, refused)
        self._facts.append(Recorded(record.seq, record.received_at, batch))
        self._rows += batch.table.num_rows
        if self._rows >= 2 * _ROWS_AT_ONCE:  # only within a record that is larger than that
            self._write_facts()

    def _set_aside(self, seq: int, rejects: list[Reject]) -> None:
        self._rejects.extend((seq, reject) for reject in rejects)
        if len(self._rejects) >= _REJECTS_AT_ONCE:  # a record may be all rubbish
            self._write_rejects()

    def flush(self) -> None:
        """Hand over what is collected; returns when the transaction before is on disk."""
        self._log.mend(self._mended)
        self._mended = []
        self._write_rejects()
        self._write_facts(self._last, self._records)
        self._last, self._records = None, 0

    def finish(self) -> None:
        """Write all that is collected; returns when it is on disk."""
        self.flush()
        self._await_writing()

    def _write_rejects(self) -> None:
        self._log.quarantine(self._rejects)
        self.done.rejected += len(self._rejects)
        self._rejects = []

    def _write_facts(self, mapped_to: int | None = None, records: int = 0) -> None:
        self._await_writing()
        if self._facts or mapped_to is not None:
            append = partial(self._warehouse.append, self._facts, mapped_to=mapped_to)
            self._writing = self._writer.submit(append), records
        self._facts, self._rows = [], 0

    def _await_writing(self) -> None:
        if self._writing:
            future, records = self._writing
            self.done.appended += future.result()
            self.done.records += records
        self._writing = None


def map_record(
    record: LandedRecord, more: MappingOf[str, Format] = MappingProxyType({})
) -> Iterator[Mapped]:
    """The facts and rejects of one landed record; one that no mapping can read is one reject."""
    form = formats().get(record.format) or more.get(record.format)
    if form is None:
        yield Reject(
            0,
            f"no mapping for format {record.format!r}",
            "install the version of Meterstone that landed it, then `meterstone quarantine retry`",
        )
        return
    try:
        yield from form.map(record)
    except InputError as error:
        yield Reject(0, error.cause, error.mend)
    except (ValueError, LookupError, TypeError, ArithmeticError, pa.ArrowException) as error:
        yield Reject(
            0,
            f"the {record.format} mapping failed: {type(error).__name__}: {error}",
            "report this; the bytes are kept and are mapped again by `meterstone quarantine retry`",
        )


def rejects_in(mapped: Mapped) -> list[Reject]:
    """The rejects in one part of what a mapping yields, none with more text than people read: a
    reason may quote a cell of any size."""
    rejects = [mapped] if isinstance(mapped, Reject) else mapped.rejects
    return [_readable(reject) for reject in rejects]


def _readable(reject: Reject) -> Reject:
    if len(reject.reason) <= _TEXT_LIMIT and len(reject.mend) <= _TEXT_LIMIT:
        return reject
    return replace(
        reject,
        reason=excerpt(reject.reason, _TEXT_LIMIT),
        mend=excerpt(reject.mend, _TEXT_LIMIT),
    )
