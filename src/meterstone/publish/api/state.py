"""The state of this moment: as the watch saw it a few seconds ago."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from meterstone.detect.state import IntegrationNow, Now
from meterstone.errors import NotFound, suggest
from meterstone.publish.api.caching import NOW
from meterstone.publish.api.documents import answer, shown
from meterstone.publish.api.ports import Given, Ports

router = APIRouter(tags=["live"], dependencies=[NOW])


@router.get("/live", responses=shown(Now))
def live(given: Given) -> Response:
    """Everything that is known of now: is anything wrong, and what; ``version`` counts up."""
    return answer(_now(given))


@router.get("/integrations", responses=shown(IntegrationNow, many=True))
def integrations(given: Given) -> Response:
    """How each integration is now, since when, and in one sentence why and what next."""
    return answer(_now(given).integrations)


@router.get("/integrations/{integration}", responses=shown(IntegrationNow))
def integration(integration: Annotated[str, Path(max_length=200)], given: Given) -> Response:
    """How one integration is now; its numbers are at ``/scorecards/integration/{key}``."""
    found = {each.integration: each for each in _now(given).integrations}
    if integration not in found:
        raise NotFound(
            f"there is no integration {integration[:60]!r}",
            place="integration",
            mend=suggest(integration[:60], list(found)) if found else "connect one first",
        )
    return answer(found[integration])


def _now(given: Ports) -> Now:
    now = given.now()
    if now is None:
        raise NotFound("nothing has been looked at yet", place="live", mend="ask in a few seconds")
    return now
