"""From the landing log to the warehouse: maps what was landed, sets aside what cannot be mapped.

The mapping is idempotent: a record that was mapped in part before a crash is mapped again whole,
and the warehouse drops what it has already.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from meterstone.errors import InputError
from meterstone.facts import Reject
from meterstone.record.formats import formats
from meterstone.record.log import LandingLog
from meterstone.record.model import Incoming, LandedRecord, Mapped, Receipt
from meterstone.warehouse.base import Appended, Recorded, Warehouse

WAREHOUSE = "warehouse"
"""Name of the watermark up to which the log is in the warehouse."""

_ROWS_AT_ONCE = 50_000
_RECORDS_AT_ONCE = 2_000


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


class Recorder:
    """Maps landed records into a warehouse. One `map_new` runs at a time."""

    def __init__(self, log: LandingLog, warehouse: Warehouse) -> None:
        self.log = log
        self.warehouse = warehouse
        self._mapping = threading.Lock()

    def land(self, incoming: Incoming) -> Receipt:
        """Land one record durably; it becomes facts at the next `map_new`."""
        return self.log.land(incoming)

    def map_new(self, on_progress: Callable[[Mapping], None] = lambda _: None) -> Mapping:
        """Map every record after the watermark, in order.

        Args:
            on_progress: called after each transaction with the figures so far.
        """
        with self._mapping:
            done = Mapping()
            pass_ = _Pass(self.log, self.warehouse, done)
            for record in self.log.read(after=self.log.watermark(WAREHOUSE)):
                pass_.add(record)
                if pass_.full:
                    pass_.flush()
                    on_progress(done)
            pass_.flush()
            on_progress(done)
            return done

    def retry(self, seq: int) -> Mapping | None:
        """Map a quarantined record again, as the mappings are today.

        What it yields is known from now on, so the retry is landed as a record of its own. None
        when the mapping still refuses the same rows: then nothing is written.
        """
        record = self.log.get(seq)
        waiting = {(q.item, q.reason) for q in self.log.quarantined() if q.seq == seq}
        still = {(m.item, m.reason) for m in map_record(record) if isinstance(m, Reject)}
        if waiting <= still:
            return None
        self.land(
            Incoming(
                body=record.body,
                format=record.format,
                media_type=record.media_type,
                source=record.source,
                name=record.name,
                context={**record.context, "retry_of": str(seq)},
            )
        )
        self.log.mend(seq)
        return self.map_new()

    def map_all(self, on_progress: Callable[[Mapping], None] = lambda _: None) -> Mapping:
        """Map the whole log into an empty warehouse (rebuild)."""
        self.log.clear_quarantine()
        return self.map_new(on_progress)


class _Pass:
    """Collects mapped records up to a transaction's worth, then writes them in order:
    facts first, then the quarantine, then the watermark."""

    def __init__(self, log: LandingLog, warehouse: Warehouse, done: Mapping) -> None:
        self._log = log
        self._warehouse = warehouse
        self._done = done
        self._facts: list[Recorded] = []
        self._rejects: list[tuple[int, list[Reject]]] = []
        self._rows = 0
        self._records = 0
        self._last: int | None = None

    @property
    def full(self) -> bool:
        return self._rows >= _ROWS_AT_ONCE or self._records >= _RECORDS_AT_ONCE

    def add(self, record: LandedRecord) -> None:
        rejects: list[Reject] = []
        for mapped in map_record(record):
            if isinstance(mapped, Reject):
                rejects.append(mapped)
                continue
            rejects.extend(mapped.rejects)
            self._facts.append(Recorded(record.seq, record.received_at, mapped))
            self._rows += mapped.table.num_rows
            if self.full:  # a record larger than one transaction
                self._write_facts()
        if rejects:
            self._rejects.append((record.seq, rejects))
        self._records += 1
        self._last = record.seq

    def flush(self) -> None:
        self._write_facts()
        for seq, rejects in self._rejects:
            self._log.quarantine(seq, rejects)
            self._done.rejected += len(rejects)
        self._rejects = []
        if self._last is not None:
            self._log.set_watermark(WAREHOUSE, self._last)
        self._done.records += self._records
        self._records = 0
        self._last = None

    def _write_facts(self) -> None:
        self._done.appended += self._warehouse.append(self._facts)
        self._facts = []
        self._rows = 0


def map_record(record: LandedRecord) -> Iterator[Mapped]:
    """The facts and rejects of one landed record; a record that no mapping can read is one reject."""
    form = formats().get(record.format)
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


