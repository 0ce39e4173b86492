"""Which job is next: by time, priority, and the limits and order of groups."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from meterstone.ledger.jobs import Job, job_of
from meterstone.ledger.store import Transaction
from meterstone.ledger.tables import job_groups, jobs, running, running_in, unfinished, waiting


def candidate(
    transaction: Transaction,
    kinds: Collection[str] | None,
    full: Collection[str],
    *,
    lowest_first: bool,
) -> Job | None:
    """The next job that is due or whose lease ran out, locked; one that another process has locked
    is passed over.

    Args:
        kinds: only these; None: all.
        full: groups that are left out.
        lowest_first: the lowest priority first.
    """
    now = transaction.now
    held = sa.select(job_groups.c.name).where(job_groups.c.held_until > now)
    busy, earlier = jobs.alias("busy"), jobs.alias("earlier")
    taken = (
        sa.select(sa.func.count())
        .where(busy.c.group_name == job_groups.c.name, running_in(busy))
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
    row = transaction.run(of_kinds(query, kinds)).first()
    return None if row is None else job_of(row)


def has_room(transaction: Transaction, job: Job) -> bool:
    """Whether the group lets this job run, asked again under the lock of the group: another
    process may have claimed one of the same group since the candidate was chosen."""
    if job.state == "running":
        return True  # its place was never given back
    group = transaction.run(
        sa.select(job_groups).where(job_groups.c.name == job.group).with_for_update()
    ).first()
    if group is None:
        return True
    mine = jobs.c.group_name == job.group
    taken = sa.select(sa.func.count()).where(mine, running)
    if transaction.run(taken).scalar_one() >= group.most:
        return False
    earlier = sa.select(sa.func.count()).where(mine, jobs.c.id < job.id, unfinished())
    return not (group.ordered and transaction.run(earlier).scalar_one())


def of_kinds(query: Any, kinds: Collection[str] | None) -> Any:
    """A query of jobs, of some kinds; None: all."""
    return query if kinds is None else query.where(jobs.c.kind.in_(kinds))
