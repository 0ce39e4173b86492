"""Durable work: a queue with leases, attempts, priorities, groups and dead letters.

    waiting ──claim──▶ running ──done──▶ done
       ▲                 │ │ ╲
       └─────retry───────┘ │  bury, or the last attempt failed ──▶ dead ──revive──▶ waiting
                           └ lease ran out: claimed again, with the next attempt

Work is done at least once. The fence is the number of the attempt: what a worker does whose lease
ran out is refused, and an effect that stands in the transaction of its `done` happens once.

Claims, retries and completions are no entries of the audit log: the row of a job tells them.
Burying, reviving and cancelling are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from itertools import count
from typing import Any, TypeVar

import sqlalchemy as sa

from meterstone.errors import InputError, LeaseLost
from meterstone.ledger.claims import candidate, has_room, of_kinds
from meterstone.ledger.jobs import PRIORITIES, Job, Priority, State, job_of, pause_s
from meterstone.ledger.store import Store, Transaction
from meterstone.ledger.tables import job_groups, jobs, unfinished, waiting

RESERVED = 4
"""Every so many claims one goes to the oldest job of the lowest priority that waits."""

_MOST_ATTEMPTS = 25
_Result = TypeVar("_Result")


class QueueIn:
    """The queue within a transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._tx = transaction

    def put(
        self,
        kind: str,
        payload: Mapping[str, Any],
        *,
        dedupe: str | None = None,
        priority: Priority = "live",
        group: str | None = None,
        at: datetime | None = None,
        most_attempts: int = _MOST_ATTEMPTS,
    ) -> Job:
        """Queue work; there once this transaction is committed.

        Args:
            payload: JSON values.
            dedupe: while a job with the same text waits, that one is returned, moved to the earlier
                moment and the higher priority of both. One that runs already does not count: it may
                have read before the change that this job is for.
            group: jobs that share a limit, see `limit`.
            at: not before; None: at once.
            most_attempts: after so many attempts a failure buries it.
        """
        values = {
            "kind": kind, "payload": dict(payload), "priority": PRIORITIES[priority],
            "state": "waiting", "dedupe": dedupe, "group_name": group, "due_at": at or self._tx.now,
            "attempt": 0, "most_attempts": most_attempts, "error": "", "created_at": self._tx.now,
        }  # fmt: skip
        new = self._tx.insert(jobs).values(values)
        sooner = {
            name: sa.case((old > new.excluded[name], new.excluded[name]), else_=old)
            for name, old in (("priority", jobs.c.priority), ("due_at", jobs.c.due_at))
        }
        statement = new.on_conflict_do_update(
            index_elements=["dedupe"], index_where=waiting, set_=sooner
        ).returning(jobs)
        return job_of(self._tx.run(statement).one())

    def claim(
        self,
        worker: str,
        kinds: Collection[str] | None = None,
        lease_s: float = 60.0,
        *,
        lowest_first: bool = False,
    ) -> Job | None:
        """Take the next job that is due, or None.

        A job whose lease ran out is taken again with the next attempt; when it has had all its
        attempts it is buried instead.

        Args:
            worker: who takes it, for people.
            kinds: only these; None: all.
            lease_s: for so long nobody else takes it; see `extend`.
            lowest_first: the reserved share: the oldest job of the lowest priority.
        """
        full: list[str] = []
        while (found := candidate(self._tx, kinds, full, lowest_first=lowest_first)) is not None:
            if found.state == "running" and found.attempt >= found.most_attempts:
                self._bury(found.id, f"the lease of the last attempt ran out ({found.worker})")
            elif found.group is not None and not has_room(self._tx, found):
                full.append(found.group)
            else:
                return self._start(found, worker, lease_s)
        return None

    def extend(self, job: Job, lease_s: float) -> Job:
        """The same lease for longer, from now (the heartbeat of long work).

        Raises:
            LeaseLost: it ran out.
        """
        return self._set(job, lease_until=self._tx.now + timedelta(seconds=lease_s))

    def done(self, job: Job) -> Job:
        """The work is done.

        Raises:
            LeaseLost: the lease ran out: roll back what was done in this transaction.
        """
        return self._set(job, state="done", finished_at=self._tx.now, lease_until=None, error="")

    def retry(self, job: Job, *, at: datetime | None = None, error: str) -> Job:
        """The attempt failed: once more later, or buried when that was the last one.

        Args:
            at: when (a Retry-After); None: exponential pause with jitter.
            error: what people are told; no secrets.

        Returns:
            The job as it is now: ``waiting`` or ``dead``; ``done`` where another job of the same
            ``dedupe`` waits already, which will do its work.

        Raises:
            LeaseLost: the lease ran out.
        """
        if job.attempt >= job.most_attempts:
            return self.bury(job, error=error)
        due = at or self._tx.now + timedelta(seconds=pause_s(job.attempt))
        if job.dedupe is not None and self._waits(job.dedupe):
            return self._set(
                job, state="done", finished_at=self._tx.now, lease_until=None,
                error=f"merged with the waiting job of {job.dedupe}",
            )  # fmt: skip
        return self._set(job, state="waiting", due_at=due, lease_until=None, error=error)

    def bury(self, job: Job, *, error: str) -> Job:
        """Give up: a dead letter, kept for people.

        Raises:
            LeaseLost: the lease ran out.
        """
        buried = self._set(
            job, state="dead", finished_at=self._tx.now, lease_until=None, error=error
        )
        self._tx.audit("job.bury", str(job.id), kind=job.kind, error=error)
        return buried

    def revive(self, job_id: int) -> Job:
        """Let a dead letter wait again, with all its attempts before it.

        Raises:
            InputError: it is not dead, or another job of the same ``dedupe`` waits.
        """
        job = self.get(job_id)
        if job.state != "dead":
            raise InputError(f"is {job.state}, not dead", place=f"job {job_id}", mend="leave it")
        if job.dedupe is not None and self._waits(job.dedupe):
            raise InputError(
                "a newer job does the same and waits already",
                place=f"job {job_id}",
                mend="leave this one",
            )
        self._tx.audit("job.revive", str(job_id), kind=job.kind)
        # The attempts go on counting: a fence is never given twice.
        more = job.attempt + max(job.most_attempts, 1)
        return self._update(
            jobs.c.id == job_id, state="waiting", due_at=self._tx.now, finished_at=None,
            most_attempts=more,
        )  # fmt: skip

    def cancel(self, job_id: int, reason: str) -> Job:
        """Take a job that waits off the queue; it is dead then, with the reason.

        Raises:
            InputError: it does not wait.
        """
        job = self.get(job_id)
        if job.state != "waiting":
            raise InputError(f"is {job.state}, not waiting", place=f"job {job_id}", mend="leave it")
        self._tx.audit("job.cancel", str(job_id), kind=job.kind, reason=reason)
        return self._update(
            jobs.c.id == job_id, state="dead", finished_at=self._tx.now, error=reason
        )

    def limit(self, group: str, most: int, *, ordered: bool = False) -> None:
        """How many jobs of a group may run at once; without a limit: any number.

        Args:
            ordered: only the oldest job of the group that is not finished may run, also while it
                waits for its next attempt: strict order.
        """
        if most < 1:
            raise InputError("a group needs room for one job", place=group, mend="give 1 or more")
        values = {"most": most, "ordered": ordered}
        self._tx.run(
            self._tx.insert(job_groups)
            .values(name=group, **values)
            .on_conflict_do_update(index_elements=["name"], set_=values)
        )

    def hold(self, group: str, until: datetime | None) -> None:
        """Claim nothing that waits in a group before a moment; None: go on at once. The group has
        a limit already (`limit`)."""
        self._tx.run(
            sa.update(job_groups).where(job_groups.c.name == group).values(held_until=until)
        )

    def get(self, job_id: int) -> Job:
        """A job by its id.

        Raises:
            InputError: there is none.
        """
        row = self._tx.run(sa.select(jobs).where(jobs.c.id == job_id)).first()
        if row is None:
            raise InputError("there is no such job", place=f"job {job_id}", mend="list the jobs")
        return job_of(row)

    def all(self, state: State | None = None, kind: str | None = None) -> list[Job]:
        """Jobs, oldest first; with a state, of a kind."""
        query = sa.select(jobs).order_by(jobs.c.id)
        if state is not None:
            query = query.where(jobs.c.state == state)
        if kind is not None:
            query = query.where(jobs.c.kind == kind)
        return [job_of(row) for row in self._tx.run(query)]

    def counts(self) -> dict[str, int]:
        """How many jobs there are of each state."""
        query = sa.select(jobs.c.state, sa.func.count().label("number")).group_by(jobs.c.state)
        found = {row.state: row.number for row in self._tx.run(query)}
        return {state: found.get(state, 0) for state in ("waiting", "running", "done", "dead")}

    def next_due(self, kinds: Collection[str] | None = None) -> datetime | None:
        """When the next job is due or the next lease runs out; None: nothing is queued."""
        moment = sa.case((waiting, jobs.c.due_at), else_=jobs.c.lease_until)
        query = sa.select(sa.func.min(moment)).where(unfinished())
        return self._tx.run(of_kinds(query, kinds)).scalar()

    def purge(self, before: datetime) -> int:
        """Remove jobs that were done before a moment; dead letters stay."""
        gone = sa.delete(jobs).where(jobs.c.state == "done", jobs.c.finished_at < before)
        return self._tx.run(gone).rowcount

    def _start(self, job: Job, worker: str, lease_s: float) -> Job:
        return self._update(
            jobs.c.id == job.id, state="running", attempt=job.attempt + 1, worker=worker,
            lease_until=self._tx.now + timedelta(seconds=lease_s),
        )  # fmt: skip

    def _bury(self, job_id: int, error: str) -> None:
        self._tx.audit("job.bury", str(job_id), error=error)
        self._update(
            jobs.c.id == job_id, state="dead", finished_at=self._tx.now, lease_until=None,
            error=error,
        )  # fmt: skip

    def _waits(self, dedupe: str) -> bool:
        query = sa.select(jobs.c.id).where(waiting, jobs.c.dedupe == dedupe)
        return self._tx.run(query).first() is not None

    def _update(self, which: sa.ColumnElement[bool], **values: Any) -> Job:
        return job_of(
            self._tx.run(sa.update(jobs).where(which).values(values).returning(jobs)).one()
        )

    def _set(self, job: Job, **values: Any) -> Job:
        row = self._tx.run(
            sa.update(jobs)
            .where(
                jobs.c.id == job.id,
                jobs.c.state == "running",
                jobs.c.attempt == job.attempt,
                jobs.c.lease_until > self._tx.now,
            )
            .values(values)
            .returning(jobs)
        ).first()
        if row is None:
            raise LeaseLost(
                f"the lease of attempt {job.attempt} ran out",
                place=f"job {job.id} ({job.kind})",
                mend="nothing: the job is done again; take longer leases if this is frequent",
            )
        return job_of(row)


