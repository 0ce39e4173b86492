"""Connections: the systems that are connected, how to connect, mend and disconnect."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, Field

from meterstone.connect.auth.controls import Check
from meterstone.connect.auth.wishes import Wish
from meterstone.connect.connecting import ConnectionState
from meterstone.publish.api.paging import Pages
from meterstone.publish.api.ports import Asking, Given
from meterstone.publish.api.problems import WRITES, answers, json_alone

router = APIRouter(tags=["connections"])

Id = Annotated[str, Path(max_length=200)]
_Short = Annotated[str, Field(max_length=200)]


class NewConnection(BaseModel):
    """A connector, and for kinds without a browser its credentials.

    ``connection``: of an existing one, to mend it.
    """

    model_config = {"extra": "forbid"}
    connector: _Short
    credentials: dict[str, Annotated[str, Field(max_length=20_000)]] = {}
    connection: _Short = ""
    name: _Short = ""
    account: _Short = ""
    franchise_id: _Short = ""
    environment: _Short = "production"
    settings: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class SignIn:
    """The address at which a person signs in by browser."""

    sign_in: str


@dataclass(frozen=True, slots=True)
class Disconnected(ConnectionState):
    """The connection that was ended, whether the vendor revoked the access, and what it said."""

    revoked: bool
    said: str


@dataclass(frozen=True, slots=True)
class Synced:
    """The streams that are queued."""

    connection: str
    streams: list[str]


@router.get("/connections")
def connections(given: Given, pages: Pages) -> list[ConnectionState]:
    """All connections, oldest first."""
    return pages.of(
        given.connecting.all(), lambda row: (row.created_at.isoformat(), row.id), tuple[str, str]
    )


@router.post(
    "/connections",
    status_code=201,
    responses={
        **answers(*WRITES, HTTPStatus.FAILED_DEPENDENCY),
        202: {"model": SignIn, "description": "A person signs in by browser."},
    },
    dependencies=[Depends(json_alone)],
)
def connect(
    sent: NewConnection, given: Given, asking: Asking, response: Response
) -> ConnectionState | SignIn:
    """Connect with a credential (201); by browser: the address at which a person signs in (202)."""
    wish = Wish(
        connection=sent.connection, name=sent.name, account=sent.account,
        franchise_id=sent.franchise_id, environment=sent.environment, settings=sent.settings,
    )  # fmt: skip
    made = given.connecting.connect(sent.connector, sent.credentials, wish, asking.id)
    if isinstance(made, str):
        response.status_code = 202
        return SignIn(made)
    return made


@router.get("/connections/{connection}")
def connection(connection: Id, given: Given) -> ConnectionState:
    """One connection."""
    return given.connecting.get(connection)


@router.delete("/connections/{connection}")
def disconnect(connection: Id, given: Given, asking: Asking) -> Disconnected:
    """Give the access back at the vendor and forget its secrets."""
    gone = given.connecting.end(connection, asking.id)
    return Disconnected(**asdict(gone.connection), revoked=gone.revoked, said=gone.said)


@router.post("/connections/{connection}/sync", status_code=202)
def sync(connection: Id, given: Given, asking: Asking) -> Synced:
    """Put a job for each stream on the queue, before everything else."""
    return Synced(connection, list(given.connecting.sync(connection, asking.id)))


@router.get("/connections/{connection}/checks")
def checks(connection: Id, given: Given) -> list[Check]:
    """The controls of RFC 9700, looked at now."""
    return list(given.connecting.checks(connection))
