"""Preventive actions: what studies recommended, and what was done about it."""

from __future__ import annotations

from hashlib import sha256
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, Field

from meterstone.insight.actions import REASON, PreventiveAction, Said, State
from meterstone.publish.api.documents import answer
from meterstone.publish.api.paging import Pages
from meterstone.publish.api.ports import Asking, Given
from meterstone.publish.api.problems import WRITES, answers, json_alone
from meterstone.publish.cache import knows

router = APIRouter(tags=["findings"])


class NewState(BaseModel):
    """What is said of an action; ``recommended`` takes back what was said."""

    model_config = {"extra": "forbid"}
    state: State
    reason: str = Field("", max_length=REASON, description="Why it is declined.")


@router.get("/prevention-actions", response_model=list[PreventiveAction])
def prevention_actions(
    request: Request,
    given: Given,
    pages: Pages,
    study: Annotated[
        Literal["risk", "capacity"] | None, Query(description="Recommended by this one alone.")
    ] = None,
    state: Annotated[State | None, Query(description="In this state alone.")] = None,
) -> Response:
    """Actions that studies recommended, the newest first; they have an `ETag`."""
    found = [each for each in given.prevention.all(study) if state in (None, each.state)]
    made = _tagged(request, answer(pages.of(found, _order, tuple[float, str])))
    made.headers.update(pages.response.headers)
    return made


def _order(row: PreventiveAction) -> tuple[float, str]:
    return -row.recommended_at.timestamp(), row.id


def _tagged(request: Request, made: Response) -> Response:
    """The answer with its tag, or 304 where the client has it already (RFC 9110, 13.1.2)."""
    tag = f'"{sha256(made.body).hexdigest()[:32]}"'
    if knows(request.headers.get("if-none-match", ""), tag):
        made = Response(status_code=HTTPStatus.NOT_MODIFIED)
    made.headers.update({"ETag": tag, "Cache-Control": "no-cache, private"})
    return made


@router.post(
    "/prevention-actions/{action:path}/state",
    responses=answers(*WRITES),
    dependencies=[Depends(json_alone)],
)
def prevention_state(
    action: Annotated[str, Path(max_length=300)], sent: NewState, given: Given, asking: Asking
) -> PreventiveAction:
    """Say what was done about an action; the audit log has who said it."""
    said = Said(sent.state, asking.id, asking.name, str(asking.role), sent.reason)
    return given.prevention.say(action, said)