class Queue:
    """The queue, each call in a transaction of its own. Thread-safe."""

    def __init__(self, changing: Callable[[str], Any], store: Store) -> None:
        self._changing = changing
        self._store = store
        self._claims = count(1)

    def put(self, kind: str, payload: Mapping[str, Any], **options: Any) -> Job:
        """As `QueueIn.put`."""
        return self._do(lambda inner: inner.put(kind, payload, **options))

    def claim(
        self, worker: str, kinds: Collection[str] | None = None, lease_s: float = 60.0
    ) -> Job | None:
        """As `QueueIn.claim`; every fourth claim takes the oldest of the lowest priority, so that a
        flood of the upper ones cannot starve it."""
        lowest = next(self._claims) % RESERVED == 0
        return self._do(lambda inner: inner.claim(worker, kinds, lease_s, lowest_first=lowest))

    def extend(self, job: Job, lease_s: float) -> Job:
        """As `QueueIn.extend`."""
        return self._do(lambda inner: inner.extend(job, lease_s))

    def done(self, job: Job) -> Job:
        """As `QueueIn.done`."""
        return self._do(lambda inner: inner.done(job))

    def retry(self, job: Job, *, at: datetime | None = None, error: str) -> Job:
        """As `QueueIn.retry`."""
        return self._do(lambda inner: inner.retry(job, at=at, error=error))

    def bury(self, job: Job, *, error: str) -> Job:
        """As `QueueIn.bury`."""
        return self._do(lambda inner: inner.bury(job, error=error))

    def next_due(self, kinds: Collection[str] | None = None) -> datetime | None:
        """As `QueueIn.next_due`."""
        with self._store.reading() as transaction:
            return QueueIn(transaction).next_due(kinds)

    def counts(self) -> dict[str, int]:
        """As `QueueIn.counts`."""
        with self._store.reading() as transaction:
            return QueueIn(transaction).counts()

    def _do(self, work: Callable[[QueueIn], _Result]) -> _Result:
        with self._changing("queue") as change:
            return work(change.queue)
