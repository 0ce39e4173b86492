"""Jobs: what a piece of work is, its priorities, and how long a failed attempt waits."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from meterstone.errors import InputError, suggest

Priority = Literal["interactive", "live", "backfill"]
State = Literal["waiting", "running", "done", "dead"]
PRIORITIES: Mapping[Priority, int] = {"interactive": 0, "live": 1, "backfill": 2}
_NAMES: Mapping[int, Priority] = {number: name for name, number in PRIORITIES.items()}
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 3600.0


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


def job_of(row: sa.Row[Any]) -> Job:
    """The job of a row."""
    fields = dict(row._mapping)
    group, priority = fields.pop("group_name"), _NAMES[fields.pop("priority")]
    return Job(**fields, group=group, priority=priority)
