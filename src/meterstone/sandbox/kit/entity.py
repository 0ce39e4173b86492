"""Records of one kind in a vendor's form: made from rows when asked for, edited in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from meterstone.sandbox.kit.books import Row, Rows
from meterstone.sandbox.kit.clock import Clock, micros

Record = dict[str, Any]
Array = NDArray[Any]

CHANGED = "changed"
"""The key of the time of change; every entity has it."""


@dataclass(frozen=True, slots=True)
class Key:
    """Something that records are sorted or picked by.

    Attributes:
        rows: its value of each row: an int64 array (moments as microseconds) or a list of texts.
        record: the same of one record.
        text: whether the values are texts (None among them): picked by, not sorted by.
    """

    rows: Sequence[Any] | Array
    record: Callable[[Record], Any]
    text: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What a listener is told.

    Attributes:
        silent: the time of change stayed as it was; vendors send no webhook then.
    """

    entity: str
    id: str
    kind: Literal["created", "updated", "deleted"]
    at: datetime
    record: Record
    silent: bool


class Entity:
    """Records of one kind.

    The rows of the books stay columns; a record is made by ``render`` when a page asks for it. What
    is put or edited is kept as a record. All methods may be called from any thread.

    Args:
        name: such as payments.
        clock: time of the stand-in.
        ids: the vendor's id of each row.
        keys: what records are sorted and picked by; `CHANGED` must be one.
        stamp: writes the time of change into a record; also fills what a new record lacks.
        rows: where the records come from; with ``render``.
        render: a row in the vendor's form.
        id_of: the id of a record.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        ids: Sequence[str] = (),
        keys: Mapping[str, Key],
        stamp: Callable[[Record, datetime], None],
        rows: Rows | Sequence[Row] = (),
        render: Callable[[Row], Record] = dict,
        id_of: Callable[[Record], str] = lambda record: str(record["id"]),
    ) -> None:
        self.name = name
        self._clock = clock
        self._render, self._stamp, self._id_of = render, stamp, id_of
        self._rows = rows
        order = np.argsort(np.asarray(keys[CHANGED].rows, dtype=np.int64), kind="stable")
        self._row_of = order
        self._ids: list[str] = [ids[row] for row in order]
        self._slot = {id_: slot for slot, id_ in enumerate(self._ids)}
        self._keys = keys
        self._values = {name: _Column(_at(key, order)) for name, key in keys.items()}
        self._own: dict[int, Record] = {}
        gone = rows.retracted.to_numpy(zero_copy_only=False) if isinstance(rows, Rows) else None
        self._gone = _Column(
            gone[order] if gone is not None else np.zeros(len(self._ids), dtype=bool)
        )
        self._sorted: dict[str, Array] = {}
        self._listeners: list[Callable[[Change], None]] = []
        self._lock = threading.RLock()

    def __len__(self) -> int:
        """Records that are not deleted."""
        with self._lock:
            return len(self._ids) - int(self._gone.values.sum())

    def listen(self, listener: Callable[[Change], None]) -> None:
        """Be told of every change, on the thread that makes it."""
        self._listeners.append(listener)

    def get(self, id_: str, *, deleted: bool = False) -> Record | None:
        """One record; a deleted one only where asked for."""
        with self._lock:
            slot = self._slot.get(id_)
            if slot is None or (self._gone.values[slot] and not deleted):
                return None
            return self._records([slot])[0]

    def is_deleted(self, id_: str) -> bool:
        """Whether a record was deleted; False where there never was one."""
        with self._lock:
            slot = self._slot.get(id_)
            return slot is not None and bool(self._gone.values[slot])

    def select(
        self,
        by: str = CHANGED,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        descending: bool = False,
        deleted: bool | None = False,
        only: Iterable[str] | None = None,
        **where: Any,
    ) -> Selection:
        """Records sorted by a key, ties in a fixed order.

        Args:
            by: a key whose values are numbers.
            since, until: of that key, where it is a moment; [since, until).
            descending: newest first.
            deleted: False: those that are there; True: only the deleted; None: both.
            only: of these ids only.
            where: keys that must equal a value, or one of a list, tuple or set.
        """
        with self._lock:
            slots = self._order(by)
            values = self._values[by].values[slots]
            low = 0 if since is None else int(np.searchsorted(values, micros(since)))
            high = len(slots) if until is None else int(np.searchsorted(values, micros(until)))
            slots = slots[low:high]
            if deleted is not None:
                slots = slots[self._gone.values[slots] == deleted]
            for name, wanted in where.items():
                slots = slots[_is_one_of(self._values[name].values[slots], wanted)]
            if only is not None:
                chosen = [self._slot[id_] for id_ in only if id_ in self._slot]
                slots = slots[np.isin(slots, np.array(chosen, dtype=np.int64))]
            return Selection(self, by, slots[::-1] if descending else slots, descending)

    def put(self, record: Record, *, silent: bool = False, at: datetime | None = None) -> Record:
        """Create a record, or replace the one of its id.

        Args:
            record: in the vendor's form.
            silent: leave the time of change as it is in the record, and tell no webhook.
            at: the time of change; default now.

        Returns:
            the record as it is kept.
        """
        with self._lock:
            moment = at or self._clock.now()
            kept = deepcopy(record)
            if not silent:
                self._stamp(kept, moment)
            slot = self._slot.get(self._id_of(kept))
            kind: Literal["created", "updated"] = "created" if slot is None else "updated"
            slot = self._add(self._id_of(kept)) if slot is None else slot
            self._keep(slot, kept, gone=False)
        self._tell(kind, kept, moment, silent)
        return deepcopy(kept)

    def edit(
        self, id_: str, fields: Mapping[str, Any], *, silent: bool = False,
        at: datetime | None = None,
    ) -> Record | None:  # fmt: skip
        """Change fields of a record; None where there is none. ``silent`` as in `put`."""
        with self._lock:
            record = self.get(id_)
            if record is None:
                return None
            return self.put({**record, **fields}, silent=silent, at=at)

    def delete(self, id_: str, *, silent: bool = False, at: datetime | None = None) -> bool:
        """Delete a record; its time of change is that of deletion. False where there is none."""
        with self._lock:
            record = self.get(id_)
            if record is None:
                return False
            moment = at or self._clock.now()
            if not silent:
                self._stamp(record, moment)
            self._keep(self._slot[id_], record, gone=True)
        self._tell("deleted", record, moment, silent)
        return True

    def id_at(self, nth: int) -> str:
        """The id of the nth record that is there, oldest change first."""
        return self._ids[int(self.select().slots[nth])]

    def _order(self, by: str) -> Array:
        if by not in self._sorted:
            self._sorted[by] = np.argsort(self._values[by].values, kind="stable")
        return self._sorted[by]

    def _add(self, id_: str) -> int:
        slot = len(self._ids)
        self._ids.append(id_)
        self._slot[id_] = slot
        for column in self._values.values():
            column.append()
        self._gone.append()
        return slot

    def _keep(self, slot: int, record: Record, *, gone: bool) -> None:
        self._own[slot] = record
        for name, key in self._keys.items():
            self._values[name].values[slot] = key.record(record)
        self._gone.values[slot] = gone
        self._sorted.clear()

    def _tell(
        self, kind: Literal["created", "updated", "deleted"], record: Record, at: datetime,
        silent: bool,
    ) -> None:  # fmt: skip
        change = Change(self.name, self._id_of(record), kind, at, deepcopy(record), silent)
        for listener in self._listeners:
            listener(change)

    def _records(self, slots: Sequence[int] | Array) -> list[Record]:
        from_rows = [int(self._row_of[slot]) for slot in slots if slot not in self._own]
        rows = (
            self._rows.take(from_rows)
            if isinstance(self._rows, Rows)
            else [self._rows[row] for row in from_rows]
        )
        made = iter(rows)
        return [
            deepcopy(self._own[slot]) if slot in self._own else self._render(next(made))
            for slot in slots
        ]


class Selection:
    """Records of one question, sorted; pages of it are made when asked for.

    Attributes:
        slots: where each record is kept, in order.
    """

    def __init__(self, entity: Entity, by: str, slots: Array, descending: bool) -> None:
        self.slots = slots
        self._entity, self._by, self._descending = entity, by, descending

    def __len__(self) -> int:
        return len(self.slots)

    def page(self, start: int, size: int) -> list[Record]:
        """Records start … start + size."""
        with self._entity._lock:
            return self._entity._records(self.slots[start : start + size].tolist())

    def after(self, mark: str, size: int) -> tuple[list[Record], str | None]:
        """A page behind a mark (empty: the first), and the mark of the next one; None at the end.

        The mark names the last record of a page by its key, so that records which change while
        pages are walked are neither skipped nor shown twice, unless they move.
        """
        entity = self._entity
        with entity._lock:
            start = self._start(mark)
            slots = self.slots[start : start + size]
            records = entity._records(slots.tolist())
            if start + size >= len(self.slots):
                return records, None
            last = int(slots[-1])
            return records, f"{int(entity._values[self._by].values[last])}.{last}"

    def _start(self, mark: str) -> int:
        if not mark:
            return 0
        key, _, slot = mark.partition(".")
        values = self._entity._values[self._by].values[self.slots].astype(np.int64)
        first, last = int(key), int(slot)
        if self._descending:
            before = (values > first) | ((values == first) & (self.slots >= last))
        else:
            before = (values < first) | ((values == first) & (self.slots <= last))
        return int(before.sum())


class _Column:
    """An array that grows."""

    def __init__(self, values: Array) -> None:
        self._all, self._size = values.copy(), len(values)

    @property
    def values(self) -> Array:
        return self._all[: self._size]

    def append(self) -> None:
        if self._size == len(self._all):
            empty = np.zeros(max(64, self._size // 4), dtype=self._all.dtype)
            self._all = np.concatenate([self._all, empty])
        self._size += 1


def _at(key: Key, order: Array) -> Array:
    if not key.text:
        return np.asarray(key.rows, dtype=np.int64)[order]
    column = np.empty(len(order), dtype=object)
    seen: dict[Any, Any] = {}
    column[:] = [seen.setdefault(key.rows[row], key.rows[row]) for row in order]
    return column


def _is_one_of(values: Array, wanted: Any) -> Array:
    if isinstance(wanted, list | tuple | set | frozenset):
        return np.array([value in wanted for value in values], dtype=bool)
    return np.asarray(values == wanted, dtype=bool)
