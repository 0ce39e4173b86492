"""Reconciliation: compare now, the work list, who is on what, and taking something off it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, StringConstraints

from meterstone.ledger import Discrepancy
from meterstone.people.assigning import assign as give
from meterstone.publish.api.paging import Pages
from meterstone.publish.api.ports import Asking, Given
from meterstone.publish.api.problems import WRITES, answers, json_alone

router = APIRouter(tags=["reconciliation"])


@dataclass(frozen=True, slots=True)
class Compared:
    """What will be compared: entities of a connection."""

    connection: str
    entities: list[str]


class Reason(BaseModel):
    """Why it is accepted."""

    model_config = {"extra": "forbid"}
    reason: Annotated[str, StringConstraints(pattern=r"\S", max_length=2000)]


class Person(BaseModel):
    """Who is on it: the id of a person who may respond; empty: nobody."""

    model_config = {"extra": "forbid"}
    person: Annotated[str, StringConstraints(max_length=200)]


@router.post("/connections/{connection}/reconcile", status_code=202)
def reconcile(
    connection: Annotated[str, Path(max_length=200)],
    given: Given,
    asking: Asking,
    full: Annotated[bool, Query(description="Everything, not a sample.")] = False,
) -> Compared:
    """Queue a comparison of each entity of a connection, before everything else."""
    entities = given.connecting.reconcile(connection, asking.id, full=full)
    return Compared(connection, list(entities))


@router.get("/discrepancies")
def discrepancies(
    given: Given, pages: Pages, connection: Annotated[str | None, Query(max_length=200)] = None
) -> list[Discrepancy]:
    """The work list: what is open, the largest amount first."""
    with given.ledger.read() as seen:
        found = seen.discrepancies.open(connection)
    return pages.of(found, _order, tuple[float, int])


def _order(row: Discrepancy) -> tuple[float, int]:
    return -abs(row.amount or 0.0), row.id


@router.post(
    "/discrepancies/{discrepancy}/accept",
    responses=answers(*WRITES),
    dependencies=[Depends(json_alone)],
)
def accept(
    discrepancy: Annotated[int, Path(ge=1, le=2**63 - 1)],
    sent: Reason,
    given: Given,
    asking: Asking,
) -> Discrepancy:
    """Take a discrepancy off the work list, with the reason."""
    with given.ledger.change(asking.id) as change:
        return change.discrepancies.accept(discrepancy, sent.reason.strip())


@router.post(
    "/discrepancies/{discrepancy}/assign",
    responses=answers(*WRITES),
    dependencies=[Depends(json_alone)],
)
def assign(
    discrepancy: Annotated[int, Path(ge=1, le=2**63 - 1)],
    sent: Person,
    given: Given,
    asking: Asking,
) -> Discrepancy:
    """Say who works on a discrepancy."""
    with given.ledger.change(asking.id) as change:
        return give(change, discrepancy, sent.person)
