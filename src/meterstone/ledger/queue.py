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

import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Literal, TypeVar

import sqlalchemy as sa

from meterstone.errors import InputError, LeaseLost, suggest
from meterstone.ledger.store import Store, Transaction
from meterstone.ledger.tables import job_groups, jobs, running, unfinished, waiting

Priority = Literal["interactive", "live", "backfill"]
State = Literal["waiting", "running", "done", "dead"]
PRIORITIES: Mapping[Priority, int] = {"interactive": 0, "live": 1, "backfill": 2}
_NAMES: Mapping[int, Priority] = {number: name for name, number in PRIORITIES.items()}
RESERVED = 4
"""Every so many claims one goes to the oldest job of the lowest priority that waits."""

FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 3600.0
_MOST_ATTEMPTS = 25
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work as it stood when it was read. ``attempt`` is its fence."""

    id: int
    kind: str
    payload: Mapping[str, Any]
    priority: Priority
    state: State
    dedupe: str | None
    group: str | None
    due_at: datetime
    attempt: int
    most_attempts: int
    worker: str | None
    lease_until: datetime | None
    error: str
    created_at: datetime
    finished_at: datetime | None


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
        return _job(self._tx.run(statement).one())

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
        while (found := self._candidate(kinds, full, lowest_first=lowest_first)) is not None:
            if found.state == "running" and found.attempt >= found.most_attempts:
                self._bury(found.id, f"the lease of the last attempt ran out ({found.worker})")
            elif found.group is not None and not self._has_room(found):
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
        return _job(row)

    def all(self, state: State | None = None, kind: str | None = None) -> list[Job]:
        """Jobs, oldest first; with a state, of a kind."""
        query = sa.select(jobs).order_by(jobs.c.id)
        if state is not None:
            query = query.where(jobs.c.state == state)
        if kind is not None:
            query = query.where(jobs.c.kind == kind)
        return [_job(row) for row in self._tx.run(query)]

    def counts(self) -> dict[str, int]:
        """How many jobs there are of each state."""
        query = sa.select(jobs.c.state, sa.func.count().label("number")).group_by(jobs.c.state)
        found = {row.state: row.number for row in self._tx.run(query)}
        return {state: found.get(state, 0) for state in ("waiting", "running", "done", "dead")}

    def next_due(self, kinds: Collection[str] | None = None) -> datetime | None:
        """When the next job is due or the next lease runs out; None: nothing is queued."""
        moment = sa.case((waiting, jobs.c.due_at), else_=jobs.c.lease_until)
        query = sa.select(sa.func.min(moment)).where(unfinished())
        return self._tx.run(_of_kinds(query, kinds)).scalar()

    def purge(self, before: datetime) -> int:
        """Remove jobs that were done before a moment; dead letters stay."""
        gone = sa.delete(jobs).where(jobs.c.state == "done", jobs.c.finished_at < before)
        return self._tx.run(gone).rowcount

    def _candidate(
        self, kinds: Collection[str] | None, full: Collection[str], *, lowest_first: bool
    ) -> Job | None:
        now = self._tx.now
        held = sa.select(job_groups.c.name).where(job_groups.c.held_until > now)
        busy, earlier = jobs.alias("busy"), jobs.alias("earlier")
        taken = (
            sa.select(sa.func.count())
            .where(busy.c.group_name == job_groups.c.name, busy.c.state == "running")
            .scalar_subquery()
        )
        blocked = sa.select(job_groups.c.name).where(taken >= job_groups.c.most)
        in_order = sa.select(job_groups.c.name).where(job_groups.c.ordered)
        due = sa.and_(
            waiting,
            jobs.c.due_at <= now,
            sa.or_(
                jobs.c.group_name.is_(None),
                sa.and_(jobs.c.group_name.not_in(blocked), jobs.c.group_name.not_in(held)),
            ),
            sa.or_(
                jobs.c.group_name.is_(None),
                jobs.c.group_name.not_in(in_order),
                ~sa.exists().where(
                    earlier.c.group_name == jobs.c.group_name,
                    earlier.c.id < jobs.c.id,
                    unfinished(earlier),
                ),
            ),
        )
        expired = sa.and_(running, jobs.c.lease_until <= now)
        rank = jobs.c.priority.desc() if lowest_first else jobs.c.priority
        query = (
            sa.select(jobs)
            .where(sa.or_(due, expired))
            .order_by(rank, jobs.c.due_at, jobs.c.id)
            .limit(1)
            .with_for_update(skip_locked=True, of=jobs)
        )
        if full:
            query = query.where(
                sa.or_(jobs.c.group_name.is_(None), jobs.c.group_name.not_in(full), expired)
            )
        row = self._tx.run(_of_kinds(query, kinds)).first()
        return None if row is None else _job(row)

    def _has_room(self, job: Job) -> bool:
        """Whether the group lets this job run, asked again under the lock of the group: another
        process may have claimed one of the same group since the candidate was chosen."""
        if job.state == "running":
            return True  # its place was never given back
        group = self._tx.run(
            sa.select(job_groups).where(job_groups.c.name == job.group).with_for_update()
        ).first()
        if group is None:
            return True
        mine = jobs.c.group_name == job.group
        taken = sa.select(sa.func.count()).where(mine, running)
        if self._tx.run(taken).scalar_one() >= group.most:
            return False
        earlier = sa.select(sa.func.count()).where(mine, jobs.c.id < job.id, unfinished())
        return not (group.ordered and self._tx.run(earlier).scalar_one())

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
        return _job(self._tx.run(sa.update(jobs).where(which).values(values).returning(jobs)).one())

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
        return _job(row)


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


def pause_s(attempt: int, spread: Callable[[], float] = random.random) -> float:
    """How long to wait after an attempt: doubled each time, half of it at random ("equal jitter"),
    so that jobs which failed together do not come back together."""
    whole = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(attempt - 1, 30))
    return whole / 2 + spread() * whole / 2


def priority_of(name: str) -> Priority:
    """A priority by its name.

    Raises:
        InputError: there is none of that name.
    """
    for known in PRIORITIES:
        if known == name:
            return known
    raise InputError(
        f"unknown priority {name!r}", place="priority", mend=suggest(name, list(PRIORITIES))
    )


def _of_kinds(query: Any, kinds: Collection[str] | None) -> Any:
    return query if kinds is None else query.where(jobs.c.kind.in_(kinds))


def _job(row: sa.Row[Any]) -> Job:
    fields = dict(row._mapping)
    group, priority = fields.pop("group_name"), _NAMES[fields.pop("priority")]
    return Job(**fields, group=group, priority=priority)
