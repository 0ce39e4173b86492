"""What people and programs do with connections: the API and the pages are two faces of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from meterstone.connect.auth.access import Access
from meterstone.connect.auth.authorizers import describe
from meterstone.connect.auth.controls import Check
from meterstone.connect.auth.wishes import Wish
from meterstone.connect.reconcile.schedule import queue
from meterstone.connect.spec import Connector
from meterstone.errors import InputError
from meterstone.ledger import Connection, Ledger
from meterstone.ledger.connections import Status


class _Compares(Protocol):
    def of(self, connection: str) -> list[str]:
        """What is reconciled of a connection."""


@dataclass(frozen=True, slots=True)
class ConnectionState:
    """A connection as people see it.

    Attributes:
        account: the vendor's name of what was connected.
        franchise_id: where all of it is one franchise.
        reason: why it is broken; ``mend``: the command that mends it; ``mend_url``: where a person
            signs in again by browser.
        sign_in: the kind of sign-in.
    """

    id: str
    connector: str
    name: str
    account: str
    franchise_id: str | None
    environment: str
    status: Status
    reason: str
    mend: str
    mend_url: str
    sign_in: str
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Ended:
    """A connection that was ended, whether the vendor revoked the access, and what it said."""

    connection: ConnectionState
    revoked: bool
    said: str


class Connecting:
    """Connections of a home: see, connect, end, sync, compare, check.

    Args:
        compares: gives what knows what is reconciled; asked when a comparison is.
    """

    def __init__(
        self,
        access: Access,
        ledger: Ledger,
        connectors: Mapping[str, Connector],
        compares: Callable[[], _Compares],
    ) -> None:
        self._access = access
        self._ledger = ledger
        self._connectors = connectors
        self._compares = compares

    def all(self) -> list[ConnectionState]:
        """All connections, oldest first."""
        with self._ledger.read() as seen:
            found = seen.connections.all()
        return [self._state(connection) for connection in found]

    def get(self, connection: str) -> ConnectionState:
        """A connection.

        Raises:
            NotFound: there is none.
        """
        return self._state(self._get(connection))

    def connect(
        self, connector: str, credentials: Mapping[str, str], wish: Wish, actor: str
    ) -> ConnectionState | str:
        """Connect with a credential; where a person has to sign in by browser: the address.

        Raises:
            InputError: there is no such connector, or a field is missing or unknown.
            SignInRefused: the vendor does not accept the credential.
            CredentialUnavailable: the vendor did not answer.
        """
        if self._connectors[connector].auth.kind == "authorization_code":
            return f"/oauth/start/{connector}"
        return self._state(self._access.connect(connector, credentials, wish, actor=actor))

    def end(self, connection: str, actor: str) -> Ended:
        """Give the access back at the vendor and forget its secrets."""
        gone = self._access.disconnect(connection, actor=actor)
        return Ended(self._state(gone.connection), gone.revoked, gone.said)

    def sync(self, connection: str, actor: str) -> Sequence[str]:
        """Put a job for each stream on the queue, before everything else; returns the streams.

        Raises:
            InputError: the connection is not active.
        """
        found = self._get(connection)
        if found.status != "active":
            raise InputError(
                f"this connection is {found.status}: {found.reason}",
                place=found.id,
                mend=found.mend or "connect it again",
            )
        streams = list(self._connectors[found.connector].streams)
        with self._ledger.change(actor) as change:
            for stream in streams:
                change.queue.put(
                    "sync",
                    {"connection": found.id, "stream": stream},
                    dedupe=f"sync:{found.id}:{stream}",
                    priority="interactive",
                )
        return streams

    def reconcile(self, connection: str, actor: str, *, full: bool = False) -> Sequence[str]:
        """Put a comparison of each entity on the queue, before everything else; returns them."""
        entities = self._compares().of(connection)
        with self._ledger.change(actor) as change:
            for entity in entities:
                queue(change, connection, entity, full=full, priority="interactive")
        return entities

    def checks(self, connection: str) -> Sequence[Check]:
        """The controls of RFC 9700, looked at now."""
        return self._access.check(self._get(connection).id)

    def _get(self, connection: str) -> Connection:
        with self._ledger.read() as seen:
            return seen.connections.get(connection)

    def _state(self, connection: Connection) -> ConnectionState:
        connector = self._connectors.get(connection.connector)
        return ConnectionState(
            id=connection.id,
            connector=connection.connector,
            name=connection.name,
            account=connection.account,
            franchise_id=connection.franchise_id,
            environment=connection.environment,
            status=connection.status,
            reason=connection.reason,
            mend=connection.mend,
            mend_url=_mend_url(connection, connector),
            sign_in=describe(connector.auth) if connector else "",
            created_at=connection.created_at,
            changed_at=connection.changed_at,
        )


def _mend_url(connection: Connection, connector: Connector | None) -> str:
    """Where a person signs in again by browser; empty where nothing is broken, or no browser."""
    by_browser = connector is not None and connector.auth.kind == "authorization_code"
    if connection.status != "broken" or not by_browser:
        return ""
    return f"/oauth/start/{connection.connector}?connection={connection.id}"
