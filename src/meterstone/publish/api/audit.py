"""The audit log: who changed what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query

from meterstone.ledger.audit import Entry
from meterstone.publish.api.paging import Pages
from meterstone.publish.api.ports import Given

router = APIRouter(tags=["audit"])

Of = Annotated[str | None, Query(max_length=200)]


@dataclass(frozen=True, slots=True)
class Verified:
    """Whether nobody edited the log; ``bad``: the number of the first bad entry, ``unsigned``:
    entries that no checkpoint signs yet."""

    holds: bool
    entries: int
    checkpoints: int
    unsigned: int
    bad: int | None
    reason: str


@router.get("/audit")
def audit(given: Given, pages: Pages, subject: Of = None, action: Of = None) -> list[Entry]:
    """Who did what to what, newest first."""
    last = pages.after(tuple[int])
    found = given.ledger.audit.entries(
        subject=subject, action=action, last=pages.limit + 1, before=last[0] if last else None
    )
    return pages.fetched(found[::-1], lambda entry: (entry.number,))


@router.get("/audit/verify")
def verify_audit(given: Given) -> Verified:
    """Recompute the log and hold every signed checkpoint against it."""
    found = given.ledger.audit.verify()
    return Verified(
        found.holds, found.entries, found.checkpoints, found.unsigned, found.bad, found.reason
    )
