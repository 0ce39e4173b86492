"""Webhooks: endpoints that messages are sent to, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field

from meterstone.publish.api.paging import Pages
from meterstone.publish.api.past import Moment
from meterstone.publish.api.ports import Asking, Given
from meterstone.publish.api.problems import WRITES, answers, json_alone
from meterstone.publish.outbound.service import Added

router = APIRouter(tags=["webhooks"])
_SAID = answers(*WRITES)
_JSON = [Depends(json_alone)]

Id = Annotated[str, Path(max_length=200)]


class NewEndpoint(BaseModel):
    """Where messages are sent to; ``event_types``: what is wanted, empty: everything."""

    model_config = {"extra": "forbid"}
    url: str = Field(max_length=2000)
    event_types: list[str] = []
    description: str = Field("", max_length=2000)
    ordered: bool = False


class Range(BaseModel):
    """Messages of a time."""

    model_config = {"extra": "forbid"}
    since: Moment
    until: Moment | None = None
    missed_only: bool = False


class Nothing(BaseModel):
    """An empty object: so that no form of another site can send it."""

    model_config = {"extra": "forbid"}


class EndpointState(BaseModel):
    """An endpoint, and how many of its deliveries have which status."""

    id: str
    url: str
    description: str
    event_types: list[str]
    ordered: bool
    status: str
    reason: str
    failures: int
    failing_since: datetime | None
    deliveries: dict[str, int]


@dataclass(frozen=True, slots=True)
class EndpointSecret:
    """An endpoint with its secret, which is told this once."""

    id: str
    url: str
    ordered: bool
    event_types: list[str]
    secret: str


@dataclass(frozen=True, slots=True)
class EndpointStatusNow:
    """Whether messages are sent there."""

    status: str


@dataclass(frozen=True, slots=True)
class Sent:
    """The id of the message that was sent."""

    message: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many messages are sent once more."""

    messages: int


@dataclass(frozen=True, slots=True)
class AttemptMade:
    """One attempt to deliver a message; ``sha256`` is of the answer's body."""

    number: int
    at: datetime
    took_ms: float
    status_code: int | None
    outcome: str
    error: str
    sha256: str


@router.get("/webhooks")
def webhooks(given: Given, asking: Asking, pages: Pages) -> list[EndpointState]:
    """The endpoints, each with the number of its deliveries by status."""
    found = [EndpointState.model_validate(e.as_dict()) for e in given.webhooks(asking.id).all()]
    return pages.of(found, lambda row: (row.id,), tuple[str])


@router.post("/webhooks", status_code=201, responses=_SAID, dependencies=_JSON)
def add_webhook(sent: NewEndpoint, given: Given, asking: Asking) -> EndpointSecret:
    """A new endpoint; the answer has its secret, this once."""
    return _told(given.webhooks(asking.id).add(**sent.model_dump()))


@router.delete("/webhooks/{endpoint}", status_code=204)
def remove_webhook(endpoint: Id, given: Given, asking: Asking) -> None:
    """Send nothing more there."""
    given.webhooks(asking.id).remove(endpoint)


@router.post("/webhooks/{endpoint}/enable", responses=_SAID, dependencies=_JSON)
def enable_webhook(
    endpoint: Id,
    _: Nothing,
    given: Given,
    asking: Asking,
) -> EndpointStatusNow:
    """Send there again."""
    return EndpointStatusNow(given.webhooks(asking.id).enable(endpoint).status)


@router.post("/webhooks/{endpoint}/rotate", responses=_SAID, dependencies=_JSON)
def rotate_webhook(
    endpoint: Id,
    _: Nothing,
    given: Given,
    asking: Asking,
) -> EndpointSecret:
    """A new secret; the answer has it, this once."""
    return _told(given.webhooks(asking.id).rotate(endpoint))


@router.post("/webhooks/{endpoint}/test", status_code=202, responses=_SAID, dependencies=_JSON)
def send_test_message(
    endpoint: Id,
    _: Nothing,
    given: Given,
    asking: Asking,
) -> Sent:
    """Send a message to this endpoint alone."""
    return Sent(given.webhooks(asking.id).test(endpoint))


@router.post("/webhooks/{endpoint}/replay", status_code=202, responses=_SAID, dependencies=_JSON)
def replay(endpoint: Id, sent: Range, given: Given, asking: Asking) -> Replayed:
    """Send the messages of a time once more."""
    return Replayed(given.webhooks(asking.id).replay(endpoint, **sent.model_dump()))


@router.get("/webhooks/{endpoint}/messages/{message}/attempts")
def attempts(endpoint: Id, message: Id, given: Given, asking: Asking) -> list[AttemptMade]:
    """Each attempt of one delivery."""
    return [
        AttemptMade(
            each.number, each.at, each.took_ms, each.status_code, each.outcome, each.error,
            each.sha256,
        )
        for each in given.webhooks(asking.id).attempts(endpoint, message)
    ]  # fmt: skip


def _told(added: Added) -> EndpointSecret:
    of = added.endpoint
    return EndpointSecret(of.id, of.url, of.ordered, list(of.event_types), added.secret)
