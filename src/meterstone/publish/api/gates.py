"""Gates: rules over verdicts and time, with their run of days."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from meterstone.errors import NotFound, suggest
from meterstone.measure.results import Scope
from meterstone.publish.api.caching import BOARD
from meterstone.publish.api.documents import answer, shown
from meterstone.publish.api.past import Past
from meterstone.publish.api.ports import Given
from meterstone.scorecard.model import Gate

router = APIRouter(tags=["gates"], dependencies=[BOARD])


@router.get("/gates", responses=shown(Gate, many=True))
def gates(given: Given, past: Past) -> Response:
    """All gates, as the scorecard of the network has them."""
    return answer(past.card(given.board, Scope("network")).document["gates"])


@router.get("/gates/{gate}", responses=shown(Gate))
def gate(gate: Annotated[str, Path(max_length=200)], given: Given, past: Past) -> Response:
    """One gate: its run, each of its days, what holds it back, and the chance to pass."""
    found = {
        each["id"]: each for each in past.card(given.board, Scope("network")).document["gates"]
    }
    if gate not in found:
        raise NotFound(
            f"there is no gate {gate[:60]!r}", place="gate", mend=suggest(gate[:60], list(found))
        )
    return answer(found[gate])
