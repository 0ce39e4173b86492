"""The audit log: who changed what, as a Merkle log (RFC 6962) with signed checkpoints.

An entry stands in the transaction of the change that it records. Its leaf is the canonical JSON of
the entry, which holds its own number. After the commit a checkpoint is appended to a file outside
the database: the leaves since the checkpoint before, size and root of the tree, signed by the key
of the home. So whoever can write the database and not that file cannot edit, remove, add, reorder
or cut off an entry unseen, and the first one that is wrong is named.

What is not seen: entries cut off together with the newest lines of the file. Keep a copy of the
file elsewhere (`meterstone audit verify --checkpoints COPY`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from meterstone.ledger.checkpoints import Checkpoint, Checkpoints
from meterstone.ledger.merkle import Frontier, leaf_hash
from meterstone.ledger.store import Store, Transaction
from meterstone.ledger.tables import audit_entries, audit_head
from meterstone.scorecard.canonical import canonical


@dataclass(frozen=True, slots=True)
class Entry:
    """Who did what to what, and when. ``detail`` never holds a secret."""

    number: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What a verification found; ``bad`` is the number of the first bad entry, if there is one."""

    entries: int
    checkpoints: int
    unsigned: int
    bad: int | None
    reason: str

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.reason


def append(transaction: Transaction) -> None:
    """Write the entries of a transaction; called just before it commits, because from here on other
    writers wait for it."""
    if not transaction.entries:
        return
    head = transaction.run(sa.select(audit_head).with_for_update()).one()
    tree = Frontier.from_bytes(head.size, head.frontier)
    rows = []
    for noted in transaction.entries:
        entry = canonical(
            {"number": tree.size, "at": _text(transaction.now), "actor": transaction.actor, **noted}
        )
        leaf = leaf_hash(entry)
        rows.append({"number": tree.size, "entry": entry.decode(), "leaf": leaf})
        tree = tree.append(leaf)
    transaction.connection.execute(sa.insert(audit_entries), rows)
    transaction.run(sa.update(audit_head).values(size=tree.size, frontier=tree.to_bytes()))


def entries_until(
    transaction: Transaction, until: datetime, kinds: Collection[str]
) -> Iterator[Entry]:
    """Entries that were written by a moment, in their order, within a transaction that reads.

    Args:
        until: UTC.
        kinds: of actions, without what was done: ``connection`` for ``connection.add``.
    """
    text = audit_entries.c.entry
    written = sa.or_(*(text.contains(f'"action":"{kind}.', autoescape=True) for kind in kinds))
    query = sa.select(text).where(written).order_by(audit_entries.c.number)
    for each in transaction.run(query).scalars():
        entry = _entry(each)
        if entry.at <= until and entry.action.split(".")[0] in kinds:
            yield entry


class AuditLog:
    """The log of one ledger: reading, checkpoints, verification."""

    def __init__(self, store: Store, checkpoints: Checkpoints) -> None:
        self._store = store
        self._checkpoints = checkpoints

    def checkpoint(self) -> None:
        """Sign how the tree stands now, unless a checkpoint says so already."""
        with self._checkpoints.appending() as writer, self._store.reading() as transaction:
            head = transaction.run(sa.select(audit_head)).one()
            if head.size > writer.size:
                query = sa.select(audit_entries.c.leaf).where(
                    audit_entries.c.number >= writer.size, audit_entries.c.number < head.size
                )
                leaves = transaction.run(query.order_by(audit_entries.c.number)).scalars().all()
                tree = Frontier.from_bytes(head.size, head.frontier)
                writer.append(leaves, tree.size, tree.root, transaction.now)

    def entries(
        self,
        *,
        subject: str | None = None,
        action: str | None = None,
        last: int | None = None,
        before: int | None = None,
        until: datetime | None = None,
    ) -> list[Entry]:
        """Entries in their order: about a subject, of an action, the last so many of them.

        Args:
            before: only entries with a smaller number: the page before.
            until: only entries that were written by then.
        """
        query = sa.select(audit_entries.c.entry).order_by(audit_entries.c.number.desc())
        if before is not None:
            query = query.where(audit_entries.c.number < before)
        found: list[Entry] = []
        with self._store.reading() as transaction:
            for text in transaction.run(query).scalars():
                entry = _entry(text)
                late = until is not None and entry.at > until
                if not late and subject in (None, entry.subject) and action in (None, entry.action):
                    found.append(entry)
                if last is not None and len(found) >= last:
                    break
        return found[::-1]

    def verify(self, checkpoints: Checkpoints | None = None) -> AuditReport:
        """Recompute the tree and hold every checkpoint against it.

        Args:
            checkpoints: a copy that was kept elsewhere; None: those of this home.
        """
        signed = (checkpoints or self._checkpoints).read()
        query = sa.select(audit_entries).order_by(audit_entries.c.number)
        with self._store.reading() as transaction:
            head = transaction.run(sa.select(audit_head)).one()
            with transaction.run(query.execution_options(yield_per=1000)) as rows:
                return _Verifier(signed.checkpoints, signed.problem).run(rows, head)


class _Verifier:
    def __init__(self, checkpoints: Sequence[Checkpoint], problem: str) -> None:
        self._checkpoints = checkpoints
        self._problem = problem

    def run(self, rows: Any, head: Any) -> AuditReport:
        """Entry by entry against its own hash, the signed leaf and the signed roots."""
        signed = list(self._signed_leaves())
        roots: dict[int, set[bytes]] = {}
        for each in self._checkpoints:
            roots.setdefault(each.size, set()).add(each.root)
        tree = Frontier()
        for row in rows:
            number = tree.size
            wrong = self._wrong(row, number, signed)
            if not wrong:
                tree = tree.append(row.leaf)
                if roots.get(tree.size, {tree.root}) != {tree.root}:
                    wrong = "the root of the tree up to here is not the one that was signed"
            if wrong:
                return self._report(number, len(signed), number, wrong)
        if tree.size < len(signed):
            cause = f"is missing: checkpoints were signed for {len(signed)} entries"
            return self._report(tree.size, len(signed), tree.size, cause)
        if (head.size, head.frontier) != (tree.size, tree.to_bytes()):
            cause = "the head of the log does not belong to its entries"
            return self._report(tree.size, len(signed), min(head.size, tree.size), cause)
        return self._report(tree.size, len(signed), None, self._problem)

    def _signed_leaves(self) -> Iterator[bytes]:
        for each in self._checkpoints:
            yield from each.leaves

    def _wrong(self, row: Any, number: int, signed: Sequence[bytes]) -> str:
        if row.number != number:
            return f"is missing: the next entry is number {row.number}"
        if leaf_hash(row.entry.encode()) != row.leaf:
            return "was edited: it does not have the hash that stands beside it"
        if number < len(signed) and row.leaf != signed[number]:
            return "was exchanged: it does not have the hash that was signed"
        claimed = json.loads(row.entry).get("number")
        if claimed != number:
            return f"says that it is number {claimed}: it stands in the wrong place"
        return ""

    def _report(self, entries: int, signed: int, bad: int | None, reason: str) -> AuditReport:
        return AuditReport(
            entries=entries,
            checkpoints=len(self._checkpoints),
            unsigned=max(0, entries - signed),
            bad=bad,
            reason=reason,
        )


def _entry(text: str) -> Entry:
    fields = json.loads(text)
    return Entry(**{**fields, "at": datetime.fromisoformat(fields["at"])})


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def first_head() -> sa.Executable:
    """The head of a log without entries."""
    return sa.insert(audit_head).values(one=1, size=0, frontier=b"")
