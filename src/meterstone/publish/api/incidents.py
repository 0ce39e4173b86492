"""Alerts, the incidents that they open, and drills."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field

from meterstone.detect.service import IncidentStory
from meterstone.ledger import Alert, Drill, Incident
from meterstone.ledger.alerts import AlertState
from meterstone.publish.api.paging import Pages
from meterstone.publish.api.ports import Asking, Given
from meterstone.publish.api.problems import WRITES, answers, json_alone

router = APIRouter(tags=["incidents"])

Id = Annotated[str, Path(max_length=200)]
Of = Annotated[str | None, Query(max_length=200)]


class Note(BaseModel):
    """What a person says to it."""

    model_config = {"extra": "forbid"}
    note: str = Field("", max_length=2000)


@router.get("/incidents")
def incidents(  # each is a parameter of the query
    given: Given,
    pages: Pages,
    open_: Annotated[
        bool | None, Query(alias="open", description="Only those that are (not) over.")
    ] = None,
    integration: Of = None,
    franchise: Of = None,
) -> list[Incident]:
    """Incidents, newest first."""
    found = given.alerts.incidents(
        open_=open_, integration=integration, franchise=franchise,
        before=pages.after(tuple[datetime, str]), limit=pages.limit + 1,
    )  # fmt: skip
    return pages.fetched(found, lambda row: (row.started_at, row.id))


@router.get("/incidents/{incident}")
def incident(incident: Id, given: Given) -> IncidentStory:
    """An incident with its alerts, newest first, and its timeline, oldest first."""
    return given.alerts.incident(incident)


@router.post(
    "/incidents/{incident}/acknowledge",
    responses=answers(*WRITES),
    dependencies=[Depends(json_alone)],
)
def acknowledge_incident(incident: Id, sent: Note, given: Given, asking: Asking) -> Incident:
    """Take on all alerts of an incident: nobody is called for them again."""
    return given.alerts.acknowledge_incident(incident, asking.id, sent.note)


@router.get("/alerts")
def alerts(
    given: Given,
    pages: Pages,
    state: Annotated[list[AlertState] | None, Query(description="Only in these states.")] = None,
    integration: Of = None,
) -> list[Alert]:
    """Alerts, newest first."""
    found = given.alerts.list(
        state or (), integration=integration,
        before=pages.after(tuple[datetime, str]), limit=pages.limit + 1,
    )  # fmt: skip
    return pages.fetched(found, lambda row: (row.pending_at, row.id))


@router.get("/alerts/{alert}")
def alert(alert: Id, given: Given) -> Alert:
    """One alert."""
    return given.alerts.get(alert)


@router.post(
    "/alerts/{alert}/acknowledge", responses=answers(*WRITES), dependencies=[Depends(json_alone)]
)
def acknowledge_alert(alert: Id, sent: Note, given: Given, asking: Asking) -> Alert:
    """Take an alert on: nobody is called for it again; it ends by itself all the same."""
    return given.alerts.acknowledge(alert, asking.id, sent.note)


@router.get("/drills")
def drills(given: Given, limit: Annotated[int, Query(ge=1, le=1000)] = 200) -> Sequence[Drill]:
    """Drills on record, newest first: a known fault, and what the alarms made of it."""
    return given.alerts.drills(limit)
