"""Maintenance windows: those of the newest scorecard, and approving one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field, StringConstraints

from meterstone.measure.results import Scope
from meterstone.publish.api.documents import answer, shown
from meterstone.publish.api.past import Moment, Past
from meterstone.publish.api.ports import Asking, Given
from meterstone.publish.api.problems import WRITES, answers, json_alone
from meterstone.scorecard.model import Maintenance

router = APIRouter(tags=["maintenance"])


class NewWindow(BaseModel):
    """A window to approve; ``scope``: as in ``integration:square``, or ``*``: the network."""

    model_config = {"extra": "forbid"}
    scope: Annotated[str, StringConstraints(pattern=r"^[^\s/]+$", max_length=240)] = "*"
    start: Moment
    end: Moment
    reason: Annotated[str, StringConstraints(pattern=r"\S", max_length=2000)]


class Approved(BaseModel):
    """The window that was approved, and by whom."""

    scope: str
    start: datetime
    end: datetime
    reason: str
    person: str = Field(description="Who approved it.")


@router.get("/maintenance", responses=shown(Maintenance, many=True))
def maintenance(given: Given, past: Past) -> Response:
    """Approved windows that a scorecard of the network counts."""
    return answer(past.card(given.board, Scope("network")).document["maintenance"])


@router.post(
    "/maintenance",
    status_code=201,
    responses=answers(*WRITES),
    dependencies=[Depends(json_alone)],
)
def approve_maintenance(sent: NewWindow, given: Given, asking: Asking) -> Approved:
    """Approve a window before it starts: what fails in it does not break a run of days."""
    given.attests.approve_maintenance(
        sent.scope, sent.start, sent.end, sent.reason, asking.name, asking.role
    )
    return Approved(
        scope=sent.scope, start=sent.start, end=sent.end, reason=sent.reason, person=asking.name
    )
